"""Inter-spike intervals, their irregularity (CV, CV2, LV, LvR), and variability of counts (Fano factor)."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from calibrate.objective import Estimate, Needs, ObjectiveError, jackknife, statistic
from calibrate.observation import Observation
from objectives.activity import moments_of_counts, rates_over_time, shortfall, spikes_towards


def _check_intervals(min_intervals: int) -> Needs:
    if min_intervals < 2:
        raise ObjectiveError(f"min_intervals must be at least 2, not {min_intervals}")
    return Needs(isi=True)


def _check_refractory(min_intervals: int, refractory_ms: float) -> Needs:
    if not (math.isfinite(refractory_ms) and refractory_ms >= 0):
        raise ObjectiveError(f"refractory_ms must be 0 ms or more, not {refractory_ms:g}")
    return _check_intervals(min_intervals)


def _check_windows(window_ms: float, min_count: float) -> Needs:
    if not (math.isfinite(min_count) and min_count >= 0):
        raise ObjectiveError(f"min_count must be 0 or more, not {min_count:g}")
    return Needs(window_ms=window_ms)


@statistic(needs=_check_intervals, sample="CV of each neuron", depends_on=())
def cv(observation: Observation, *, population: str = "E", min_intervals: int = 10) -> Estimate:
    """Coefficient of variation of the inter-spike intervals, averaged over neurons.

        CV_i = sqrt(<I^2> - <I>^2) / <I>

    with averages over the n intervals I of neuron i, and hence the population standard deviation (1/n, not
    1/(n - 1)); then the mean of CV_i over all neurons with n >= min_intervals.

    population      which neurons
    min_intervals   intervals that a neuron must have to be included, at least 2

    No unit, >= 0; 0 for regular trains, 1 for a Poisson process. Short trains miss long intervals, which
    biases CV downwards below about 5 to 10 spikes (Nawrot et al. 2008); `cv2` and `lv` are less sensitive to
    slow changes of rate. Support: neurons included; a note says if they are fewer than half.
    Undefined if there are none (as with 0 or 1 spikes): the shortfall is (1 - progress) / 2, where progress
    is the share of the min_intervals + 1 spikes that the neurons have; it is larger for silent networks,
    depending on their distance from threshold.
    """
    return _of_intervals(observation, population, min_intervals, _cv, "sum", "sum_sq")


def _cv(
    n: NDArray[np.float64], _: NDArray[np.float64], total: NDArray[np.float64], squares: NDArray[np.float64]
) -> NDArray[np.float64]:
    mean = total / n
    # For regular trains, the difference of two nearly equal numbers can be below 0.
    return np.asarray(np.sqrt(np.maximum(squares / n - mean**2, 0.0)) / mean)


@statistic(needs=_check_intervals, sample="CV2 of each neuron", depends_on=())
def cv2(observation: Observation, *, population: str = "E", min_intervals: int = 2) -> Estimate:
    """Local coefficient of variation CV2 of inter-spike intervals, averaged over neurons.

        CV2_i = < 2 |I_{j+1} - I_j| / (I_{j+1} + I_j) >_j

    over the n - 1 pairs of adjacent intervals of neuron i; then the mean of CV2_i over all neurons with
    n >= min_intervals.

    population      which neurons
    min_intervals   intervals that a neuron must have to be included, at least 2 (one pair)

    No unit, in [0, 2]; 0 for regular trains, 1 for a Poisson process of any, even slowly changing, rate.
    Support: neurons included; a note says if they are fewer than half.
    Undefined if there are none (as with 0 or 1 spikes); shortfall as for `cv`. Source: Holt et al. 1996.
    """
    return _of_intervals(observation, population, min_intervals, lambda _, pairs, cv2: cv2 / pairs, "cv2")


@statistic(needs=_check_intervals, sample="LV of each neuron", depends_on=())
def lv(observation: Observation, *, population: str = "E", min_intervals: int = 2) -> Estimate:
    """Local variation LV of inter-spike intervals, averaged over neurons.

        LV_i = 3 < ((I_j - I_{j+1}) / (I_j + I_{j+1}))^2 >_j

    over the n - 1 pairs of adjacent intervals of neuron i; then the mean of LV_i over all neurons with
    n >= min_intervals.

    population      which neurons
    min_intervals   intervals that a neuron must have to be included, at least 2 (one pair)

    No unit, in [0, 3]; 0 for regular trains, 1 for a Poisson process, 3 / (2 k + 1) for a gamma process of
    shape k. Support: neurons included; a note says if they are fewer than half.
    Undefined if there are none (as with 0 or 1 spikes); shortfall as for `cv`. Source: Shinomoto et al. 2003.
    """
    return _of_intervals(observation, population, min_intervals, lambda _, pairs, lv: lv / pairs, "lv")


@statistic(needs=_check_refractory, sample="LvR of each neuron", depends_on=())
def lvr(
    observation: Observation, *, population: str = "E", min_intervals: int = 2, refractory_ms: float = 5.0
) -> Estimate:
    """Local variation LvR of inter-spike intervals, corrected for refractoriness, averaged over neurons.

        LvR_i = 3 < ((I_j - I_{j+1}) / (I_j + I_{j+1}))^2 (1 + 4 R / (I_j + I_{j+1})) >_j

    over the n - 1 pairs of adjacent intervals of neuron i; then the mean of LvR_i over all neurons with
    n >= min_intervals.

    population      which neurons
    min_intervals   intervals that a neuron must have to be included, at least 2 (one pair)
    refractory_ms   the time R after a spike in which the neuron hardly fires; 0 gives `lv`

    No unit, >= 0; 0 for regular trains, near 1 for a Poisson process with a dead time R that is short
    compared to its intervals, more for bursts. Support: neurons included; a note says if they are fewer than
    half. Undefined if there are none (as with 0 or 1 spikes); shortfall as for `cv`. Undefined with shortfall
    1 in observations that were stored without the sums it needs. Source: Shinomoto et al. 2009.
    """
    if np.isnan(observation.interval_moments(population).lvr).any():
        return Estimate(math.nan, support=0, shortfall=1.0, note="the observation was stored without LvR")
    return _of_intervals(
        observation,
        population,
        min_intervals,
        lambda _, pairs, lv, lvr: (lv + refractory_ms * lvr) / pairs,
        "lv",
        "lvr",
    )


@statistic(
    unit="ms", needs=Needs(spikes=True), scale="log", sample="every inter-spike interval", depends_on=()
)
def isi(observation: Observation, *, population: str = "E") -> Estimate:
    """Mean inter-spike interval of a population, over all its intervals.

        isi = (1 / M) sum_j I_j

    over the M intervals I_j of all neurons; active neurons have more intervals and a larger weight. The
    sample, which is all intervals, can be compared with a distribution.

    population  which neurons

    Returns ms, > 0. Intervals longer than the measurement are never observed, so that the value is too short
    unless the measurement is much longer than the intervals. Support: intervals.
    Undefined if no neuron has two spikes (as with 0 or 1 spikes): the shortfall is (1 - progress) / 2, where
    progress is the share of 2 spikes that the neurons have; it is larger for silent networks, depending on
    their distance from threshold.
    """
    intervals = observation.all_intervals(population)
    if not intervals.size:
        progress = spikes_towards(observation.totals(population), 2)
        missing = shortfall(observation, population, progress)
        return Estimate(math.nan, support=0, shortfall=missing, note="no neuron has two spikes")
    return Estimate.mean_of(intervals, error=_error_of_isi(observation, population))


def _error_of_isi(observation: Observation, population: str) -> float:
    """Return the standard error of the mean interval: of the time that the intervals cover, per interval."""
    intervals = observation.interval_moments(population)
    rates = rates_over_time(observation, population)
    # In part of the time, a neuron has its share of that time, and of its intervals that of its spikes.
    share = rates / np.maximum(rates.sum(axis=1, keepdims=True), 1e-12)

    def values(kept: NDArray[np.bool_]) -> NDArray[np.float64]:
        n, time_ms = intervals.n * (share @ kept), intervals.sum * kept.mean()
        isi_ms = time_ms.sum() / max(n.sum(), 1e-12)
        return np.asarray(isi_ms + (time_ms - isi_ms * n) / max(n.mean(), 1e-12))

    return jackknife.over_neurons(values, rates.shape[1], observation.group_sizes(population))


@statistic(needs=_check_windows, sample="Fano factor of each neuron", depends_on=())
def fano(
    observation: Observation, *, population: str = "E", window_ms: float = 400.0, min_count: float = 1.0
) -> Estimate:
    """Fano factor of the spike counts in successive windows, averaged over neurons.

        F_i = Var_k n_i(k) / < n_i(k) >_k

    where n_i(k) is the number of spikes of neuron i in window k, with the unbiased variance, 1/(K - 1), over
    K windows; then the mean of F_i over all neurons with < n_i > >= min_count. Spikes after the last whole
    window are left out.

    population  which neurons
    window_ms   width of the windows
    min_count   mean count per window that a neuron must have to be included; at 0, any neuron that fires

    Which neurons are included matters. In strongly clustered networks with Bernoulli connections, neurons
    with a count of at least 1 have larger values than all neurons that fire (ei_clustered, 1200 + 300 neurons
    in 20 clusters, J_E+ 8, 10 s: 3.4 in 28 % of the neurons, 2.3 in all that fire). Studies of networks plot
    all that fire, min_count = 0 (Litwin-Kumar and Doiron 2012; figure 2 of Rostami et al. 2024, windows
    of 400 ms); the task figures of the latter require a rate. Recordings are usually compared with a minimum
    or with matched means (Churchland et al. 2010). Use the same min_count as the source of a target.

    No unit, >= 0; 1 for a Poisson process, less for a regular process and more for a switching one. Biased in
    windows of fewer than about 5 to 10 spikes (Nawrot et al. 2008). Support: neurons included; a note says if
    they are fewer than half.
    Undefined if there are none (as with 0 spikes, and usually with 1): the shortfall is (1 - progress) / 2,
    where progress is the share of the spikes needed that the neurons have; it is larger for silent networks,
    depending on their distance from threshold. Undefined with shortfall 1 if there are fewer than 2 windows,
    since no activity could change that. Source: Nawrot et al. 2008.
    """
    n_windows, *whole = moments_of_counts(observation, population, window_ms)
    if n_windows < 2:
        return Estimate(math.nan, support=0, shortfall=1.0, note=f"fewer than 2 windows of {window_ms:g} ms")
    included = whole[0] / n_windows >= min_count  # in all parts of the measurement, for the error

    @cache
    def in_windows() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        counts = observation.neuron_counts(population, window_ms).astype(np.float64)
        return counts, counts**2

    def values(kept: NDArray[np.bool_]) -> NDArray[np.float64]:
        n = int(kept.sum())
        total, squares = whole if kept.all() else [one @ kept for one in in_windows()]
        mean = total / n
        variance = (squares - n * mean**2) / (n - 1)
        enough = included & (mean > 0)
        factors: NDArray[np.float64] = np.full(mean.size, math.nan)
        np.divide(variance, mean, out=factors, where=enough)
        return factors

    needed = f"{min_count:g} spikes per window"
    return _over_neurons(values, n_windows, observation, population, max(min_count * n_windows, 1.0), needed)


def _of_intervals(
    observation: Observation,
    population: str,
    min_intervals: int,
    of_sums: Callable[..., NDArray[np.float64]],
    *names: str,
) -> Estimate:
    """Return the mean over all neurons with `min_intervals` intervals of a function of their moments.

    Its arguments are the number of intervals, that of pairs of adjacent ones, and the moments of these names.
    """
    whole, blocks = observation.interval_moments(population), observation.block_moments(population)
    sums = [whole.n.astype(np.float64), whole.n - 1.0, *(getattr(whole, name) for name in names)]
    if blocks is None:
        in_blocks, n_blocks = [values[:, None] for values in sums], 1
    else:
        n, n_blocks = blocks.n.astype(np.float64), blocks.n.shape[1]
        pairs, first = n.copy(), (np.arange(len(n)), (n > 0).argmax(axis=1))
        pairs[first] -= n[first] > 0  # a pair is counted with its second interval
        in_blocks = [n, pairs, *(getattr(blocks, name) for name in names)]

    included = whole.n >= min_intervals  # in all parts of the measurement, for the error

    def values(kept: NDArray[np.bool_]) -> NDArray[np.float64]:
        n, pairs, *moments = sums if kept.all() else [values @ kept for values in in_blocks]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(included & (pairs > 0), of_sums(n, pairs, *moments), math.nan)

    needed = f"{min_intervals} intervals"
    return _over_neurons(values, n_blocks, observation, population, min_intervals + 1, needed)


def _over_neurons(
    values: Callable[[NDArray[np.bool_]], NDArray[np.float64]],
    bins: int,
    observation: Observation,
    population: str,
    needed_spikes: float,
    needed: str,
) -> Estimate:
    """Return the mean of the `values` that are not nan: those of neurons with the `needed` spikes."""
    of_neurons = values(np.ones(bins, dtype=bool))
    included = of_neurons[np.isfinite(of_neurons)]
    if not included.size:
        progress = spikes_towards(observation.totals(population), needed_spikes)
        missing = shortfall(observation, population, progress)
        return Estimate(math.nan, support=0, shortfall=missing, note=f"no neuron has {needed}")
    share = included.size / of_neurons.size
    note = f"only {share:.0%} of the neurons have {needed}" if share < 0.5 else ""
    error = jackknife.over_neurons(values, bins, observation.group_sizes(population))
    return Estimate.mean_of(included, note=note, error=error)
