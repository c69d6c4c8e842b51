"""Statistics of spikes by which networks are compared. It needs numpy only."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

BIN_MS = 50.0  # for rates of clusters
WINDOW_MS = 100.0  # for counts of neurons


def statistics(
    step: NDArray[np.int64],
    neuron: NDArray[np.int64],
    *,
    populations: Mapping[str, tuple[int, int]],
    dt_ms: float,
    start_ms: float,
    stop_ms: float,
) -> dict[str, float]:
    """Statistics of the spikes after start_ms, up to stop_ms, by name; nan where there are too few spikes.

    step, neuron  of every spike: its time in steps, and the number of its neuron in the whole network
    populations   {name: (number of neurons, number of clusters)}, in the order of the neurons

    rate_P          mean rate of population P (Hz)
    cv_P            coefficient of variation of inter-spike intervals, mean over neurons with at least three
    fano_P          variance / mean of spike counts in windows of 100 ms, mean over neurons that fire
    cluster_sd_P    standard deviation over time of the rate of a cluster in 50 ms (Hz), mean over clusters;
                    of the population, if it has no clusters
    """
    inside = (step > round(start_ms / dt_ms)) & (step <= round(stop_ms / dt_ms))
    time_ms = (step[inside] - round(start_ms / dt_ms)).astype(np.float64) * dt_ms
    neuron = neuron[inside]
    found, first = {}, 0
    for name, (size, clusters) in populations.items():
        own = (neuron >= first) & (neuron < first + size)
        times, neurons = time_ms[own], neuron[own] - first
        duration_ms = stop_ms - start_ms
        found[f"rate_{name}"] = 1000.0 * times.size / (size * duration_ms)
        found[f"cv_{name}"] = _cv(times, neurons)
        found[f"fano_{name}"] = _fano(times, neurons, size, duration_ms)
        found[f"cluster_sd_{name}"] = _cluster_sd(times, neurons, size, clusters, duration_ms)
        first += size
    return found


def _cv(times: NDArray[np.float64], neurons: NDArray[np.int64]) -> float:
    order = np.lexsort((times, neurons))
    same = np.diff(neurons[order]) == 0
    intervals, owners = np.diff(times[order])[same], neurons[order][1:][same]
    pieces = np.split(intervals, np.flatnonzero(np.diff(owners)) + 1)
    of_neurons = [piece for piece in pieces if piece.size >= 3]
    return float(np.mean([piece.std(ddof=1) / piece.mean() for piece in of_neurons] or [np.nan]))


def _fano(times: NDArray[np.float64], neurons: NDArray[np.int64], size: int, duration_ms: float) -> float:
    windows = int(duration_ms / WINDOW_MS + 1e-9)
    if windows < 2:
        return float("nan")
    window = np.ceil(times / WINDOW_MS - 1e-9).astype(int) - 1
    counts = np.zeros((size, windows))
    np.add.at(counts, (neurons[window < windows], window[window < windows]), 1)
    means = counts.mean(axis=1)
    ratios = counts.var(axis=1, ddof=1)[means > 0] / means[means > 0]
    return float(ratios.mean()) if ratios.size else float("nan")


def _cluster_sd(
    times: NDArray[np.float64], neurons: NDArray[np.int64], size: int, clusters: int, duration_ms: float
) -> float:
    bins = int(duration_ms / BIN_MS + 1e-9)
    if bins < 2:
        return float("nan")
    each = np.ceil(times / BIN_MS - 1e-9).astype(int) - 1
    counts = np.zeros((clusters, bins))
    np.add.at(counts, (neurons[each < bins] // (size // clusters), each[each < bins]), 1)
    rates_hz = 1000.0 * counts / (size // clusters * BIN_MS)
    return float(rates_hz.std(axis=1, ddof=1).mean())
