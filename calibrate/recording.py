"""Recordings: spike times from anywhere, as the observation that statistics are computed of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibrate.errors import ObservationError
from calibrate.observation import Group, Layout, Observation, observe_spikes

# Times of a simulation are whole steps, but for rounding.
_ROUNDING = 1e-6


def observe_trains(
    trains: Sequence[ArrayLike] | Mapping[str, Sequence[ArrayLike]],
    *,
    duration_ms: float,
    start_ms: float = 0.0,
    clusters: int | Sequence[int] | Mapping[str, int | Sequence[int]] = 1,
    dt_ms: float = 0.1,
    bin_ms: float = 1.0,
    window_ms: float = 50.0,
) -> Observation:
    """The observation of recorded spike trains, for every statistic that simulated networks have.

    trains       times of the spikes of each neuron (ms), a list of arrays; or such a list by population.
                 A plain list is of population "E".
    duration_ms  length of what is looked at, which begins after start_ms: spikes with
                 start_ms < t <= start_ms + duration_ms count, as in a simulation
    clusters     how many clusters of equal size the neurons of a population form, one after another; or the
                 size of each; for several populations by name
    dt_ms        resolution: no neuron fires twice in so short a time
    bin_ms       width of the bins of cluster counts; window_ms: of the windows of neurons' counts

    Raises ObservationError for times that are not finite, two spikes of a neuron within `dt_ms`, sizes that
    do not fit, and widths that are not whole steps.
    """
    populations = dict(trains) if isinstance(trains, Mapping) else {"E": trains}
    groups: list[Group] = []
    step: list[NDArray[np.int64]] = []
    first = 0
    for name, neurons in populations.items():
        wanted = clusters.get(name, 1) if isinstance(clusters, Mapping) else clusters
        start = first
        for number, size in enumerate(_sizes(name, len(neurons), wanted)):
            groups.append(Group(name, number, start, start + size))
            start += size
        step += [_steps(f"neuron {n} of {name}", train, start_ms, dt_ms) for n, train in enumerate(neurons)]
        first += len(neurons)
    neuron = np.repeat(np.arange(first), [train.size for train in step])
    all_steps = np.concatenate(step) if step else np.zeros(0, np.int64)
    inside = (all_steps >= 0) & (all_steps < round(duration_ms / dt_ms))
    return observe_spikes(
        all_steps[inside],
        neuron[inside],
        Layout(tuple(groups)),
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
        raise ObservationError(f"clusters of {list(clusters)} are not the {neurons} neurons of {name}")
    return list(clusters)


def _steps(whose: str, train: ArrayLike, start_ms: float, dt_ms: float) -> NDArray[np.int64]:
    """The step that each spike happened in: number k ends (k + 1) dt after the start."""
    times: NDArray[Any] = np.asarray(train, dtype=float).ravel()
    if not np.isfinite(times).all():
        raise ObservationError(f"{whose} has a spike at a time that is no number")
    found: NDArray[np.int64] = (np.ceil((times - start_ms) / dt_ms - _ROUNDING) - 1).astype(np.int64)
    return found
