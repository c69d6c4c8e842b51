"""rate: the mean firing rate."""

from __future__ import annotations

import elephant.statistics
import numpy as np
import pytest
import quantities as pq

from calibrate.errors import ObservationError
from calibrate.observation import Layout, observe_spikes
from objectives.rate import rate, rate_sd, silent_fraction
from tests.helpers.spike_trains import observe_trains, poisson_trains


def test_the_rate_of_a_handful_of_spikes_is_worked_out_by_hand() -> None:
    trains = [np.array([10, 20, 30]), np.array([5]), np.array([]), np.array([])]
    estimate = rate(observe_trains(trains, duration_ms=500.0))
    assert estimate.value == pytest.approx(4 / (4 * 0.5))
    assert estimate.support == 4


def test_the_rate_is_the_mean_of_the_rates_that_elephant_finds() -> None:
    trains = poisson_trains(np.random.default_rng(0), 20, rate_hz=8.0, duration_ms=4000.0)
    stop = 4.0 * pq.s
    expected = [
        elephant.statistics.mean_firing_rate((train + 1) * 1e-4 * pq.s, t_start=0 * pq.s, t_stop=stop)
        for train in trains
    ]
    found = rate(observe_trains(trains, duration_ms=4000.0)).value
    assert found == pytest.approx(np.mean([float(r.rescale("Hz")) for r in expected]))


def test_a_silent_network_has_a_rate_of_zero() -> None:
    estimate = rate(observe_trains([np.array([])] * 3, duration_ms=100.0))
    assert estimate.defined
    assert estimate.value == 0.0


def test_one_spike_of_n_neurons_is_one_over_n_and_duration() -> None:
    estimate = rate(observe_trains([np.array([3]), np.array([])], duration_ms=100.0))
    assert estimate.value == pytest.approx(5.0)


def test_the_population_is_an_option() -> None:
    layout = Layout.of([("E", 2, 1), ("I", 1, 1)])
    observation = observe_spikes([1, 2, 3, 4], [0, 2, 2, 2], layout, dt_ms=1.0, duration_ms=1000.0)
    assert rate(observation).value == pytest.approx(0.5)
    assert rate.with_options(population="I")(observation).value == pytest.approx(3.0)
    with pytest.raises(ObservationError, match="no population 'X'"):
        rate.with_options(population="X")(observation)


def test_a_rate_needs_no_more_than_every_observation_has() -> None:
    assert (rate.needs.bin_ms, rate.needs.window_ms, rate.needs.isi, rate.needs.spikes) == (
        None,
        None,
        False,
        False,
    )
    assert rate.unit == "Hz"


def test_the_spread_of_rates_is_their_standard_deviation_over_neurons() -> None:
    trains = poisson_trains(np.random.default_rng(1), 50, rate_hz=6.0, duration_ms=5000.0)
    rates = np.array([train.size for train in trains]) / 5.0
    found = rate_sd(observe_trains(trains, duration_ms=5000.0))
    assert found.value == pytest.approx(rates.std(ddof=1))
    assert found.value == pytest.approx(np.sqrt(6.0 / 5.0), rel=0.25)  # Poisson: sqrt(r / T)
    assert 0 < found.error < found.value
    alone = rate_sd(observe_trains(trains[:1], duration_ms=5000.0))
    assert not alone.defined


def test_neurons_below_a_rate_count_as_silent() -> None:
    trains = [np.arange(1, n + 1) * 100 for n in (0, 0, 1, 5, 30)]
    observation = observe_trains(trains, duration_ms=20_000.0)
    assert silent_fraction(observation).value == pytest.approx(3 / 5)  # 0, 0 and 0.05 Hz
    assert silent_fraction.with_options(below_hz=1.0)(observation).value == pytest.approx(4 / 5)
    assert "a measurement this short" in silent_fraction(observe_trains(trains, duration_ms=5000.0)).note
