"""From a study to the processes that simulate its networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from calibrate import simulators
from calibrate.dask_pool import Cluster, DaskPool
from calibrate.errors import StudyError
from calibrate.neurons import own_neuron_models
from calibrate.pool import Pool, cores, slots_for
from calibrate.simulators.base import Recording
from calibrate.study import Study
from calibrate.worker import Setup

WINDOW_MS = 50.0
BIN_MS = 1.0


def setup_of(study: Study, *, batch_size: int = 1, spikes: bool = False) -> Setup:
    """How the networks of `study` are simulated; it must name a simulator, not "auto"."""
    simulation, needs = study.simulation, study.needs
    given = study.file.model.name in study.own
    return Setup(
        model=study.model if given else study.file.model.name,
        folder=study.folder.resolve(),
        neurons=own_neuron_models() if given else (),
        backend=simulation.backend,
        precision=simulation.precision,
        dt_ms=simulation.dt_ms,
        recording=Recording(
            bin_ms=needs.bin_ms or BIN_MS,
            window_ms=needs.window_ms or WINDOW_MS,
            spikes=needs.spikes or spikes,
        ),
        wiring_seed=study.simulation_seed,
        batch_size=batch_size,
        stimuli=study.stimuli,
        loop=study.loop,
    )


def pool_for(
    study: Study,
    *,
    slots: int | None = None,
    at_once: int | None = None,
    spikes: bool = False,
    scored: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Pool | DaskPool:
    """The pool that simulates networks of `study`, which must name a simulator, not "auto".

    slots    processes, by default what cores and memory allow
    at_once  networks that will be asked for at once, so that no larger batch is prepared
    spikes   whether to keep every spike
    scored   whether the processes that simulate compute the study's statistics, too
    say      is told what a cluster is waited for

    Raises SimulatorError where not one network fits into memory, StudyError for slots on a cluster.
    """
    simulation, section = study.simulation, study.file.pool
    size = simulators.batch_size(simulation.backend, simulation.batch_size)
    setup = setup_of(study, batch_size=size if at_once is None else min(size, at_once), spikes=spikes)
    if scored:
        on_gpu = simulators.on_gpu(simulation.backend)
        setup = replace(setup, statistics=study.statistics, scorers=cores() if on_gpu else 0)
    if section.on_cluster:
        if slots is not None:
            raise StudyError("the workers of a Dask cluster are its slots: leave out --slots (slots)")
        cluster = Cluster(address=section.address or "", resources=section.resources, wait_s=section.wait_s)
        timing, timeout_s = study.stages[-1], simulation.timeout_s
        return DaskPool(setup, timing, cluster=cluster, timeout_s=timeout_s, say=say)
    return Pool(
        setup,
        study.stages[-1],
        slots=slots or slots_for(simulation.backend, study.network),
        timeout_s=simulation.timeout_s,
    )
