"""Sums over inter-spike intervals when a stretch of time is left out and what remains is joined."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calibrate.observation.intervals import IntervalMoments
from calibrate.observation.layout import FloatArray, IntArray

BoolArray = NDArray[np.bool_]

# Sums over pairs of adjacent intervals; the others are over single ones.
_OF_PAIRS = frozenset({"cv2", "lv", "lvr"})


def moments_without(
    step: IntArray,
    unit: IntArray,
    units: int,
    spans: Sequence[tuple[int, int]],
    dt_ms: float,
    *,
    intervals: bool = True,
) -> tuple[IntArray, IntervalMoments]:
    """Sums of each unit over all the time, and without each span; shape (units, 1 + spans).

    step   of each spike, ascending within a unit
    unit   of each spike, ascending
    spans  from one step to another, one after another through all the time
    intervals  whether the sums over intervals are needed; if not, they are nan

    The first result is the number of spikes, the second that of intervals and the sums over them. Without
    spans, there is one column more, of no meaning.
    """
    shape = (units, max(len(spans), 1))
    ends = [stop for _, stop in spans[:-1]]
    span = np.searchsorted(ends, step, side="right") if ends else np.zeros_like(step)
    in_spans = np.bincount(unit * shape[1] + span, minlength=units * shape[1]).reshape(shape)
    every = in_spans.sum(axis=1)
    totals = np.column_stack([every, every[:, None] - in_spans])
    number = np.maximum(totals - 1, 0)
    if not intervals:
        return totals, IntervalMoments(number, *[np.full(number.shape, np.nan)] * 5)
    sums = {
        name: _sums(term, unit, span, 2 if name in _OF_PAIRS else 1, shape)
        for name, term in _terms(step, unit, dt_ms).items()
    }
    for name, term in _across(step, every, in_spans, spans or [(0, 0)], dt_ms).items():
        sums[name][:, 1:] += term
    return totals, IntervalMoments(number, **sums)


def _terms(step: IntArray, unit: IntArray, dt_ms: float) -> dict[str, FloatArray]:
    """What each spike adds to the sums: the interval that it ends, and this one with the one before it."""
    first = np.append(True, unit[1:] != unit[:-1])[: step.size]
    interval = np.diff(step, prepend=0)
    interval[first] = 0
    return _added(interval, np.roll(interval, 1), ~(first | np.roll(first, 1)), dt_ms)


def _added(interval: IntArray, previous: IntArray, pair: BoolArray, dt_ms: float) -> dict[str, FloatArray]:
    both = np.maximum(interval + previous, 1)
    relative = np.where(pair, (interval - previous) / both, 0.0)
    squares, length = relative**2, interval * dt_ms
    return {
        "sum": length,
        "sum_sq": length**2,
        "cv2": 2 * np.abs(relative),
        "lv": 3 * squares,
        "lvr": 12 * squares / (both * dt_ms),
    }


def _sums(term: FloatArray, unit: IntArray, span: IntArray, reach: int, shape: tuple[int, int]) -> FloatArray:
    """Sums of the terms of each unit, and of those that reach into no spike or time of each span.

    A term reaches from the spike `reach` before its own, in the same unit, to its own.
    """
    units, n = shape
    touched = np.bincount(unit * n + span, term, minlength=units * n).reshape(shape).astype(float)
    total = touched.sum(axis=1)
    begin = np.roll(span, reach)
    long = np.flatnonzero((begin < span) & (term != 0))
    steps = np.zeros((units, n + 1))
    np.add.at(steps, (unit[long], begin[long]), term[long])
    np.add.at(steps, (unit[long], span[long]), -term[long])
    touched += np.cumsum(steps, axis=1)[:, :n]
    return np.column_stack([total, total[:, None] - touched])


def _across(
    step: IntArray, every: IntArray, in_spans: IntArray, spans: Sequence[tuple[int, int]], dt_ms: float
) -> dict[str, FloatArray]:
    """What the interval across each seam adds to the sums, shape (units, spans)."""
    if not step.size:
        return {}
    offset = (np.cumsum(every) - every)[:, None]
    after = np.cumsum(in_spans, axis=1)  # the first spike after the span, in its unit
    before = after - in_spans - 1  # the last one before it

    def at(number: IntArray) -> IntArray:
        return np.asarray(step[np.clip(offset + number, 0, step.size - 1)])

    removed = np.array([stop - start for start, stop in spans])
    joined = (before >= 0) & (after < every[:, None])
    interval = np.where(joined, at(after) - removed - at(before), 0)
    left = _added(interval, at(before) - at(before - 1), joined & (before >= 1), dt_ms)
    right = _added(at(after + 1) - at(after), interval, joined & (after + 1 < every[:, None]), dt_ms)
    return {name: term + (right[name] if name in _OF_PAIRS else 0.0) for name, term in left.items()}
