"""Synchrony of the neurons within clusters, on the time scale of milliseconds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
import scipy  # loads its parts when they are first used
from numpy.typing import NDArray

from calibrate.objective import Estimate, Needs, ObjectiveError, jackknife, statistic
from calibrate.observation import Observation
from objectives.activity import shortfall


def _check_bins(bin_ms: float, scope: str) -> Needs:
    if scope not in ("within", "all"):
        raise ObjectiveError(f"scope must be within or all, not {scope!r}")
    return Needs(bin_ms=bin_ms)


def _depends_on(scope: str) -> Sequence[str]:
    return ("neurons",) if scope == "all" else ("clusters", "neurons")


def _check_fullest_bins(bin_ms: float, share: float) -> Needs:
    if not 0 < share < 1:
        raise ObjectiveError(f"share must lie between 0 and 1, not {share:g}")
    return Needs(bin_ms=bin_ms)


@statistic(needs=_check_bins, screens=True, sample="synchrony of each cluster", depends_on=_depends_on)
def synchrony(
    observation: Observation, *, population: str = "E", bin_ms: float = 2.0, scope: str = "within"
) -> Estimate:
    """Population synchrony chi^2 of the neurons of a cluster, averaged over clusters.

        chi^2 = Var_t(< x_i >_i) / < Var_t(x_i) >_i

    where x_i(t) is the number of spikes of neuron i in bin t. The numerator is the variance of the cluster's
    count divided by N^2. For the denominator each x_i is assumed to be 0 or 1, so that Var_t(x_i) =
    p_i (1 - p_i) with p_i = n_i / K, the n_i spikes over the K bins, and no raster is needed. This is exact
    if a bin is no longer than the shortest interval (bin_ms up to the refractory time) and the measurement
    consists of whole bins. Otherwise it is the least variance that counts of mean p_i can have, f (1 - f)
    with f the fractional part of p_i; chi^2 is then too large, and is cut at 1.

    population  which neurons
    bin_ms      width of the bins; keep it below the refractory time
    scope       "within" for each cluster, or "all" for the whole population as one: for recorded units whose
                clusters are not known

    No unit, in [0, 1]: 1 if all neurons of a cluster fire in the same bins, about 1 / N for N independent
    ones, more if they share slow changes of rate, as in clusters that switch; always 1 for a cluster of one
    neuron. A single spike in a cluster gives 1 / N. Support: clusters included.
    Clusters whose neurons have constant activity have no chi^2 and are excluded: those without spikes, or
    saturated with the same number of spikes in every bin. Undefined if all of them are; the shortfall is then
    1/2 for a saturated network, larger for a silent one, depending on its distance from threshold.
    Source: Golomb 2007, Neuronal synchrony measures (Scholarpedia).
    """
    counts = observation.group_counts(population, bin_ms)
    n_bins = counts.shape[1]
    totals = observation.totals(population)
    fraction = (totals % max(n_bins, 1)) / max(n_bins, 1)
    sizes = observation.group_sizes(population)
    if scope == "all":
        counts, sizes = counts.sum(axis=0, keepdims=True), sizes.sum(keepdims=True)
    starts = np.cumsum(sizes) - sizes
    of_neurons = np.add.reduceat(fraction * (1 - fraction), starts) / sizes
    changing = of_neurons > 0
    if not (n_bins and changing.any()):
        missing = shortfall(observation, population, 0.0)
        return Estimate(
            math.nan, support=0, shortfall=missing, note="the activity of all clusters is constant"
        )
    n, of_neurons = sizes[changing], of_neurons[changing]
    whole = counts.sum(axis=1)[changing], np.einsum("ij,ij->i", counts, counts)[changing]

    @cache
    def in_bins() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        of_changing = counts[changing].astype(np.float64)
        return of_changing, of_changing**2

    def chi_squared(kept: NDArray[np.bool_]) -> NDArray[np.float64]:
        total, squares = whole if kept.all() else [one @ kept for one in in_bins()]
        mean = total / kept.sum()
        of_mean = (squares / kept.sum() - mean**2) / n**2
        # The neurons' variance in part of the time: in proportion to the cluster's rate in it.
        share = np.maximum(mean / (whole[0] / n_bins), 1e-12)
        return np.asarray(np.minimum(of_mean / (of_neurons * share), 1.0))

    error = jackknife.over_time(lambda kept: float(chi_squared(kept).mean()), n_bins)
    return Estimate.mean_of(chi_squared(np.ones(n_bins, dtype=bool)), error=error)


@statistic(needs=_check_fullest_bins, screens=True, depends_on=["neurons"])
def locking(
    observation: Observation, *, population: str = "E", bin_ms: float = 2.0, share: float = 0.05
) -> Estimate:
    """Fraction of a population's spikes that lie in its fullest bins.

        locking = sum_{t in fullest bins} n(t) / sum_t n(t)

    where n(t) is the number of spikes of the population in bin t; round(share K) of the K bins, at least one,
    are the fullest.

    population  which neurons; all its clusters together, since a cluster that is only sometimes up fills few
                bins without any synchrony
    bin_ms      width of the bins
    share       share of the bins that count as the fullest

    No unit, from `share` for constant activity to 1 if all spikes lie in those bins. More than .3 with the
    default options means that the network is locked into synchrony (as does a CV below .2).
    Chance alone fills bins unevenly: independent Poisson neurons with a total of m spikes per bin on average
    have .10 at m = 5, .17 at 1, .34 at .2, and 1 up to m = .05, as with a single spike. If this chance level
    is above .15, the note gives it: values near it are not informative. Support: spikes. Undefined without
    spikes: the shortfall is from 1/2 to 1, depending on the distance of the silent network from threshold.
    """
    of_groups = observation.group_counts(population, bin_ms)
    counts = of_groups.sum(axis=0) if len(of_groups) > 1 else of_groups[0]
    n_spikes = int(counts.sum())
    if not n_spikes:
        missing = shortfall(observation, population, 0.0)
        return Estimate(math.nan, support=0, shortfall=missing, note="there is no spike in a whole bin")
    n_fullest = max(round(share * counts.size), 1)
    error = jackknife.over_time(lambda included: _in_fullest(counts[included], share), counts.size)
    chance = _by_chance(float(counts.mean()), n_fullest / counts.size)
    note = f"with this few spikes, chance alone gives {chance:.2f}" if chance > 0.15 else ""
    return Estimate(_in_fullest(counts, share), support=n_spikes, note=note, error=error, by_chance=chance)


def _in_fullest(counts: NDArray[np.int64], share: float) -> float:
    """Return the share of the spikes that lie in the fullest bins; nan without spikes."""
    n_fullest = max(round(share * counts.size), 1)
    if not counts.any():
        return math.nan
    # The number of bins with the highest count, the next lower one and so on: faster than sorting.
    having = np.bincount(counts)[::-1]
    taken = np.diff(np.minimum(np.cumsum(having), n_fullest), prepend=0)
    return float((taken * np.arange(having.size)[::-1]).sum() / counts.sum())


def _by_chance(mean: float, share: float) -> float:
    """Return `locking` for Poisson counts of this mean, in the limit of many bins.

    The fullest bins are those with more than k counts, which contain mean P(n >= k) of the counts, filled up
    with bins of k counts, where k is the smallest number with P(n > k) <= share.
    """
    k = max(math.ceil(float(scipy.special.pdtrik(1 - share, mean))), 0)
    at_least_k = float(scipy.special.pdtrc(k - 1, mean)) if k > 0 else 1.0
    more_than_k = float(scipy.special.pdtrc(k, mean))
    return float(min(at_least_k + (share - more_than_k) * k / mean, 1.0))
