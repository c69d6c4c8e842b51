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

    mean    of those where it is defined; nan where it is undefined or a lower bound on all
    sd      between graphs (ddof 1); nan for one
    """

    mean: float
    sd: float
    graphs: int


def average(estimates: Sequence[Estimate]) -> Summary:
    """Mean and standard deviation of a statistic over graphs."""
    values = [float(found.value) for found in estimates if found.defined]
    return Summary(
        mean=float(np.mean(values)) if values else math.nan,
        sd=float(np.std(values, ddof=1)) if len(values) > 1 else math.nan,
        graphs=len(estimates),
    )


def combine(estimates: Sequence[Mapping[str, Estimate]]) -> dict[str, Estimate]:
    """Each statistic's mean over graphs, as one estimate; undefined where it is undefined on any of them."""
    if len(estimates) == 1:
        return dict(estimates[0])
    return {name: _mean([found[name] for found in estimates]) for name in estimates[0]}


def _mean(estimates: Sequence[Estimate]) -> Estimate:
    undefined = next((found for found in estimates if not found.defined), None)
    if undefined is not None:
        return undefined
    noted = next((found.note for found in estimates if found.note), "")
    errors = [found.error for found in estimates]
    return Estimate(
        float(np.mean([found.value for found in estimates])),
        support=float(np.sum([found.support for found in estimates])),
        error=math.hypot(*errors) / len(errors) if all(map(math.isfinite, errors)) else math.nan,
        lower_bound=any(found.lower_bound for found in estimates),
        note=noted,
    )


def search_estimates(study: Study, simulations: Sequence[Simulation]) -> dict[str, Estimate]:
    """The statistics of a candidate's latest stage, means over the graphs of the search."""
    stage = max(simulation.stage for simulation in simulations)
    scored = study.graphs.scored
    return combine([s.estimates for s in simulations if s.stage == stage and s.realisation in scored])
