"""Trial summaries: a trial for the reader, with its parameters and its target results."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from optuna.trial import FrozenTrial

from calibrate.calibration.search.optuna_trials import loss_of
from calibrate.calibration.trials.averages import (
    Summary,
    average,
    combine,
    format_statistic,
    mean_over,
    search_estimates,
)
from calibrate.calibration.trials.merged import merged
from calibrate.calibration.trials.simulation import Simulation
from calibrate.errors import StoreError
from calibrate.objective import Estimate, Objective
from calibrate.objective.targets import aim_in_words
from calibrate.study import Study
from calibrate.study.conditions import Condition
from calibrate.study.graph_numbers import Purpose


@dataclass(frozen=True, kw_only=True)
class TargetResult:
    """A target and the value that a trial reached.

    Attributes
    ----------
    name : str
        Name of the statistic.
    target : float or (float, float)
        Target value, or the ends of the target interval, in the unit of the statistic.
    tolerance : float
        Tolerance of the target.
    reached : float or None
        Value of the trial, the mean over the graphs of the search on which it is defined; None if there are
        none.
    met : bool
        Whether that value meets the target, defined on every graph and no lower bound on any.
    unit : str
        Unit of the statistic, or "".
    note : str
        One line worth showing beside the value and the target, or "".
    fresh : Summary or None
        Mean and standard deviation on graphs that the search never saw; None if there are none.
    fresh_met : bool or None
        Whether that mean meets the target, by the same rule.
    lower_bound : bool
        Whether `reached` is a lower bound: the true value may be higher.
    distance : bool
        Whether the value is the distance of two distributions, which is 0 if they are equal.
    """

    name: str
    target: float | tuple[float, float]
    tolerance: float
    reached: float | None
    met: bool
    unit: str
    note: str
    fresh: Summary | None = None
    fresh_met: bool | None = None
    lower_bound: bool = False
    distance: bool = False

    @property
    def aim(self) -> str:
        """The target for a reader: 5 ± 0.5, 1 to 2, or distance ≤ 0.5."""
        return aim_in_words(self.target, self.tolerance, distance=self.distance)

    def __str__(self) -> str:
        value = format_statistic(self.reached, lower_bound=self.lower_bound)
        text = f"{value} {self.unit}".rstrip() + f" (target {self.aim}, {'met' if self.met else 'not met'}"
        if self.fresh is not None:
            text += f"; fresh graphs {self.fresh}"
        return text + ")"


@dataclass(frozen=True, kw_only=True)
class TrialSummary:
    """A trial with its targets: the one of lowest loss, for instance, or one of a Pareto front.

    Attributes
    ----------
    number : int
        Number of the trial in its study.
    params : dict of str to object
        Values of the free parameters.
    parameters : dict of str to object
        Values of all parameters that the study names.
    loss : float
        Loss of the mean over the graphs.
    graphs : int
        Number of graphs.
    statistics : dict of str to float or None
        Means of the statistics over those of these graphs on which they are defined; None if there are none.
    targets : sequence of TargetResult
        The targets and what was reached.
    fresh : dict of str to Summary
        Mean and standard deviation of the statistics on graphs that the search never saw.
    lower_bounds : tuple of str
        Names of the statistics whose mean is a lower bound.
    predictions : sequence of TargetResult
        The targets of conditions that are held out, with the mean over fresh graphs as what was reached.
    held_out : tuple of str
        Names of these conditions.
    """

    number: int
    params: Mapping[str, Any]
    parameters: Mapping[str, Any]
    loss: float
    graphs: int
    statistics: Mapping[str, float | None]
    targets: Sequence[TargetResult]
    fresh: Mapping[str, Summary] = field(default_factory=dict)
    lower_bounds: tuple[str, ...] = ()
    predictions: Sequence[TargetResult] = ()
    held_out: tuple[str, ...] = ()

    @property
    def predicted(self) -> str:
        """The verdict on the predictions for a reader; "" if there are none."""
        graphs = next((target.fresh.graphs for target in self.predictions if target.fresh), 0)
        return predicted_in_words([target.met for target in self.predictions], self.held_out, graphs)

    @property
    def all_met(self) -> bool:
        """Whether the trial meets all targets."""
        return all(target.met for target in self.targets)

    def __str__(self) -> str:
        met = sum(target.met for target in self.targets)
        over = f" over {self.graphs} graphs" if self.graphs > 1 else ""
        lines = [f"trial {self.number}: loss {self.loss:.4g}{over}, {met} of {len(self.targets)} targets met"]
        named = [*self.params, *(target.name for target in (*self.targets, *self.predictions))]
        width = max(map(len, named), default=0)
        lines += [f"  {target.name:<{width}} {target}" for target in self.targets]
        for name, value in self.params.items():
            lines.append(
                f"  {name:<{width}} = {value:.6g}"
                if isinstance(value, float)
                else f"  {name:<{width}} = {value}"
            )
        if self.predictions:
            lines += [self.predicted, *(f"  {one.name:<{width}} {one}" for one in self.predictions)]
        return "\n".join(lines)

    def _repr_pretty_(self, printer: Any, _: bool) -> None:
        printer.text(str(self))  # for notebooks


def target_results(
    objectives: Sequence[Objective],
    estimates: Mapping[str, Estimate],
    fresh: Sequence[Mapping[str, Estimate]] = (),
) -> list[TargetResult]:
    """The target results of `objectives` for these estimates, and for those on `fresh` graphs."""
    return [_result(objective, estimates, fresh) for objective in objectives]


def _result(
    objective: Objective, estimates: Mapping[str, Estimate], fresh: Sequence[Mapping[str, Estimate]]
) -> TargetResult:
    name, target = objective.name, objective.target
    estimate = estimates.get(name, Estimate(math.nan, note="unknown"))
    of_fresh = [graph[name] for graph in fresh]
    return TargetResult(
        name=name,
        target=target.aim,
        tolerance=target.tolerance,
        reached=finite(estimate.value),
        met=objective.met(estimate),
        unit=objective.statistic.unit,
        note="; ".join(note for note in (estimate.note, target.note) if note),
        fresh=average(of_fresh) if fresh else None,
        fresh_met=objective.met(mean_over(of_fresh)) if fresh else None,
        lower_bound=estimate.lower_bound,
        distance=objective.statistic.compares is not None,
    )


def predicted_in_words(met: Sequence[bool], held_out: Sequence[str], graphs: int) -> str:
    """The verdict on predictions, each met or not, for a reader; "" if there are none."""
    if not met:
        return ""
    plural, fresh = "s" * (len(held_out) != 1), "one fresh graph" if graphs == 1 else f"{graphs} fresh graphs"
    targets = f"target{'s' * (len(met) != 1)} of held-out condition{plural} {', '.join(held_out)}"
    return f"predicted: {sum(met)} of {len(met)} {targets} met on {fresh}"


def summarize(study: Study, trial: FrozenTrial, simulations: Sequence[Simulation]) -> TrialSummary:
    """The summary of a complete trial, from the simulations of its candidate.

    Raises StoreError if none of these belongs to the search.
    """
    simulations = of_search(study, simulations)
    if not simulations:
        raise StoreError(f"the database has no simulation of trial {trial.number}: its rows were removed")
    estimates = search_estimates(study, simulations)
    fresh = _fresh(study, simulations, study.searched)
    whole = _fresh(study, simulations, study.conditions) if study.held_out else []
    # Of conditions that are held out, there may be fewer graphs: one of these can fail there.
    shown = {**_averages(whole), **_averages(fresh)}
    return TrialSummary(
        number=trial.number,
        params=dict(trial.params),
        parameters=study.parameters(trial.params),
        loss=loss_of(trial),
        graphs=int(trial.user_attrs.get("graphs", 1)),
        statistics={name: finite(estimate.value) for name, estimate in estimates.items()},
        targets=target_results(study.objectives, estimates, fresh),
        fresh=shown,
        lower_bounds=lower_bounds(estimates),
        predictions=target_results(study.predicted, combine(whole), whole) if whole else [],
        held_out=tuple(condition.name for condition in study.held_out),
    )


def _averages(graphs: Sequence[Mapping[str, Estimate]]) -> dict[str, Summary]:
    return {name: average([graph[name] for graph in graphs]) for name in graphs[0]} if graphs else {}


def _fresh(
    study: Study, simulations: Sequence[Simulation], conditions: Sequence[Condition]
) -> list[Mapping[str, Estimate]]:
    """What a candidate showed in these conditions on graphs that the search did not use, by graph."""
    last = len(study.stages)
    chosen = [s for s in simulations if study.purpose(s.stage, s.realisation) == Purpose.FRESH]
    whole = [one for one in merged(study, chosen, conditions) if one.stage == last and not one.failed]
    return [one.estimates for one in sorted(whole, key=lambda simulation: simulation.realisation)]


def lower_bounds(estimates: Mapping[str, Estimate]) -> tuple[str, ...]:
    """The names of the statistics that are lower bounds: a table or JSON that prints values marks them."""
    return tuple(name for name, estimate in estimates.items() if estimate.lower_bound)


def of_search(study: Study, simulations: Sequence[Simulation]) -> list[Simulation]:
    """The simulations of the search, without those of validations."""
    return [s for s in simulations if study.purpose(s.stage, s.realisation) != Purpose.VALIDATION]


def summary_json(best: TrialSummary) -> dict[str, Any]:
    """A trial summary as JSON."""
    printed = asdict(best)
    for target in (*printed["targets"], *printed["predictions"]):
        for key in ("unit", "note", "fresh", "fresh_met", "distance"):
            del target[key]
    if not best.held_out:
        del printed["predictions"], printed["held_out"]
    printed["fresh"] = None
    if best.fresh:
        printed["fresh"] = {
            "graphs": next(iter(best.fresh.values())).graphs,
            "statistics": {
                name: {
                    "mean": finite(summary.mean),
                    "sd": finite(summary.sd),
                    "undefined": summary.undefined,
                    "lower_bound": summary.lower_bound,
                }
                for name, summary in best.fresh.items()
            },
            "met": {target.name: target.fresh_met for target in best.targets},
        }
    return printed


def finite(value: float) -> float | None:
    """`value`, or None if it is not finite, since JSON has no such numbers."""
    return float(value) if math.isfinite(value) else None


# The names of these classes up to version 0.2.
Best = TrialSummary
Reached = TargetResult
