"""Tallies: the spikes of a piece of a recording, counted once for any units and without any block of time.

To tell how precise its statistics are, a recording is observed hundreds of times: with some of its units, or
without a block of time. None of this needs its spikes again. Counts of units are rows, counts in bins and
windows lack some columns, and sums over intervals lack those that the block touches, but have the one across
the seam.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import psutil
from numpy.typing import NDArray

from calibrate.errors import RecordingError
from calibrate.observation.counts import CountArray, narrow
from calibrate.observation.intervals import IntervalMoments
from calibrate.observation.layout import BIN_MS, FloatArray, IntArray, Layout, Needs
from calibrate.observation.observation import Observation
from calibrate.observation.seams import moments_without, totals_without
from calibrate.observation.trains import RESOLUTION_MS

# So many spikes are counted at once: few enough for the caches, enough for numpy.
_AT_ONCE = 1 << 18
# Counts of this many bytes need not be asked about.
_LARGE = 1e8


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Counts of some units in a piece without gaps.

    layout   of these units
    n_steps  length of the measurement in nanoseconds, whole bins
    bin      steps of a bin; None if none is needed: then all the time is one
    window   steps of a window; None likewise
    bins     the bin of each spike, unit by unit; empty if none is needed
    windows  spikes of each unit in each window, shape (units, windows)
    spans    times that can be left out, from one step to another
    totals   spikes of each unit in all the time, and without each span, shape (units, 1 + spans)
    moments  sums over intervals, of the same shape; None if none is needed
    """

    layout: Layout
    n_steps: int
    bin: int | None
    window: int | None
    bins: NDArray[np.int32]
    windows: CountArray
    spans: Sequence[tuple[int, int]]
    totals: IntArray
    moments: IntervalMoments | None

    def of_units(self, rows: IntArray, layout: Layout) -> Tally:
        """The tally of the units in some rows, with the layout that they have."""
        if self.bin is None:
            bins = self.bins
        else:
            ends = np.append(0, np.cumsum(self.totals[:, 0]))
            bins = np.concatenate([self.bins[:0], *(self.bins[ends[row] : ends[row + 1]] for row in rows)])
        return replace(
            self,
            layout=layout,
            bins=bins,
            windows=self.windows[rows],
            totals=self.totals[rows],
            moments=self.moments and self.moments[rows],
        )

    def observation(self, without: int | None = None) -> Observation:
        """The observation of all the time, or without the span of this number; what is left is joined."""
        column, start, stop = 0, self.n_steps, self.n_steps
        if without is not None:
            column, (start, stop) = 1 + without, self.spans[without]
        n_steps = self.n_steps - min(stop, self.n_steps) + start
        totals = self.totals[:, column]
        bin_steps = n_steps
        group_bins: CountArray = self.layout.group_sums(totals)[:, None]
        if self.bin is not None:
            bin_steps, group_bins = self.bin, _without(self._group_bins, start // self.bin, stop // self.bin)
        window_steps = n_steps
        windows: CountArray = totals[:, None]
        if self.window is not None:
            first, last = start // self.window, stop // self.window
            window_steps, windows = self.window, _without(self.windows, first, last)
        return Observation(
            layout=self.layout,
            dt_ms=RESOLUTION_MS,
            duration_ms=n_steps * RESOLUTION_MS,
            bin_ms=bin_steps * RESOLUTION_MS,
            group_bins=group_bins,
            window_ms=window_steps * RESOLUTION_MS,
            neuron_windows=windows,
            neuron_totals=totals,
            intervals=_not_summed(totals) if self.moments is None else self.moments[:, column],
            depolarisation=np.full(len(self.layout.groups), np.nan),
        )

    @cached_property
    def _group_bins(self) -> CountArray:
        assert self.bin is not None
        ends = np.append(0, np.cumsum(self.totals[:, 0]))
        n_bins = self.n_steps // self.bin
        rows = [_histogram(self.bins[ends[g.start] : ends[g.stop]], n_bins) for g in self.layout.groups]
        return np.stack([row.astype(np.result_type(*rows), copy=False) for row in rows])


def tally(
    trains: Sequence[FloatArray],
    layout: Layout,
    *,
    start_ms: float,
    duration_ms: float,
    needs: Needs,
    spans_ms: Sequence[tuple[float, float]] = (),
) -> Tally | None:
    """Count the spikes of the units of a piece, one array of ascending times for each.

    spans_ms  times that can be left out, one after another through all of the piece

    None if a bin or a window lies across the start or the end of a span. Raises RecordingError if the counts
    do not fit into the free memory.
    """
    bin_ms = needs.bin_ms or BIN_MS
    n_steps = round(int(duration_ms / bin_ms + 1e-6) * bin_ms / RESOLUTION_MS)
    bin_steps, window_steps = (
        None if width is None else round(width / RESOLUTION_MS) for width in (needs.bin_ms, needs.window_ms)
    )
    spans = [
        (round((start - start_ms) / RESOLUTION_MS), round((stop - start_ms) / RESOLUTION_MS))
        for start, stop in spans_ms
    ]
    if any(start % width for start, _ in spans for width in (bin_steps, window_steps) if width):
        return None
    _check_memory(layout, n_steps, bin_steps, window_steps)
    bins, windows, totals, moments = [], [], [], []
    for together in _together(trains):
        step, unit = _steps(together, start_ms, n_steps)
        if bin_steps:
            bins.append((step // bin_steps).astype(np.int32))
        if window_steps:
            windows.append(_in_windows(step, unit, len(together), n_steps, window_steps))
        total, span = totals_without(step, unit, len(together), spans)
        totals.append(total)
        if needs.isi:
            moments.append(moments_without(step, unit, span, total, spans, RESOLUTION_MS))
    return Tally(
        layout=layout,
        n_steps=n_steps,
        bin=bin_steps,
        window=window_steps,
        bins=np.concatenate([np.zeros(0, np.int32), *bins]),
        windows=np.concatenate(windows) if windows else np.zeros((layout.n_neurons, 0), np.int64),
        spans=spans,
        totals=np.concatenate(totals),
        moments=IntervalMoments.joined(moments) if moments else None,
    )


def _not_summed(totals: IntArray) -> IntervalMoments:
    """The moments of intervals that nothing needs: only their number."""
    return IntervalMoments(np.maximum(totals - 1, 0), *[np.full(totals.shape, np.nan)] * 5)


def _histogram(bins: NDArray[np.int32], n_bins: int) -> CountArray:
    """How many spikes lie in each bin: as numpy's bincount, without a copy of the bins in 64 bits."""
    from scipy.sparse import csc_array

    ends = np.array([0, bins.size], np.int32)  # of the type of the bins, which are copied otherwise
    for kind in (np.uint8, np.uint16, np.uint32):
        column = csc_array((np.ones(bins.size, kind), bins, ends), shape=(n_bins, 1))
        counts: CountArray = column @ np.ones(1, kind)
        if int(counts.sum(dtype=np.int64)) == bins.size:  # no bin has overflown
            break
    return counts


def _without(counts: CountArray, first: int, last: int) -> CountArray:
    """The counts without some columns."""
    if first >= counts.shape[1]:
        return counts
    return np.concatenate([counts[:, :first], counts[:, last:]], axis=1)


def _together(trains: Sequence[FloatArray]) -> Iterator[Sequence[FloatArray]]:
    """Trains that are counted together, one after another."""
    first, spikes = 0, 0
    if sum(map(len, trains)) <= _AT_ONCE:
        yield trains
        return
    for number, train in enumerate(trains):
        if spikes and spikes + train.size > _AT_ONCE:
            yield trains[first:number]
            first, spikes = number, 0
        spikes += train.size
    yield trains[first:]


def _steps(trains: Sequence[FloatArray], start_ms: float, n_steps: int) -> tuple[IntArray, IntArray]:
    """The steps of the spikes within the measurement, as `observe_times` counts them, and their units."""
    times = np.concatenate(trains) - start_ms
    step = (np.ceil((times - RESOLUTION_MS / 2) / RESOLUTION_MS) - 1).astype(np.int64)
    unit = np.repeat(np.arange(len(trains)), [train.size for train in trains])
    inside = (step >= 0) & (step < n_steps)
    return (step, unit) if inside.all() else (step[inside], unit[inside])


def _in_windows(step: IntArray, unit: IntArray, units: int, n_steps: int, window: int) -> CountArray:
    n_windows = n_steps // window
    place = np.minimum(step // window, n_windows)  # a last, incomplete window is left out
    counts = np.bincount(unit * (n_windows + 1) + place, minlength=units * (n_windows + 1))
    return narrow(counts.reshape(units, -1)[:, :n_windows])


def _check_memory(layout: Layout, n_steps: int, bin_steps: int | None, window_steps: int | None) -> None:
    n_bins = n_steps / bin_steps if bin_steps else 1
    n_windows = n_steps / window_steps if window_steps else 1
    size = 16 * len(layout.groups) * n_bins + 2 * layout.n_neurons * n_windows
    if size > _LARGE and size > psutil.virtual_memory().available:
        duration_s = n_steps * RESOLUTION_MS / 1000
        raise RecordingError(f"lasts {duration_s:g} s: its counts would need {size / 1e9:.3g} GB of memory")
