"""Observation: spike counts, moments of inter-spike intervals and, if they were kept, all spikes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import ObservationError
from calibrate.observation.counts import CountArray, rebin
from calibrate.observation.intervals import IntervalMoments
from calibrate.observation.layout import FloatArray, IntArray, Layout, steps


@dataclass(frozen=True)
class Spikes:
    """All spikes of a measurement, ordered by step, then by neuron.

    Attributes
    ----------
    step : ndarray of int, shape (n_spikes,)
        Step of each spike, counted from 0 at the start of the measurement.
    neuron : ndarray of int, shape (n_spikes,)
        Neuron of each spike, counted from 0 over the whole network.
    """

    step: IntArray
    neuron: IntArray


@dataclass(frozen=True)
class Presentation:
    """A stimulus that clusters of a population received.

    Attributes
    ----------
    population : str
        Name of the population.
    clusters : tuple of int
        The clusters, from 0.
    start_ms : float, ms
        Beginning, from the start of the measurement.
    stop_ms : float, ms
        End, from the start of the measurement.
    """

    population: str
    clusters: tuple[int, ...]
    start_ms: float
    stop_ms: float


@dataclass(frozen=True)
class Episode:
    """A completed episode of a network's environment.

    Attributes
    ----------
    start_ms : float, ms
        Beginning, from the start of the measurement.
    stop_ms : float, ms
        End, from the start of the measurement.
    reward : float
        Sum over the steps of the episode.
    measures : dict of str to float
        What the environment reports about the episode, by name, such as "correct".
    """

    start_ms: float
    stop_ms: float
    reward: float
    measures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What a network showed between the end of the warm-up and the end of the simulation.

    Attributes
    ----------
    layout : Layout
        Populations and clusters, in the order of the neurons.
    dt_ms : float, ms
        Step of the simulation.
    duration_ms : float, ms
        Length of the measurement.
    bin_ms : float, ms
        Width of the bins of `group_bins`.
    group_bins : ndarray of int, shape (n_groups, duration_ms / bin_ms)
        Spikes of each group in each bin, in the narrowest type that holds them; `group_counts` returns
        them as int64, to compute with.
    window_ms : float, ms
        Width of the windows of `neuron_windows`.
    neuron_windows : ndarray of int, shape (n_neurons, floor(duration_ms / window_ms))
        Spikes of each neuron in each window, in the narrowest type too; see `neuron_counts`.
    neuron_totals : ndarray of int64, shape (n_neurons,)
        Spikes of each neuron in the whole measurement.
    intervals : IntervalMoments
        Moments of the inter-spike intervals that lie within the measurement.
    depolarisation : ndarray of float, shape (n_groups,)
        Mean of (V - V_reset) / (V_th - V_reset) over the neurons of each group at the end; nan if no membrane
        was observed. It grades networks that do not fire.
    interval_blocks : IntervalMoments or None
        The same moments in successive blocks of time of equal length, arrays of shape (n_neurons, blocks); at
        most 20, the last of which may be shorter. They show how much statistics of intervals vary over time.
        None in observations that were stored without them.
    spikes : Spikes or None
        Every spike, or None if only counters were kept.
    presentations : tuple of Presentation
        Stimuli that began within the measurement, in order of time.
    episodes : tuple of Episode or None
        Episodes of the environment, in order of time; None if there was no closed loop.

    Raises
    ------
    ObservationError
        If the measurement has no length, or if shapes or counts contradict each other.

    Notes
    -----
    The arrays are read-only.

    Examples
    --------
    >>> from calibrate import observe_trains
    >>> observation = observe_trains([[12.0, 31.0], [40.0]], duration_ms=100.0)
    >>> observation.totals("E")
    array([2, 1])
    >>> observation.group_counts("E", 50.0)
    array([[3, 0]])
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
    interval_blocks: IntervalMoments | None = None
    spikes: Spikes | None = field(default=None)
    presentations: tuple[Presentation, ...] = ()
    episodes: tuple[Episode, ...] | None = None

    def __repr__(self) -> str:
        layout = self.layout
        sizes = [layout.neurons_of(name) for name in layout.populations]
        neurons = ", ".join(
            f"{rows.stop - rows.start} {name}" for name, rows in zip(layout.populations, sizes, strict=True)
        )
        kept = "" if self.spikes is not None else ", of which only counts are kept"
        return (
            f"<Observation of {neurons} neurons in {self.duration_ms:g} ms: "
            f"{int(self.neuron_totals.sum())} spikes{kept}>"
        )

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
            if self.interval_blocks is not None:
                blocks = (n_neurons, self.interval_blocks.n.shape[-1])
                _check_shape(f"interval_blocks.{f.name}", getattr(self.interval_blocks, f.name), blocks)
        for name in ("group_bins", "neuron_windows", "neuron_totals"):
            counts = getattr(self, name)
            if counts.dtype.kind != "u" and np.any(counts < 0):
                raise ObservationError(f"{name} contains a negative number of spikes")
        by_group = self.layout.group_sums(self.neuron_totals)
        if not np.array_equal(by_group, self.group_bins.sum(axis=1, dtype=np.int64)):
            raise ObservationError("the spike counts of groups and of neurons disagree")
        if self.interval_blocks is not None:
            # They are large, and only show how much statistics vary. Stored ones have the same digits.
            object.__setattr__(self, "interval_blocks", self.interval_blocks.narrowed())
        for array in self._arrays():
            array.flags.writeable = False

    def _arrays(self) -> list[NDArray[Any]]:
        arrays: list[NDArray[Any]] = [self.group_bins, self.neuron_windows]
        arrays += [self.neuron_totals, self.depolarisation]
        for moments in (self.intervals, self.interval_blocks):
            arrays += [getattr(moments, f.name) for f in fields(IntervalMoments) if moments is not None]
        if self.spikes is not None:
            arrays += [self.spikes.step, self.spikes.neuron]
        return arrays

    def size(self, population: str) -> int:
        """Return the number of neurons of a population.

        Parameters
        ----------
        population : str
            Name of the population.

        Returns
        -------
        int
            Number of neurons.
        """
        return sum(group.size for group in self.layout.groups[self.layout.groups_of(population)])

    def totals(self, population: str) -> IntArray:
        """Return the spikes of each neuron of a population in the whole measurement.

        Parameters
        ----------
        population : str
            Name of the population.

        Returns
        -------
        ndarray of int, shape (neurons,)
            Numbers of spikes.
        """
        return self.neuron_totals[self.layout.neurons_of(population)]

    def group_counts(self, population: str, bin_ms: float) -> IntArray:
        """Return the spikes of each cluster of a population in bins.

        A last, incomplete bin is left out.

        Parameters
        ----------
        population : str
            Name of the population.
        bin_ms : float, ms
            Width of the bins.

        Returns
        -------
        ndarray of int, shape (clusters, bins)
            Numbers of spikes.

        Raises
        ------
        ObservationError
            If the stored bins do not divide `bin_ms`.
        """
        return rebin(self.group_bins[self.layout.groups_of(population)], self.bin_ms, bin_ms, "bins")

    def neuron_counts(self, population: str, window_ms: float) -> IntArray:
        """Return the spikes of each neuron of a population in windows.

        A last, incomplete window is left out.

        Parameters
        ----------
        population : str
            Name of the population.
        window_ms : float, ms
            Width of the windows.

        Returns
        -------
        ndarray of int, shape (neurons, windows)
            Numbers of spikes.

        Raises
        ------
        ObservationError
            If the stored windows do not divide `window_ms`.
        """
        rows = self.neuron_windows[self.layout.neurons_of(population)]
        return rebin(rows, self.window_ms, window_ms, "windows")

    def interval_moments(self, population: str) -> IntervalMoments:
        """Return the moments of the inter-spike intervals of a population.

        Parameters
        ----------
        population : str
            Name of the population.

        Returns
        -------
        IntervalMoments
            Arrays of shape (neurons,).
        """
        return self.intervals[self.layout.neurons_of(population)]

    def block_moments(self, population: str) -> IntervalMoments | None:
        """Return the moments of the inter-spike intervals of a population in blocks of time.

        Parameters
        ----------
        population : str
            Name of the population.

        Returns
        -------
        IntervalMoments or None
            Arrays of shape (neurons, blocks); None if the observation was stored without them.
        """
        blocks = self.interval_blocks
        return None if blocks is None else blocks[self.layout.neurons_of(population)].widened()

    def all_intervals(self, population: str) -> FloatArray:
        """Return every inter-spike interval of a population, neuron by neuron.

        Parameters
        ----------
        population : str
            Name of the population.

        Returns
        -------
        ndarray of float, shape (n_intervals,), ms
            The intervals.

        Raises
        ------
        ObservationError
            If the spikes were not kept.
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
        """Return the number of neurons in each cluster of a population.

        Parameters
        ----------
        population : str
            Name of the population.

        Returns
        -------
        ndarray of int, shape (clusters,)
            Numbers of neurons.
        """
        groups = self.layout.groups[self.layout.groups_of(population)]
        return np.array([group.size for group in groups], dtype=np.int64)

    def group_depolarisation(self, population: str) -> FloatArray:
        """Return the mean relative depolarisation of each cluster of a population at the end.

        Parameters
        ----------
        population : str
            Name of the population.

        Returns
        -------
        ndarray of float, shape (clusters,)
            See `depolarisation`.
        """
        return self.depolarisation[self.layout.groups_of(population)]


@dataclass(frozen=True)
class SimulationFailure:
    """Why a simulation has no observation.

    Attributes
    ----------
    reason : str
        One line for the user.
    """

    reason: str


def _check_shape(name: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ObservationError(f"{name} has shape {array.shape}, expected {shape}")
