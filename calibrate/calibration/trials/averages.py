"""Averages of statistics over the graphs that a candidate was simulated on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from calibrate.calibration.trials.merged import merged
from calibrate.calibration.trials.simulation import Simulation
from calibrate.objective import Estimate
from calibrate.objective.losses import shortfall_of
from calibrate.objective.rounding import rounded
from calibrate.study import Study


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A statistic over several graphs.

    mean         over the graphs on which it is defined, lower bounds included; nan if there is none
    sd           standard deviation over these graphs (ddof 1); nan for fewer than two
    graphs       number of graphs, including those on which it is undefined
    undefined    number of graphs on which it is undefined
    lower_bound  whether it is a lower bound on any graph, and the mean therefore too
    """

    mean: float
    sd: float
    graphs: int
    undefined: int = 0
    lower_bound: bool = False

    def __str__(self) -> str:
        text = format_statistic(self.mean, lower_bound=self.lower_bound)
        text += "" if math.isnan(self.sd) else f" ± {rounded(self.sd, 2)}"
        some = 0 < self.undefined < self.graphs
        return text + (f" (undefined on {self.undefined} of {self.graphs})" if some else "")


def format_statistic(value: float | None, *, lower_bound: bool = False, digits: int = 4) -> str:
    """A value for a reader: 4.2, ≥ 4000 for a lower bound, or undefined."""
    if value is None or math.isnan(value):
        return "undefined"
    return f"{'≥ ' if lower_bound else ''}{rounded(value, digits)}"


def average(estimates: Sequence[Estimate]) -> Summary:
    """Mean and standard deviation of a statistic over graphs."""
    defined = [estimate for estimate in estimates if estimate.defined]
    values = [float(estimate.value) for estimate in defined]
    return Summary(
        mean=float(np.mean(values)) if values else math.nan,
        sd=float(np.std(values, ddof=1)) if len(values) > 1 else math.nan,
        graphs=len(estimates),
        undefined=len(estimates) - len(defined),
        lower_bound=any(estimate.lower_bound for estimate in defined),
    )


def combine(estimates: Sequence[Mapping[str, Estimate]]) -> dict[str, Estimate]:
    """Each statistic's mean over graphs, as one estimate: see `mean_over`."""
    return {name: mean_over([of_graph[name] for of_graph in estimates]) for name in estimates[0]}


def mean_over(estimates: Sequence[Estimate]) -> Estimate:
    """A statistic's mean over the graphs on which it is defined, with the share on which it is not.

    If it is a lower bound on any graph, so is the mean. `shortfall` is the mean over the undefined graphs.
    """
    if len(estimates) == 1:
        return estimates[0]
    summary = average(estimates)
    defined = [estimate for estimate in estimates if estimate.defined]
    undefined = [estimate for estimate in estimates if not estimate.defined]
    errors = [estimate.error for estimate in defined]
    known = bool(errors) and all(map(math.isfinite, errors))
    return Estimate(
        summary.mean,
        support=float(np.sum([estimate.support for estimate in defined])),
        shortfall=float(np.mean([shortfall_of(estimate) for estimate in undefined])) if undefined else 0.0,
        error=math.hypot(*errors) / len(errors) if known else math.nan,
        lower_bound=summary.lower_bound,
        note=_note(defined, undefined),
        undefined=len(undefined) / len(estimates),
    )


def _note(defined: Sequence[Estimate], undefined: Sequence[Estimate]) -> str:
    reason = next((estimate.note for estimate in undefined if estimate.note), "")
    if not defined:
        return reason
    notes = [estimate.note for estimate in defined if estimate.note][:1]
    if undefined:
        share = f"undefined on {len(undefined)} of {len(defined) + len(undefined)} graphs"
        notes.append(f"{share} ({reason})" if reason else share)
    return "; ".join(notes)


def scored(study: Study, simulations: Sequence[Simulation], stage: int) -> list[Simulation]:
    """The simulations of a stage on which a candidate is scored, by graph, merged from all conditions.

    In this order a mean is the same to the last digit, whichever simulation ended first.
    """
    graphs = study.graphs.scored
    chosen = [s for s in simulations if s.stage == stage and s.realisation in graphs]
    return sorted(merged(study, chosen), key=lambda simulation: simulation.realisation)


def search_estimates(study: Study, simulations: Sequence[Simulation]) -> dict[str, Estimate]:
    """The statistics of a candidate's latest stage, averaged over the graphs on which it is scored."""
    stage = max(simulation.stage for simulation in simulations)
    return combine([simulation.estimates for simulation in scored(study, simulations, stage)])
