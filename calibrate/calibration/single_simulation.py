"""One simulation of one network of a study."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from calibrate import simulators
from calibrate.calibration.search.search import candidate_seed
from calibrate.calibration.study_pool import pool_for
from calibrate.calibration.trials.averages import format_statistic
from calibrate.calibration.trials.summary import finite
from calibrate.errors import SimulatorError
from calibrate.objective import Estimate
from calibrate.objective.panel import measure
from calibrate.observation import Observation, SimulationFailure
from calibrate.simulation.capacity import slots_for
from calibrate.simulation.jobs import Job
from calibrate.simulators.backends import described
from calibrate.study import Study
from calibrate.study.conditions import find_condition, timing_in, under_their_names


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """One simulated network.

    Attributes
    ----------
    parameters : dict of str to object
        Parameters of the network, as the study and the caller name them.
    seed : int
        Seed of the initial state and random input; the wiring has the seed of the study.
    simulator : dict of str to str
        The simulator's description of itself: name, version, device, precision.
    wall_s : float, s
        Time of the simulation.
    build_s : float, s
        Time of building the network before it.
    condition : str
        Name of the condition; "" if the study has none.
    observation : Observation
        What the network showed.
    estimates : dict of str to Estimate
        The statistics of the study, by name.
    """

    parameters: Mapping[str, Any]
    seed: int
    simulator: Mapping[str, str]
    wall_s: float
    build_s: float
    condition: str = ""
    observation: Observation
    estimates: Mapping[str, Estimate]

    def __repr__(self) -> str:
        rows = (f"  {name} {format_statistic(value)}" for name, value in self.statistics.items())
        return "\n".join([f"one simulation in {described(self.simulator)}", *rows])

    @property
    def statistics(self) -> dict[str, float | None]:
        """Values of the statistics by name; None if one is undefined."""
        return {name: finite(estimate.value) for name, estimate in self.estimates.items()}


def simulate(
    study: Study,
    parameters: Mapping[str, Any] | None = None,
    *,
    spikes: bool = True,
    graph: int = 0,
    index: int = 0,
    condition: str | None = None,
) -> Simulated:
    """Simulate one network of a study, in its own process. Stores nothing.

    Parameters
    ----------
    study : Study
        The study.
    parameters : dict of str to object, optional
        Values of parameters, free or fixed; other free ones are in the middle of their ranges.
    spikes : bool
        Whether to keep every spike, for rasters.
    graph : int
        Number of the realisation of its connectivity.
    index : int
        Number of the candidate in its study, which keys the initial state and random input.
    condition : str, optional
        Name of the condition; by default the first one of the study.

    Returns
    -------
    Simulated
        The network, what it showed and its statistics.

    Raises
    ------
    StudyError
        If there is no such condition, or a derived parameter cannot be evaluated.
    ModelError
        If the model refuses the parameters.
    SimulatorError
        If the simulator is not installed, or the simulation fails.

    Examples
    --------
    >>> from calibrate import read_study, simulate
    >>> found = simulate(read_study("study.toml"), {"I_th_E": 1.0})
    >>> found.observation.size("E"), found.statistics["rate_E"] > 0
    (80, True)
    """
    study = study.on(simulators.choose(study.simulation.backend, study.network))
    chosen = find_condition(study, condition)
    complete = study.parameters_in(chosen, parameters or {})
    network = study.model.network(complete)
    study.model.values(network, complete)
    slots_for(study.simulation.backend, network)  # it may be larger than `study.network`
    seed = candidate_seed(study.simulation_seed, index, graph)
    job = Job(
        uuid=str(uuid.uuid4()),
        parameters=complete,
        seed=seed,
        realisation=graph,
        condition=chosen.name,
        timing=timing_in(study, chosen),
    )
    with pool_for(study.locally, slots=1, at_once=1, spikes=spikes) as pool:
        (outcome,) = pool.run([job])
        if isinstance(outcome.result, SimulationFailure):
            raise SimulatorError(f"the simulation failed: {outcome.result.reason}")
    return Simulated(
        parameters=complete,
        seed=seed,
        simulator=outcome.backend,
        wall_s=outcome.wall_s,
        build_s=outcome.build_s,
        condition=chosen.name,
        observation=outcome.observation,
        estimates=measure(outcome.observation, under_their_names(chosen)),
    )
