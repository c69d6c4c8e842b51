"""How two simulators agree: each statistic, and each distribution, on the same graphs in both."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from calibrate.calibration.trials.summary import TargetResult, finite
from calibrate.calibration.validation.paired_tests import (
    ALPHA,
    Paired,
    discordant,
    distance,
    holm,
    paired,
    power,
    replicates_needed,
)
from calibrate.objective import Estimate, Objective, Statistic
from calibrate.study import Study

Decision = Literal["equivalent", "different", "undecided"]

FEWEST_PAIRS = 3

Estimates = Sequence[Mapping[str, Estimate]]
"""The statistics of one simulation after another, by name."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """A statistic in one simulator: mean and standard deviation over the graphs where it is defined."""

    mean: float | None
    sd: float | None
    defined: int


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """A statistic in NEST (`reference`), in the second simulator (`other`), and how they agree.

    scale       "linear": differences are reference - other; "log": they are ratios reference / other
    difference  the mean of the paired ones, from `low` to `high` with 90 % confidence
    margin      what counts as no difference: the objective's tolerance, a factor on the log scale; None: the
                statistic has no objective, so that nothing is decided
    decision    equivalent: two one-sided tests at 5 % each; different: beyond the margin, or defined on more
                graphs in one of them (Holm-adjusted, 5 %)
    p           of equivalence; of the difference where it is different
    differs     whether they differ at all (Holm-adjusted over all statistics, 5 %), margin or not
    power       probability that so many replicates of this spread show two identical ones to be equivalent
    needed      replicates that would decide, where it is undecided; None: more than 10,000
    aim         the target;  met: whether the reference's mean meets it;  claimed: whether the trial's did
    """

    name: str
    unit: str
    scale: Literal["linear", "log"]
    reference: Side
    other: Side | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    margin: float | None = None
    decision: Decision | None = None
    p: float | None = None
    differs: bool = False
    power: float | None = None
    needed: int | None = None
    aim: str | None = None
    met: bool | None = None
    claimed: bool | None = None
    note: str = ""

    @property
    def apart(self) -> str:
        """How the two sides differ, in words."""
        other = self.other.defined if self.other else 0
        if self.reference.defined != other or self.difference is None or self.margin is None:
            return f"{self.name} is defined on {self.reference.defined} graphs in one, {other} in the other"
        if self.scale == "log":
            return f"{self.name} differs by a factor of {self.difference:.3g}, tolerance {self.margin:.3g}"
        return f"{self.name} differs by {self.difference:+.3g} {self.unit}".rstrip() + (
            f", tolerance {self.margin:.3g}"
        )

    @property
    def missed(self) -> str:
        """The target and what it is instead, in words."""
        mean = "undefined" if self.reference.mean is None else f"{self.reference.mean:.4g} {self.unit}"
        return f"{self.name} is {mean}".rstrip() + f", target {self.aim}"


@dataclass(frozen=True, kw_only=True)
class Shift:
    """A distribution in both simulators, such as that of the rates of all neurons, pooled over the graphs.

    of           what the values are, such as "rate of each neuron"
    wasserstein  distance W_1, in `unit`;  ks: Kolmogorov-Smirnov distance
    differs      whether W_1 is larger than chance makes it (permutation of graphs, Holm-adjusted, 5 %)
    """

    name: str
    of: str
    unit: str
    wasserstein: float
    ks: float
    p: float | None
    differs: bool


def agreements(
    study: Study, targets: Mapping[str, TargetResult], reference: Estimates, other: Estimates | None
) -> list[Agreement]:
    """Every statistic of `study` on both sides, graph by graph; `targets` as the trial reached them."""
    objectives = {objective.name: objective for objective in study.objectives}
    rows = [_one_side(one, objectives.get(one.name), targets, reference) for one in study.statistics]
    if other is None:
        return rows
    compared = [
        _Compared(
            one,
            objectives.get(one.name),
            [found[one.name] for found in reference],
            [found[one.name] for found in other],
        )
        for one in study.statistics
    ]
    # To name any of several as different, their p are adjusted; to find all equivalent, none needs to be.
    differing = holm([one.p_zero for one in compared])
    judged = [one.statistic.name for one in compared if one.margin is not None]
    beyond = dict(
        zip(judged, holm([one.p_beyond for one in compared if one.margin is not None]), strict=True)
    )
    return [
        one.completed(row, differs=p < ALPHA, p_beyond=beyond.get(row.name, 1.0))
        for row, one, p in zip(rows, compared, differing, strict=True)
    ]


def shifts(study: Study, reference: Estimates, other: Estimates) -> list[Shift]:
    """Every distribution that the estimates carry a sample of on both sides, on the same graphs."""
    found = []
    for statistic in study.statistics if reference else ():
        a, b = (
            [sample for one in side if (sample := one[statistic.name].sample) is not None]
            for side in (reference, other)
        )
        if statistic.sample and len(a) == len(b) == len(reference) and (between := distance(a, b)):
            found.append((statistic, between))
    p = holm([between.p if math.isfinite(between.p) else 1.0 for _, between in found])
    return [
        Shift(
            name=statistic.name,
            of=statistic.sample,
            unit=statistic.unit,
            wasserstein=between.wasserstein,
            ks=between.ks,
            p=finite(between.p),
            differs=adjusted < ALPHA,
        )
        for (statistic, between), adjusted in zip(found, p, strict=True)
    ]


def _usable(estimate: Estimate) -> bool:
    return estimate.defined and not estimate.lower_bound


def _side(estimates: Sequence[Estimate]) -> Side:
    values = [float(found.value) for found in estimates if _usable(found)]
    return Side(
        mean=float(np.mean(values)) if values else None,
        sd=float(np.std(values, ddof=1)) if len(values) > 1 else None,
        defined=len(values),
    )


def _one_side(
    statistic: Statistic, objective: Objective | None, targets: Mapping[str, TargetResult], found: Estimates
) -> Agreement:
    side = _side([one[statistic.name] for one in found])
    row = Agreement(name=statistic.name, unit=statistic.unit, scale=statistic.scale, reference=side)
    if objective is None:
        return row
    target = targets[objective.name]
    # Where it is undefined on most graphs, the mean over the others says nothing of the network.
    known = side.mean is not None and 2 * side.defined > len(found)
    met = known and objective.met(Estimate(side.mean or 0.0))
    return replace(row, aim=target.aim, met=met, claimed=target.met)


@dataclass(frozen=True)
class _Compared:
    """A statistic on both sides, one estimate of each graph."""

    statistic: Statistic
    objective: Objective | None
    reference: Sequence[Estimate]
    other: Sequence[Estimate]

    @property
    def log(self) -> bool:
        return self.statistic.scale == "log"

    @cached_property
    def margin(self) -> float | None:
        if self.objective is None:
            return None
        return self.objective.target.margin(self.statistic.scale)

    @cached_property
    def test(self) -> Paired:
        pairs = [
            (float(a.value), float(b.value))
            for a, b in zip(self.reference, self.other, strict=True)
            if _usable(a) and _usable(b) and (not self.log or min(a.value, b.value) > 0)
        ]
        return paired([math.log(a / b) if self.log else a - b for a, b in pairs], self.margin)

    @cached_property
    def _sign(self) -> float:
        """p of its being defined as often on either side."""
        here = [(_usable(a), _usable(b)) for a, b in zip(self.reference, self.other, strict=True)]
        return discordant(here.count((True, False)), here.count((False, True)))

    @property
    def p_zero(self) -> float:
        return self._either(self.test.p_zero)

    @property
    def p_beyond(self) -> float:
        return self._either(self.test.p_beyond)

    def _either(self, p: float) -> float:
        """p of either of two findings: this one, or that it is defined more often on one side."""
        return p if self._sign == 1.0 else min(2 * min(p, self._sign), 1.0)

    def completed(self, row: Agreement, *, differs: bool, p_beyond: float) -> Agreement:
        """`row` with the other side and the decision; `p_beyond` is adjusted."""
        test, margin = self.test, self.margin
        shown = math.exp if self.log else float
        row = replace(
            row,
            other=_side(self.other),
            difference=finite(shown(test.mean)),
            low=finite(shown(test.low)),
            high=finite(shown(test.high)),
            differs=differs,
        )
        if margin is None:
            return row
        row = replace(row, margin=shown(margin))
        if not any(map(_usable, [*self.reference, *self.other])):
            return replace(row, decision="equivalent", power=1.0, note="undefined in both")
        n = len(self.reference)
        if test.n < n:
            row = replace(row, note=f"defined in both on {test.n} of {n} graphs")
        row = replace(row, p=test.p_equivalent, power=power(margin, test.sd, test.n) if test.n > 1 else 0.0)
        if p_beyond < ALPHA:
            return replace(row, decision="different", p=p_beyond)
        if test.p_equivalent < ALPHA and test.n >= FEWEST_PAIRS and 2 * test.n > n:
            return replace(row, decision="equivalent")
        needed = replicates_needed(margin, test.sd, test.mean)
        # Where it is undefined on some graphs, more are needed.
        needed = None if needed is None else math.ceil(max(needed, FEWEST_PAIRS) * n / test.n)
        return replace(row, decision="undecided", needed=needed)
