"""Observation: spike counts, moments of inter-spike intervals and, if they were kept, all spikes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import ObservationError
from calibrate.observation.counts import CountArray, rebin
from calibrate.observation.layout import FloatArray, IntArray, Layout, steps


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


@dataclass(frozen=True)
class Episode:
    """An episode of a network's environment that came to its end, in ms from the start of the measurement.

    reward    sum over its steps
    measures  what the environment says of it by name, such as "correct"
    """

    start_ms: float
    stop_ms: float
    reward: float
    measures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What a network showed between the end of the warm-up and the end of the simulation.

    layout          populations and clusters, in the order of the neurons
    dt_ms           step of the simulation
    duration_ms     length of the measurement
    bin_ms          width of the bins of `group_bins`
    group_bins      spikes of each group in each bin, shape (n_groups, duration_ms / bin_ms). Whole numbers
                    in a type just wide enough: `group_counts` returns them as int64, to compute with
    window_ms       width of the windows of `neuron_windows`
    neuron_windows  spikes of each neuron in each window, shape (n_neurons, floor(duration_ms / window_ms));
                    narrow as well: see `neuron_counts`
    neuron_totals   spikes of each neuron in the whole measurement, int64, shape (n_neurons,)
    intervals       moments of the inter-spike intervals that lie within the measurement
    depolarisation  mean of (V - V_reset) / (V_th - V_reset) over each group's neurons at the end, shape
                    (n_groups,); nan where no membrane was seen. It grades networks that do not fire.
    spikes          every spike, or None where only counters were kept
    presentations   stimuli that began within the measurement, in order of time
    episodes        of its environment, in order of time; None where there was no closed loop

    The arrays are read-only. Counts that contradict each other raise ObservationError.
    """

    layout: Layout
    dt_ms: float
    duration_ms: float
    bin_ms: float
    group_bins: CountArray
    window_ms: float
    neuron_windows: CountArray
    neuron_totals: IntArray
    intervals: IntervalMoments
    depolarisation: FloatArray
    spikes: Spikes | None = field(default=None)
    presentations: tuple[Presentation, ...] = ()
    episodes: tuple[Episode, ...] | None = None

    def __post_init__(self) -> None:
        if not self.duration_ms > 0:
            raise ObservationError(f"a measurement must be longer than 0 ms, not {self.duration_ms:g} ms")
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
            counts = getattr(self, name)
            if counts.dtype.kind != "u" and np.any(counts < 0):
                raise ObservationError(f"{name} contains a negative number of spikes")
        by_group = self.layout.group_sums(self.neuron_totals)
        if not np.array_equal(by_group, self.group_bins.sum(axis=1, dtype=np.int64)):
            raise ObservationError("the spike counts of groups and of neurons disagree")
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
        return rebin(self.group_bins[self.layout.groups_of(population)], self.bin_ms, bin_ms, "bins")

    def neuron_counts(self, population: str, window_ms: float) -> IntArray:
        """Spikes of each neuron of `population` in windows of `window_ms`, shape (neurons, windows).

        A last, incomplete window is left out. Raises ObservationError if the stored windows do not divide it.
        """
        rows = self.neuron_windows[self.layout.neurons_of(population)]
        return rebin(rows, self.window_ms, window_ms, "windows")

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
