"""cv, cv2, lv and fano: irregularity of trains and variability of counts."""

from __future__ import annotations

import elephant.statistics
import numpy as np
import pytest
import quantities as pq

from calibrate.errors import ObjectiveError
from calibrate.objective import Statistic
from calibrate.observation import Layout, observe_spikes
from objectives.variability import cv, cv2, fano, isi, lv, lvr
from tests.helpers.spike_trains import gamma_trains, observe_trains, poisson_trains

IRREGULARITIES = [cv, cv2, lv]
by_name = pytest.mark.parametrize("statistic", IRREGULARITIES, ids=lambda s: s.name)


def train_of(intervals_ms: list[float], start_ms: float = 1.0, dt_ms: float = 0.1) -> np.ndarray:
    times = np.concatenate([[start_ms], start_ms + np.cumsum(intervals_ms)])
    return np.round(times / dt_ms).astype(int)


def intervals_of(trains: list[np.ndarray], dt_ms: float = 0.1) -> list[np.ndarray]:
    return [elephant.statistics.isi(np.sort(train) * dt_ms) for train in trains]


# Against numbers worked out elsewhere


def test_cv2_and_lv_of_the_example_of_four_intervals() -> None:
    observation = observe_trains([train_of([0.3, 4.5, 6.7, 9.3])], duration_ms=100.0)
    assert cv2(observation).value == pytest.approx(0.8226190476, abs=1e-9)
    assert lv(observation).value == pytest.approx(0.8306154337, abs=1e-9)


def test_cv_of_three_intervals_worked_out_by_hand() -> None:
    observation = observe_trains([train_of([2.0, 4.0, 6.0])], duration_ms=100.0)
    assert cv.with_options(min_intervals=3)(observation).value == pytest.approx((8 / 3) ** 0.5 / 4)


def test_fano_factor_of_counts_four_and_three() -> None:
    trains = [np.array([100, 200, 300, 400, 4100, 4200, 4300])]
    observation = observe_trains(trains, duration_ms=800.0)
    # .0714285714 with 1/K; unbiased it is K / (K - 1) times that.
    assert fano(observation).value == pytest.approx(0.0714285714 * 2, abs=1e-9)


def test_cv_is_the_mean_over_neurons_of_what_numpy_finds() -> None:
    trains = poisson_trains(np.random.default_rng(1), 30, rate_hz=15.0, duration_ms=3000.0)
    expected = [i.std() / i.mean() for i in intervals_of(trains) if i.size >= 10]
    estimate = cv(observe_trains(trains, duration_ms=3000.0))
    assert estimate.value == pytest.approx(np.mean(expected))
    assert estimate.support == len(expected)


def test_cv2_and_lv_are_the_means_over_neurons_of_what_elephant_finds() -> None:
    trains = gamma_trains(np.random.default_rng(2), 30, shape=2.0, rate_hz=4.0, duration_ms=2000.0)
    intervals = [i for i in intervals_of(trains) if i.size >= 2]
    observation = observe_trains(trains, duration_ms=2000.0)
    for mine, elephants in ((cv2, elephant.statistics.cv2), (lv, elephant.statistics.lv)):
        estimate = mine(observation)
        assert estimate.value == pytest.approx(np.mean([elephants(i) for i in intervals]))
        assert estimate.support == len(intervals)


def test_fano_is_the_mean_over_neurons_of_what_elephant_finds() -> None:
    trains = poisson_trains(np.random.default_rng(3), 10, rate_hz=20.0, duration_ms=4000.0)
    expected = []
    for train in trains:
        windows = [train[(train >= k * 4000) & (train < (k + 1) * 4000)] * 0.1 * pq.ms for k in range(10)]
        expected.append(elephant.statistics.fanofactor(windows) * 10 / 9)
    assert fano(observe_trains(trains, duration_ms=4000.0)).value == pytest.approx(np.mean(expected))


# Against closed forms. Tolerances are at least four standard errors; the seeds are fixed.


def test_a_poisson_process_has_one_of_each() -> None:
    trains = poisson_trains(np.random.default_rng(4), 200, rate_hz=20.0, duration_ms=20_000.0)
    observation = observe_trains(trains, duration_ms=20_000.0)
    assert cv(observation).value == pytest.approx(1.0, abs=0.02)
    assert cv2(observation).value == pytest.approx(1.0, abs=0.02)
    assert lv(observation).value == pytest.approx(1.0, abs=0.02)
    assert fano(observation).value == pytest.approx(1.0, abs=0.06)


@pytest.mark.parametrize("shape", [2.0, 5.0])
def test_a_gamma_process_of_shape_k_has_the_cv_and_lv_of_its_shape(shape: float) -> None:
    trains = gamma_trains(np.random.default_rng(5), 100, shape=shape, rate_hz=20.0, duration_ms=20_000.0)
    observation = observe_trains(trains, duration_ms=20_000.0)
    assert cv(observation).value == pytest.approx(shape**-0.5, abs=0.02)
    assert lv(observation).value == pytest.approx(3 / (2 * shape + 1), abs=0.02)


def test_the_fano_factor_of_long_windows_of_a_gamma_process_nears_one_over_its_shape() -> None:
    trains = gamma_trains(np.random.default_rng(6), 100, shape=4.0, rate_hz=40.0, duration_ms=40_000.0)
    observation = observe_trains(trains, duration_ms=40_000.0)
    # Cox (1962): Var / mean = 1/k + (1 - 1/k^2) / (6 mean) for a count of mean 40
    expected = 1 / 4 + (1 - 1 / 16) / (6 * 40)
    assert fano.with_options(window_ms=1000.0)(observation).value == pytest.approx(expected, abs=0.03)


def test_a_regular_train_has_none_of_each() -> None:
    trains = [np.arange(start, 40_000, 200) for start in (3, 50, 120)]
    observation = observe_trains(trains, duration_ms=4000.0)
    assert cv(observation).value == pytest.approx(0.0, abs=1e-6)
    assert cv2(observation).value == 0.0
    assert lv(observation).value == 0.0
    assert fano(observation).value == 0.0


def test_rounding_does_not_make_the_variance_of_regular_trains_negative() -> None:
    trains = [np.arange(1, 15 * interval, interval) for interval in range(2, 400)]
    observation = observe_trains(trains, duration_ms=600.0)
    moments = observation.intervals
    assert (moments.sum_sq / moments.n < (moments.sum / moments.n) ** 2).any()
    estimate = cv(observation)
    assert estimate.support == len(trains)
    assert 0 <= estimate.value < 1e-6


# Which neurons take part


@by_name
def test_neurons_below_the_least_number_of_intervals_take_no_part(statistic: Statistic) -> None:
    irregular = train_of([1.0, 9.0, 3.0, 14.0, 2.0])
    regular = train_of([5.0] * 4)
    statistic = statistic.with_options(min_intervals=5)
    both = statistic(observe_trains([irregular, regular], duration_ms=100.0))
    alone = statistic(observe_trains([irregular], duration_ms=100.0))
    assert both.value == pytest.approx(alone.value)
    assert both.support == 1


@by_name
def test_exactly_the_least_number_of_intervals_is_enough(statistic: Statistic) -> None:
    statistic = statistic.with_options(min_intervals=3)
    assert statistic(observe_trains([train_of([1.0, 2.0, 4.0])], duration_ms=100.0)).defined
    assert not statistic(observe_trains([train_of([1.0, 2.0])], duration_ms=100.0)).defined


@by_name
def test_few_neurons_that_take_part_are_noted(statistic: Statistic) -> None:
    statistic = statistic.with_options(min_intervals=2)
    busy, quiet = train_of([1.0, 2.0, 4.0]), train_of([])
    few = statistic(observe_trains([busy, quiet, quiet, quiet], duration_ms=100.0))
    many = statistic(observe_trains([busy, busy, quiet, quiet], duration_ms=100.0))
    assert few.note == "only 25% of the neurons have 2 intervals"
    assert many.note == ""


def test_neurons_with_less_than_a_spike_per_window_take_no_part_in_the_fano_factor() -> None:
    busy = np.array([100, 200, 4100, 4200, 4300, 8100])  # counts 2, 3, 1
    quiet = np.array([100, 200])  # counts 2, 0, 0
    observation = observe_trains([busy, quiet], duration_ms=1200.0)
    estimate = fano(observation)
    assert estimate.value == pytest.approx(1.0 / 2.0)
    assert estimate.support == 1
    everybody = fano.with_options(min_count=0.0)(observation)
    assert everybody.value == pytest.approx((0.5 + (4 / 3) / (2 / 3)) / 2)
    assert everybody.support == 2


def test_fewer_than_half_of_the_neurons_in_the_fano_factor_are_noted() -> None:
    busy, quiet = np.arange(0, 8000, 400), np.array([7])
    few = fano(observe_trains([busy, quiet, quiet], duration_ms=800.0))
    half = fano(observe_trains([busy, quiet], duration_ms=800.0))
    assert few.note == "only 33% of the neurons have 1 spikes per window"
    assert half.note == ""


def test_silent_neurons_never_take_part_in_the_fano_factor() -> None:
    any_rate = fano.with_options(min_count=0.0)
    silent, active = np.array([]), np.array([100, 200, 4100])
    nobody = any_rate(observe_trains([silent] * 3, duration_ms=1200.0))
    assert not nobody.defined
    assert (nobody.support, nobody.shortfall) == (0, 1.0)
    one = any_rate(observe_trains([silent, active], duration_ms=1200.0))
    assert one.value == pytest.approx(1.0)
    assert one.support == 1


def test_spikes_after_the_last_whole_window_are_left_out() -> None:
    inside = np.array([100, 200, 4100])
    late = np.concatenate([inside, [8100, 8200, 8300]])
    assert fano(observe_trains([late], duration_ms=1000.0)).value == pytest.approx(
        fano(observe_trains([inside], duration_ms=1000.0)).value
    )


def test_one_window_has_no_variance() -> None:
    estimate = fano(observe_trains([np.arange(0, 7000, 100)], duration_ms=700.0))
    assert not estimate.defined
    assert estimate.note == "fewer than 2 windows of 400 ms"
    assert estimate.shortfall == 1.0


# Where they are undefined


@pytest.mark.parametrize("statistic", [*IRREGULARITIES, fano], ids=lambda s: s.name)
def test_the_shortfall_falls_with_every_step_towards_enough_spikes(statistic: Statistic) -> None:
    def shortfall(spikes: int, neurons: int = 1) -> float:
        trains = [np.arange(spikes if i < neurons else 0) * 1000 + 5 for i in range(4)]
        options = {"min_count": 2.0} if statistic is fano else {"min_intervals": 10}
        estimate = statistic.with_options(**options)(observe_trains(trains, duration_ms=2000.0))
        assert not estimate.defined
        return estimate.shortfall

    by_spikes = [shortfall(n) for n in range(1, 10)]
    assert by_spikes == sorted(set(by_spikes), reverse=True)
    by_neurons = [shortfall(5, neurons) for neurons in (1, 2, 3, 4)]
    assert by_neurons == sorted(set(by_neurons), reverse=True)
    assert 0 < shortfall(9, 4) < 0.1 < 0.4 < shortfall(1) < 0.5


# Options


@by_name
def test_a_single_interval_is_refused_as_too_few(statistic: Statistic) -> None:
    with pytest.raises(ObjectiveError, match="min_intervals must be at least 2, not 1"):
        statistic.with_options(min_intervals=1)


def test_the_needs_of_the_fano_factor_are_its_windows() -> None:
    assert fano.needs.window_ms == 400.0
    assert fano.with_options(window_ms=200.0).needs.window_ms == 200.0
    with pytest.raises(ObjectiveError, match="min_count must be 0 or more"):
        fano.with_options(min_count=-1.0)


@by_name
def test_irregularity_needs_interval_moments(statistic: Statistic) -> None:
    assert statistic.needs.isi
    assert not statistic.needs.spikes


# LvR and intervals


@pytest.mark.parametrize("refractory_ms", [0.0, 5.0])
def test_lvr_is_the_mean_over_neurons_of_what_elephant_finds(refractory_ms: float) -> None:
    trains = gamma_trains(np.random.default_rng(8), 20, shape=3.0, rate_hz=15.0, duration_ms=5000.0)
    expected = [
        elephant.statistics.lvr(intervals * pq.ms, R=refractory_ms * pq.ms)
        for intervals in intervals_of(trains)
    ]
    found = lvr.with_options(refractory_ms=refractory_ms)(observe_trains(trains, duration_ms=5000.0))
    assert found.value == pytest.approx(np.mean(expected))
    assert found.support == 20


def test_lvr_without_a_refractory_time_is_lv() -> None:
    trains = poisson_trains(np.random.default_rng(9), 20, rate_hz=15.0, duration_ms=3000.0)
    observation = observe_trains(trains, duration_ms=3000.0)
    assert lvr.with_options(refractory_ms=0.0)(observation).value == pytest.approx(lv(observation).value)


def test_the_mean_interval_is_over_all_intervals() -> None:
    trains = [np.array([10, 20, 50]), np.array([100, 400]), np.array([7])]
    step, neuron = np.concatenate(trains), np.repeat([0, 1, 2], [3, 2, 1])
    layout = Layout.of([("E", 3, 1)])
    found = isi(observe_spikes(step, neuron, layout, dt_ms=1.0, duration_ms=500.0))
    assert found.value == pytest.approx((10 + 30 + 300) / 3)
    assert sorted(found.sample) == [10.0, 30.0, 300.0]
