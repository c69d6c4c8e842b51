"""A pool without processes and stores without a database, for tests of the loop."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial

from calibrate import Estimate
from calibrate.calibration.search.optuna_trials import Claim
from calibrate.calibration.trials.simulation import Simulation
from calibrate.objective import find_statistic
from calibrate.objective.panel import Evaluation, evaluate
from calibrate.observation import Layout, Observation, SimulationFailure, observe_spikes
from calibrate.simulation.jobs import Job, Outcome, Timing, outcome_of

LAYOUT = Layout.of([("E", 40, 2), ("I", 10, 1)])


class Shelf:
    """A store in memory."""

    def __init__(self) -> None:
        self.kept: list[Simulation] = []
        self.trials: list[FrozenTrial] = []
        self.illustrated: list[str] = []
        self._heard = False

    def news(self) -> tuple[list[FrozenTrial], list[Simulation]]:
        if self._heard:
            return [], []
        self._heard = True
        told = {trial.user_attrs["uuid"] for trial in self.trials}
        return list(self.trials), [kept for kept in self.kept if kept.uuid not in told]

    def told(self) -> list[FrozenTrial]:
        return []

    def claim(self, wanted: Sequence[Claim]) -> Sequence[Claim]:  # noqa: ARG002
        return []

    def elsewhere(self) -> int:
        return 0

    def leave(self) -> bool:
        self._heard = False
        return False

    def record(self, simulation: Simulation) -> None:
        self.kept.append(simulation)

    def illustrate(self, uuid: str) -> None:
        self.illustrated.append(uuid)

    def mirror(self, trials: Sequence[FrozenTrial]) -> Sequence[int]:
        self.trials += trials
        return range(len(self.trials) - len(trials), len(self.trials))

    def give_back(self, trials: Sequence[FrozenTrial]) -> bool:  # noqa: ARG002
        return False

    def simulations(self, uuid: str) -> list[Simulation]:
        return [kept for kept in self.kept if kept.uuid == uuid]


class Bench:
    """A pool without processes: its networks fire regularly, faster with more current.

    measured  names of the statistics that come with an outcome; none: the study computes all of its own
    """

    capacity = 4
    measured: tuple[str, ...] = ()

    def __init__(self, fail: Callable[[Job], bool] = lambda _: False, wall_s: float = 0.0) -> None:
        self._fail, self._wall_s = fail, wall_s
        self.asked: list[Job] = []
        self.timings: list[Timing] = []

    def run(
        self,
        candidates: Sequence[Job],
        *,
        progress: Callable[[Outcome], None] = lambda _: None,
    ) -> list[Outcome]:
        self.asked += candidates
        self.timings += [one.timing for one in candidates if one.timing is not None]
        time.sleep(self._wall_s)
        results = [self._simulate(one) for one in candidates]
        outcomes = [
            outcome_of(one, result=result, wall_s=self._wall_s, evaluation=self._measure(result))
            for one, result in zip(candidates, results, strict=True)
        ]
        for outcome in reversed(outcomes):
            progress(outcome)
        return outcomes

    def _measure(self, result: Observation | SimulationFailure) -> Evaluation | None:
        if isinstance(result, SimulationFailure) or not self.measured:
            return None
        return evaluate(result, [find_statistic(name) for name in self.measured])

    def _simulate(self, candidate: Job) -> Observation | SimulationFailure:
        if self._fail(candidate):
            return SimulationFailure("it broke")
        step: list[int] = []
        neuron: list[int] = []
        for start, stop, current in (
            (0, 40, candidate.parameters["I_E"]),
            (40, 50, candidate.parameters["I_I"]),
        ):
            every = round(200 / max(current, 0.1))
            for cell in range(start, stop):
                times = range(cell % every, 2000, every)
                step += times
                neuron += [cell] * len(times)
        return observe_spikes(step, neuron, LAYOUT, dt_ms=1.0, duration_ms=2000.0, window_ms=400.0)


class RateBench(Bench):
    """A bench for tests of the search, which would spend most of their time on statistics they ignore."""

    measured = ("rate_E", "rate_I")


class Noisy(Bench):
    """A bench whose rates, 5 Hz for each current, differ between graphs; outcomes come in any order."""

    capacity = 2
    nothing = observe_spikes([0], [0], LAYOUT, dt_ms=1.0, duration_ms=2000.0)

    def __init__(self, noise: float = 0.6, broken: Callable[[Job], bool] = lambda _: False) -> None:
        super().__init__()
        self._noise, self._broken = noise, broken

    def run(
        self,
        candidates: Sequence[Job],
        *,
        progress: Callable[[Outcome], None] = lambda _: None,
    ) -> list[Outcome]:
        self.asked += candidates
        outcomes = [self._outcome(job) for job in candidates]
        for outcome in random.sample(outcomes, len(outcomes)):
            progress(outcome)
        return outcomes

    def _outcome(self, job: Job) -> Outcome:
        if self._broken(job):
            return outcome_of(job, result=SimulationFailure("it broke"))
        noise = self._noise * np.random.default_rng(job.seed).standard_normal(2)
        currents = (job.parameters["I_E"], job.parameters["I_I"])
        rates = [float(abs(5 * (current + d))) for current, d in zip(currents, noise, strict=True)]
        estimates = dict(zip(("rate_E", "rate_I"), map(Estimate, rates), strict=True))
        return outcome_of(job, result=self.nothing, evaluation=Evaluation(estimates=estimates))


class Dies(Shelf):
    """A store whose process is killed once it has kept so many simulations."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after

    def record(self, simulation: Simulation) -> None:
        if len(self.kept) == self.after:
            self.leave()
            raise KeyboardInterrupt
        super().record(simulation)


def doubled(shelf: Shelf) -> list[tuple[Any, ...]]:
    times = Counter((kept.uuid, kept.stage, kept.realisation) for kept in shelf.kept)
    return [key for key, count in times.items() if count > 1]
