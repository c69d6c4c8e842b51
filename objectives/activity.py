"""Activity: how far a network is from firing enough for a statistic to be defined."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from calibrate.objective import jackknife
from calibrate.observation import Observation, rebin

# So many counts are computed with at once.
_AT_ONCE = 1 << 18


def shortfall(observation: Observation, population: str, progress: float) -> float:
    """Return the shortfall of an undefined statistic, in [0, 1]: the less active the network, the larger.

    progress    how close the activity of a network that fires is to what the statistic needs, from 0 (a
                single spike is a little more) to 1

    (1 - progress) / 2 if `population` fired. If it is silent, 1/2 + d / (2 (1 + d)), where d >= 0 is the
    distance of its mean membrane potential from threshold, in units of threshold minus reset: near 1/2 just
    below threshold, 3/4 at reset, towards 1 under strong inhibition, and 1 if no potential was recorded.
    """
    if observation.totals(population).any():
        return (1 - min(max(progress, 0.0), 1.0)) / 2
    depolarisation = observation.group_depolarisation(population)
    depolarisation = depolarisation[np.isfinite(depolarisation)]
    if not depolarisation.size:
        return 1.0
    distance = max(1 - float(depolarisation.mean()), 0.0)
    return 0.5 + 0.5 * distance / (1 + distance)


def spikes_towards(totals: NDArray[np.int64], needed: float) -> float:
    """Return how close neurons are to `needed` spikes each, in [0, 1]: a `progress` for `shortfall`.

    The mean of two shares: that of the most active neuron, which decides when a statistic becomes defined,
    and that of all neurons, which also distinguishes networks whose most active neurons fire equally often.
    """
    shares = np.minimum(totals / needed, 1.0)
    return float(shares.max() + shares.mean()) / 2


def counts_in_rows(
    observation: Observation, population: str, window_ms: float
) -> Iterator[tuple[slice, NDArray[np.int64]]]:
    """Yield the counts of a few neurons after another in windows, and which neurons they are.

    The windows of all neurons in hours of recording do not fit into the caches, and hardly into memory.
    """
    rows = observation.neuron_windows[observation.layout.neurons_of(population)]
    at_once = max(_AT_ONCE // max(rows.shape[1], 1), 1)
    for first in range(0, len(rows), at_once):
        some = slice(first, min(first + at_once, len(rows)))
        yield some, rebin(rows[some], observation.window_ms, window_ms, "windows")


def moments_of_counts(
    observation: Observation, population: str, window_ms: float
) -> tuple[int, NDArray[np.int64], NDArray[np.int64]]:
    """Return the number of windows, and of each neuron the sums of its counts and of their squares."""
    n_windows, total, squares = 0, [], []
    for _, counts in counts_in_rows(observation, population, window_ms):
        n_windows = counts.shape[1]
        total.append(counts.sum(axis=1))
        squares.append(np.einsum("ij,ij->i", counts, counts))
    return n_windows, np.concatenate(total), np.concatenate(squares)


def rates_over_time(observation: Observation, population: str) -> NDArray[np.float64]:
    """Return the rate of each neuron in 20 to 39 successive windows in Hz, shape (neurons, windows).

    They show how much rates vary over time, whatever windows were counted. With fewer than 20 windows, all
    are returned; with fewer than 10, the rates in the whole measurement, as one window.
    """
    n_windows = observation.neuron_windows.shape[1]
    if n_windows < jackknife.BLOCKS:
        return np.asarray(observation.totals(population)[:, None] / (observation.duration_ms / 1000))
    width_ms = max(n_windows // 20, 1) * observation.window_ms
    return np.asarray(observation.neuron_counts(population, width_ms) / (width_ms / 1000))
