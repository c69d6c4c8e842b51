"""Pieces of a recording: stretches of time without a gap, each with the units observed throughout it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import RecordingError

FloatArray = NDArray[np.float64]
# The intervals in which each unit was observed, shape (k, 2) in ms, by population.
Observed = Mapping[str, Sequence[FloatArray]]

# Where the set of units changes, a new piece is worth it if it adds more than this for every unit.
_WORTH_MS = 1000.0
# Rounding of times that files give in seconds.
_ROUNDING_MS = 1e-6


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A stretch of time without a gap, and the numbers of the units observed throughout it."""

    start_ms: float
    stop_ms: float
    units: Mapping[str, NDArray[np.int64]]

    @property
    def duration_ms(self) -> float:
        """Its length."""
        return self.stop_ms - self.start_ms

    @property
    def n_units(self) -> int:
        """Number of units of all populations."""
        return sum(units.size for units in self.units.values())

    def of_units(self, units: Mapping[str, NDArray[np.int64]]) -> Piece:
        """The piece with only these units, if they are in it."""
        both = {name: np.intersect1d(numbers, units[name]) for name, numbers in self.units.items()}
        return replace(self, units=both)


def normalised(intervals: FloatArray, start_ms: float, stop_ms: float) -> FloatArray:
    """Intervals between two times, in order, without those that are empty; those that touch are joined."""
    array = np.asarray(intervals, dtype=float)
    if array.ndim != 2 or array.shape[1] != 2 or not np.isfinite(array).all():
        raise RecordingError("observed intervals need a start and a stop each, in ms: shape (k, 2)")
    if (array[:, 1] < array[:, 0]).any():
        raise RecordingError("an observed interval ends before it begins")
    clipped = np.clip(array, start_ms, stop_ms)
    return joined(clipped[clipped[:, 1] > clipped[:, 0]])


def joined(intervals: FloatArray) -> FloatArray:
    """The union of intervals, in order."""
    if not len(intervals):
        return intervals
    ordered = intervals[np.argsort(intervals[:, 0], kind="stable")]
    latest = np.maximum.accumulate(ordered[:, 1])
    begins = np.append(True, ordered[1:, 0] > latest[:-1] + _ROUNDING_MS)
    return np.stack([ordered[begins, 0], latest[np.append(begins[1:], True)]], axis=1)


def divide(
    observed: Observed,
    length_ms: float | None,
    starts_ms: FloatArray | None = None,
    breaks_ms: FloatArray | None = None,
) -> list[Piece]:
    """Divide a recording into pieces that hold as much of the observed time of its units as possible.

    With a length, every piece has it; there may be none. Without, a piece begins and ends where units or gaps
    do, as if each piece lasted a second less: a few units that come and go cut no long piece.

    starts_ms  the only times at which pieces of a length may begin, ascending; None: at any
    breaks_ms  times, ascending, that no piece of a length has in it
    """
    breaks = np.zeros(0) if breaks_ms is None else breaks_ms
    every = np.concatenate([intervals for units in observed.values() for intervals in units])
    every = every[np.argsort(every[:, 0], kind="stable")]
    stretches = joined(every)
    times: list[tuple[float, float]] = []
    edges = np.append(np.searchsorted(every[:, 0], stretches[:, 0]), len(every))
    for (first, last), (start, stop) in zip(stretches, pairwise(edges), strict=True):
        inside = every[start:stop]
        if length_ms is None:
            times += _natural(inside)
            continue
        within = breaks[(breaks > first) & (breaks < last)]
        if starts_ms is None:
            begins = _begins(inside, length_ms, within)
        else:
            begins = starts_ms[(starts_ms > first - _ROUNDING_MS) & (starts_ms < last)]
        times += _of_length(inside, length_ms, begins[_unbroken(begins, length_ms, within)])
    starts, stops = np.array(times).reshape(-1, 2).T
    shape = {name: (len(units), len(times)) for name, units in observed.items()}
    throughout = {
        name: np.array([_throughout(one, starts, stops) for one in units], dtype=bool).reshape(shape[name])
        for name, units in observed.items()
    }
    return [
        Piece(
            start_ms=start,
            stop_ms=stop,
            units={name: np.flatnonzero(units[:, k]) for name, units in throughout.items()},
        )
        for k, (start, stop) in enumerate(times)
    ]


def _throughout(intervals: FloatArray, starts: FloatArray, stops: FloatArray) -> NDArray[np.bool_]:
    """Whether one of a unit's intervals holds all of the time from each start to its stop."""
    latest = np.searchsorted(intervals[:, 0] - _ROUNDING_MS, starts, side="right") - 1
    ends = np.append(intervals[:, 1], -np.inf)  # of no interval, which -1 refers to
    holds: NDArray[np.bool_] = ends[latest] + _ROUNDING_MS >= stops
    return holds


def _begins(intervals: FloatArray, length_ms: float, breaks: FloatArray) -> FloatArray:
    """Times at which pieces may begin: whole lengths after the start of an interval, or after a break."""
    chains = []
    for start, stop in np.unique(intervals, axis=0):
        ends = [start, *breaks[(breaks > start) & (breaks < stop)], stop]
        chains += [
            begin + length_ms * np.arange(int((end - begin + _ROUNDING_MS) / length_ms))
            for begin, end in pairwise(ends)
        ]
    return np.unique(np.concatenate(chains))


def _unbroken(starts: FloatArray, length_ms: float, breaks: FloatArray) -> NDArray[np.bool_]:
    """Whether no break lies between each start and the end of its piece."""
    before = np.searchsorted(breaks, starts + _ROUNDING_MS, side="right")
    unbroken: NDArray[np.bool_] = before == np.searchsorted(breaks, starts + length_ms - _ROUNDING_MS)
    return unbroken


def _of_length(intervals: FloatArray, length_ms: float, starts: FloatArray) -> Iterator[tuple[float, float]]:
    """The disjoint times of one length that together hold the most observed time (weighted scheduling).

    starts  where they may begin, ascending
    """
    first = np.searchsorted(starts, intervals[:, 0] - _ROUNDING_MS)
    beyond = np.searchsorted(starts, intervals[:, 1] - length_ms + _ROUNDING_MS, side="right")
    fits = beyond > first
    units = np.zeros(starts.size + 1, dtype=np.int64)
    np.add.at(units, first[fits], 1)
    np.add.at(units, beyond[fits], -1)
    units = np.cumsum(units)[:-1]
    after = np.searchsorted(starts, starts + length_ms - _ROUNDING_MS)
    best = np.zeros(starts.size + 1, dtype=np.int64)  # from each candidate on
    for k in range(starts.size - 1, -1, -1):
        best[k] = max(best[k + 1], units[k] + best[after[k]])
    k = 0
    while k < starts.size:
        if units[k] and best[k] == units[k] + best[after[k]]:
            yield float(starts[k]), float(starts[k] + length_ms)
            k = int(after[k])
        else:
            k += 1


def _natural(intervals: FloatArray) -> Iterator[tuple[float, float]]:
    """The disjoint times between ends of intervals that hold the most, if each is `_WORTH_MS` shorter."""
    worth_ms = min(_WORTH_MS, float(np.diff(intervals).max()) / 10)
    edges, place = np.unique(intervals, return_inverse=True)
    begin, end = place.reshape(intervals.shape).T
    best = np.zeros(edges.size)
    before = np.full(edges.size, -1)  # where the piece that ends at an edge begins; -1 if none does
    for k in range(1, edges.size):
        units = np.bincount(begin[end >= k], minlength=k)[:k].cumsum()
        held = best[:k] + units * (edges[k] - edges[:k] - worth_ms)
        start = int(held.argmax())
        best[k] = best[k - 1]
        if units[start] and held[start] > best[k]:
            best[k], before[k] = held[start], start
    pieces = []
    k = edges.size - 1
    while k > 0:
        if before[k] >= 0:
            pieces.append((float(edges[before[k]]), float(edges[k])))
        k = int(before[k]) if before[k] >= 0 else k - 1
    yield from reversed(pieces)


def in_words(pieces: Sequence[Piece]) -> str:
    """How many pieces of which length and of how many units: "20 pieces of 3 s with 40 units"."""
    lengths = [piece.duration_ms / 1000 for piece in pieces]
    units = [piece.n_units for piece in pieces]
    number = "1 piece of" if len(pieces) == 1 else f"{len(pieces)} pieces of"
    return f"{number} {_range(lengths)} s with {_range(units)} unit{'s' * (max(units) != 1)}"


def _range(numbers: Sequence[float]) -> str:
    return " to ".join(dict.fromkeys(f"{end:.6g}" for end in (min(numbers), max(numbers))))
