"""A side of a validation: one simulator, and the simulations of the trials in it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from calibrate.calibration.study_pool import pool_for
from calibrate.calibration.trials.candidate import Candidate
from calibrate.calibration.trials.simulation import Simulation
from calibrate.calibration.validation.progress import Replicated
from calibrate.errors import SimulatorError
from calibrate.objective import Estimate, find_statistic
from calibrate.simulation.jobs import Outcome
from calibrate.simulators.backends import BACKENDS
from calibrate.study import Study

# The most values of one network's distribution that are kept, evenly over their ranks.
MOST_VALUES = 20_000


class KeepsSimulations(Protocol):
    """What simulating for a validation needs of a store."""

    def record(self, simulation: Simulation) -> None:
        """Keep a simulation, as soon as it is known."""

    def discard(self, uuid: str, *, stage: int, but_ms: float) -> None:
        """Forget a candidate's simulations of a stage that failed or were not measured for `but_ms`."""


@dataclass(frozen=True)
class Side:
    """A simulator, the study as it is simulated there, and the stage that these simulations have."""

    backend: str
    study: Study
    stage: int

    @classmethod
    def of(cls, study: Study, backend: str, *, exact: bool) -> Side:
        """The side of `backend`; `exact` simulates in double precision and measures from the start."""
        simulation = study.simulation
        duration_ms = study.validation.duration_ms or simulation.duration_ms
        changes: dict[str, object] = {"backend": backend, "duration_ms": duration_ms}
        if exact:
            whole_ms = simulation.warmup_ms + duration_ms
            changes |= {"warmup_ms": 0.0, "duration_ms": whole_ms, "precision": "double"}
        stage = study.validation_stage(backend, exact=exact)
        return cls(backend, _with_intervals(study.simulated(**changes)), stage)

    @property
    def title(self) -> str:
        """The simulator's name for people."""
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
        """Simulate the missing simulations of these candidates on these graphs, and keep them."""
        self._discard_outdated(candidates, store)
        left = [
            job
            for graph in graphs
            for candidate in candidates
            for job in candidate.jobs(self.study, self.stage, [graph])
        ]
        total, began = len(candidates) * len(graphs), time.monotonic()
        known, new = total - len(left), 0

        def report() -> None:
            elapsed_s = time.monotonic() - began
            progress(
                Replicated(simulator=self.title, done=known + new, new=new, total=total, elapsed_s=elapsed_s)
            )

        report()
        if not left:
            return
        by_uuid = {candidate.uuid: candidate for candidate in candidates}

        def keep(outcome: Outcome) -> None:
            nonlocal new
            self._keep(by_uuid[outcome.uuid], outcome, store)
            new += 1
            report()

        with pool_for(self.study, slots=slots, at_once=len(candidates), spikes=True, evaluated=True) as pool:
            while left and not interrupted():
                n = pool.capacity  # of a cluster, it may change
                pool.run(left[:n], timing=self.study.stages[-1], progress=keep)
                left = left[n:]

    def known(self, candidate: Candidate, graphs: Sequence[int]) -> list[Simulation]:
        """Its simulations on these graphs, in their order. Raises SimulatorError if all failed."""
        simulations = [one for one in candidate.known(self.stage) if one.realisation in graphs]
        if all(simulation.failed for simulation in simulations):
            raise SimulatorError(f"no simulation in {self.title} completed: {simulations[0].reason}")
        return simulations

    def _discard_outdated(self, candidates: Sequence[Candidate], store: KeepsSimulations) -> None:
        """Forget simulations that failed, or that measured for another time."""
        duration_ms = self.study.simulation.duration_ms
        for candidate in candidates:
            store.discard(candidate.uuid, stage=self.stage, but_ms=duration_ms)
            candidate.simulations[:] = [
                one
                for one in candidate.simulations
                if one.stage != self.stage or (one.duration_ms == duration_ms and not one.failed)
            ]

    def _keep(self, candidate: Candidate, outcome: Outcome, store: KeepsSimulations) -> None:
        simulation = candidate.simulation(self.study, outcome, self.stage)
        store.record(simulation)
        estimates = thin_samples(simulation)
        candidate.simulations.append(replace(simulation, observation=None, estimates=estimates))


def thin_samples(simulation: Simulation) -> dict[str, Estimate]:
    """Its estimates with samples so small that those of many networks fit into memory."""
    return {
        name: estimate
        if estimate.sample is None or estimate.sample.size <= MOST_VALUES
        else replace(
            estimate, sample=np.quantile(estimate.sample, (np.arange(MOST_VALUES) + 0.5) / MOST_VALUES)
        )
        for name, estimate in simulation.estimates.items()
    }


def describe_simulator(simulations: Sequence[Simulation]) -> str:
    """The simulator of these simulations, as it calls itself."""
    backend = next(simulation.backend for simulation in simulations if not simulation.failed)
    parts = [backend.get(key, "") for key in ("version", "device", "precision")]
    name = backend.get("name", "")
    return " ".join(part for part in (BACKENDS[name].title if name in BACKENDS else name, *parts) if part)


def _with_intervals(study: Study) -> Study:
    """`study` with inter-spike intervals among its statistics, since all spikes are recorded."""
    names = {statistic.name for statistic in study.statistics}
    wanted = [f"isi_{population}" for population in study.network.layout.populations]
    more = [find_statistic(name) for name in wanted if name not in names]
    return replace(study, statistics=(*study.statistics, *more))
