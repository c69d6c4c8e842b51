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


def totals_without(
    step: IntArray, unit: IntArray, units: int, spans: Sequence[tuple[int, int]]
) -> tuple[IntArray, IntArray]:
    """Spikes of each unit in all the time, and without each span, shape (units, 1 + spans); and their spans.

    step   of each spike, ascending within a unit
    unit   of each spike, ascending
    spans  from one step to another, one after another through all the time
    """
    n = max(len(spans), 1)
    ends = [stop for _, stop in spans[:-1]]
    span = np.searchsorted(ends, step, side="right") if ends else np.zeros_like(step)
    in_spans = np.bincount(unit * n + span, minlength=units * n).reshape(units, n)
    every = in_spans.sum(axis=1, keepdims=True)
    return np.concatenate([every, every - in_spans], axis=1)[:, : 1 + len(spans)], span


def moments_without(
    step: IntArray,
    unit: IntArray,
    span: IntArray,
    totals: IntArray,
    spans: Sequence[tuple[int, int]],
    dt_ms: float,
) -> IntervalMoments:
    """Sums over the intervals of each unit in all the time, and without each span, of the shape of `totals`.

    span, totals  what `totals_without` returns
    """
    shape = len(totals), max(len(spans), 1)
    sums = {
        name: _sums(term, unit, span, 2 if name in _OF_PAIRS else 1, shape)[:, : 1 + len(spans)]
        for name, term in _terms(step, unit, dt_ms).items()
    }
    if spans:
        for name, term in _across(step, totals, spans, dt_ms).items():
            sums[name][:, 1:] += term
    return IntervalMoments(np.maximum(totals - 1, 0), **{name: one.copy() for name, one in sums.items()})


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
    step: IntArray, totals: IntArray, spans: Sequence[tuple[int, int]], dt_ms: float
) -> dict[str, FloatArray]:
    """What the interval across each seam adds to the sums, shape (units, spans)."""
    if not step.size:
        return {}
    every = totals[:, :1]
    in_spans = every - totals[:, 1:]
    offset = np.cumsum(every, axis=0) - every
    after = np.cumsum(in_spans, axis=1)  # the first spike after the span, in its unit
    before = after - in_spans - 1  # the last one before it

    def at(number: IntArray) -> IntArray:
        return np.asarray(step[np.clip(offset + number, 0, step.size - 1)])

    removed = np.array([stop - start for start, stop in spans])
    joined = (before >= 0) & (after < every)
    interval = np.where(joined, at(after) - removed - at(before), 0)
    left = _added(interval, at(before) - at(before - 1), joined & (before >= 1), dt_ms)
    right = _added(at(after + 1) - at(after), interval, joined & (after + 1 < every), dt_ms)
    return {name: term + (right[name] if name in _OF_PAIRS else 0.0) for name, term in left.items()}
