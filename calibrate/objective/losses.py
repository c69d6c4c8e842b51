"""Objectives and constraints: the loss of a statistic against its target, and bounds that it must keep."""

from __future__ import annotations

import math
from dataclasses import dataclass

from calibrate.errors import ObjectiveError
from calibrate.objective.estimates import Estimate
from calibrate.objective.statistics import Statistic
from calibrate.objective.targets import Interval, Value, aim_in_words

# Losses are squared deviations in tolerances up to CAP. Beyond CAP they grow ever more slowly and stay below
# UNDEFINED, the lowest loss of a network whose statistic is undefined. A defined statistic therefore always
# beats an undefined one, and both are graded.
CAP = 100.0
UNDEFINED = 1000.0


@dataclass(frozen=True, kw_only=True)
class Objective:
    """A statistic, the target that it should reach, and the weight of its loss.

    Attributes
    ----------
    statistic : Statistic
        The statistic.
    target : Value or Interval
        What it should reach.
    weight : float
        Weight of its loss in a study with a single, scalar loss.
    robust : bool
        Whether the loss grows linearly beyond the tolerance, so that one statistic far off does not outweigh
        all others.

    Raises
    ------
    ObjectiveError
        If the weight is not a finite number above 0, or if the statistic is compared by ratios and the target
        minus its tolerance (or the lower end of the interval) is not above 0.

    Examples
    --------
    >>> from calibrate import Estimate, find_statistic
    >>> from calibrate.objective import Objective, Value
    >>> objective = Objective(statistic=find_statistic("rate_E"), target=Value(5.0, tolerance=0.5))
    >>> objective.loss(Estimate(6.0)), objective.met(Estimate(5.4))
    (4.0, True)
    """

    statistic: Statistic
    target: Value | Interval
    weight: float = 1.0
    robust: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight) and self.weight > 0):
            raise ObjectiveError(f"the weight of {self.statistic.name} must be a number above 0")
        if self.statistic.scale == "log" and self.target.ends[0] <= 0:
            raise ObjectiveError(
                f"{self.statistic.name} is compared by ratios: "
                "its target must be above 0, and the tolerance smaller than the target"
            )

    @property
    def name(self) -> str:
        """Name of the statistic."""
        return self.statistic.name

    @property
    def aim(self) -> str:
        """The target for a reader: 5 ± 0.5, 1 to 2, or distance ≤ 0.5."""
        distance = self.statistic.compares is not None
        return aim_in_words(self.target.aim, self.target.tolerance, distance=distance)

    def loss(self, estimate: Estimate) -> float:
        """Return the loss of an estimate, finite and >= 0, not weighted.

        Losses are in the order: target reached, defined, undefined; and graded throughout.

        Parameters
        ----------
        estimate : Estimate
            Value of the statistic.

        Returns
        -------
        float
            The loss.

        Notes
        -----
        With z the deviation in tolerances: q = z^2, or if robust Huber's 2 z - 1 for z > 1, up to CAP = 100;
        beyond it, with x = ln(q / CAP) and UNDEFINED = 1000, CAP (1 + 9 x / (9 + x)), which approaches
        UNDEFINED; UNDEFINED (1 + shortfall) if the statistic is undefined.

        A lower bound has the z of its value, but at least 1: the true value is not known, so it never counts
        as a hit. A mean over graphs that is undefined on a share u of them has the loss
        (1 - u) loss(mean over the others) + u UNDEFINED (1 + shortfall): each of these graphs counts as much
        as it does for a statistic that is undefined everywhere.
        """
        undefined = UNDEFINED * (1 + shortfall_of(estimate))
        if not estimate.defined:
            return undefined
        share = estimate.undefined
        defined = self._loss_of_value(estimate)
        return (1 - share) * defined + share * undefined if share else defined

    def _loss_of_value(self, estimate: Estimate) -> float:
        z = abs(self.target.deviation(float(estimate.value), self.statistic.scale))
        if estimate.lower_bound:
            z = max(z, 1.0)
        if math.isinf(z):
            return UNDEFINED
        linear = self.robust and z > 1
        if (q := 2 * z - 1 if linear else z * z) <= CAP:
            return q
        x = (math.log(2 * z - 1) if linear else 2 * math.log(z)) - math.log(CAP)
        return CAP + (UNDEFINED - CAP) * x / (x + UNDEFINED / CAP - 1)

    def met(self, estimate: Estimate) -> bool:
        """Whether the target is reached.

        Parameters
        ----------
        estimate : Estimate
            Value of the statistic.

        Returns
        -------
        bool
            Whether it is; False if the estimate is a lower bound, or undefined, be it on one of several
            graphs only.
        """
        return not estimate.lower_bound and not estimate.undefined and self.target.met(float(estimate.value))


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """Bounds on a statistic that a network must keep to be a solution at all, both ends included.

    Attributes
    ----------
    statistic : Statistic
        The statistic.
    low : float
        Lower bound, in the unit of the statistic; -inf if there is none.
    high : float
        Upper bound; inf if there is none.

    Raises
    ------
    ObjectiveError
        If there is no bound, or the lower one is above the upper one.
    """

    statistic: Statistic
    low: float = -math.inf
    high: float = math.inf

    def __post_init__(self) -> None:
        if not self.low <= self.high or (math.isinf(self.low) and math.isinf(self.high)):
            raise ObjectiveError("a constraint needs min or max, and min must not be above max")

    @property
    def name(self) -> str:
        """Name of the statistic."""
        return self.statistic.name

    def violation(self, estimate: Estimate) -> float:
        """Return how far an estimate breaks the constraint: 0 if it is kept, else above 0 and graded.

        Parameters
        ----------
        estimate : Estimate
            Value of the statistic.

        Returns
        -------
        float
            With d the distance to the broken bound, relative to it (absolute for a bound of 0): d / (1 + d),
            at most 1; from 1 to 2 if the statistic is undefined, by its shortfall. A lower bound counts as
            its value. A mean over graphs that is undefined on a share u of them has (1 - u) times the first
            plus u times the second.
        """
        undefined = 1 + shortfall_of(estimate)
        if not estimate.defined:
            return undefined
        value = float(estimate.value)
        bound = min(max(value, self.low), self.high)
        distance = abs(value - bound)
        broken = distance / ((abs(bound) or 1.0) + distance)
        share = estimate.undefined
        return (1 - share) * broken + share * undefined if share else broken


def shortfall_of(estimate: Estimate) -> float:
    """How far a statistic is from being defined, from 0 to 1; 1 if this is not known."""
    return 1.0 if math.isnan(estimate.shortfall) else min(max(estimate.shortfall, 0.0), 1.0)
