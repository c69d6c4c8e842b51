"""Stated standard errors against the spread over repetitions of processes whose truth is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from calibrate import Recording, measure_recording
from calibrate.objective import find_statistic
from calibrate.observation import Group, Layout, Observation, observe_spikes

Fires = np.ndarray  # bool, shape (neurons, steps of 1 ms)
Process = Callable[[np.random.Generator], tuple[Fires, list[int]]]  # with the sizes of the clusters
DURATION_MS = 20_000

OF_NEURONS = ["rate", "rate_sd", "silent_fraction", "cv", "cv2", "lv", "lvr", "fano", "correlation", "isi"]
OF_POPULATIONS = ["synchrony", "locking"]
OF_CLUSTERS = [
    "dwell_time",
    "up_gap",
    "active_clusters",
    "active_sd",
    "multiple_active",
    "occupancy_entropy",
    "switching_rate",
    "bimodality",
    "cluster_rate_variance",
    "timescale",
]


def independent(random: np.random.Generator) -> tuple[Fires, list[int]]:
    return random.random((60, DURATION_MS)) < 0.008, [60]


def heterogeneous(random: np.random.Generator) -> tuple[Fires, list[int]]:
    """Rates of new neurons each time, log-normal with a mean of 6 Hz and a CV of .5; few are near silence."""
    rates_hz = random.lognormal(np.log(6) - 0.112, 0.472, size=(100, 1))
    rates_hz[random.random(100) < 0.2] = 0.06
    return random.random((100, DURATION_MS)) < rates_hz / 1000, [100]


def _clusters(up: np.ndarray, random: np.random.Generator) -> tuple[Fires, list[int]]:
    size = 12
    uniform = random.random((len(up), size, DURATION_MS), dtype=np.float32)
    fires = uniform < np.where(up, np.float32(0.05), np.float32(0.004))[:, None]
    return fires.reshape(-1, DURATION_MS), [size] * len(up)


def switching(random: np.random.Generator) -> tuple[Fires, list[int]]:
    """Eight clusters, each by itself up for 200 ms and down for 800 ms, exponential."""
    up = np.zeros((8, DURATION_MS), dtype=bool)
    for row in up:
        now, state = 0.0, random.random() < 0.2
        while now < DURATION_MS:
            then = now + random.exponential(200.0 if state else 800.0)
            row[round(now) : round(then)] = state
            now, state = then, not state
    return _clusters(up, random)


def competing(random: np.random.Generator) -> tuple[Fires, list[int]]:
    """One of eight clusters is up at any time, for 200 ms, exponential."""
    up = np.zeros((8, DURATION_MS), dtype=bool)
    now, cluster = 0.0, 0
    while now < DURATION_MS:
        then = now + random.exponential(200.0)
        up[cluster, round(now) : round(then)] = True
        now, cluster = then, (cluster + int(random.integers(1, 8))) % 8
    return _clusters(up, random)


def observed(fires: Fires, sizes: Sequence[int]) -> Observation:
    neuron, step = np.nonzero(fires)
    stops = np.cumsum(sizes)
    groups = (
        Group("E", k, int(stop - size), int(stop))
        for k, (size, stop) in enumerate(zip(sizes, stops, strict=True))
    )
    return observe_spikes(step, neuron, Layout(tuple(groups)), dt_ms=1.0, duration_ms=fires.shape[1])


def coverage(values: np.ndarray, errors: np.ndarray, scale: str) -> float:
    """Share of the intervals of 1.96 errors that contain the mean of all values, on the statistic's scale."""
    defined = np.isfinite(values) & np.isfinite(errors)
    assert defined.mean() > 0.95
    values, errors = values[defined], errors[defined]
    if scale == "log":
        values, errors = np.log(values), errors / values
    return float((np.abs(values - values.mean()) <= 1.96 * errors).mean())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("process", "names"),
    [
        (independent, [*OF_NEURONS, *OF_POPULATIONS]),
        (heterogeneous, OF_NEURONS),
        (switching, [*OF_NEURONS, *OF_POPULATIONS, *OF_CLUSTERS, "spectral_peak_power"]),
        # Together, clusters of which one is always up have a flat spectrum: see spectral_peak_power.
        (competing, [*OF_NEURONS, *OF_POPULATIONS, *OF_CLUSTERS]),
    ],
)
def test_intervals_of_two_errors_contain_the_truth(process: Process, names: list[str]) -> None:
    statistics = [find_statistic(f"{name}_E") for name in names]
    found = np.zeros((200, len(names), 2))
    for seed, row in enumerate(found):
        observation = observed(*process(np.random.default_rng(seed)))
        estimates = [statistic(observation) for statistic in statistics]
        row[:] = [(estimate.value, estimate.error) for estimate in estimates]
    covered = {
        statistic.name: coverage(values, errors, statistic.scale)
        for statistic, (values, errors) in zip(statistics, found.transpose(1, 2, 0), strict=True)
        if np.ptp(values) > 0  # the share of silent neurons is 0 wherever there is none
    }
    assert {name: share for name, share in covered.items() if not 0.88 <= share <= 0.99} == {}


@pytest.mark.parametrize(
    ("process", "name"),
    [(switching, "rate_E"), (switching, "fano_E"), (switching, "cv_E"), (competing, "active_clusters")],
)
def test_neurons_and_clusters_need_not_be_independent(process: Process, name: str) -> None:
    """The stated error is the spread over repetitions: far from what it would be if they were."""
    statistic = find_statistic(name)
    found = [statistic(observed(*process(np.random.default_rng(seed)))) for seed in range(12)]
    stated = np.sqrt(np.mean([one.error**2 for one in found]))
    assert np.std([one.value for one in found], ddof=1) == pytest.approx(stated, rel=0.5)
    if name == "active_clusters":
        # Shares of the time of eight clusters, each by itself up for an eighth of it with exponential times.
        assert stated < 0.3 * np.sqrt(8 * (1 / 8) * (7 / 8) * 2 * 175 / DURATION_MS)
    else:
        as_independent = [one.sample.std(ddof=1) / np.sqrt(one.sample.size) for one in found]
        assert stated > 2 * np.mean(as_independent)


@pytest.mark.parametrize(
    ("name", "rate_hz", "duration_ms"),
    [("silent_fraction_E", 0.1, 10_500), ("silent_fraction_E", 0.1, 21_000), ("cv_E", 1.0, 10_000)],
)
def test_neurons_near_the_limit_from_which_they_count_do_not_inflate_an_error(name, rate_hz, duration_ms):
    """Without a tenth of the time, they must not count as other neurons."""
    statistic = find_statistic(name)
    found = []
    for seed in range(12):
        fires = np.random.default_rng(seed).random((200, duration_ms)) < rate_hz / 1000
        found.append(statistic(observed(fires, [200])))
    stated = np.sqrt(np.mean([one.error**2 for one in found]))
    assert 0.5 < stated / np.std([one.value for one in found], ddof=1) < 2.2


def recorded(process: Process, seed: int) -> Recording:
    fires, sizes = process(np.random.default_rng(seed))
    trains = [np.flatnonzero(train) + 1.0 for train in fires]
    return Recording(trains={"E": trains}, clusters={"E": sizes}, start_ms=0.0, stop_ms=float(DURATION_MS))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("process", "names"),
    [
        (independent, ["rate", "cv2", "lv", "fano"]),
        (heterogeneous, ["rate", "rate_sd", "silent_fraction", "cv2", "lv"]),
        (switching, ["rate", "cv2", "dwell_time", "active_clusters"]),
    ],
)
def test_a_recording_states_the_spread_over_recordings(process: Process, names: list[str]) -> None:
    """Of other units at other times, within what 40 recordings show: the SD of 40 is known to 11 %."""
    statistics = [find_statistic(f"{name}_E") for name in names]
    found = []
    for seed in range(40):
        rows = measure_recording(recorded(process, seed), statistics, repeats=6, block_ms=2000)
        found.append([(row.estimate.value, row.error) for row in rows])
    for statistic, (values, errors) in zip(statistics, np.transpose(found, (1, 2, 0)), strict=True):
        spread = values.std(ddof=1) / np.sqrt((errors**2).mean())
        assert spread == pytest.approx(1, abs=0.3), statistic.name
        assert coverage(values, errors, statistic.scale) >= 0.85, statistic.name


def test_the_sd_of_rates_and_the_share_of_silent_units_have_the_error_of_a_sample_of_units() -> None:
    """Once their errors left the units out: a tenth of the spread, and none at all."""
    names = ["rate_sd_E", "silent_fraction_E"]
    sd, silent = measure_recording(
        recorded(heterogeneous, 1), [find_statistic(name) for name in names], repeats=20
    )
    fires, _ = heterogeneous(np.random.default_rng(1))
    rates_hz = fires.mean(axis=1) * 1000
    # The jackknife over neurons, and the binomial distribution.
    without = [np.delete(rates_hz, unit).std(ddof=1) for unit in range(100)]
    assert sd.error == pytest.approx(np.sqrt(99 * np.var(without)), rel=0.3)
    share = silent.estimate.value
    assert 0 < share < 0.2
    assert silent.error == pytest.approx(np.sqrt(share * (1 - share) / 100), rel=0.4)
