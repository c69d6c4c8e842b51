"""One network of a study in its closed loop, in real time."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from calibrate import simulators
from calibrate.calibration.search.search import candidate_seed
from calibrate.calibration.study_pool import setup_of
from calibrate.errors import SimulatorError, StudyError
from calibrate.objective import Estimate
from calibrate.objective.panel import measure
from calibrate.observation import Observation, SimulationFailure, steps
from calibrate.simulation.capacity import slots_for
from calibrate.simulators.base import Member
from calibrate.simulators.closed_loop import Deadline, LoopProgress, LoopRun, refuse_stimuli
from calibrate.simulators.closed_loop import run_loop as run_network
from calibrate.study import Study
from calibrate.tasks.interrupt import Interrupt


@dataclass(frozen=True, kw_only=True)
class Looped:
    """A network that ran in its closed loop.

    Attributes
    ----------
    run : LoopRun
        Latencies, episodes and missed ticks.
    parameters : dict of str to object
        Parameters of the network, as the study and the caller name them.
    simulator : dict of str to str
        The simulator's description of itself: name, version, device, precision.
    build_s : float, s
        Time until the network was ready, before the first interval.
    observation : Observation
        What the network showed.
    estimates : dict of str to Estimate
        The statistics of the study, by name.
    """

    run: LoopRun
    parameters: Mapping[str, Any]
    simulator: Mapping[str, str]
    build_s: float
    observation: Observation
    estimates: Mapping[str, Estimate]


def run_loop(
    study: Study,
    parameters: Mapping[str, Any] | None = None,
    *,
    deadline: Deadline | None = None,
    graph: int = 0,
    index: int = 0,
    progress: Callable[[LoopProgress], None] = lambda _: None,
    interrupted: Callable[[], bool] | None = None,
) -> Looped:
    """Run one network of a study in its closed loop for the length of its measurement, in this process.

    Parameters
    ----------
    study : Study
        A study with a [loop].
    parameters : dict of str to object, optional
        Values of parameters, free or fixed; other free ones are in the middle of their ranges.
    deadline : {"wait", "hold", "skip"}, optional
        What to do if the network is late; by default what the study says.
    graph : int
        Number of the realisation of its connectivity.
    index : int
        Number of the candidate in its study, which keys the initial state and random input.
    progress : callable
        Receives the latencies several times a second.
    interrupted : callable, optional
        Returns whether to stop with what there is, and is called as often; by default Ctrl-C stops it.

    Returns
    -------
    Looped
        The latencies, and what the network showed.

    Raises
    ------
    StudyError
        If the study has no [loop].
    ModelError
        If the model refuses the parameters, or its values have stimuli.
    SimulatorError
        If the simulator is not installed, or the simulation fails.

    Examples
    --------
    `loop.toml` has the [loop] of the environment `delayed_response`:

    >>> from calibrate import read_study, run_loop
    >>> looped = run_loop(read_study("loop.toml"))
    >>> looped.run.missed
    0
    """
    loop, section = study.loop, study.file.loop
    if loop is None or section is None:
        raise StudyError(f"{study.path}: has no closed loop: add [loop] with an environment")
    ready = study.on(simulators.choose(study.simulation.backend, study.network))
    complete = ready.parameters(parameters or {})
    network = ready.model.network(complete)
    values = ready.model.values(network, complete)
    refuse_stimuli(values)
    simulation, setup = ready.simulation, setup_of(ready)
    slots_for(simulation.backend, network)  # raises if it does not fit into memory
    intervals = steps(simulation.duration_ms, loop.interval_ms, "the measurement")
    member = Member(values=values, seed=candidate_seed(ready.simulation_seed, index, graph))
    with Interrupt.unless(interrupted, lambda: None) as stop:
        began = time.perf_counter()
        with _capture_output():
            simulator = simulators.create(
                simulation.backend, dt_ms=simulation.dt_ms, precision=simulation.precision
            )
            prepared = simulator.prepare(
                network, batch_size=1, recording=setup.recording, wiring_seed=ready.simulation_seed
            )
        with prepared:
            with _capture_output():
                prepared.load([member], graph)
            build_s = time.perf_counter() - began
            run = run_network(
                prepared,
                member,
                loop=loop,
                realisation=graph,
                warmup_ms=simulation.warmup_ms,
                intervals=intervals,
                deadline=deadline or section.deadline,
                progress=progress,
                interrupted=stop,
            )
    if isinstance(run.observation, SimulationFailure):
        raise SimulatorError(f"the simulation failed: {run.observation.reason}")
    return Looped(
        run=run,
        parameters=complete,
        simulator=simulator.describe(),
        build_s=build_s,
        observation=run.observation,
        estimates=measure(run.observation, ready.statistics),
    )


@contextlib.contextmanager
def _capture_output() -> Iterator[None]:
    """Keep what simulators and compilers print to file descriptor 1 off standard output."""
    sys.stdout.flush()
    with tempfile.TemporaryFile() as log:
        before = os.dup(1)
        os.dup2(log.fileno(), 1)
        try:
            yield
        finally:
            sys.stdout.flush()
            os.dup2(before, 1)
            os.close(before)
