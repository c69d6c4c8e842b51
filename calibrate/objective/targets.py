"""Targets of statistics: a value with a tolerance, or an interval."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from calibrate.errors import ObjectiveError
from calibrate.objective.rounding import rounded

# Decimal numbers of a study file are rounded to binary ones: 6.9 - 6.5 is larger than 0.4 by 4e-16.
_ROUNDING = 1e-12


def _at_most(distance: float, limit: float, *, of: float) -> bool:
    """Whether `distance` is at most `limit`, but for the rounding of numbers as large as `of`."""
    return distance <= limit + _ROUNDING * abs(of)


def aim_in_words(aim: float | tuple[float, float], tolerance: float, *, distance: bool) -> str:
    """A target for a reader: 5 ± 0.5, 1 to 2, or distance ≤ 0.5."""
    if distance:
        return f"distance ≤ {tolerance:g}"
    if isinstance(aim, tuple):
        return f"{aim[0]:g} to {aim[1]:g}"
    return f"{aim:g} ± {tolerance:g}"


@dataclass(frozen=True)
class Value:
    """A target value with a tolerance, both in the unit of the statistic.

    Attributes
    ----------
    value : float
        The value to reach.
    tolerance : float
        Deviation that still counts as reached.
    source : str
        Where the target comes from.
    note : str
        One line worth showing beside the target: where a default tolerance comes from.
    error : float
        Standard error of a recorded value; NaN if it is not known.

    Raises
    ------
    ObjectiveError
        If a number is not finite, or the tolerance is not above 0.
    """

    value: float
    tolerance: float
    source: str = ""
    note: str = ""
    error: float = field(default=math.nan, compare=False)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and math.isfinite(self.tolerance) and self.tolerance > 0):
            raise ObjectiveError("a target needs a finite value and a tolerance above 0")

    def __str__(self) -> str:
        return f"{rounded(self.value, 4)} ± {rounded(self.tolerance, 2)}"

    def deviation(self, reached: float, scale: str) -> float:
        """Return the signed distance to the target in tolerances.

        On the log scale it is a distance of logarithms. On either scale it is -1 and 1 where the tolerance
        ends, at value - tolerance and value + tolerance.

        Parameters
        ----------
        reached : float
            Value of the statistic.
        scale : {"linear", "log"}
            Scale of the statistic.

        Returns
        -------
        float
            The distance; -inf on the log scale for a value of 0 or below.
        """
        if scale == "log":
            if reached <= 0:
                return -math.inf
            side = math.copysign(self.tolerance / self.value, reached - self.value)
            return (math.log(reached) - math.log(self.value)) / abs(math.log1p(side))
        return (reached - self.value) / self.tolerance

    def met(self, reached: float) -> bool:
        """Whether a value lies within the tolerance, both ends included, whatever the rounding.

        Parameters
        ----------
        reached : float
            Value of the statistic.

        Returns
        -------
        bool
            Whether it does; False if it is not finite.
        """
        size = abs(self.value) + self.tolerance
        return math.isfinite(reached) and _at_most(abs(reached - self.value), self.tolerance, of=size)

    @property
    def aim(self) -> float | tuple[float, float]:
        """The value, as a study file has it."""
        return self.value

    @property
    def centre(self) -> float:
        """The middle of the target."""
        return self.value

    @property
    def ends(self) -> tuple[float, float]:
        """The lowest and the highest value that meet the target."""
        return self.value - self.tolerance, self.value + self.tolerance

    @property
    def reach(self) -> float:
        """How far from the centre a deviation of one tolerance is."""
        return self.tolerance

    @property
    def relative_tolerance(self) -> float:
        """The tolerance as a part of the value."""
        return self.tolerance / self.value

    def margin(self, scale: str) -> float:
        """Return what counts as no difference.

        Parameters
        ----------
        scale : {"linear", "log"}
            How values of the statistic are compared.

        Returns
        -------
        float
            The tolerance; on the log scale ln(1 + tolerance / value), the nearer of the two ends.
        """
        return math.log1p(self.relative_tolerance) if scale == "log" else self.tolerance


@dataclass(frozen=True)
class Interval:
    """A target interval: every value inside is equally good, deviations outside are counted in tolerances.

    Attributes
    ----------
    low : float
        Lower end, in the unit of the statistic.
    high : float
        Upper end.
    tolerance : float
        Unit of deviations beyond either end.
    source : str
        Where the target comes from.
    note : str
        One line worth showing beside the target.

    Raises
    ------
    ObjectiveError
        If the ends are not finite and in order, or the tolerance is not finite and above 0.
    """

    low: float
    high: float
    tolerance: float
    source: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ObjectiveError("a target interval needs two finite ends, the lower one first")
        if not (math.isfinite(self.tolerance) and self.tolerance > 0):
            raise ObjectiveError("a target interval needs a tolerance above 0")

    def deviation(self, reached: float, scale: str) -> float:
        """Return the signed distance to the nearer end in tolerances; 0 inside.

        On the log scale it is a distance of logarithms. On either scale it is -1 and 1 one tolerance away, at
        low - tolerance and high + tolerance. If the tolerance is not below `low`, there is no ratio for
        low - tolerance, and on the log scale the distance is -1 at the factor 1 + tolerance / low below it.

        Parameters
        ----------
        reached : float
            Value of the statistic.
        scale : {"linear", "log"}
            Scale of the statistic.

        Returns
        -------
        float
            The distance; -inf on the log scale for a value of 0 or below, outside of the interval.
        """
        end = min(max(reached, self.low), self.high)
        if scale == "log" and end != reached:
            if reached <= 0:
                return -math.inf
            part = self.tolerance / end
            falls = reached < end and part < 1
            return (math.log(reached) - math.log(end)) / abs(math.log1p(-part if falls else part))
        return (reached - end) / self.tolerance

    def met(self, reached: float) -> bool:
        """Whether a value lies inside, both ends included, whatever the rounding.

        Parameters
        ----------
        reached : float
            Value of the statistic.

        Returns
        -------
        bool
            Whether it does.
        """
        size = abs(self.low) + abs(self.high)
        return _at_most(self.low, reached, of=size) and _at_most(reached, self.high, of=size)

    @property
    def aim(self) -> float | tuple[float, float]:
        """Both ends, as a study file has them."""
        return self.low, self.high

    @property
    def centre(self) -> float:
        """The middle of the target."""
        return (self.low + self.high) / 2

    @property
    def ends(self) -> tuple[float, float]:
        """The lowest and the highest value that meet the target."""
        return self.low, self.high

    @property
    def reach(self) -> float:
        """How far from the centre a deviation of one tolerance is."""
        return self.tolerance + (self.high - self.low) / 2

    @property
    def relative_tolerance(self) -> float:
        """The tolerance as a part of the upper end."""
        return self.tolerance / self.high

    def margin(self, scale: str) -> float:
        """Return what counts as no difference.

        Parameters
        ----------
        scale : {"linear", "log"}
            How values of the statistic are compared.

        Returns
        -------
        float
            The tolerance; on the log scale ln(1 + tolerance / high), the nearer of the two ends.
        """
        return math.log1p(self.relative_tolerance) if scale == "log" else self.tolerance
