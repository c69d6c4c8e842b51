"""What a study needs to run, put together: its pool, its store, the loop; or one simulation of it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calibrate import simulators
from calibrate.errors import SimulatorError
from calibrate.neurons import own_neuron_models
from calibrate.objective import Estimate
from calibrate.observation import Observation, SimulationFailure
from calibrate.panel import measure
from calibrate.pool import Pool, slots_for
from calibrate.result import Progress, Result, finite
from calibrate.run import run
from calibrate.search import candidate_seed
from calibrate.simulators.base import Recording
from calibrate.store import Adopted, Store, check_origins
from calibrate.study import Study
from calibrate.worker import Candidate, Setup

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
    )


def run_study(
    study: Study,
    *,
    url: str,
    slots: int | None = None,
    origins: Sequence[str] = (),
    adopted: Callable[[str, Adopted], None] = lambda _, __: None,
    progress: Callable[[Progress], None] = lambda _: None,
    interrupted: Callable[[], bool] = lambda: False,
) -> Result:
    """Run or resume `study`, its results in the database `url`, on `slots` processes.

    slots     by default what cores and memory allow
    origins   studies in the same database whose trials inside the ranges count here too, beside the one that
              the study file names; `adopted` is told what came of each

    Raises StoreError, and SimulatorError where no simulation works.
    """
    started = time.monotonic()
    simulation = study.simulation
    size = simulators.batch_size(simulation.backend, simulation.batch_size)
    slots = slots or slots_for(simulation.backend, study.network)
    setup = setup_of(study, batch_size=size)
    pool = Pool(setup, study.stages[-1], slots=slots, timeout_s=simulation.timeout_s)
    wanted = list(dict.fromkeys([*([study.prior.study] if study.prior.study else []), *origins]))
    check_origins(study, url, wanted)  # before the study begins
    with Store(study, url) as store, pool:
        for name in wanted:
            adopted(name, store.adopt(name))
        return run(study, pool=pool, store=store, progress=progress, interrupted=interrupted, started=started)


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """One simulated network.

    parameters   of the network, as the study and the caller name them
    seed         of the initial state and random input; the wiring has the study's
    simulator    its own description: name, version, device, precision
    wall_s       time of the simulation; build_s: of building the network before it
    """

    parameters: Mapping[str, Any]
    seed: int
    simulator: Mapping[str, str]
    wall_s: float
    build_s: float
    observation: Observation
    estimates: Mapping[str, Estimate]

    @property
    def statistics(self) -> dict[str, float | None]:
        """The statistics by name, None where one is undefined."""
        return {name: finite(found.value) for name, found in self.estimates.items()}


def simulate_once(study: Study, free: Mapping[str, Any], *, spikes: bool = False) -> Simulated:
    """Simulate one network of `study`, in a process of its own.

    `free` has parameters to set, free or fixed ones; other free ones are in the middle of their ranges.
    Raises ModelError for parameters that the model refuses, SimulatorError where the simulation fails.
    """
    parameters = study.parameters(free)
    network = study.model.network(parameters)
    study.model.values(network, parameters)
    slots_for(study.simulation.backend, network)
    seed = candidate_seed(study.simulation_seed, 0)
    candidate = Candidate(uuid=str(uuid.uuid4()), parameters=parameters, seed=seed)
    setup = setup_of(study, spikes=spikes)
    pool = Pool(setup, study.stages[-1], slots=1, timeout_s=study.simulation.timeout_s)
    with pool:
        (outcome,) = pool.run([candidate])
        if isinstance(outcome.result, SimulationFailure):
            raise SimulatorError(f"the simulation failed: {outcome.result.reason}")
    return Simulated(
        parameters=parameters,
        seed=candidate.seed,
        simulator=outcome.backend,
        wall_s=outcome.wall_s,
        build_s=outcome.build_s,
        observation=outcome.result,
        estimates=measure(study.statistics, outcome.result),
    )
