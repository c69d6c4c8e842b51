"""Synthetic spike trains of known statistics, and observations of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from calibrate.observation import Accumulator, Layout, Observation, steps


def observe_trains(
    trains: Sequence[np.ndarray],
    *,
    duration_ms: float,
    dt_ms: float = 0.1,
    clusters: int = 1,
    bin_ms: float = 1.0,
    window_ms: float = 50.0,
    depolarisation: float | None = None,
) -> Observation:
    """The observation of one population "E" whose neurons fire in these steps, one array per neuron."""
    layout = Layout.of([("E", len(trains), clusters)])
    accumulator = Accumulator(layout, dt_ms=dt_ms, bin_ms=bin_ms, window_ms=window_ms)
    step = np.concatenate([np.asarray(train, dtype=np.int64) for train in trains])
    neuron = np.repeat(np.arange(len(trains)), [len(train) for train in trains])
    accumulator.add(step, neuron, steps(duration_ms, dt_ms, "the measurement"))
    return accumulator.finish(None if depolarisation is None else np.full(clusters, depolarisation))


def gamma_trains(
    random: np.random.Generator,
    n: int,
    *,
    shape: float,
    rate_hz: float,
    duration_ms: float,
    dt_ms: float = 0.1,
) -> list[np.ndarray]:
    """Steps of `n` gamma renewal processes, each starting long before; shape 1 is a Poisson process."""
    mean_ms = 1000 / rate_hz
    n_intervals = int(2 * duration_ms / mean_ms) + 50
    times = random.gamma(shape, mean_ms / shape, size=(n, n_intervals)).cumsum(axis=1) - 20 * mean_ms
    trains = [np.unique(row[(row >= 0) & (row < duration_ms)] // dt_ms).astype(np.int64) for row in times]
    return [train[train < round(duration_ms / dt_ms)] for train in trains]


def poisson_trains(
    random: np.random.Generator, n: int, *, rate_hz: float, duration_ms: float, dt_ms: float = 0.1
) -> list[np.ndarray]:
    """Steps of `n` Poisson processes."""
    return gamma_trains(random, n, shape=1.0, rate_hz=rate_hz, duration_ms=duration_ms, dt_ms=dt_ms)


def switching_trains(
    random: np.random.Generator,
    *,
    clusters: int,
    size: int,
    up_hz: float,
    down_hz: float,
    dwell_ms: float,
    gap_ms: float,
    duration_ms: float,
) -> tuple[list[np.ndarray], np.ndarray]:
    """Steps of 1 ms of Poisson neurons whose clusters switch on and off, each by itself, and the states.

    Both sojourns are exponential; the states, bool of shape (clusters, duration), start in equilibrium.
    """
    n_steps = round(duration_ms)
    up = np.zeros((clusters, n_steps), dtype=bool)
    for row in up:
        now, state = 0.0, random.random() < dwell_ms / (dwell_ms + gap_ms)
        while now < n_steps:
            then = now + random.exponential(dwell_ms if state else gap_ms)
            row[round(now) : round(then)] = state
            now, state = then, not state
    rate = np.where(up, up_hz, down_hz) / 1000
    fires = random.random((clusters, size, n_steps)) < rate[:, None, :]
    return [np.flatnonzero(train) for train in fires.reshape(-1, n_steps)], up


def episodes_ms(up: np.ndarray) -> np.ndarray:
    """Lengths of all stretches of True in each row, in steps of 1 ms."""
    edges = np.diff(np.pad(up, ((0, 0), (1, 1))).astype(int), axis=1)
    return np.nonzero(edges < 0)[1] - np.nonzero(edges > 0)[1]
