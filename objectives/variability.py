"""Inter-spike intervals, their irregularity (CV, CV2, LV, LvR), and variability of counts (Fano factor)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from calibrate.objective import Estimate, Needs, ObjectiveError, statistic
from calibrate.observation import Observation
from objectives.activity import shortfall, spikes_towards


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


@statistic(needs=_check_intervals, sample="CV of each neuron", per_neuron=True)
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
    intervals = observation.interval_moments(population)
    enough = intervals.n >= min_intervals
    n = intervals.n[enough]
    mean = intervals.sum[enough] / n
    # For regular trains, the difference of two nearly equal numbers can be below 0.
    variance = np.maximum(intervals.sum_sq[enough] / n - mean**2, 0.0)
    return _over_neurons(
        np.sqrt(variance) / mean, observation, population, min_intervals + 1, f"{min_intervals} intervals"
    )


@statistic(needs=_check_intervals, sample="CV2 of each neuron", per_neuron=True)
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
    intervals = observation.interval_moments(population)
    enough = intervals.n >= min_intervals
    return _over_neurons(
        intervals.cv2[enough] / (intervals.n[enough] - 1),
        observation,
        population,
        min_intervals + 1,
        f"{min_intervals} intervals",
    )


@statistic(needs=_check_intervals, sample="LV of each neuron", per_neuron=True)
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
    intervals = observation.interval_moments(population)
    enough = intervals.n >= min_intervals
    return _over_neurons(
        intervals.lv[enough] / (intervals.n[enough] - 1),
        observation,
        population,
        min_intervals + 1,
        f"{min_intervals} intervals",
    )


@statistic(needs=_check_refractory, sample="LvR of each neuron", per_neuron=True)
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
    intervals = observation.interval_moments(population)
    if np.isnan(intervals.lvr).any():
        return Estimate(math.nan, support=0, shortfall=1.0, note="the observation was stored without LvR")
    enough = intervals.n >= min_intervals
    return _over_neurons(
        (intervals.lv[enough] + refractory_ms * intervals.lvr[enough]) / (intervals.n[enough] - 1),
        observation,
        population,
        min_intervals + 1,
        f"{min_intervals} intervals",
    )


@statistic(unit="ms", needs=Needs(spikes=True), scale="log", sample="every inter-spike interval")
def isi(observation: Observation, *, population: str = "E") -> Estimate:
    """Mean inter-spike interval of a population, over all its intervals.

        isi = (1 / M) sum_j I_j

    over the M intervals I_j of all neurons; active neurons have more intervals and a larger weight. The
    sample, which is all intervals, can be compared with a distribution.

    population  which neurons

    Returns ms, > 0. Intervals longer than the measurement are never observed, so that the value is too short
    unless the measurement is much longer than the intervals. Support: intervals. The standard error treats
    them as independent.
    Undefined if no neuron has two spikes (as with 0 or 1 spikes): the shortfall is (1 - progress) / 2, where
    progress is the share of 2 spikes that the neurons have; it is larger for silent networks, depending on
    their distance from threshold.
    """
    intervals = observation.all_intervals(population)
    if not intervals.size:
        progress = spikes_towards(observation.totals(population), 2)
        missing = shortfall(observation, population, progress)
        return Estimate(math.nan, support=0, shortfall=missing, note="no neuron has two spikes")
    return Estimate.mean_of(intervals)


@statistic(needs=_check_windows, sample="Fano factor of each neuron", per_neuron=True)
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

    No unit, >= 0; 1 for a Poisson process, less for a regular process and more for a switching one. Biased in
    windows of fewer than about 5 to 10 spikes (Nawrot et al. 2008). Support: neurons included; a note says if
    they are fewer than half.
    Undefined if there are none (as with 0 spikes, and usually with 1): the shortfall is (1 - progress) / 2,
    where progress is the share of the spikes needed that the neurons have; it is larger for silent networks,
    depending on their distance from threshold. Undefined with shortfall 1 if there are fewer than 2 windows,
    since no activity could change that. Source: Nawrot et al. 2008.
    """
    counts = observation.neuron_counts(population, window_ms)
    n_windows = counts.shape[1]
    if n_windows < 2:
        return Estimate(math.nan, support=0, shortfall=1.0, note=f"fewer than 2 windows of {window_ms:g} ms")
    mean = counts.mean(axis=1)
    enough = (mean >= min_count) & (mean > 0)
    return _over_neurons(
        counts[enough].var(axis=1, ddof=1) / mean[enough],
        observation,
        population,
        max(min_count * n_windows, 1.0),
        f"{min_count:g} spikes per window",
    )


def _over_neurons(
    values: NDArray[np.float64], observation: Observation, population: str, needed_spikes: float, needed: str
) -> Estimate:
    """Return the mean of `values`, one for every neuron of `population` with the `needed` spikes."""
    if not values.size:
        progress = spikes_towards(observation.totals(population), needed_spikes)
        missing = shortfall(observation, population, progress)
        return Estimate(math.nan, support=0, shortfall=missing, note=f"no neuron has {needed}")
    share = values.size / observation.size(population)
    note = f"only {share:.0%} of the neurons have {needed}" if share < 0.5 else ""
    return Estimate.mean_of(values, note=note)
