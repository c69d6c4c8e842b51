"""The values that a free parameter can take: ranges and choices.

Both map a number u in [0, 1) to a value, so that space-filling points can be drawn in the unit cube.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from calibrate.errors import StudyError

Scalar = float | int | str | bool

LONGEST_GRID = 100_000


@dataclass(frozen=True, kw_only=True)
class Range:
    """Numbers from `low` to `high`, both included.

    step     the values are low, low + step, ... up to `high`; None: continuous (whole numbers: 1)
    log      equal ratios are equally likely, not equal differences
    integer  whole numbers only
    points   number of grid points, for a range without steps
    multiple_of  values are rounded to multiples of this, as simulators round times to their steps
    """

    low: float
    high: float
    step: float | None = None
    log: bool = False
    integer: bool = False
    points: int | None = None
    multiple_of: float | None = None

    @property
    def needs_rounding(self) -> bool:
        """Whether the range contains multiples of `multiple_of`, and other values."""
        unit = self.multiple_of or 1.0
        if not math.isfinite(max(abs(self.low), abs(self.high)) / unit):
            return False
        first, last = self._multiples
        whole = self.step is not None and all(
            math.isclose(value, unit * round(value / unit), abs_tol=1e-9) for value in (self.low, self.step)
        )
        return first <= last and not whole

    @property
    def _multiples(self) -> tuple[int, int]:
        """Number of the first and of the last multiple in the range."""
        unit = self.multiple_of or 1.0
        return math.ceil(self.low / unit - 1e-9), math.floor(self.high / unit + 1e-9)

    def _rounded(self, value: float | int) -> float | int:
        if self.multiple_of is None:
            return value
        first, last = self._multiples
        number = min(max(round(value / self.multiple_of), first), last)
        return float(number * Decimal(str(self.multiple_of)))

    @property
    def _levels(self) -> int | None:
        """Number of values, None where they are continuous."""
        step = self.step or (1 if self.integer else None)
        return None if step is None else int((self.high - self.low) / step + 1e-9) + 1

    def _level(self, number: int) -> float | int:
        # In decimals, because .95 + 7 x .05 is 1.2999999999999998 in binary.
        value = Decimal(str(self.low)) + number * Decimal(str(self.step or 1))
        return int(value) if self.integer else float(value)

    def nearest(self, value: float) -> float | int:
        """The value of the range that is `value` up to rounding; `value` itself if it is continuous."""
        near = value if self.step is None else self._level(round((value - self.low) / self.step))
        return self._rounded(near)

    def at(self, u: float) -> float | int:
        """The value at quantile `u` in [0, 1)."""
        if self.log:
            low, high = math.log(self.low), math.log(self.high + (1 if self.integer else 0))
            value = math.exp(low + u * (high - low))
            value = math.floor(value) if self.integer else value
            return self._rounded(min(max(value, self.low), self.high))
        levels = self._levels
        value = self.low + u * (self.high - self.low) if levels is None else self._level(int(u * levels))
        return self._rounded(value)

    def at_or_end(self, u: float) -> float:
        """The value at quantile `u`, or the nearer end if there is none."""
        return float(self.at(min(max(u, 0.0), 1.0 - 1e-12)))

    def quantile(self, value: float) -> float:
        """The quantile in [0, 1] that gives `value`; the middle one if there are many."""
        if self.log:
            low, high = math.log(self.low), math.log(self.high + (1 if self.integer else 0))
            at = (math.log(value) + math.log(value + 1)) / 2 if self.integer else math.log(value)
            return (at - low) / (high - low)
        levels = self._levels
        if levels is None:
            return (value - self.low) / (self.high - self.low)
        return (round((value - self.low) / (self.step or 1)) + 0.5) / levels

    def contains(self, value: object) -> bool:
        """Whether `value` is one of the values."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if not self.low <= value <= self.high or (self.integer and value != int(value)):
            return False
        if self._levels is None or self.step is None:
            return True
        return math.isclose(
            value, self._level(round((value - self.low) / self.step)), abs_tol=1e-9 * self.step
        )

    @property
    def midpoint(self) -> float | int:
        """The value in the middle, on the log scale where `log` is set."""
        return self.at(0.5)

    @property
    def ends(self) -> tuple[float | int, float | int]:
        """Lowest and highest value."""
        levels = self._levels
        last = self.high if levels is None else self._level(levels - 1)
        return self._rounded(self.low), self._rounded(last)

    @property
    def high_reached_by_steps(self) -> float | int:
        """The first value at or above `high` that steps from `low` reach."""
        levels = self._levels
        if levels is None or self._level(levels - 1) == self.high:
            return self.high
        return self._level(levels)

    @property
    def grid(self) -> Sequence[float | int]:
        """The points of a grid: all steps, or `points` values with equal distances (ratios where `log`).

        Raises StudyError for a continuous range without `points`, and for more values than can be listed.
        """
        levels = self._levels
        count = self.points or levels
        if count is None:
            raise StudyError("a grid needs step or points")
        if count > LONGEST_GRID:
            raise StudyError(f"a grid of {count} values is too long; at most {LONGEST_GRID}")
        if self.points is None:
            return list(dict.fromkeys(self._rounded(self._level(number)) for number in range(count)))
        if self.points == 1:
            return [self.midpoint]
        at = [number / (self.points - 1) for number in range(self.points)]
        if self.log:
            inner = [math.exp(math.log(self.low) + u * math.log(self.high / self.low)) for u in at]
        else:
            inner = [self.low + u * (self.high - self.low) for u in at]
        values = [self.low, *(float(f"{value:.15g}") for value in inner[1:-1]), self.high]
        if self.integer:
            return sorted({round(value) for value in values})
        return list(dict.fromkeys(map(self._rounded, values)))


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One of `values`, in no order."""

    values: tuple[Scalar, ...]

    def at(self, u: float) -> Scalar:
        """The value at quantile `u` in [0, 1)."""
        return self.values[int(u * len(self.values))]

    def contains(self, value: object) -> bool:
        """Whether `value` is one of the values."""
        # In Python, True == 1.
        return any(value == own and isinstance(value, bool) == isinstance(own, bool) for own in self.values)

    @property
    def midpoint(self) -> Scalar:
        """The first value: choices have no middle."""
        return self.values[0]

    @property
    def ends(self) -> tuple[Scalar, ...]:
        """All values."""
        return self.values

    @property
    def grid(self) -> Sequence[Scalar]:
        """All values."""
        return self.values


Domain = Range | Choice
Space = Mapping[str, Domain]


def grid_size(space: Space) -> int:
    """Number of points of the grid over `space`."""
    return math.prod(len(domain.grid) for domain in space.values())


def grid_point(space: Space, index: int) -> dict[str, Any]:
    """Point number `index` of the grid over `space`; the last parameter varies fastest."""
    point: dict[str, Any] = {}
    for name, domain in reversed(list(space.items())):
        index, number = divmod(index, len(domain.grid))
        point[name] = domain.grid[number]
    return {name: point[name] for name in space}


def snapped(space: Space, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """`parameters` with those that have steps at the value of their range that they are up to rounding.

    Optuna computes low + number x step in binary, and stored trials can have such values:
    .1 x 6 is .6000000000000001.
    """
    return {
        name: domain.nearest(value) if isinstance(domain := space.get(name), Range) else value
        for name, value in parameters.items()
    }
