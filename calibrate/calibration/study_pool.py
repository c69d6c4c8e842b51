"""The pool of processes that simulates the networks of a study."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import psutil

from calibrate import simulators
from calibrate.errors import SimulatorError, StudyError
from calibrate.neurons import own_neuron_models
from calibrate.simulation.capacity import cores, processes_per_gpu, slots_for
from calibrate.simulation.dask_pool import Cluster, DaskPool
from calibrate.simulation.jobs import Setup
from calibrate.simulation.local_pool import Pool
from calibrate.simulators.base import RecordingPlan
from calibrate.simulators.genn import cuda
from calibrate.simulators.genn.footprint import (
    CONTEXT_BYTES,
    EVALUATOR_BYTES,
    PROCESS_BYTES,
    SHARE,
    Footprint,
    footprint,
)
from calibrate.study import Study
from calibrate.study.conditions import largest_network, timing_in


def setup_of(study: Study, *, batch_size: int = 1, spikes: bool = False) -> Setup:
    """How the networks of `study` are simulated; it must name a simulator, not "auto"."""
    simulation, needs = study.simulation, study.needs
    # A simulation of one's own is known only together with what the file says of it.
    is_own = study.file.model.name in study.own or study.model.simulation is not None
    return Setup(
        model=study.model if is_own else study.file.model.name,
        folder=study.folder.resolve(),
        neurons=own_neuron_models() if is_own else (),
        backend=simulation.backend,
        precision=simulation.precision,
        dt_ms=simulation.dt_ms,
        recording=RecordingPlan(**needs.widths, spikes=needs.spikes or spikes),
        wiring_seed=study.simulation_seed,
        batch_size=batch_size,
        stimuli={condition.name: condition.stimuli for condition in study.conditions},
        loop=study.loop,
        limits=study.limits,
    )


def footprint_of(study: Study) -> Footprint:
    """The memory of a batch of `study` on a GPU."""
    simulation = study.simulation
    timings = [timing_in(study, condition) for condition in study.conditions]
    return footprint(
        largest_network(study),
        dt_ms=simulation.dt_ms,
        precision=simulation.precision,
        recording=setup_of(study).recording,
        duration_ms=max(timing.duration_ms for timing in timings),
    )


def most_that_fit(study: Study, *, processes: int = 1) -> int:
    """The number of networks of `study` that fit at once into the memory of each GPU and of the host.

    processes  number of processes that share each GPU; if there are several, the result can be 0

    Raises SimulatorError if not even one network fits.
    """
    devices, needs = cuda.devices(), footprint_of(study)
    least = min(devices, key=lambda device: device.free_bytes)
    free_bytes, host_free_bytes = least.free_bytes, psutil.virtual_memory().available
    most = needs.most(
        free_bytes=free_bytes,
        host_free_bytes=host_free_bytes,
        processes=processes,
        gpus=len(devices),
        evaluators=cores(),
    )
    if most:
        return most
    if processes > 1 and most_that_fit(study):
        return 0
    if needs.most(free_bytes=free_bytes, host_free_bytes=math.inf):
        needed = PROCESS_BYTES + needs.shared_bytes + needs.host_bytes + cores() * EVALUATOR_BYTES
        where, free = "of memory", host_free_bytes
    else:
        where, free = f"on the GPU ({least.name})", free_bytes
        needed = CONTEXT_BYTES + needs.shared_bytes + needs.member_bytes
    raise SimulatorError(
        f"one network needs about {needed / SHARE / 2**30:.1f} GiB {where}, including GeNN's own, "
        f"but only {free / 2**30:.1f} GiB are free: use fewer neurons, or stop other programs that use memory"
    )


def room_on_gpus(study: Study, size: int, *, slots: int | None = None) -> tuple[int, int]:
    """The batch size and the number of processes for which the GPUs have enough memory.

    The batch size is `size`, or less if the study does not set one. The number of processes is `slots`; by
    default it is two per GPU, or one if memory is scarce.

    Raises SimulatorError if the study's batch size does not fit, or not even one network does.
    """
    gpus = cuda.count()
    shares = range(processes_per_gpu(), 0, -1) if slots is None else [-(-slots // gpus)]
    for processes in shares:
        most = most_that_fit(study, processes=processes)
        if most >= size or (study.simulation.batch_size is None and most):
            return min(size, most), slots or processes * gpus
    if not most:
        raise SimulatorError(
            f"not enough memory for {slots} processes on {gpus} GPU{'s' * (gpus > 1)}: use fewer --slots"
        )
    raise SimulatorError(
        f"{size} networks at once do not fit into the memory of GPU and host, but {most} do: choose a "
        "smaller [simulation] batch_size"
    )


def warnings_of(study: Study) -> list[str]:
    """All warnings about a study before it runs here; it must name a simulator."""
    of_simulator = [] if study.file.pool.on_cluster else simulators.warnings(study.simulation.backend)
    return [*study.warnings, *of_simulator]


def pool_for(
    study: Study,
    *,
    slots: int | None = None,
    at_once: int | None = None,
    spikes: bool = False,
    evaluated: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Pool | DaskPool:
    """The pool that simulates networks of `study`, which must name a simulator, not "auto".

    slots      number of processes, by default what cores and memory allow
    at_once    number of networks that will be submitted at once, so that no larger batch is prepared
    spikes     whether to keep every spike
    evaluated  whether the pool also computes the study's statistics
    say        receives a message while the pool waits for a cluster, or if a simulation of one's own prints

    Raises SimulatorError if not even one network fits into memory, StudyError for `slots` on a cluster.
    """
    simulation, section = study.simulation, study.file.pool
    size = simulators.batch_size(simulation.backend, simulation.batch_size)
    size = size if at_once is None else min(size, at_once)
    setup = setup_of(study, batch_size=size, spikes=spikes)
    on_gpu = simulators.on_gpu(simulation.backend)
    if evaluated:
        statistics = {condition.name: condition.statistics for condition in study.conditions}
        setup = replace(setup, statistics=statistics, evaluators=cores() if on_gpu else 0)
    if section.on_cluster:
        if slots is not None:
            raise StudyError("the workers of a Dask cluster are its slots: leave out --slots (slots)")
        cluster = Cluster(address=section.address or "", resources=section.resources, wait_s=section.wait_s)
        timing, timeout_s = study.stages[-1], simulation.timeout_s
        return DaskPool(setup, timing, cluster=cluster, timeout_s=timeout_s, say=say)
    if on_gpu:
        size, most = room_on_gpus(study, size, slots=slots)
        slots = most if at_once is None else min(most, -(-at_once // size))
        setup = replace(
            setup, batch_size=size, evaluators=max(setup.evaluators // slots, 1) if evaluated else 0
        )
    return Pool(
        setup,
        study.stages[-1],
        slots=slots or slots_for(simulation.backend, largest_network(study)),
        timeout_s=simulation.timeout_s,
        say=say,
    )
