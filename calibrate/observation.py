"""Observation: what a simulated (or recorded) network showed.

It holds counters, not rasters: spike counts of groups in small bins, of neurons in windows, and the
moments of the inter-spike intervals. Simulators accumulate these while they run; `Accumulator` does the
same from spikes, for simulators that only deliver spikes, for recordings, and as the reference in tests.

Time is counted in steps of `dt_ms`. A spike of step s (0-based, counted from the start of the
measurement) happened at (s + 1) dt, the end of its step, as NEST stamps it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import ObservationError

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


def steps(duration_ms: float, dt_ms: float, what: str) -> int:
    """Number of steps of `dt_ms` in `duration_ms`; raises ObservationError unless it is a whole number."""
    n = round(duration_ms / dt_ms)
    if not math.isclose(n * dt_ms, duration_ms, rel_tol=1e-9, abs_tol=1e-9):
        raise ObservationError(f"{what} of {duration_ms:g} ms is not a whole number of {dt_ms:g} ms steps")
    return n


@dataclass(frozen=True)
class Group:
    """Neurons start..stop-1 (0-based, counted over the whole network): one cluster of one population."""

    population: str
    cluster: int
    start: int
    stop: int

    @property
    def size(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class Layout:
    """How the neurons of a network are ordered: populations one after another, clusters within them."""

    groups: tuple[Group, ...]

    def __post_init__(self) -> None:
        position, before, seen = 0, "", set[str]()
        for group in self.groups:
            if group.start != position or group.stop <= group.start:
                raise ObservationError(f"groups must follow one another and hold neurons: {group}")
            if group.population != before and group.population in seen:
                raise ObservationError(f"the clusters of a population must lie side by side: {group}")
            position, before = group.stop, group.population
            seen.add(before)

    @classmethod
    def of(cls, sizes: Iterable[tuple[str, int, int]]) -> Layout:
        """From (population, number of neurons, number of clusters) in order; clusters have equal sizes."""
        groups, start = [], 0
        for name, size, clusters in sizes:
            if clusters < 1 or size % clusters:
                raise ObservationError(f"{size} neurons of {name} do not divide into {clusters} clusters")
            for cluster in range(clusters):
                groups.append(Group(name, cluster, start, start + size // clusters))
                start += size // clusters
        return cls(tuple(groups))

    @property
    def n_neurons(self) -> int:
        return self.groups[-1].stop if self.groups else 0

    @property
    def populations(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(group.population for group in self.groups))

    @property
    def boundaries(self) -> IntArray:
        """First neuron of every group, shape (n_groups,)."""
        return np.array([group.start for group in self.groups], dtype=np.int64)

    def group_means(self, values: FloatArray) -> FloatArray:
        """Means of `values`, one per neuron along the last axis, over the neurons of every group."""
        sizes = np.array([group.size for group in self.groups])
        means: FloatArray = np.add.reduceat(values, self.boundaries, axis=-1) / sizes
        return means

    def groups_of(self, population: str) -> slice:
        """The rows of `population` in arrays that have one row per group."""
        rows = [k for k, group in enumerate(self.groups) if group.population == population]
        if not rows:
            raise ObservationError(
                f"there is no population '{population}'; this network has {', '.join(self.populations)}"
            )
        return slice(rows[0], rows[-1] + 1)

    def neurons_of(self, population: str) -> slice:
        """The rows of `population` in arrays that have one row per neuron."""
        rows = self.groups_of(population)
        return slice(self.groups[rows.start].start, self.groups[rows.stop - 1].stop)


@dataclass(frozen=True)
class Needs:
    """What a statistic needs an observation to hold.

    bin_ms      group counts in bins that divide this width
    window_ms   neuron counts in windows that divide this width
    isi         moments of the inter-spike intervals
    spikes      every spike of every neuron
    """

    bin_ms: float | None = None
    window_ms: float | None = None
    isi: bool = False
    spikes: bool = False

    def __post_init__(self) -> None:
        for name, width in (("bin_ms", self.bin_ms), ("window_ms", self.window_ms)):
            if width is not None and not (math.isfinite(width) and width > 0):
                raise ObservationError(f"{name} must be a width above 0 ms, not {width:g}")

    @staticmethod
    def merge(needs: Iterable[Needs]) -> Needs:
        """The least that satisfies all: common divisors of the widths, in steps of a microsecond."""
        needs = list(needs)
        return Needs(
            bin_ms=_common_divisor(n.bin_ms for n in needs),
            window_ms=_common_divisor(n.window_ms for n in needs),
            isi=any(n.isi for n in needs),
            spikes=any(n.spikes for n in needs),
        )


def _common_divisor(widths_ms: Iterable[float | None]) -> float | None:
    widths_us = [round(width * 1000) for width in widths_ms if width is not None]
    return reduce(math.gcd, widths_us) / 1000 if widths_us else None


@dataclass(frozen=True)
class IntervalMoments:
    """Sums over the inter-spike intervals I_1, I_2, ... of each neuron; arrays of shape (neurons,).

    n       number of intervals (a neuron with n intervals fired n + 1 spikes)
    sum     sum of I (ms);  sum_sq  sum of I^2 (ms^2)
    cv2     sum over the n - 1 pairs of 2 |I_{j+1} - I_j| / (I_{j+1} + I_j)       (Holt et al. 1996)
    lv      sum over the n - 1 pairs of 3 ((I_j - I_{j+1}) / (I_j + I_{j+1}))^2   (Shinomoto et al. 2003)
    lvr     the same sum with each term times 4 / (I_j + I_{j+1}) (1/ms); lv + R lvr is the sum of the terms
            of LvR for a refractory time R (Shinomoto et al. 2009). nan in observations stored without it
    """

    n: IntArray
    sum: FloatArray
    sum_sq: FloatArray
    cv2: FloatArray
    lv: FloatArray
    lvr: FloatArray

    def __getitem__(self, rows: slice) -> IntervalMoments:
        return IntervalMoments(*(getattr(self, f.name)[rows] for f in fields(self)))


@dataclass(frozen=True)
class Spikes:
    """All spikes of a measurement, ordered by step, then neuron; two arrays of shape (n_spikes,)."""

    step: IntArray
    neuron: IntArray


@dataclass(frozen=True)
class Presentation:
    """A stimulus that clusters of a population received, in ms from the start of the measurement."""

    population: str
    clusters: tuple[int, ...]
    start_ms: float
    stop_ms: float


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What a network showed between the end of the warm-up and the end of the simulation.

    layout          populations and clusters, in the order of the neurons
    dt_ms           step of the simulation
    duration_ms     length of the measurement
    bin_ms          width of the bins of `group_bins`
    group_bins      spikes of each group in each bin, int64, shape (n_groups, duration_ms / bin_ms)
    window_ms       width of the windows of `neuron_windows`
    neuron_windows  spikes of each neuron in each window, int64,
                    shape (n_neurons, floor(duration_ms / window_ms))
    neuron_totals   spikes of each neuron in the whole measurement, int64, shape (n_neurons,)
    intervals       moments of the inter-spike intervals that lie within the measurement
    depolarisation  mean of (V - V_reset) / (V_th - V_reset) over each group's neurons at the end, shape
                    (n_groups,); nan where no membrane was seen. It grades networks that do not fire.
    spikes          every spike, or None where only counters were kept
    presentations   stimuli that began within the measurement, in order of time

    The arrays are read-only. Counts that contradict each other raise ObservationError.
    """

    layout: Layout
    dt_ms: float
    duration_ms: float
    bin_ms: float
    group_bins: IntArray
    window_ms: float
    neuron_windows: IntArray
    neuron_totals: IntArray
    intervals: IntervalMoments
    depolarisation: FloatArray
    spikes: Spikes | None = field(default=None)
    presentations: tuple[Presentation, ...] = ()

    def __post_init__(self) -> None:
        if not self.duration_ms > 0:
            raise ObservationError(f"a measurement must be longer than {self.duration_ms:g} ms")
        n_groups, n_neurons = len(self.layout.groups), self.layout.n_neurons
        n_bins = steps(self.duration_ms, self.bin_ms, "the measurement")
        n_windows = int(self.duration_ms / self.window_ms + 1e-9)
        _check_shape("group_bins", self.group_bins, (n_groups, n_bins))
        _check_shape("neuron_windows", self.neuron_windows, (n_neurons, n_windows))
        _check_shape("neuron_totals", self.neuron_totals, (n_neurons,))
        _check_shape("depolarisation", self.depolarisation, (n_groups,))
        for f in fields(self.intervals):
            _check_shape(f"intervals.{f.name}", getattr(self.intervals, f.name), (n_neurons,))
        for name in ("group_bins", "neuron_windows", "neuron_totals"):
            if np.any(getattr(self, name) < 0):
                raise ObservationError(f"{name} holds a negative number of spikes")
        by_group = np.add.reduceat(self.neuron_totals, self.layout.boundaries)
        if not np.array_equal(by_group, self.group_bins.sum(axis=1)):
            raise ObservationError("the spikes counted per group and per neuron differ")
        for array in self._arrays():
            array.flags.writeable = False

    def _arrays(self) -> list[NDArray[Any]]:
        arrays: list[NDArray[Any]] = [self.group_bins, self.neuron_windows]
        arrays += [self.neuron_totals, self.depolarisation]
        arrays += [getattr(self.intervals, f.name) for f in fields(self.intervals)]
        if self.spikes is not None:
            arrays += [self.spikes.step, self.spikes.neuron]
        return arrays

    def size(self, population: str) -> int:
        """Number of neurons of `population`."""
        return sum(group.size for group in self.layout.groups[self.layout.groups_of(population)])

    def totals(self, population: str) -> IntArray:
        """Spikes of each neuron of `population` in the whole measurement, shape (neurons,)."""
        return self.neuron_totals[self.layout.neurons_of(population)]

    def group_counts(self, population: str, bin_ms: float) -> IntArray:
        """Spikes of each cluster of `population` in bins of `bin_ms`, shape (clusters, bins).

        A last, incomplete bin is left out. Raises ObservationError if the stored bins do not divide `bin_ms`.
        """
        return _rebin(self.group_bins[self.layout.groups_of(population)], self.bin_ms, bin_ms, "bins")

    def neuron_counts(self, population: str, window_ms: float) -> IntArray:
        """Spikes of each neuron of `population` in windows of `window_ms`, shape (neurons, windows).

        A last, incomplete window is left out. Raises ObservationError if the stored windows do not divide it.
        """
        rows = self.neuron_windows[self.layout.neurons_of(population)]
        return _rebin(rows, self.window_ms, window_ms, "windows")

    def of_neurons(self, neurons: IntArray) -> Observation:
        """The observation of some neurons alone: `neurons` are their numbers, ascending, of shape (n,).

        Clusters without one of them are left out. Raises ObservationError if the spikes were not kept.
        """
        if self.spikes is None:
            raise ObservationError("a sample of the neurons needs the spikes, and only counts were kept")
        number = np.full(self.layout.n_neurons, -1, dtype=np.int64)
        number[neurons] = np.arange(len(neurons))
        sizes = np.add.reduceat((number >= 0).astype(np.int64), self.layout.boundaries)
        stops = np.cumsum(sizes)
        groups = [
            Group(group.population, group.cluster, int(stop - size), int(stop))
            for group, size, stop in zip(self.layout.groups, sizes, stops, strict=True)
            if size
        ]
        chosen = number[self.spikes.neuron] >= 0
        found = observe_spikes(
            self.spikes.step[chosen],
            number[self.spikes.neuron[chosen]],
            Layout(tuple(groups)),
            dt_ms=self.dt_ms,
            duration_ms=self.duration_ms,
            bin_ms=self.bin_ms,
            window_ms=self.window_ms,
        )
        kept = self.depolarisation[sizes > 0]
        return replace(found, depolarisation=kept.copy(), presentations=self.presentations)

    def of_clusters(self, population: str, clusters: Sequence[int]) -> Observation:
        """The same observation without the clusters of `population` that are not named.

        Raises ObservationError for one that is not there.
        """
        there = [g.cluster for g in self.layout.groups if g.population == population]
        for cluster in clusters:
            if cluster not in there:
                raise ObservationError(f"{population} has no cluster {cluster}; it has 0 to {len(there) - 1}")
        rows = [
            k
            for k, group in enumerate(self.layout.groups)
            if group.population != population or group.cluster in clusters
        ]
        kept = [self.layout.groups[k] for k in rows]
        neurons = np.concatenate([np.arange(group.start, group.stop) for group in kept])
        stops = np.cumsum([group.size for group in kept])
        groups = (
            replace(group, start=int(stop) - group.size, stop=int(stop))
            for group, stop in zip(kept, stops, strict=True)
        )
        spikes = None
        if self.spikes is not None:
            number = np.full(self.layout.n_neurons, -1, dtype=np.int64)
            number[neurons] = np.arange(neurons.size)
            chosen = number[self.spikes.neuron] >= 0
            spikes = Spikes(self.spikes.step[chosen], number[self.spikes.neuron[chosen]])
        moments = {f.name: getattr(self.intervals, f.name)[neurons] for f in fields(self.intervals)}
        return replace(
            self,
            layout=Layout(tuple(groups)),
            group_bins=self.group_bins[rows],
            neuron_windows=self.neuron_windows[neurons],
            neuron_totals=self.neuron_totals[neurons],
            intervals=IntervalMoments(**moments),
            depolarisation=self.depolarisation[rows],
            spikes=spikes,
        )

    def during(self, start_ms: float, stop_ms: float) -> Observation:
        """The part of the measurement between two times from its start, as if no more had been measured.

        Raises ObservationError if the spikes were not kept, and for times outside or between steps.
        """
        if self.spikes is None:
            raise ObservationError("a part of a measurement needs the spikes, and only counts were kept")
        if not 0 <= start_ms < stop_ms <= self.duration_ms:
            raise ObservationError(
                f"{start_ms:g} to {stop_ms:g} ms is no part of a measurement of {self.duration_ms:g} ms"
            )
        first, last = steps(start_ms, self.dt_ms, "a time"), steps(stop_ms, self.dt_ms, "a time")
        inside = (self.spikes.step >= first) & (self.spikes.step < last)
        found = observe_spikes(
            self.spikes.step[inside] - first,
            self.spikes.neuron[inside],
            self.layout,
            dt_ms=self.dt_ms,
            duration_ms=stop_ms - start_ms,
            bin_ms=self.bin_ms,
            window_ms=self.window_ms,
        )
        shown = tuple(
            replace(one, start_ms=one.start_ms - start_ms, stop_ms=min(one.stop_ms, stop_ms) - start_ms)
            for one in self.presentations
            if start_ms <= one.start_ms < stop_ms
        )
        return replace(found, depolarisation=self.depolarisation.copy(), presentations=shown)

    def interval_moments(self, population: str) -> IntervalMoments:
        """Moments of the inter-spike intervals of `population`, arrays of shape (neurons,)."""
        return self.intervals[self.layout.neurons_of(population)]

    def all_intervals(self, population: str) -> FloatArray:
        """Every inter-spike interval of `population` in ms, neuron by neuron, shape (n_intervals,).

        Raises ObservationError if the spikes were not kept.
        """
        if self.spikes is None:
            raise ObservationError("every spike is needed, but the observation was stored without spikes")
        rows = self.layout.neurons_of(population)
        inside = (self.spikes.neuron >= rows.start) & (self.spikes.neuron < rows.stop)
        step, neuron = self.spikes.step[inside], self.spikes.neuron[inside]
        order = np.argsort(neuron, kind="stable")  # within a neuron, time stays in order
        same = np.diff(neuron[order]) == 0
        intervals: FloatArray = np.diff(step[order])[same] * self.dt_ms
        return intervals

    def group_sizes(self, population: str) -> IntArray:
        """Neurons in each cluster of `population`, shape (clusters,)."""
        groups = self.layout.groups[self.layout.groups_of(population)]
        return np.array([group.size for group in groups], dtype=np.int64)

    def group_depolarisation(self, population: str) -> FloatArray:
        """Mean relative depolarisation of each cluster of `population` at the end, shape (clusters,)."""
        return self.depolarisation[self.layout.groups_of(population)]


@dataclass(frozen=True)
class SimulationFailure:
    """Why a candidate has no observation: one line for the user."""

    reason: str


def _check_shape(name: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ObservationError(f"{name} has shape {array.shape}, expected {shape}")


def _rebin(counts: IntArray, stored_ms: float, wanted_ms: float, what: str) -> IntArray:
    factor = round(wanted_ms / stored_ms)
    if factor < 1 or not math.isclose(factor * stored_ms, wanted_ms, rel_tol=1e-9):
        raise ObservationError(
            f"{what} of {wanted_ms:g} ms are needed, "
            f"but the observation was stored in {what} of {stored_ms:g} ms"
        )
    n = counts.shape[1] // factor
    if factor == 1:
        return counts
    rebinned: IntArray = counts[:, : n * factor].reshape(counts.shape[0], n, factor).sum(axis=2)
    return rebinned


class Accumulator:
    """Builds an Observation from spikes that arrive in pieces, without keeping them unless asked to."""

    def __init__(
        self, layout: Layout, *, dt_ms: float, bin_ms: float, window_ms: float, keep_spikes: bool = False
    ) -> None:
        n = layout.n_neurons
        self._layout, self._dt_ms = layout, dt_ms
        self._bin_ms, self._window_ms = bin_ms, window_ms
        self._bin_steps = steps(bin_ms, dt_ms, "a bin")
        self._window_steps = steps(window_ms, dt_ms, "a window")
        self._group_of = np.repeat(np.arange(len(layout.groups)), [group.size for group in layout.groups])
        self._group_bins = np.zeros((len(layout.groups), 0), dtype=np.int64)
        self._neuron_windows = np.zeros((n, 0), dtype=np.int64)
        self._last = np.full(n, -1, dtype=np.int64)  # step of the last spike, -1: none yet
        self._last_interval = np.zeros(n, dtype=np.int64)  # in steps, 0: none yet
        self._totals = np.zeros(n, dtype=np.int64)
        self._n = np.zeros(n, dtype=np.int64)
        self._sums = {name: np.zeros(n) for name in ("sum", "sum_sq", "cv2", "lv", "lvr")}
        self._now = 0
        self._kept: list[tuple[IntArray, IntArray]] | None = [] if keep_spikes else None

    def add(self, step: IntArray, neuron: IntArray, until_step: int) -> None:
        """Add all spikes of the steps since the last call up to `until_step` (exclusive), in any order.

        `step` and `neuron` are integer arrays of shape (n_spikes,). Raises ObservationError for spikes
        outside these steps or of neurons that there are not, and for two spikes of a neuron in one step.
        """
        step = np.asarray(step, dtype=np.int64)
        neuron = np.asarray(neuron, dtype=np.int64)
        if until_step < self._now:
            raise ObservationError(f"time runs backwards, from step {self._now} to {until_step}")
        if step.size and (step.min() < self._now or step.max() >= until_step):
            raise ObservationError(f"spikes must lie in steps {self._now} to {until_step - 1}")
        if neuron.size and (neuron.min() < 0 or neuron.max() >= self._layout.n_neurons):
            raise ObservationError("a spike comes from a neuron that the network does not have")
        order = np.lexsort((neuron, step))
        step, neuron = step[order], neuron[order]
        twice = np.flatnonzero((np.diff(step) == 0) & (np.diff(neuron) == 0))
        if twice.size:
            raise ObservationError(
                f"neuron {neuron[twice[0]]} fires twice in step {step[twice[0]]}; "
                "a smaller dt_ms separates its spikes"
            )
        self._now = until_step
        self._count(step, neuron)
        self._add_intervals(step, neuron)
        if self._kept is not None:
            self._kept.append((step, neuron))

    def _count(self, step: IntArray, neuron: IntArray) -> None:
        n_bins = -(-self._now // self._bin_steps)
        n_windows = -(-self._now // self._window_steps)
        self._group_bins = _grown(self._group_bins, n_bins)
        self._neuron_windows = _grown(self._neuron_windows, n_windows)
        np.add.at(self._group_bins, (self._group_of[neuron], step // self._bin_steps), 1)
        np.add.at(self._neuron_windows, (neuron, step // self._window_steps), 1)
        self._totals += np.bincount(neuron, minlength=self._totals.size)

    def _add_intervals(self, step: IntArray, neuron: IntArray) -> None:
        # The last spike before this piece takes part as the spike before the first one in it.
        before = np.flatnonzero(self._last >= 0)
        all_neuron = np.concatenate([before, neuron])
        all_step = np.concatenate([self._last[before], step])
        order = np.argsort(all_neuron, kind="stable")  # within a neuron, time stays in order
        all_neuron, all_step = all_neuron[order], all_step[order]
        same = all_neuron[1:] == all_neuron[:-1]
        owner = all_neuron[1:][same]
        interval = np.diff(all_step)[same]
        # The interval before each of these: the one to its left, or the last one of the piece before.
        previous = np.zeros_like(interval)
        previous[1:] = np.where(owner[1:] == owner[:-1], interval[:-1], 0)
        first = np.ones(owner.size, dtype=bool)
        first[1:] = owner[1:] != owner[:-1]
        previous[first] = self._last_interval[owner[first]]
        both = np.maximum(interval + previous, 1)
        relative = np.where(previous > 0, (interval - previous) / both, 0.0)

        size = self._totals.size
        self._n += np.bincount(owner, minlength=size)
        length = interval * self._dt_ms
        for name, term in (
            ("sum", length),
            ("sum_sq", length**2),
            ("cv2", 2 * np.abs(relative)),
            ("lv", 3 * relative**2),
            ("lvr", 12 * relative**2 / (both * self._dt_ms)),
        ):
            self._sums[name] += np.bincount(owner, weights=term, minlength=size)
        self._last[all_neuron] = all_step  # the last assignment of a neuron wins: its latest spike
        self._last_interval[owner] = interval

    def finish(self, depolarisation: FloatArray | None = None) -> Observation:
        """The observation of all steps up to the last `until_step`."""
        duration_ms = self._now * self._dt_ms
        spikes = None
        if self._kept is not None:
            pieces = self._kept or [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
            spikes = Spikes(np.concatenate([p[0] for p in pieces]), np.concatenate([p[1] for p in pieces]))
        if depolarisation is None:
            depolarisation = np.full(len(self._layout.groups), np.nan)
        return Observation(
            layout=self._layout,
            dt_ms=self._dt_ms,
            duration_ms=duration_ms,
            bin_ms=self._bin_ms,
            group_bins=self._group_bins.copy(),
            window_ms=self._window_ms,
            neuron_windows=self._neuron_windows[:, : self._now // self._window_steps].copy(),
            neuron_totals=self._totals.copy(),
            intervals=IntervalMoments(self._n.copy(), **{k: v.copy() for k, v in self._sums.items()}),
            depolarisation=np.array(depolarisation, dtype=float),  # a copy: the caller's stays writable
            spikes=spikes,
        )


def _grown(counts: IntArray, columns: int) -> IntArray:
    extra = columns - counts.shape[1]
    if extra <= 0:
        return counts
    return np.concatenate([counts, np.zeros((counts.shape[0], extra), dtype=np.int64)], axis=1)


def observe_spikes(
    step: Sequence[int] | IntArray,
    neuron: Sequence[int] | IntArray,
    layout: Layout,
    *,
    dt_ms: float,
    duration_ms: float,
    bin_ms: float = 1.0,
    window_ms: float = 50.0,
) -> Observation:
    """The observation of given spikes: `step` and `neuron` (0-based), shape (n_spikes,), in any order."""
    accumulator = Accumulator(layout, dt_ms=dt_ms, bin_ms=bin_ms, window_ms=window_ms, keep_spikes=True)
    accumulator.add(np.asarray(step), np.asarray(neuron), steps(duration_ms, dt_ms, "the measurement"))
    return accumulator.finish()
