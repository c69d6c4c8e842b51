"""Agreement of two simulators in every statistic and every distribution, on the same graphs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from calibrate.calibration.trials.averages import average, format_statistic, mean_over
from calibrate.calibration.trials.summary import TargetResult, finite
from calibrate.calibration.validation.paired_tests import (
    ALPHA,
    Paired,
    alpha_of,
    compare_pairs,
    distance,
    holm,
    power,
    replicates_needed,
    sign_test,
)
from calibrate.objective import Estimate, Objective, Statistic
from calibrate.study import Study

Decision = Literal["equivalent", "different", "undecided"]

FEWEST_PAIRS = 3

Estimates = Sequence[Mapping[str, Estimate]]
"""The statistics of each simulation, by name."""

# Values that differ by less, relatively, are the same but for rounding.
_ROUNDING = 1e-12


@dataclass(frozen=True, kw_only=True)
class Side:
    """A statistic in one simulator: mean and standard deviation over the graphs where it is defined.

    defined      number of graphs where it is defined and no lower bound; only these are compared
    undefined    number of graphs where it is undefined
    lower_bound  whether it is a lower bound on any graph, and the mean therefore too
    """

    mean: float | None
    sd: float | None
    defined: int
    undefined: int = 0
    lower_bound: bool = False


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """A statistic in NEST (`reference`), in the second simulator (`other`), and how they agree.

    scale       "linear": differences are reference - other; "log": ratios reference / other
    difference  mean of the paired differences, or geometric mean of the ratios
    low, high   confidence interval of `difference`, of 1 - 2 alpha: 90 % for an alpha of 5 %
    margin      the largest difference that does not matter: the objective's tolerance, a factor on the log
                scale; None: the statistic has no objective, so nothing is decided
    decision    equivalent: by two one-sided tests at alpha each; different: beyond the margin, or defined on
                more graphs in one simulator (Holm-adjusted, alpha)
    p           of equivalence; if the decision is "different", of the difference
    differs     whether the two differ at all, whatever the margin (Holm-adjusted over all statistics, alpha)
    power       probability that this number of replicates with this standard deviation shows two identical
                simulators to be equivalent
    needed      if undecided, number of replicates that would decide in the next look; None: more than 10,000
    aim         the target
    met         whether the reference's mean meets the target, defined on every graph and no lower bound
    claimed     whether the trial met the target
    predicted   whether it is of a condition that the search did not use
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
    predicted: bool = False
    note: str = ""

    @property
    def apart(self) -> str:
        """A sentence on how the two sides differ."""
        other = self.other.defined if self.other else 0
        if self.reference.defined != other or self.difference is None or self.margin is None:
            defined = f"{self.reference.defined} graphs in one simulator, {other} in the other"
            return f"{self.name} is defined on {defined}"
        if self.scale == "log":
            return f"{self.name} differs by a factor of {self.difference:.3g}, tolerance {self.margin:.3g}"
        return f"{self.name} differs by {self.difference:+.3g} {self.unit}".rstrip() + (
            f", tolerance {self.margin:.3g}"
        )

    @property
    def missed(self) -> str:
        """A sentence on the missed target and the mean."""
        side = self.reference
        mean = format_statistic(side.mean, lower_bound=side.lower_bound)
        mean += f" {self.unit}" if self.unit and side.mean is not None else ""
        if side.undefined and side.mean is not None:
            mean += f" where it is defined, but undefined on {_count(side.undefined)}"
        return f"{self.name} is {mean}, target {self.aim}"


@dataclass(frozen=True, kw_only=True)
class Shift:
    """A distribution in both simulators, pooled over graphs, such as the rates of all neurons.

    of           name of the values, such as "rate of each neuron"
    wasserstein  distance W_1, in `unit`
    ks           Kolmogorov-Smirnov distance
    p            of W_1, by permutation of graphs; None if it cannot be computed
    differs      whether W_1 is larger than by chance (Holm-adjusted, 5 %)
    """

    name: str
    of: str
    unit: str
    wasserstein: float
    ks: float
    p: float | None
    differs: bool


def _count(graphs: int) -> str:
    return f"{graphs} graph{'s' * (graphs != 1)}"


def agreements(
    study: Study,
    targets: Mapping[str, TargetResult],
    reference: Estimates,
    other: Estimates | None,
    *,
    look: int = 1,
) -> list[Agreement]:
    """The agreement in each statistic of `study`, from pairs on the same graph.

    targets  of the trial
    look     how often, this time included, the trial was looked at: it sets the error rate of all tests
    """
    objectives = {objective.name: objective for objective in (*study.objectives, *study.predicted)}
    predicted = {objective.name for objective in study.predicted}
    rows = [
        replace(row, predicted=row.name in predicted)
        for row in (
            _describe_reference(statistic, objectives.get(statistic.name), targets, reference)
            for statistic in study.statistics
        )
    ]
    if other is None:
        return rows
    compared = [
        _Compared(
            statistic,
            objectives.get(statistic.name),
            [estimates[statistic.name] for estimates in reference],
            [estimates[statistic.name] for estimates in other],
            look,
        )
        for statistic in study.statistics
    ]
    # To call any one of the statistics different, p must be adjusted; to call all equivalent, it need not be.
    adjusted = holm([pair.p_zero for pair in compared])
    judged = [pair for pair in compared if pair.margin is not None]
    names = [pair.statistic.name for pair in judged]
    beyond = dict(zip(names, holm([pair.p_beyond for pair in judged]), strict=True))
    return [
        pair.complete(row, differs=p < alpha_of(look), p_beyond=beyond.get(row.name, 1.0))
        for row, pair, p in zip(rows, compared, adjusted, strict=True)
    ]


def shifts(study: Study, reference: Estimates, other: Estimates) -> list[Shift]:
    """The shift of every distribution of which all estimates on both sides carry a sample."""
    distances = []
    for statistic in study.statistics if reference else ():
        a, b = (
            [sample for of_graph in side if (sample := of_graph[statistic.name].sample) is not None]
            for side in (reference, other)
        )
        if statistic.sample and len(a) == len(b) == len(reference) and (between := distance(a, b)):
            distances.append((statistic, between))
    p = holm([between.p if math.isfinite(between.p) else 1.0 for _, between in distances])
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
        for (statistic, between), adjusted in zip(distances, p, strict=True)
    ]


def _is_usable(estimate: Estimate) -> bool:
    return estimate.defined and not estimate.lower_bound


def _side(estimates: Sequence[Estimate]) -> Side:
    summary = average(estimates)
    return Side(
        mean=finite(summary.mean),
        sd=finite(summary.sd),
        defined=sum(map(_is_usable, estimates)),
        undefined=summary.undefined,
        lower_bound=summary.lower_bound,
    )


def _describe_reference(
    statistic: Statistic,
    objective: Objective | None,
    targets: Mapping[str, TargetResult],
    reference: Estimates,
) -> Agreement:
    estimates = [of_graph[statistic.name] for of_graph in reference]
    side = _side(estimates)
    row = Agreement(name=statistic.name, unit=statistic.unit, scale=statistic.scale, reference=side)
    if objective is None:
        return row
    met = bool(estimates) and objective.met(mean_over(estimates))
    target = targets.get(objective.name)
    if target is None:  # a trial claims nothing of a condition that is held out
        return replace(row, aim=objective.aim, met=met)
    return replace(row, aim=target.aim, met=met, claimed=target.met)


@dataclass(frozen=True)
class _Compared:
    """A statistic on both sides, with one estimate per graph."""

    statistic: Statistic
    objective: Objective | None
    reference: Sequence[Estimate]
    other: Sequence[Estimate]
    look: int

    @cached_property
    def alpha(self) -> float:
        return alpha_of(self.look)

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
            if _is_usable(a) and _is_usable(b) and (not self.log or min(a.value, b.value) > 0)
        ]
        return compare_pairs([self._difference(a, b) for a, b in pairs], self.margin, alpha=self.alpha)

    def _difference(self, a: float, b: float) -> float:
        if math.isclose(a, b, rel_tol=_ROUNDING):  # sums in another order
            return 0.0
        return math.log(a / b) if self.log else a - b

    @cached_property
    def _sign(self) -> float:
        """p of the hypothesis that the statistic is defined equally often on both sides."""
        usable = [(_is_usable(a), _is_usable(b)) for a, b in zip(self.reference, self.other, strict=True)]
        return sign_test(usable.count((True, False)), usable.count((False, True)))

    @property
    def p_zero(self) -> float:
        return self._either(self.test.p_zero)

    @property
    def p_beyond(self) -> float:
        return self._either(self.test.p_beyond)

    def _either(self, p: float) -> float:
        """p of either of two findings: this one, or that the statistic is defined more often on one side."""
        return p if self._sign == 1.0 else min(2 * min(p, self._sign), 1.0)

    def complete(self, row: Agreement, *, differs: bool, p_beyond: float) -> Agreement:
        """Add the other side and the decision to `row`; `p_beyond` is adjusted."""
        test, margin = self.test, self.margin
        unscale = math.exp if self.log else float
        row = replace(
            row,
            other=_side(self.other),
            difference=finite(unscale(test.mean)),
            low=finite(unscale(test.low)),
            high=finite(unscale(test.high)),
            differs=differs,
        )
        if margin is None:
            return row
        row = replace(row, margin=unscale(margin))
        if not any(map(_is_usable, [*self.reference, *self.other])):
            return replace(row, decision="equivalent", power=1.0, note="undefined in both")
        n = len(self.reference)
        if test.n < n:
            row = replace(row, note=f"defined in both on {test.n} of {n} graphs")
        likely = power(margin, test.sd, test.n, alpha=self.alpha) if test.n > 1 else 0.0
        row = replace(row, p=test.p_equivalent, power=likely)
        if p_beyond < self.alpha:
            return replace(row, decision="different", p=p_beyond)
        if test.p_equivalent < self.alpha and test.n >= FEWEST_PAIRS and 2 * test.n > n:
            return replace(row, decision="equivalent")
        needed = replicates_needed(margin, test.sd, test.mean, alpha=alpha_of(self.look + 1))
        # If the statistic is undefined on some graphs, correspondingly more are needed; in any case new ones.
        if needed is not None:
            needed = max(math.ceil(max(needed, FEWEST_PAIRS) * n / test.n), n + 1)
        return replace(row, decision="undecided", needed=needed)
