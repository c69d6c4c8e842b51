"""What confirming rivals costs and finds: on a fixed number of graphs or adaptively, by loss or by model.

    python -m benchmarks.confirmation [--noise 0.75] [--seeds 30] [--trials 30]

Nothing is simulated. Two rates are linear in two parameters, with noise from graph to graph of so many
tolerances, and bo searches in pairs. So the true loss of every trial is known. Shown are the trials and the
simulations until the best trial, as calibrate has it, has a true loss of `--aim` or less (medians over seeds;
runs that do not get there count as more than all), the true loss of the last best trial (mean over seeds),
and all simulations (mean). Rivals by "loss" are those with a lower observed loss than the best; by "model"
also those that bo expects to be better.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from unittest import mock

import numpy as np
import optuna
from optuna.trial import FrozenTrial

from calibrate import Estimate, make_study
from calibrate.calibration.loop import run
from calibrate.calibration.progress import Progress
from calibrate.calibration.search.search import Search
from calibrate.calibration.trials.simulation import Simulation
from calibrate.objective.panel import Evaluation
from calibrate.observation import Layout, observe_spikes
from calibrate.simulation.jobs import Job, Outcome, outcome_of

NOTHING = observe_spikes([0], [0], Layout.of([("E", 1, 1), ("I", 1, 1)]), dt_ms=1.0, duration_ms=100.0)
RULES = (
    0, 4, {"least": 2, "most": 10, "error": 0.1}, {"least": 2, "most": 10, "error": 0.2},
)  # fmt: skip
TARGETS, TOLERANCE = {"rate_E": 8.0, "rate_I": 12.0}, 2.0
RATES = {"rate_E": ("I_th_E", 5.0), "rate_I": ("I_th_I", 5.0)}  # the parameter, and Hz for each unit


class Memory:
    """A store in memory."""

    def __init__(self) -> None:
        self.kept: list[Simulation] = []
        self._trials = 0

    def news(self) -> tuple[list[FrozenTrial], list[Simulation]]:
        return [], []

    def told(self) -> list[FrozenTrial]:
        return []

    def claim(self, wanted: object) -> Sequence[Any]:  # noqa: ARG002
        return []

    def elsewhere(self) -> int:
        return 0

    def leave(self) -> bool:
        return False

    def record(self, simulation: Simulation) -> None:
        self.kept.append(simulation)

    def illustrate(self, uuid: str) -> None:
        pass

    def mirror(self, trials: Sequence[FrozenTrial]) -> Sequence[int]:
        self._trials += len(trials)
        return range(self._trials - len(trials), self._trials)

    def give_back(self, trials: Sequence[FrozenTrial]) -> bool:  # noqa: ARG002
        return False

    def simulations(self, uuid: str) -> list[Simulation]:
        return [kept for kept in self.kept if kept.uuid == uuid]


class Rates:
    """A pool whose networks have rates that are linear in the parameters.

    noise  standard deviation between graphs, in tolerances
    """

    capacity = 2

    def __init__(self, noise: float) -> None:
        self._noise = noise

    def run(
        self, candidates: Sequence[Job], *, progress: Callable[[Outcome], None] = lambda _: None
    ) -> list[Outcome]:
        outcomes = [self._outcome(job) for job in candidates]
        for outcome in outcomes:
            progress(outcome)
        return outcomes

    def _outcome(self, job: Job) -> Outcome:
        random = np.random.default_rng(job.seed)
        estimates = {
            name: Estimate(abs(rate + self._noise * TOLERANCE * float(random.standard_normal())))
            for name, rate in true_rates(job.parameters).items()
        }
        return outcome_of(job, result=NOTHING, evaluation=Evaluation(estimates=estimates))


def true_rates(parameters: Any) -> dict[str, float]:
    return {name: slope * parameters[parameter] for name, (parameter, slope) in RATES.items()}


def true_loss(parameters: Any) -> float:
    found = true_rates(parameters)
    return statistics.mean(((found[name] - target) / TOLERANCE) ** 2 for name, target in TARGETS.items())


def searched(rule: object, *, seed: int, noise: float, trials: int, aim: float) -> dict[str, float]:
    """One search: what it took to a best trial of true loss `aim`, the last true loss, all simulations."""
    study = make_study(
        "confirmation",
        model="balanced",
        parameters={parameter: {"low": 0.1, "high": 4.0} for parameter, _ in RATES.values()},
        objectives=[
            {"statistic": name, "target": target, "tolerance": TOLERANCE} for name, target in TARGETS.items()
        ],
        simulation={"backend": "poisson"},
        replicates={"confirm": rule, "fresh": 0},
        sampler="bo",
        budget={"trials": trials},
        seed=seed,
    )
    found, store = {"trials": math.inf, "simulations": math.inf}, Memory()

    def watch(progress: Progress) -> None:
        good = progress.best is not None and true_loss(progress.best.parameters) <= aim
        if good and math.isinf(found["trials"]):
            found.update(trials=progress.done, simulations=len(store.kept))

    result = run(study, pool=Rates(noise), store=store, progress=watch)
    assert result.best is not None
    return {**found, "loss": true_loss(result.best.parameters), "all": len(store.kept)}


@contextlib.contextmanager
def rivals_by(view: str) -> Iterator[None]:
    """Within it, rivals are chosen by their observed losses alone, unless `view` is "model"."""
    if view == "model":
        yield
        return
    with mock.patch.object(Search, "expect", return_value=()):
        yield


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--noise", type=float, default=0.75, help="between graphs, in tolerances")
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--aim", type=float, default=0.03)
    asked: Any = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    print("| confirm | rivals by | trials | simulations | true loss of the best | simulations in all |")
    print("|---|---|---|---|---|---|")
    for rule in RULES:
        for view in ("loss", "model") if rule else ("none",):
            with rivals_by(view):
                runs = [
                    searched(rule, seed=seed, noise=asked.noise, trials=asked.trials, aim=asked.aim)
                    for seed in range(asked.seeds)
                ]
            middle = [statistics.median(one[name] for one in runs) for name in ("trials", "simulations")]
            mean = [statistics.mean(one[name] for one in runs) for name in ("loss", "all")]
            shown = " ".join(f"{k} {v}" for k, v in rule.items()) if isinstance(rule, dict) else str(rule)
            cells = [shown, view, *(f"{one:g}" for one in middle), f"{mean[0]:.3f}", f"{mean[1]:.0f}"]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
