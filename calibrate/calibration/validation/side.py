"""One side of a validation: a simulator, and its simulations of the trials."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from calibrate.calibration.study_pool import pool_for
from calibrate.calibration.trials.candidate import Candidate
from calibrate.calibration.trials.merged import merged
from calibrate.calibration.trials.simulation import Simulation
from calibrate.calibration.validation.progress import Replicated
from calibrate.errors import SimulatorError
from calibrate.objective import Estimate, find_statistic
from calibrate.simulation.jobs import Outcome
from calibrate.simulation.running_time import running_s
from calibrate.simulators.backends import BACKENDS, described
from calibrate.study import Study
from calibrate.study.conditions import timing_in

# Maximum number of values of one network's distribution that stay in memory, at evenly spaced ranks.
MOST_VALUES = 20_000


class KeepsSimulations(Protocol):
    """What simulating for a validation needs from a store."""

    def record(self, simulation: Simulation) -> None:
        """Store a simulation, as soon as its outcome is known."""

    def discard(self, uuid: str, *, stage: int, condition: str, but_ms: float) -> None:
        """Delete a candidate's simulations in a condition that failed or whose duration is not `but_ms`."""


@dataclass(frozen=True)
class Side:
    """A simulator, the study as it is simulated there, and the stage of these simulations."""

    backend: str
    study: Study
    stage: int

    @classmethod
    def of(cls, study: Study, backend: str, *, exact: bool) -> Side:
        """The side of `backend`; `exact` simulates in double precision and measures from the start."""
        simulation = study.simulation
        duration_ms = study.validation.duration_ms or simulation.duration_ms
        changed = study.simulated(backend=backend, duration_ms=duration_ms)
        if exact:
            changed = _from_the_start(changed).simulated(precision="double")
        stage = study.validation_stage(backend, exact=exact)
        return cls(backend, _with_intervals(changed), stage)

    @property
    def title(self) -> str:
        """The simulator's name for the reader."""
        return BACKENDS[self.backend].title

    def simulate(
        self,
        candidates: Sequence[Candidate],
        graphs: Sequence[int],
        store: KeepsSimulations,
        *,
        slots: int | None,
        progress: Callable[[Replicated], None],
        interrupted: Callable[[], bool],
    ) -> None:
        """Run the missing simulations of these candidates on these graphs, and store them."""
        self._discard_outdated(candidates, store)
        remaining = [
            job
            for graph in graphs
            for candidate in candidates
            for job in candidate.jobs(self.study, self.stage, [graph], self.study.conditions)
        ]
        total, began = len(candidates) * len(graphs) * len(self.study.conditions), running_s()
        stored, new = total - len(remaining), 0

        def report() -> None:
            elapsed_s = running_s() - began
            progress(
                Replicated(simulator=self.title, done=stored + new, new=new, total=total, elapsed_s=elapsed_s)
            )

        report()
        if not remaining:
            return
        by_uuid = {candidate.uuid: candidate for candidate in candidates}

        def keep(outcome: Outcome) -> None:
            nonlocal new
            self._keep(by_uuid[outcome.uuid], outcome, store)
            new += 1
            report()

        at_once = len(candidates) * len(self.study.conditions)
        with pool_for(self.study, slots=slots, at_once=at_once, spikes=True, evaluated=True) as pool:
            while remaining and not interrupted():
                n = pool.capacity  # this changes with the workers of a cluster
                pool.run(remaining[:n], progress=keep)
                remaining = remaining[n:]

    def simulations_of(self, candidate: Candidate, graphs: Sequence[int]) -> list[Simulation]:
        """A candidate's simulations on these graphs, by graph, merged from all conditions.

        Raises SimulatorError if all failed.
        """
        own = [s for s in candidate.simulations_of(self.stage) if s.realisation in graphs]
        simulations = merged(self.study, own, self.study.conditions)
        if all(simulation.failed for simulation in simulations):
            raise SimulatorError(f"no simulation in {self.title} completed: {simulations[0].reason}")
        return simulations

    def _discard_outdated(self, candidates: Sequence[Candidate], store: KeepsSimulations) -> None:
        """Delete simulations that failed or have a different duration."""
        study = self.study
        durations = {one.name: timing_in(study, one).duration_ms for one in study.conditions}
        for candidate in candidates:
            for name, duration_ms in durations.items():
                store.discard(candidate.uuid, stage=self.stage, condition=name, but_ms=duration_ms)
            candidate.simulations[:] = [
                one
                for one in candidate.simulations
                if one.stage != self.stage
                or (one.duration_ms == durations.get(one.condition) and not one.failed)
            ]

    def _keep(self, candidate: Candidate, outcome: Outcome, store: KeepsSimulations) -> None:
        simulation = candidate.simulation(self.study, outcome, self.stage)
        store.record(simulation)
        estimates = thin_samples(simulation)
        candidate.simulations.append(replace(simulation, observation=None, estimates=estimates))


def thin_samples(simulation: Simulation) -> dict[str, Estimate]:
    """A simulation's estimates, with samples reduced so that those of many networks fit into memory."""
    return {
        name: estimate
        if estimate.sample is None or estimate.sample.size <= MOST_VALUES
        else replace(
            estimate, sample=np.quantile(estimate.sample, (np.arange(MOST_VALUES) + 0.5) / MOST_VALUES)
        )
        for name, estimate in simulation.estimates.items()
    }


def describe_simulator(simulations: Sequence[Simulation]) -> str:
    """The simulator of these simulations: name, version, device and precision."""
    return described(next(simulation.backend for simulation in simulations if not simulation.failed))


def _with_intervals(study: Study) -> Study:
    """`study` with inter-spike intervals among its statistics, since all spikes are recorded."""
    intervals = [find_statistic(f"isi_{population}") for population in study.network.layout.populations]
    conditions, statistics = [], list(study.statistics)
    for condition in study.conditions:
        names = {statistic.name for statistic in condition.statistics}
        more = [one for one in intervals if one.name not in names]
        conditions.append(replace(condition, statistics=(*condition.statistics, *more)))
        statistics += [replace(one, name=condition.named(one.name)) for one in more]
    return replace(study, conditions=tuple(conditions), statistics=tuple(statistics))


def _from_the_start(study: Study) -> Study:
    """`study` measured from the start of each simulation, without a warm-up."""
    conditions = [
        replace(one, warmup_ms=0.0, duration_ms=timing_in(study, one).whole_ms) for one in study.conditions
    ]
    return replace(study, conditions=tuple(conditions))
