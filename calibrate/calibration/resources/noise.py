"""Noise: how much a statistic differs from graph to graph, measured with the study's own network."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import scipy  # loads its parts when they are first used

from calibrate.objective import Estimate, Objective
from calibrate.objective.rounding import rounded
from calibrate.objective.targets import Value
from calibrate.study import Study
from calibrate.study.file.targets import RECORDING

# More graphs than this are not recommended: a longer measurement or a wider tolerance serves better.
MOST_GRAPHS = 20


@dataclass(frozen=True, kw_only=True)
class Noise:
    """How an objective's statistic differs between simulations of one parameter set, each on its own graph.

    Includes everything that differs: connectivity, initial state and random input.

    name       of the objective
    mean       over the graphs on which it is defined
    sd         standard deviation over these graphs: the standard error of a trial on one graph
    graphs     number of these graphs, at least 2
    undefined  number of further graphs, on which it is undefined
    """

    name: str
    mean: float
    sd: float
    graphs: int
    undefined: int = 0

    def __str__(self) -> str:
        some = f" (undefined on {self.undefined} of {self.graphs + self.undefined})" if self.undefined else ""
        return f"{self.name} {rounded(self.mean, 3)} ± {rounded(self.sd, 2)}{some}"

    @property
    def at_least(self) -> float:
        """Lower 95 % confidence bound of the standard deviation, sqrt((n - 1) / chi2_.95(n - 1)) sd.

        For a normal distribution.
        """
        freedom = self.graphs - 1
        return self.sd * math.sqrt(freedom / float(scipy.special.chdtri(freedom, 0.05)))

    def graphs_for(self, reach: float) -> int:
        """Number of graphs whose mean has a standard error of at most `reach`."""
        return max(math.ceil((self.sd / reach) ** 2), 1)


def noise_of(
    objectives: Sequence[Objective], estimates: Sequence[Mapping[str, Estimate]]
) -> tuple[Noise, ...]:
    """The noise of each objective that is defined on at least two of the graphs with these estimates."""
    found = []
    for objective in objectives:
        of_graphs = [of_graph[objective.name] for of_graph in estimates]
        values = [float(estimate.value) for estimate in of_graphs if estimate.defined]
        if len(values) > 1:
            mean, sd = statistics.fmean(values), statistics.stdev(values)
            undefined = len(of_graphs) - len(values)
            found.append(
                Noise(name=objective.name, mean=mean, sd=sd, graphs=len(values), undefined=undefined)
            )
    return tuple(found)


def noise_warnings(study: Study, noise: Sequence[Noise]) -> list[str]:
    """Warn of tolerances clearly below the noise of a trial, unless the study gives a standard error."""
    measured, graphs = {one.name: one for one in noise}, study.replicates.graphs
    warnings = []
    for objective, section in zip(study.targeted, study.file.objectives, strict=True):
        one, reach = measured.get(objective.name), objective.target.reach
        if one is None or section.standard_error is not None or one.at_least / math.sqrt(graphs) <= reach:
            continue
        needed = one.graphs_for(reach) if reach > 0 else math.inf
        more = f", or set [replicates] graphs = {needed}" if needed <= MOST_GRAPHS else ""
        on = f" on {graphs} graphs" if graphs > 1 else ""
        by_default = section.target == RECORDING and section.tolerance is None
        alone = "the default tolerance," if by_default else "a tolerance of"
        interval = "half the interval and its tolerance, together"
        what = alone if isinstance(objective.target, Value) else interval
        sd = rounded(one.sd / math.sqrt(graphs), 2)
        remedy = (
            f"write standard_error = {sd}, from which it then follows, or raise"
            if by_default
            else "raise the tolerance or"
        )
        warnings.append(
            f"{objective.name}: {what} {rounded(reach, 3)} is below the noise of a trial{on}, "
            f"{sd} (over {one.graphs} graphs: mean {rounded(one.mean, 3)}, standard deviation "
            f"{rounded(one.sd, 2)}); {remedy} duration_ms{more}"
        )
    return warnings
