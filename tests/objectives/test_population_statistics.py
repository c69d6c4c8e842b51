"""Correlation, shared variance, spectrum, timescale and bimodality, each against a process that is known."""

from __future__ import annotations

import elephant.conversion
import elephant.spike_train_correlation
import neo
import numpy as np
import pytest
import quantities as pq
from scipy import stats

from calibrate.objective import find_statistic
from calibrate.observation import Observation
from objectives.bimodality import bimodality, cluster_rate_variance, cluster_rates, dip
from objectives.correlation import correlation
from objectives.shared import shared_dimensions, shared_variance
from objectives.spectrum import spectral_peak, spectral_peak_power
from objectives.timescale import timescale
from tests.helpers.spike_trains import observe_trains, poisson_trains, switching_trains


def common_trains(n: int, *, own_hz: float, common_hz: float, duration_ms: float) -> list[np.ndarray]:
    """Steps of 1 ms of Poisson neurons that have some of their spikes in common."""
    random = np.random.default_rng(11)
    steps = round(duration_ms)
    common = random.random(steps) < common_hz / 1000
    return [np.flatnonzero(common | (random.random(steps) < own_hz / 1000)) for _ in range(n)]


def observe(trains: list[np.ndarray], duration_ms: float, clusters: int = 1) -> Observation:
    return observe_trains(trains, duration_ms=duration_ms, dt_ms=1.0, clusters=clusters)


# Correlation


def test_the_correlation_is_the_mean_over_pairs_of_what_elephant_finds() -> None:
    trains = common_trains(12, own_hz=10, common_hz=4, duration_ms=20_000)
    # In the middle of a step, so that a spike at the end of a bin stays in it as it does here.
    neo_trains = [neo.SpikeTrain((t + 0.5) * pq.ms, t_stop=20_000 * pq.ms) for t in trains]
    binned = elephant.conversion.BinnedSpikeTrain(
        neo_trains, bin_size=200 * pq.ms, t_start=0 * pq.ms, t_stop=20_000 * pq.ms
    )
    matrix = elephant.spike_train_correlation.correlation_coefficient(binned)
    pairs = np.triu_indices(12, 1)
    found = correlation.with_options(scope="all")(observe(trains, 20_000, clusters=3))
    assert found.value == pytest.approx(matrix[pairs].mean())
    cluster = np.repeat(range(3), 4)
    same = cluster[pairs[0]] == cluster[pairs[1]]
    for scope, chosen in (("within", same), ("between", ~same)):
        value = correlation.with_options(scope=scope)(observe(trains, 20_000, clusters=3)).value
        assert value == pytest.approx(matrix[pairs][chosen].mean())


def test_the_correlation_of_neurons_with_common_spikes_is_their_share() -> None:
    found = correlation(observe(common_trains(40, own_hz=8, common_hz=4, duration_ms=200_000), 200_000))
    assert found.value == pytest.approx(4 / 12, abs=4 * found.error)
    assert found.error < 0.03


# Shared variance


@pytest.fixture(scope="module")
def factor_model() -> Observation:
    """Counts whose mean follows one common factor: variance 8, of which 4 are shared."""
    random = np.random.default_rng(5)
    n, windows = 50, 600
    factor = 2.0 * random.standard_normal(windows)
    counts = np.maximum(np.round(20 + factor + 2.0 * random.standard_normal((n, windows))), 0).astype(int)
    trains = []
    for row in counts:
        pieces = [200 * k + np.linspace(1, 199, c).astype(int) for k, c in enumerate(row)]
        trains.append(np.unique(np.concatenate(pieces)))
    return observe(trains, 200.0 * windows)


def test_shared_variance_is_that_of_the_factor_model(factor_model) -> None:
    found = shared_variance(factor_model)
    # Rounding to whole counts adds 1/12 to the variance of each neuron's own part.
    assert found.value == pytest.approx(100 * 4 / (8 + 1 / 12), abs=3.0)
    assert found.note == "1 factor"
    dimensions = shared_dimensions(factor_model)
    assert dimensions.value == 1
    assert dimensions.sample[0] == pytest.approx(50 * 4, rel=0.15)


def counted(counts: np.ndarray) -> Observation:
    """The observation with these numbers of spikes in windows of 200 ms, shape (neurons, windows)."""
    trains = [
        np.concatenate([200 * k + np.linspace(1, 199, c).astype(int) for k, c in enumerate(row)])
        for row in counts
    ]
    return observe(trains, 200.0 * counts.shape[1])


def of_factors(share: float) -> np.ndarray:
    """Counts of variance 8 + 1/12, of which three factors explain 8 times the share in every neuron."""
    random = np.random.default_rng(8)
    loadings = random.standard_normal((50, 3))
    loadings *= np.sqrt(8 * share / (loadings**2).sum(axis=1, keepdims=True))
    own = np.sqrt(8 * (1 - share)) * random.standard_normal((50, 600))
    counts = 25 + loadings @ random.standard_normal((3, 600)) + own
    return np.maximum(np.round(counts), 0).astype(int)


def shared_by_expectation_maximisation(counts: np.ndarray, factors: int) -> float:
    """Percentage of shared variance in a factor analysis (Rubin & Thayer 1982), written out."""
    covariance = np.cov(counts, bias=True)
    loadings = np.random.default_rng(0).standard_normal((len(counts), factors))
    psi = np.diag(covariance).copy()
    for _ in range(2000):
        beta = loadings.T @ np.linalg.inv(loadings @ loadings.T + np.diag(psi))
        second = np.eye(factors) - beta @ loadings + beta @ covariance @ beta.T
        loadings = covariance @ beta.T @ np.linalg.inv(second)
        psi = np.diag(covariance - loadings @ beta @ covariance).copy()
    common = (loadings**2).sum(axis=1)
    return float(100 * (common / (common + psi)).mean())


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_shared_variance_is_that_of_the_factors_and_of_a_fit_by_hand(share: float) -> None:
    counts = of_factors(share)
    found = shared_variance.with_options(factors=3)(counted(counts))
    assert found.value == pytest.approx(shared_by_expectation_maximisation(counts, 3), abs=0.3)
    assert found.value == pytest.approx(100 * share * 8 / (8 + 1 / 12), abs=3.0)


def test_independent_neurons_share_nothing_unless_factors_are_asked_for() -> None:
    counts = np.random.default_rng(3).poisson(4.0, (50, 500))
    found = shared_variance(counted(counts))
    assert (found.value, found.note) == (0.0, "no shared factor")
    assert shared_variance.with_options(factors=3)(counted(counts)).value == pytest.approx(4.1, abs=0.5)


def test_a_measurement_that_is_too_short_for_factors_is_said() -> None:
    found = shared_variance(observe(common_trains(60, own_hz=5, common_hz=5, duration_ms=10_000), 10_000))
    assert not found.defined
    assert found.note == "50 neurons need a measurement of 100 s"


# Spectrum


def modulated(frequency_hz: float, depth: float) -> Observation:
    random = np.random.default_rng(6)
    time_s = np.arange(20_000) / 1000
    rate = 20 * (1 + depth * np.sin(2 * np.pi * frequency_hz * time_s))
    return observe([np.flatnonzero(random.random(20_000) < rate / 1000) for _ in range(50)], 20_000)


@pytest.mark.parametrize("frequency_hz", [12.0, 40.0, 90.0])
def test_the_spectral_peak_is_where_the_rate_is_modulated(frequency_hz) -> None:
    assert spectral_peak(modulated(frequency_hz, 0.6)).value == pytest.approx(frequency_hz, abs=2.0)


def test_the_height_of_the_peak_has_its_closed_form() -> None:
    # A sine of amplitude A has the one-sided power A^2 / 2 in the equivalent noise bandwidth of the Hann
    # window, 1.5 / T; the Poisson level is 2 r.
    rate_hz = 50 * 20.0
    expected = 1 + (0.6 * rate_hz) ** 2 / 2 / (1.5 / 0.5) / (2 * rate_hz)
    assert spectral_peak_power(modulated(40.0, 0.6)).value == pytest.approx(expected, rel=0.1)


def test_independent_neurons_of_constant_rate_have_no_peak() -> None:
    found = spectral_peak(modulated(40.0, 0.0))
    assert not found.defined
    assert "no peak" in found.note
    assert spectral_peak_power(modulated(40.0, 0.0)).value < 3.0


# Timescale


def test_the_timescale_of_a_switching_rate_is_that_of_its_autocorrelation() -> None:
    # A telegraph process decays with 1 / tau = 1 / up + 1 / down.
    trains, _ = switching_trains(
        np.random.default_rng(7),
        clusters=20,
        size=5,
        up_hz=60,
        down_hz=5,
        dwell_ms=300,
        gap_ms=600,
        duration_ms=60_000,
    )
    found = timescale(observe(trains, 60_000, clusters=20))
    assert found.value == pytest.approx(1 / (1 / 300 + 1 / 600), rel=0.15)


def test_constant_rates_have_no_timescale() -> None:
    trains = poisson_trains(np.random.default_rng(8), 50, rate_hz=10, duration_ms=20_000, dt_ms=1.0)
    found = timescale(observe(trains, 20_000))
    assert not found.defined
    assert "does not decay" in found.note


# Bimodality


@pytest.fixture(scope="module")
def switching() -> Observation:
    trains, _ = switching_trains(
        np.random.default_rng(9),
        clusters=6,
        size=100,
        up_hz=50,
        down_hz=5,
        dwell_ms=400,
        gap_ms=400,
        duration_ms=40_000,
    )
    return observe(trains, 40_000, clusters=6)


def test_two_levels_are_bimodal_and_one_is_not(switching) -> None:
    flat = poisson_trains(np.random.default_rng(10), 600, rate_hz=20, duration_ms=40_000, dt_ms=1.0)
    one = observe(flat, 40_000, clusters=6)
    assert bimodality(switching).value > 0.8
    assert dip(switching).value > 0.1
    assert bimodality(one).value == pytest.approx(1 / 3, abs=0.06)
    assert dip(one).value < 0.02


def test_bimodality_is_made_of_the_skewness_and_kurtosis_that_scipy_finds(switching) -> None:
    rates = cluster_rates(switching, population="E", bin_ms=5.0, sigma_ms=25.0)
    n = rates.shape[1]
    g = stats.skew(rates, axis=1, bias=False)
    k = stats.kurtosis(rates, axis=1, bias=False)
    expected = (g**2 + 1) / (k + 3 * (n - 1) ** 2 / ((n - 2) * (n - 3)))
    assert bimodality(switching).sample == pytest.approx(expected)


def test_the_variance_of_cluster_rates_is_that_of_two_levels_and_of_chance(switching) -> None:
    # Half of the time each: ((50 - 5) / 2)^2, less what the Gaussian of 25 ms takes at the edges; chance adds
    # r / (2 sqrt(pi) sigma N), 2 Hz^2 here.
    found = cluster_rate_variance(switching)
    assert found.value == pytest.approx(22.5**2, rel=0.2)
    flat = poisson_trains(np.random.default_rng(12), 600, rate_hz=20, duration_ms=40_000, dt_ms=1.0)
    chance = 20 / (2 * np.sqrt(np.pi) * 0.025 * 100)
    assert cluster_rate_variance(observe(flat, 40_000, clusters=6)).value == pytest.approx(chance, rel=0.1)


def test_they_are_found_by_name_with_options() -> None:
    found = find_statistic("correlation_I", {"scope": "between", "window_ms": 100.0})
    assert (found.options["population"], found.needs.window_ms) == ("I", 100.0)
