"""Synchrony of the neurons within clusters, on the time scale of milliseconds."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import pdtrc, pdtrik

from calibrate.objective import Estimate, Needs, ObjectiveError, statistic
from calibrate.observation import Observation
from objectives import jackknife
from objectives.activity import shortfall


def _bins(bin_ms: float) -> Needs:
    return Needs(bin_ms=bin_ms)


def _fullest_bins(bin_ms: float, share: float) -> Needs:
    if not 0 < share < 1:
        raise ObjectiveError(f"share must lie between 0 and 1, not {share:g}")
    return Needs(bin_ms=bin_ms)


@statistic(needs=_bins, screens=True, sample="synchrony of each cluster")
def synchrony(observation: Observation, *, population: str = "E", bin_ms: float = 2.0) -> Estimate:
    """Population synchrony chi^2 of the neurons of a cluster, averaged over clusters.

        chi^2 = Var_t(< x_i >_i) / < Var_t(x_i) >_i

    with x_i(t) the spikes of neuron i in bin t. The numerator is the variance of the cluster's count over
    N^2. For the denominator each x_i is taken to be 0 or 1, which makes Var_t(x_i) = p_i (1 - p_i) with
    p_i = n_i / K, its n_i spikes over the K bins: no raster is needed. That is exact while a bin is no
    longer than the shortest interval, so for bin_ms up to the refractory time, and in a measurement of
    whole bins. Beyond, it is the least variance that counts of mean p_i can have, f (1 - f) with f the
    fractional part of p_i; chi^2 then comes out too large and is cut at 1.

    population  which neurons
    bin_ms      width of the bins; keep it below the refractory time

    No unit, in [0, 1]: 1 if all neurons of a cluster fire in the same bins, about 1 / N for N independent
    ones, more where they share slow changes of rate, as clusters do that switch; always 1 for a cluster of
    one neuron. A single spike in a cluster gives 1 / N. Support: clusters that take part.
    A cluster whose neurons do not change has no chi^2 and takes no part: one without a spike, or saturated
    with as many spikes in every bin. Undefined if all are like that; the shortfall is then 1/2 for a
    saturated network, more for a silent one, by its distance from threshold.
    Source: Golomb 2007, Neuronal synchrony measures (Scholarpedia).
    """
    counts = observation.group_counts(population, bin_ms)
    n_bins = counts.shape[1]
    totals = observation.totals(population)
    fraction = (totals % max(n_bins, 1)) / max(n_bins, 1)
    sizes = observation.group_sizes(population)
    starts = np.cumsum(sizes) - sizes
    of_neurons = np.add.reduceat(fraction * (1 - fraction), starts) / sizes
    changing = of_neurons > 0
    if not (n_bins and changing.any()):
        missing = shortfall(observation, population, 0.0)
        return Estimate(math.nan, support=0, shortfall=missing, note="the activity of no cluster changes")
    of_mean = counts[changing].var(axis=1) / sizes[changing] ** 2
    chi_squared = np.minimum(of_mean / of_neurons[changing], 1.0)
    return Estimate.mean_of(chi_squared)


@statistic(needs=_fullest_bins, screens=True)
def locking(
    observation: Observation, *, population: str = "E", bin_ms: float = 2.0, share: float = 0.05
) -> Estimate:
    """Fraction of a population's spikes that lie in its fullest bins.

        locking = sum_{t in fullest bins} n(t) / sum_t n(t)

    with n(t) the spikes of the population in bin t, and round(share K), at least one, of the K bins.

    population  which neurons; all its clusters together, since clusters that are up now and then fill few
                bins of their own without any synchrony
    bin_ms      width of the bins
    share       share of the bins that counts as the fullest

    No unit, from `share` for constant activity to 1 where all spikes lie in those bins. More than .3 with
    the default options means a network locked into synchrony (as does a CV below .2).
    Chance alone fills bins unevenly: independent Poisson neurons with m spikes per bin on average, all of
    them together, have .10 at m = 5, .17 at 1, .34 at .2, and 1 up to m = .05, so also with a single spike.
    Where that is above .15, the note says what chance gives: the value then tells nothing until it is well
    above. Support: spikes. Undefined without any: shortfall from 1/2 to 1 by the distance of the silent
    network from threshold.
    """
    counts = observation.group_counts(population, bin_ms).sum(axis=0)
    n_spikes = int(counts.sum())
    if not n_spikes:
        missing = shortfall(observation, population, 0.0)
        return Estimate(math.nan, support=0, shortfall=missing, note="no spike in a whole bin")
    n_fullest = max(round(share * counts.size), 1)
    error = jackknife.over_time(lambda kept: _in_fullest(counts[kept], share), counts.size)
    chance = _by_chance(float(counts.mean()), n_fullest / counts.size)
    note = f"with so few spikes chance alone gives {chance:.2f}" if chance > 0.15 else ""
    return Estimate(_in_fullest(counts, share), support=n_spikes, note=note, error=error)


def _in_fullest(counts: NDArray[np.int64], share: float) -> float:
    """Share of the spikes in the fullest bins; nan without any."""
    n_fullest = max(round(share * counts.size), 1)
    if not counts.any():
        return math.nan
    # How many bins have the highest count, the next lower one and so on: faster than sorting them.
    having = np.bincount(counts)[::-1]
    taken = np.diff(np.minimum(np.cumsum(having), n_fullest), prepend=0)
    return float((taken * np.arange(having.size)[::-1]).sum() / counts.sum())


def _by_chance(mean: float, share: float) -> float:
    """What `locking` is for Poisson counts of this mean, in very many bins.

    The fullest bins are those with more than k counts, which hold mean P(n >= k) of the counts, filled up
    with bins of k counts, where k is the least with P(n > k) <= share.
    """
    k = max(math.ceil(float(pdtrik(1 - share, mean))), 0)
    at_least_k = float(pdtrc(k - 1, mean)) if k > 0 else 1.0
    more_than_k = float(pdtrc(k, mean))
    return float(min(at_least_k + (share - more_than_k) * k / mean, 1.0))
