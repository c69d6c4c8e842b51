"""Averages of statistics over the graphs that a candidate was simulated on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from calibrate.calibration.trials.simulation import Simulation
from calibrate.objective import Estimate
from calibrate.study import Study


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A statistic over several graphs.

    mean    over the graphs on which it is defined; nan if there is none
    sd      standard deviation over these graphs (ddof 1); nan for fewer than two
    graphs  number of graphs, including those on which it is undefined
    """

    mean: float
    sd: float
    graphs: int


def average(estimates: Sequence[Estimate]) -> Summary:
    """Mean and standard deviation of a statistic over graphs."""
    values = [float(estimate.value) for estimate in estimates if estimate.defined]
    return Summary(
        mean=float(np.mean(values)) if values else math.nan,
        sd=float(np.std(values, ddof=1)) if len(values) > 1 else math.nan,
        graphs=len(estimates),
    )


def combine(estimates: Sequence[Mapping[str, Estimate]]) -> dict[str, Estimate]:
    """Each statistic's mean over graphs, as one estimate; undefined if it is undefined on any of them."""
    if len(estimates) == 1:
        return dict(estimates[0])
    return {name: _mean([of_graph[name] for of_graph in estimates]) for name in estimates[0]}


def _mean(estimates: Sequence[Estimate]) -> Estimate:
    undefined = next((estimate for estimate in estimates if not estimate.defined), None)
    if undefined is not None:
        return undefined
    errors = [estimate.error for estimate in estimates]
    return Estimate(
        float(np.mean([estimate.value for estimate in estimates])),
        support=float(np.sum([estimate.support for estimate in estimates])),
        error=math.hypot(*errors) / len(errors) if all(map(math.isfinite, errors)) else math.nan,
        lower_bound=any(estimate.lower_bound for estimate in estimates),
        note=next((estimate.note for estimate in estimates if estimate.note), ""),
    )


def search_estimates(study: Study, simulations: Sequence[Simulation]) -> dict[str, Estimate]:
    """The statistics of a candidate's latest stage, averaged over the graphs on which it is scored."""
    stage = max(simulation.stage for simulation in simulations)
    scored = study.graphs.scored
    return combine([s.estimates for s in simulations if s.stage == stage and s.realisation in scored])
