"""From spikes to an observation, piece by piece or all at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from calibrate.errors import ObservationError
from calibrate.observation.counts import narrow
from calibrate.observation.intervals import MOST_BLOCKS, Blocks, IntervalMoments
from calibrate.observation.layout import FloatArray, IntArray, Layout, steps
from calibrate.observation.observation import Observation, Spikes


class Accumulator:
    """Builds an Observation from spikes that arrive in pieces.

    It keeps counters, and the spikes themselves only if asked to.

    Parameters
    ----------
    layout : Layout
        Populations and clusters, in the order of the neurons.
    dt_ms : float, ms
        Step of the simulation.
    bin_ms : float, ms
        Width of the bins of group counts.
    window_ms : float, ms
        Width of the windows of neuron counts.
    keep_spikes : bool
        Whether to keep every spike.
    several : bool
        Whether a neuron may have several spikes in a step, as recordings do. Intervals between them are 0.

    Raises
    ------
    ObservationError
        If a bin or a window is not a whole number of steps.

    Examples
    --------
    >>> import numpy as np
    >>> from calibrate.observation import Accumulator, Layout
    >>> accumulator = Accumulator(Layout.of([("E", 2, 1)]), dt_ms=1.0, bin_ms=5.0, window_ms=10.0)
    >>> accumulator.add(np.array([3, 7]), np.array([0, 1]), until_step=10)
    >>> accumulator.add(np.array([12]), np.array([0]), until_step=20)
    >>> accumulator.finish().totals("E")
    array([2, 1])
    """

    def __init__(
        self,
        layout: Layout,
        *,
        dt_ms: float,
        bin_ms: float,
        window_ms: float,
        keep_spikes: bool = False,
        several: bool = False,
    ) -> None:
        n = layout.n_neurons
        self._layout, self._dt_ms, self._several = layout, dt_ms, several
        self._bin_ms, self._window_ms = bin_ms, window_ms
        self._bin_steps = steps(bin_ms, dt_ms, "a bin")
        self._window_steps = steps(window_ms, dt_ms, "a window")
        self._group_of = np.repeat(np.arange(len(layout.groups)), [group.size for group in layout.groups])
        self._group_bins = np.zeros((len(layout.groups), 0), dtype=np.int64)
        self._neuron_windows = np.zeros((n, 0), dtype=np.int64)
        self._last = np.full(n, -1, dtype=np.int64)  # step of the last spike, -1: none yet
        self._last_interval = np.full(n, -1, dtype=np.int64)  # in steps, -1: none yet
        self._totals = np.zeros(n, dtype=np.int64)
        self._blocks = Blocks(dt_ms)
        # Intervals of each neuron that end in each block.
        self._n = np.zeros((n, MOST_BLOCKS), dtype=np.int64)
        self._sums = {name: np.zeros((n, MOST_BLOCKS)) for name in ("sum", "sum_sq", "cv2", "lv", "lvr")}
        self._now = 0
        self._pieces: list[tuple[IntArray, IntArray]] | None = [] if keep_spikes else None

    def add(self, step: IntArray, neuron: IntArray, until_step: int) -> None:
        """Add all spikes of the steps since the last call, in any order.

        Parameters
        ----------
        step : ndarray of int, shape (n_spikes,)
            Step of each spike, from 0.
        neuron : ndarray of int, shape (n_spikes,)
            Neuron of each spike, from 0.
        until_step : int
            First step that is not part of this piece.

        Raises
        ------
        ObservationError
            If spikes lie outside these steps or belong to neurons that do not exist, if a neuron has two
            spikes in one step without `several`, or if `until_step` lies before that of the last call.
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
        if twice.size and not self._several:
            raise ObservationError(
                f"neuron {neuron[twice[0]]} fires twice in step {step[twice[0]]}, of {self._dt_ms:g} ms: "
                "either its spike was delivered twice, or its shortest interval needs a smaller dt_ms"
            )
        self._now = until_step
        self._count(step, neuron)
        self._add_intervals(step, neuron)
        if self._pieces is not None:
            self._pieces.append((step, neuron))

    def _count(self, step: IntArray, neuron: IntArray) -> None:
        n_bins = -(-self._now // self._bin_steps)
        n_windows = -(-self._now // self._window_steps)
        self._group_bins = _widen(self._group_bins, n_bins)
        self._neuron_windows = _widen(self._neuron_windows, n_windows)
        np.add.at(self._group_bins, (self._group_of[neuron], step // self._bin_steps), 1)
        np.add.at(self._neuron_windows, (neuron, step // self._window_steps), 1)
        self._totals += np.bincount(neuron, minlength=self._totals.size)

    def _add_intervals(self, step: IntArray, neuron: IntArray) -> None:
        # The last spike of each neuron before this piece precedes its first spike in the piece.
        before = np.flatnonzero(self._last >= 0)
        all_neuron = np.concatenate([before, neuron])
        all_step = np.concatenate([self._last[before], step])
        order = np.argsort(all_neuron, kind="stable")  # within a neuron, time stays in order
        all_neuron, all_step = all_neuron[order], all_step[order]
        same = all_neuron[1:] == all_neuron[:-1]
        owner = all_neuron[1:][same]
        interval = np.diff(all_step)[same]
        # The interval before each of these: its left neighbour, or the last interval of the previous piece.
        previous = np.full_like(interval, -1)
        previous[1:] = np.where(owner[1:] == owner[:-1], interval[:-1], -1)
        first = np.ones(owner.size, dtype=bool)
        first[1:] = owner[1:] != owner[:-1]
        previous[first] = self._last_interval[owner[first]]
        both = np.maximum(interval + previous, 1)
        relative = np.where(previous >= 0, (interval - previous) / both, 0.0)

        while self._blocks.too_short(self._now):
            self._blocks.double()
            for sums in (self._n, *self._sums.values()):
                sums[:, : MOST_BLOCKS // 2] = sums[:, ::2] + sums[:, 1::2]
                sums[:, MOST_BLOCKS // 2 :] = 0
        # Into flat arrays, which is faster; each is a view of the array that it adds to.
        place = owner * MOST_BLOCKS + all_step[1:][same] // self._blocks.steps
        np.add.at(self._n.reshape(-1), place, 1)
        length = interval * self._dt_ms
        for name, term in (
            ("sum", length),
            ("sum_sq", length**2),
            ("cv2", 2 * np.abs(relative)),
            ("lv", 3 * relative**2),
            ("lvr", 12 * relative**2 / (both * self._dt_ms)),
        ):
            np.add.at(self._sums[name].reshape(-1), place, term)
        self._last[all_neuron] = all_step  # the last assignment of a neuron wins: its latest spike
        self._last_interval[owner] = interval

    def finish(self, depolarisation: FloatArray | None = None) -> Observation:
        """Return the observation of all steps up to the last `until_step`.

        Parameters
        ----------
        depolarisation : ndarray of float, shape (n_groups,), optional
            Mean relative depolarisation of each group at the end; nan by default. See `Observation`.

        Returns
        -------
        Observation
            The observation.
        """
        duration_ms = self._now * self._dt_ms
        blocks = self._blocks.number(self._now)
        spikes = None
        if self._pieces is not None:
            pieces = self._pieces or [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
            spikes = Spikes(np.concatenate([p[0] for p in pieces]), np.concatenate([p[1] for p in pieces]))
        if depolarisation is None:
            depolarisation = np.full(len(self._layout.groups), np.nan)
        return Observation(
            layout=self._layout,
            dt_ms=self._dt_ms,
            duration_ms=duration_ms,
            bin_ms=self._bin_ms,
            group_bins=narrow(self._group_bins).copy(),
            window_ms=self._window_ms,
            neuron_windows=narrow(self._neuron_windows[:, : self._now // self._window_steps]).copy(),
            neuron_totals=self._totals.copy(),
            intervals=IntervalMoments(
                self._n.sum(axis=1), **{name: sums.sum(axis=1) for name, sums in self._sums.items()}
            ),
            interval_blocks=IntervalMoments(
                self._n[:, :blocks].copy(), **{name: s[:, :blocks].copy() for name, s in self._sums.items()}
            ),
            depolarisation=np.array(depolarisation, dtype=float),  # a copy: the caller's stays writable
            spikes=spikes,
        )


def _widen(counts: IntArray, columns: int) -> IntArray:
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
    """Make an observation of spikes that are given as steps and neurons.

    Parameters
    ----------
    step : sequence of int or ndarray of int, shape (n_spikes,)
        Step of each spike, from 0, in any order. Several spikes of a neuron in a step all count.
    neuron : sequence of int or ndarray of int, shape (n_spikes,)
        Neuron of each spike, from 0.
    layout : Layout
        Populations and clusters, in the order of the neurons.
    dt_ms : float, ms
        Length of a step.
    duration_ms : float, ms
        Length of the measurement.
    bin_ms : float, ms
        Width of the bins of group counts.
    window_ms : float, ms
        Width of the windows of neuron counts.

    Returns
    -------
    Observation
        The observation, with its spikes.

    Raises
    ------
    ObservationError
        If a width is not a whole number of steps, or if spikes lie outside the measurement or belong to
        neurons that do not exist.

    Examples
    --------
    >>> from calibrate.observation import Layout, observe_spikes
    >>> observation = observe_spikes(
    ...     [3, 7, 12], [0, 1, 0], Layout.of([("E", 2, 1)]), dt_ms=1.0, duration_ms=20.0, bin_ms=5.0
    ... )
    >>> observation.group_counts("E", 10.0)
    array([[2, 1]])
    """
    accumulator = Accumulator(
        layout, dt_ms=dt_ms, bin_ms=bin_ms, window_ms=window_ms, keep_spikes=True, several=True
    )
    accumulator.add(np.asarray(step), np.asarray(neuron), steps(duration_ms, dt_ms, "the measurement"))
    return accumulator.finish()
