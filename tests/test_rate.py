"""rate: the mean firing rate."""

from __future__ import annotations

import elephant.statistics
import numpy as np
import pytest
import quantities as pq

from calibrate.errors import ObservationError
from calibrate.observation import Layout, observe_spikes
from objectives.rate import rate
from spike_trains import observe_trains, poisson_trains


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
