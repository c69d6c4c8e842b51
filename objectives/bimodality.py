"""Bimodality of cluster rates: the distribution of each over time."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import scipy  # loads its parts when they are first used
from numpy.typing import NDArray

from calibrate.objective import Estimate, Needs, ObjectiveError, jackknife, statistic
from calibrate.observation import Observation
from objectives.activity import shortfall


def _check_smoothing(bin_ms: float, sigma_ms: float) -> Needs:
    if not (math.isfinite(sigma_ms) and sigma_ms >= 0):
        raise ObjectiveError(f"sigma_ms must be 0 ms or more, not {sigma_ms:g}")
    return Needs(bin_ms=bin_ms)


def cluster_rates(
    observation: Observation, *, population: str, bin_ms: float, sigma_ms: float
) -> NDArray[np.float64]:
    """Return the rate per neuron of each cluster (Hz), smoothed by a Gaussian, shape (clusters, bins)."""
    sizes = observation.group_sizes(population)
    counts = observation.group_counts(population, bin_ms)
    rates: NDArray[np.float64] = counts / (sizes[:, None] * (bin_ms / 1000))
    if not (sigma_ms > 0 and rates.size):
        return rates
    smoothed: NDArray[np.float64] = scipy.ndimage.gaussian_filter1d(
        rates, sigma_ms / bin_ms, axis=1, mode="reflect"
    )
    return smoothed


def _changing_rates(
    observation: Observation, population: str, bin_ms: float, sigma_ms: float
) -> NDArray[np.float64]:
    """Return the smoothed rates of the clusters whose rate is not constant."""
    rates = cluster_rates(observation, population=population, bin_ms=bin_ms, sigma_ms=sigma_ms)
    if rates.shape[1] < 4:
        return rates[:0]
    # The filter leaves rounding errors on a constant rate, which must not count as a distribution.
    return np.asarray(rates[_change(rates)], dtype=np.float64)


def _change(rates: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(np.ptp(rates, axis=1) > 1e-9 * rates.max(axis=1))


def _over_clusters(
    of_clusters: Callable[[NDArray[np.float64]], NDArray[np.float64]], rates: NDArray[np.float64]
) -> Estimate:
    """Return the mean over clusters of a function of their rates, with its error over time."""

    def value(kept: NDArray[np.bool_]) -> float:
        values = of_clusters(rates[:, kept])
        return float(values.mean()) if values.size else math.nan

    return Estimate.mean_of(of_clusters(rates), error=jackknife.over_time(value, rates.shape[1]))


def _no_distribution(observation: Observation, population: str, bin_ms: float) -> Estimate:
    if observation.duration_ms < 4 * bin_ms:
        note = f"the measurement is shorter than 4 bins of {bin_ms:g} ms"
        return Estimate(math.nan, support=0, shortfall=1.0, note=note)
    missing = shortfall(observation, population, 0.0)
    return Estimate(math.nan, support=0, shortfall=missing, note="all cluster rates are constant")


@statistic(
    needs=_check_smoothing,
    sample="bimodality coefficient of each cluster",
    depends_on=("clusters", "neurons"),
)
def bimodality(
    observation: Observation, *, population: str = "E", bin_ms: float = 5.0, sigma_ms: float = 25.0
) -> Estimate:
    """Bimodality coefficient of the distribution over time of cluster rates, averaged over clusters.

        BC = (g^2 + 1) / (k + 3 (n - 1)^2 / ((n - 2) (n - 3)))

    where g is the skewness and k the excess kurtosis, both corrected for bias, of the smoothed rate of a
    cluster in the n bins of the measurement.

    population  which neurons; the rates are those of its clusters
    bin_ms      width of the bins of the rate
    sigma_ms    SD of the Gaussian that smooths the rate; 0 for none

    No unit, in (0, 1]: 1/3 for a normal distribution, 5/9 = .555 for a uniform one, more for two separate
    levels, 1 for two values. Skewed unimodal distributions also exceed .555 (an exponential one has .625):
    those of a cluster that is rarely up, or of a single spike, whose kernel gives about .9. `dip` is not
    affected by skewness.
    Support: clusters included.
    Clusters with a constant rate are excluded. Undefined if all of them are: the shortfall is 1/2 for a
    saturated network, larger for a silent one, depending on its distance from threshold, and 1 in fewer than
    4 bins.
    Source: Pfister et al. 2013.
    """
    rates = _changing_rates(observation, population, bin_ms, sigma_ms)
    if not rates.size:
        return _no_distribution(observation, population, bin_ms)
    return _over_clusters(lambda rates: _coefficient(rates[_change(rates)]), rates)


def _coefficient(rates: NDArray[np.float64]) -> NDArray[np.float64]:
    n = rates.shape[1]
    centred = rates - rates.mean(axis=1, keepdims=True)
    square = centred**2
    m2, m3, m4 = square.mean(axis=1), (square * centred).mean(axis=1), (square**2).mean(axis=1)
    skewness = m3 / m2**1.5 * math.sqrt(n * (n - 1)) / (n - 2)
    kurtosis = (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * (m4 / m2**2 - 3) + 6)
    return np.asarray((skewness**2 + 1) / (kurtosis + 3 * (n - 1) ** 2 / ((n - 2) * (n - 3))))


@statistic(needs=_check_smoothing, sample="dip of each cluster", depends_on=("clusters", "neurons"))
def dip(
    observation: Observation, *, population: str = "E", bin_ms: float = 5.0, sigma_ms: float = 25.0
) -> Estimate:
    """Hartigan's dip of the distribution over time of cluster rates, averaged over clusters.

        dip = min_G max_x |F(x) - G(x)|

    over all unimodal distributions G, where F is the distribution of the smoothed rate of a cluster over the
    bins of the measurement. The population and the other options are those of `bimodality`.

    No unit, in [0, .25]: near 0 for one mode, 1/4 for two equally frequent values, at most the share of the
    rarer mode. Smoothing makes neighbouring bins dependent, so that tables of its significance do not apply.
    Support: clusters included, which are all but those with a constant rate.
    Undefined if there are none; the shortfall is that of `bimodality`. Close to 0 for a single spike.
    Source: Hartigan and Hartigan 1985.
    """
    from diptest import dipstat

    rates = _changing_rates(observation, population, bin_ms, sigma_ms)
    if not rates.size:
        return _no_distribution(observation, population, bin_ms)
    return _over_clusters(
        lambda rates: np.array([float(dipstat(row)) for row in rates[_change(rates)]]), rates
    )


@statistic(
    unit="Hz^2",
    needs=_check_smoothing,
    sample="variance of the rate of each cluster",
    depends_on=("clusters", "neurons"),
)
def cluster_rate_variance(
    observation: Observation, *, population: str = "E", bin_ms: float = 5.0, sigma_ms: float = 25.0
) -> Estimate:
    """Variance over time of cluster rates, averaged over clusters.

        V = < Var_t(r_c(t)) >_c

    where r_c is the smoothed rate per neuron of cluster c, and the variance over all bins is that of a
    population, 1/n. It includes the randomness of the spikes: N independent Poisson neurons of rate r have
    r / (2 sqrt(pi) sigma N). The population and the other options are those of `bimodality`.

    Returns Hz^2, >= 0, always defined: 0 without spikes, close to 0 for a single spike. Support: clusters.
    """
    rates = cluster_rates(observation, population=population, bin_ms=bin_ms, sigma_ms=sigma_ms)
    if not rates.shape[1]:
        return Estimate.mean_of(np.zeros(rates.shape[0]))
    return _over_clusters(lambda rates: rates.var(axis=1), rates)
