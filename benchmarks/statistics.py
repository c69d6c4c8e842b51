"""Every statistic on synthetic data whose truth is known, and what it costs on 25,000 neurons.

    python -m benchmarks.statistics

Prints a table: the truth (worked out from the process), the estimate and its standard error where it has one,
and the seconds that it takes on 25,000 neurons in 20 clusters, 10 s at 5 Hz; for stimuli, on their own data.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import poisson

from calibrate.objective import find_statistic
from calibrate.observation import Layout, Observation, Presentation, observe_spikes

Rates = NDArray[np.float64]

# Synthetic data, dt 1 ms, 60 s unless said otherwise.
UP_HZ, DOWN_HZ, UP_MS, DOWN_MS = 60.0, 3.0, 300.0, 600.0
COMMON_HZ, OWN_HZ = 3.0, 6.0
SHARED = 4.0 / (8.0 + 1 / 12)
STATE_MS, STATE_HZ = 400.0, 40.0
EVERY_MS, LENGTH_MS, DELAY_MS = 1000, 300, 40


def _observation(fires: NDArray[np.bool_], clusters: int) -> Observation:
    neuron, step = np.nonzero(fires)
    layout = Layout.of([("E", fires.shape[0], clusters)])
    return observe_spikes(step, neuron, layout, dt_ms=1.0, duration_ms=float(fires.shape[1]), window_ms=50.0)


@cache
def data(name: str) -> Observation:
    """The observation of one of the processes."""
    random = np.random.default_rng(1)
    steps = 60_000
    if name == "poisson":
        return _observation(random.random((500, steps)) < 0.008, 5)
    if name == "gamma":  # shape 4, mean interval 50 ms, in steps of 1 ms
        fires = np.zeros((200, steps), dtype=bool)
        for row in fires:
            times = np.cumsum(random.gamma(4.0, 12.5, size=3000)) - 1000
            row[times[(times >= 0) & (times < steps)].astype(int)] = True
        return _observation(fires, 5)
    if name == "switching":
        up = np.zeros((20, 4 * steps), dtype=bool)
        for row in up:
            now, state = 0.0, random.random() < UP_MS / (UP_MS + DOWN_MS)
            while now < row.size:
                then = now + random.exponential(UP_MS if state else DOWN_MS)
                row[round(now) : round(then)] = state
                now, state = then, not state
        rate = np.repeat(np.where(up, UP_HZ, DOWN_HZ) / 1000, 20, axis=0)
        return _observation(random.random(rate.shape) < rate, 20)
    if name == "common":
        common = random.random(steps) < COMMON_HZ / 1000
        return _observation(common | (random.random((100, steps)) < OWN_HZ / 1000), 5)
    if name == "factor":  # counts in 200 ms of variance 8, 4 of it shared
        factor = 2.0 * random.standard_normal(600)
        counts = np.maximum(np.round(20 + factor + 2.0 * random.standard_normal((50, 600))), 0).astype(int)
        fires = np.zeros((50, 120_000), dtype=bool)
        for row, train in zip(counts, fires, strict=True):
            for k, count in enumerate(row):
                train[200 * k + np.linspace(1, 199, count).astype(int)] = True
        return _observation(fires, 5)
    if name == "modulated":
        rate = 0.02 * (1 + 0.6 * np.sin(2 * np.pi * 0.04 * np.arange(steps)))
        return _observation(random.random((100, steps)) < rate, 5)
    if name == "states":  # one of three clusters is up at any time
        states, now, state = np.zeros(steps, dtype=int), 0.0, 0
        while now < steps:
            then = now + random.exponential(STATE_MS)
            states[round(now) : round(then)] = state
            now, state = then, (state + random.integers(1, 3)) % 3
        rate = np.where(states == np.arange(3)[:, None], STATE_HZ, 5.0) / 1000
        return _observation(random.random((60, steps)) < np.repeat(rate, 20, axis=0), 3)
    if name == "stimuli":  # two clusters take turns; the rate before differs from time to time, later not
        rate = np.repeat(random.choice([2.0, 18.0], size=(1, 61)), EVERY_MS, axis=1)[:, :steps] * np.ones(
            (2, 1)
        )
        shown = []
        for k, onset in enumerate(range(500, steps - LENGTH_MS, EVERY_MS)):
            rate[:, onset : onset + LENGTH_MS] = 10.0
            rate[k % 2, onset + DELAY_MS : onset + LENGTH_MS] = 50.0
            shown.append(Presentation("E", (k % 2,), float(onset), float(onset + LENGTH_MS)))
        fires = random.random((80, steps)) < np.repeat(rate, 40, axis=0) / 1000
        return replace(_observation(fires, 2), presentations=tuple(shown))
    raise KeyError(name)


def truths() -> list[tuple[str, str, float]]:
    """Statistic, process, and what it is for that process."""
    on, off = 1 / UP_MS, 1 / DOWN_MS
    share = UP_MS / (UP_MS + DOWN_MS)
    step = (UP_HZ - DOWN_HZ) / 1000  # of the mean count in 1 ms
    decay = on + off
    # Var of the count of a telegraph process in a window W: see Cox & Miller 1965.
    window = 400.0
    shared = 2 * share * (1 - share) * step**2 / decay**2 * (decay * window - 1 + math.exp(-decay * window))
    mean = (share * UP_HZ + (1 - share) * DOWN_HZ) / 1000 * window
    return [
        ("rate", "poisson", 8.0),
        ("rate_sd", "poisson", math.sqrt(8.0 / 60)),
        ("silent_fraction", "poisson", 0.0),
        ("cv", "gamma", 0.5),
        ("cv2", "poisson", 1.0),
        ("lv", "gamma", 3 / 9),
        ("lvr", "poisson", 1.0 + 4 * 5.0 * 3 * _mean_of_inverse()),
        ("isi", "poisson", 125.0),
        ("fano", "switching", 1 + shared / mean),
        ("correlation", "common", COMMON_HZ / (COMMON_HZ + OWN_HZ)),
        ("shared_variance", "factor", 100 * SHARED),
        ("shared_dimensions", "factor", 1.0),
        ("synchrony", "poisson", 1 / 100),
        ("spectral_peak", "modulated", 40.0),
        ("spectral_peak_power", "modulated", 1 + (0.6 * 2000) ** 2 / 2 / 3 / 4000),
        ("timescale", "switching", 1 / decay),
        ("dwell_time", "switching", UP_MS + 50.0),
        ("active_clusters", "switching", 20 * share),
        ("up_gap", "switching", DOWN_MS),
        ("switching_rate", "switching", 1000 / (UP_MS + DOWN_MS)),
        ("active_sd", "switching", math.sqrt(20 * share * (1 - share))),
        ("multiple_active", "switching", 1 - (1 - share) ** 19 * (1 + 19 * share)),
        ("occupancy_entropy", "switching", 1.0),
        ("cluster_rate_variance", "switching", share * (1 - share) * (UP_HZ - DOWN_HZ) ** 2),
        ("bimodality", "poisson", 1 / 3),
        ("dip", "poisson", 0.0),
        ("locking", "poisson", _fullest(8.0, 0.05)),
        ("hmm_states", "states", 3.0),
        ("hmm_dwell", "states", STATE_MS + 50),
        ("hmm_switching", "states", 1000 / STATE_MS * math.exp(-50 / STATE_MS)),
        ("evoked_rate", "stimuli", 40.0 * (1 - DELAY_MS / LENGTH_MS)),
        ("evoked_latency", "stimuli", DELAY_MS),
        ("fano_quenching", "stimuli", -(1.6**2) / 2),
        ("decoding", "stimuli", 1.0),
    ]


def _fullest(mean: float, share: float) -> float:
    """Share of Poisson counts that lie in the fullest bins."""
    level = poisson.isf((np.arange(1000) + 0.5) / 1000 * share, mean)
    return float(level.mean() * share / mean)


def _mean_of_inverse() -> float:
    """< ((a - b) / (a + b))^2 / (a + b) > of intervals of a Poisson process of 8 Hz, in 1/ms: r / 3."""
    return 0.008 / 3


def large() -> Observation:
    random = np.random.default_rng(2)
    neurons, steps = 25_000, 10_000
    spikes = random.poisson(0.005 * neurons * steps)
    chosen = np.unique(random.integers(neurons * steps, size=spikes))
    layout = Layout.of([("E", neurons, 20)])
    return observe_spikes(
        chosen % steps, chosen // steps, layout, dt_ms=1.0, duration_ms=10_000.0, window_ms=50.0
    )


def main() -> None:
    big = large()
    print(
        "| statistic | process | truth | estimate | standard error | relative error | s on 25,000 neurons |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, process, truth in truths():
        statistic = find_statistic(name)
        found = statistic(data(process))
        began = time.perf_counter()
        statistic(data(process) if process == "stimuli" else big)
        seconds = time.perf_counter() - began
        relative = f"{found.value / truth - 1:+.1%}" if truth else ""
        error = "" if math.isnan(found.error) else f"{found.error:.2g}"
        print(
            f"| {name} | {process} | {truth:.4g} | {found.value:.4g} | {error} | {relative} | {seconds:.3f} |"
        )


if __name__ == "__main__":
    main()
