"""Inter-spike intervals, their irregularity (CV, CV2, LV, LvR), and variability of counts (Fano factor)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from calibrate.objective import Estimate, Needs, ObjectiveError, Spread, statistic
from calibrate.observation import Observation
from objectives.activity import shortfall, spikes_towards

# Measured on the E/I clustered network in its metastable state, 1500 neurons, 10 s; CV2 on one graph only.
_SPREAD_OF_CV2 = {"fixed_indegree": Spread(within=0.01), "bernoulli": Spread(within=0.01)}
_SPREAD_OF_FANO = {"fixed_indegree": Spread(within=0.15), "bernoulli": Spread(within=0.20, between=0.30)}


def _intervals(min_intervals: int) -> Needs:
    if min_intervals < 2:
        raise ObjectiveError(f"irregularity takes at least 2 intervals, min_intervals is {min_intervals}")
    return Needs(isi=True)


def _refractory(min_intervals: int, refractory_ms: float) -> Needs:
    if not (math.isfinite(refractory_ms) and refractory_ms >= 0):
        raise ObjectiveError(f"refractory_ms must be a time of 0 ms or more, not {refractory_ms:g}")
    return _intervals(min_intervals)


def _windows(window_ms: float, min_count: float) -> Needs:
    if not (math.isfinite(min_count) and min_count >= 0):
        raise ObjectiveError(f"min_count must be a count of 0 or more, not {min_count:g}")
    return Needs(window_ms=window_ms)


@statistic(needs=_intervals, sample="CV of each neuron", per_neuron=True)
def cv(observation: Observation, *, population: str = "E", min_intervals: int = 10) -> Estimate:
    """Coefficient of variation of the inter-spike intervals, averaged over neurons.

        CV_i = sqrt(<I^2> - <I>^2) / <I>

    with the averages over the n intervals I of neuron i, so with the standard deviation of the population
    (1/n, not 1/(n - 1)); then the mean of CV_i over all neurons with n >= min_intervals.

    population      which neurons
    min_intervals   intervals that a neuron must have to take part, at least 2

    No unit, >= 0; 0 for regular trains, 1 for a Poisson process. Short trains miss long intervals, which
    biases CV down below about 5 to 10 spikes (Nawrot et al. 2008); `cv2` and `lv` mind slow changes of rate
    less. Support: neurons that take part, noted where they are fewer than half.
    Undefined if there are none, so with 0 or 1 spikes: shortfall (1 - progress) / 2, with progress the share
    of the min_intervals + 1 spikes that the neurons have; more for silent networks, by their distance
    from threshold.
    """
    intervals = observation.interval_moments(population)
    enough = intervals.n >= min_intervals
    n = intervals.n[enough]
    mean = intervals.sum[enough] / n
    # The difference of two nearly equal numbers, for regular trains, may fall below 0.
    variance = np.maximum(intervals.sum_sq[enough] / n - mean**2, 0.0)
    return _over_neurons(
        np.sqrt(variance) / mean, observation, population, min_intervals + 1, f"{min_intervals} intervals"
    )


@statistic(needs=_intervals, sample="CV2 of each neuron", per_neuron=True, spread=_SPREAD_OF_CV2)
def cv2(observation: Observation, *, population: str = "E", min_intervals: int = 2) -> Estimate:
    """Local coefficient of variation CV2 of inter-spike intervals, averaged over neurons.

        CV2_i = < 2 |I_{j+1} - I_j| / (I_{j+1} + I_j) >_j

    over the n - 1 pairs of adjacent intervals of neuron i; then the mean of CV2_i over all neurons with
    n >= min_intervals.

    population      which neurons
    min_intervals   intervals that a neuron must have to take part, at least 2 (one pair)

    No unit, in [0, 2]; 0 for regular trains, 1 for a Poisson process of any, even slowly changing, rate.
    Support: neurons that take part, noted where they are fewer than half.
    Undefined if there are none, so with 0 or 1 spikes; shortfall as for `cv`. Source: Holt et al. 1996.
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


@statistic(needs=_intervals, sample="LV of each neuron", per_neuron=True)
def lv(observation: Observation, *, population: str = "E", min_intervals: int = 2) -> Estimate:
    """Local variation LV of inter-spike intervals, averaged over neurons.

        LV_i = 3 < ((I_j - I_{j+1}) / (I_j + I_{j+1}))^2 >_j

    over the n - 1 pairs of adjacent intervals of neuron i; then the mean of LV_i over all neurons with
    n >= min_intervals.

    population      which neurons
    min_intervals   intervals that a neuron must have to take part, at least 2 (one pair)

    No unit, in [0, 3]; 0 for regular trains, 1 for a Poisson process, 3 / (2 k + 1) for a gamma process of
    shape k. Support: neurons that take part, noted where they are fewer than half.
    Undefined if there are none, so with 0 or 1 spikes; shortfall as for `cv`. Source: Shinomoto et al. 2003.
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


@statistic(needs=_refractory, sample="LvR of each neuron", per_neuron=True)
def lvr(
    observation: Observation, *, population: str = "E", min_intervals: int = 2, refractory_ms: float = 5.0
) -> Estimate:
    """Local variation LvR of inter-spike intervals, corrected for refractoriness, averaged over neurons.

        LvR_i = 3 < ((I_j - I_{j+1}) / (I_j + I_{j+1}))^2 (1 + 4 R / (I_j + I_{j+1})) >_j

    over the n - 1 pairs of adjacent intervals of neuron i; then the mean of LvR_i over all neurons with
    n >= min_intervals.

    population      which neurons
    min_intervals   intervals that a neuron must have to take part, at least 2 (one pair)
    refractory_ms   the time R after a spike in which the neuron hardly fires; 0 gives `lv`

    No unit, >= 0; 0 for regular trains, near 1 for a Poisson process with a dead time of R that is short
    against its intervals, more for bursts. Support: neurons that take part, noted where they are fewer than
    half. Undefined if there are none, so with 0 or 1 spikes; shortfall as for `cv`. Undefined with shortfall
    1 in observations that were stored without the sums it takes. Source: Shinomoto et al. 2009.
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

    over the M intervals I_j of all neurons; busy neurons have more of them and so weigh more. The sample, all
    intervals, can be compared with a whole distribution.

    population  which neurons

    Returns ms, > 0. Intervals longer than the measurement are never seen, so that it is too short where the
    measurement is not much longer than the intervals are. Support: intervals. Their standard error takes them
    as independent.
    Undefined if no neuron has two spikes, so with 0 or 1 spikes: shortfall (1 - progress) / 2, with progress
    the share of 2 spikes that the neurons have; more for silent networks, by their distance from threshold.
    """
    intervals = observation.all_intervals(population)
    if not intervals.size:
        progress = spikes_towards(observation.totals(population), 2)
        missing = shortfall(observation, population, progress)
        return Estimate(math.nan, support=0, shortfall=missing, note="no neuron has two spikes")
    return Estimate.mean_of(intervals)


@statistic(needs=_windows, sample="Fano factor of each neuron", per_neuron=True, spread=_SPREAD_OF_FANO)
def fano(
    observation: Observation, *, population: str = "E", window_ms: float = 400.0, min_count: float = 1.0
) -> Estimate:
    """Fano factor of the spike counts in successive windows, averaged over neurons.

        F_i = Var_k n_i(k) / < n_i(k) >_k

    with n_i(k) the spikes of neuron i in window k and the unbiased variance, 1/(K - 1) over K windows; then
    the mean of F_i over all neurons with < n_i > >= min_count. Spikes after the last whole window are left
    out.

    population  which neurons
    window_ms   width of the windows
    min_count   mean count per window that a neuron must have to take part; at 0, any that fires

    No unit, >= 0; 1 for a Poisson process, less for a regular and more for a switching one. In
    windows of fewer than about 5 to 10 spikes it is biased (Nawrot et al. 2008). Support: neurons that take
    part, noted where they are fewer than half.
    Undefined if there are none, so with 0 spikes, and mostly with 1; shortfall (1 - progress) / 2, with
    progress the share that the neurons have of the spikes needed; more for silent networks, by their
    distance from threshold. Undefined with shortfall 1 if there are fewer than 2 windows, where nothing can
    be done by firing. Source: Nawrot et al. 2008.
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
    """The mean of `values`, one for every neuron of `population` that has what is `needed`."""
    if not values.size:
        progress = spikes_towards(observation.totals(population), needed_spikes)
        missing = shortfall(observation, population, progress)
        return Estimate(math.nan, support=0, shortfall=missing, note=f"no neuron has {needed}")
    share = values.size / observation.size(population)
    note = f"only {share:.0%} of the neurons have {needed}" if share < 0.5 else ""
    return Estimate.mean_of(values, note=note)
