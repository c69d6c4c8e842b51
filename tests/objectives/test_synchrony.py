"""synchrony and locking: how closely the neurons of a cluster fire together."""

from __future__ import annotations

import numpy as np
import pytest

from calibrate.errors import ObjectiveError, ObservationError
from calibrate.observation import Observation
from objectives.synchrony import locking, synchrony
from tests.helpers.spike_trains import observe_trains, poisson_trains

BIN_STEPS = 20  # 2 ms of .1 ms


def observe_raster(raster: np.ndarray, clusters: int = 1) -> Observation:
    """Neurons that fire once in every bin of 2 ms that is True, at some step of it."""
    random = np.random.default_rng(99)
    trains = []
    for row in raster:
        bins = np.flatnonzero(row)
        trains.append(bins * BIN_STEPS + random.integers(0, BIN_STEPS, size=bins.size))
    return observe_trains(trains, duration_ms=raster.shape[1] * 2.0, clusters=clusters)


def chi_squared(raster: np.ndarray) -> float:
    return float(raster.mean(axis=0).var() / raster.var(axis=1).mean())


def correlated_raster(random: np.random.Generator, n: int, n_bins: int, shared: float) -> np.ndarray:
    """Neurons of different rates, of which a share of all bins follows a common train."""
    common = random.random(n_bins) < 0.1
    own = random.random((n, n_bins)) < random.uniform(0.01, 0.2, size=(n, 1))
    return np.where(random.random((n, n_bins)) < shared, common, own)


# synchrony


@pytest.mark.parametrize("shared", [0.0, 0.2, 0.7, 1.0])
def test_synchrony_is_exactly_that_of_the_raster_while_bins_hold_at_most_one_spike(shared: float) -> None:
    raster = correlated_raster(np.random.default_rng(1), 40, 1000, shared)
    assert synchrony(observe_raster(raster)).value == pytest.approx(chi_squared(raster), rel=1e-9)


def test_synchrony_is_averaged_over_clusters() -> None:
    random = np.random.default_rng(2)
    parts = [correlated_raster(random, 20, 500, shared) for shared in (0.0, 0.5, 0.9)]
    estimate = synchrony(observe_raster(np.concatenate(parts), clusters=3))
    assert estimate.value == pytest.approx(np.mean([chi_squared(part) for part in parts]))
    assert estimate.support == 3


def test_independent_neurons_have_a_synchrony_of_one_over_their_number() -> None:
    raster = np.random.default_rng(3).random((50, 10_000)) < 0.02
    assert synchrony(observe_raster(raster)).value == pytest.approx(1 / 50, rel=0.06)


def test_neurons_that_fire_together_have_a_synchrony_of_one() -> None:
    train = np.random.default_rng(4).random(500) < 0.05
    assert synchrony(observe_raster(np.tile(train, (30, 1)))).value == pytest.approx(1.0)


def test_in_bins_of_many_spikes_synchrony_is_too_large_and_at_most_one() -> None:
    trains = poisson_trains(np.random.default_rng(5), 20, rate_hz=150.0, duration_ms=4000.0)
    observation = observe_trains(trains, duration_ms=4000.0)
    counts = np.array([np.histogram(train, np.arange(0, 40_001, 200))[0] for train in trains])
    found = synchrony.with_options(bin_ms=20.0)(observation).value
    assert chi_squared(counts) < found <= 1.0


def test_a_single_spike_gives_one_over_the_size_of_its_cluster_and_silent_clusters_take_no_part() -> None:
    raster = np.zeros((20, 100), dtype=bool)
    raster[3, 40] = True
    estimate = synchrony(observe_raster(raster, clusters=2))
    assert estimate.value == pytest.approx(1 / 10)
    assert estimate.support == 1


@pytest.mark.parametrize("depolarisation", [0.9, -3.0])
def test_synchrony_of_a_silent_network_is_undefined(depolarisation: float) -> None:
    estimate = synchrony(observe_trains([np.array([])] * 4, duration_ms=200.0, depolarisation=depolarisation))
    assert not estimate.defined
    assert estimate.shortfall > 0.5


def test_synchrony_of_constant_activity_is_undefined_with_less_shortfall_than_that_of_silence() -> None:
    always = observe_trains([np.arange(2000)] * 4, duration_ms=200.0)
    estimate = synchrony(always)
    assert not estimate.defined
    assert estimate.shortfall == 0.5
    assert estimate.note == "the activity of all clusters is constant"


def test_an_incomplete_last_bin_changes_synchrony_by_little() -> None:
    raster = correlated_raster(np.random.default_rng(6), 40, 1000, 0.3)
    trains = [np.flatnonzero(row) * BIN_STEPS for row in raster]
    observation = observe_trains(trains, duration_ms=2001.0)
    assert synchrony(observation).value == pytest.approx(chi_squared(raster), rel=1e-3)


# locking


def test_locking_is_the_share_of_the_spikes_in_the_fullest_bins() -> None:
    raster = correlated_raster(np.random.default_rng(7), 40, 400, 0.3)
    per_bin = np.sort(raster.sum(axis=0))
    assert locking(observe_raster(raster)).value == pytest.approx(per_bin[-20:].sum() / per_bin.sum())


def test_clusters_that_take_turns_being_active_are_not_locked() -> None:
    raster = np.zeros((200, 2000), dtype=bool)
    random = np.random.default_rng(12)
    for cluster in range(10):  # one of ten clusters is up at a time, its neurons independent
        up = slice(200 * cluster, 200 * cluster + 200)
        raster[20 * cluster : 20 * cluster + 20, up] = random.random((20, 200)) < 0.25
    estimate = locking(observe_raster(raster, clusters=10))
    assert estimate.value < 0.12
    assert estimate.support == raster.sum()


def test_a_network_locked_into_a_rhythm_exceeds_the_limit_and_an_irregular_one_does_not() -> None:
    rhythm = np.zeros((50, 1000), dtype=bool)
    rhythm[:, ::50] = True  # 10 Hz
    irregular = np.random.default_rng(8).random((50, 1000)) < 0.02
    assert locking(observe_raster(rhythm)).value == 1.0
    assert locking(observe_raster(irregular)).value < 0.3


@pytest.mark.parametrize(("per_bin", "noted"), [(0.03, True), (0.2, True), (0.8, True), (5.0, False)])
def test_what_chance_gives_is_noted_where_spikes_are_few(per_bin: float, noted: bool) -> None:
    raster = np.random.default_rng(9).random((200, 5000)) < per_bin / 200
    estimate = locking(observe_raster(raster))
    if noted:
        chance = float(estimate.note.removeprefix("with this few spikes, chance alone gives "))
        assert chance == pytest.approx(estimate.value, abs=0.02)
    else:
        assert estimate.note == ""
        assert estimate.value == pytest.approx(0.10, abs=0.01)


def test_locking_of_a_single_spike_is_one_and_noted() -> None:
    raster = np.zeros((10, 100), dtype=bool)
    raster[0, 3] = True
    estimate = locking(observe_raster(raster))
    assert estimate.value == 1.0
    assert estimate.note == "with this few spikes, chance alone gives 1.00"


def test_locking_of_a_silent_network_is_undefined() -> None:
    estimate = locking(observe_trains([np.array([])] * 4, duration_ms=200.0))
    assert not estimate.defined
    assert estimate.shortfall == 1.0


def test_a_measurement_shorter_than_a_bin_has_neither() -> None:
    observation = observe_trains([np.array([3])], duration_ms=1.0, window_ms=1.0)
    for statistic in (synchrony, locking):
        estimate = statistic(observation)
        assert not estimate.defined
        assert estimate.shortfall == 0.5


# Options


def test_the_bins_are_the_need() -> None:
    assert synchrony.needs.bin_ms == locking.needs.bin_ms == 2.0
    assert synchrony.with_options(bin_ms=1.0).needs.bin_ms == 1.0
    with pytest.raises(ObservationError, match="bin_ms must be a width above 0 ms"):
        synchrony.with_options(bin_ms=0.0)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1])
def test_a_share_of_none_or_all_bins_is_refused(share: float) -> None:
    with pytest.raises(ObjectiveError, match="share must lie between 0 and 1"):
        locking.with_options(share=share)
