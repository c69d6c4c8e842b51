"""Observations of spike trains that are given as times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibrate.errors import ObservationError
from calibrate.observation import Group, Layout, Observation, observe_spikes

# Recorded times are counted in nanoseconds, so fine that no statistic sees it. Half of one is the rounding of
# times that are whole steps of something coarser.
RESOLUTION_MS = 1e-6

Trains = Sequence[ArrayLike] | Mapping[str, Sequence[ArrayLike]]
Clusters = int | Sequence[int] | Mapping[str, int | Sequence[int]]


def observe_trains(
    trains: Trains,
    *,
    duration_ms: float,
    start_ms: float = 0.0,
    clusters: Clusters = 1,
    dt_ms: float = RESOLUTION_MS,
    bin_ms: float = 1.0,
    window_ms: float = 50.0,
) -> Observation:
    """Make the observation of recorded spike trains, for every statistic that simulated networks have.

    Parameters
    ----------
    trains : list of array_like, or dict of str to list of array_like; ms
        Spike times of each neuron, or such a list for each population. A plain list is population "E".
    duration_ms : float, ms
        Length of the measurement. Spikes with start_ms < t <= start_ms + duration_ms count, as in a
        simulation.
    start_ms : float, ms
        The measurement begins after this time.
    clusters : int, sequence of int, or dict of str to either
        Number of clusters of equal size that the neurons of a population form, one after another; or the size
        of each cluster; by name if there are several populations.
    dt_ms : float, ms
        Step to whose end times are rounded up. By default a nanosecond, so that intervals are those of the
        times as given. Several spikes of a neuron in one step all count.
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
        If times are not finite, if a neuron has two spikes at the same time, if sizes of clusters do not fit,
        or if a width is not a whole number of steps.

    Examples
    --------
    >>> from calibrate import find_statistic, observe_trains
    >>> observation = observe_trains([[12.0, 31.0, 32.0], [12.5]], duration_ms=100.0)
    >>> find_statistic("rate_E")(observation).value
    20.0
    """
    populations = dict(trains) if isinstance(trains, Mapping) else {"E": trains}
    named = {
        name: [_times(f"neuron {number} of {name}", train) for number, train in enumerate(neurons)]
        for name, neurons in populations.items()
    }
    sizes = {
        name: _sizes(name, len(neurons), clusters.get(name, 1) if isinstance(clusters, Mapping) else clusters)
        for name, neurons in named.items()
    }
    return observe_times(
        [train for neurons in named.values() for train in neurons],
        layout_of(sizes),
        start_ms=start_ms,
        duration_ms=duration_ms,
        dt_ms=dt_ms,
        bin_ms=bin_ms,
        window_ms=window_ms,
    )


def _times(neuron: str, train: ArrayLike) -> NDArray[np.float64]:
    """Return the times, ascending; raises ObservationError for those that no neuron has."""
    times = np.sort(np.asarray(train, dtype=float).ravel())
    if not np.isfinite(times).all():
        raise ObservationError(f"{neuron} has a spike time that is not a number")
    if (twice := doubled(times)) is not None:
        raise ObservationError(f"{neuron} has two spikes at {twice:.15g} ms")
    return times


def doubled(times: NDArray[np.float64]) -> float | None:
    """The first of the ascending `times` that is there twice."""
    twice = np.flatnonzero(np.diff(times) == 0)
    return float(times[twice[0]]) if twice.size else None


def layout_of(sizes: Mapping[str, Sequence[int]]) -> Layout:
    """The layout of populations with clusters of these sizes; clusters without neurons are left out."""
    groups: list[Group] = []
    first = 0
    for name, of_clusters in sizes.items():
        for number, size in enumerate(of_clusters):
            groups += [Group(name, number, first, first + size)] if size else []
            first += size
    return Layout(tuple(groups))


def observe_times(
    trains: Sequence[NDArray[np.float64]],
    layout: Layout,
    *,
    start_ms: float,
    duration_ms: float,
    dt_ms: float,
    bin_ms: float,
    window_ms: float,
) -> Observation:
    """Make the observation of ascending times, one array for each neuron of the layout."""
    step = [_steps(train - start_ms, duration_ms, dt_ms) for train in trains]
    return observe_spikes(
        np.concatenate(step) if step else np.zeros(0, np.int64),
        np.repeat(np.arange(len(step)), [train.size for train in step]),
        layout,
        dt_ms=dt_ms,
        duration_ms=duration_ms,
        bin_ms=bin_ms,
        window_ms=window_ms,
    )


def _sizes(name: str, neurons: int, clusters: int | Sequence[int]) -> list[int]:
    if isinstance(clusters, int):
        if clusters < 1 or neurons % clusters or not neurons:
            raise ObservationError(f"{neurons} neurons of {name} do not divide into {clusters} clusters")
        return [neurons // clusters] * clusters
    if sum(clusters) != neurons or min(clusters, default=0) < 1:
        raise ObservationError(f"cluster sizes {list(clusters)} do not add up to {neurons} neurons of {name}")
    return list(clusters)


def _steps(times: NDArray[np.float64], duration_ms: float, dt_ms: float) -> NDArray[np.int64]:
    """Return the steps of the spikes in the measurement; step k ends (k + 1) dt after the start."""
    number = np.ceil((times - RESOLUTION_MS / 2) / dt_ms) - 1
    inside: NDArray[np.int64] = number[(number >= 0) & (number < round(duration_ms / dt_ms))].astype(np.int64)
    return inside
