"""Metastability: the duration, number and frequency of the up-states of clusters."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from calibrate.objective import Estimate, Needs, ObjectiveError, Statistic, jackknife, statistic
from calibrate.observation import THRESHOLDS, Observation, UpStates, up_states
from objectives.activity import shortfall


def _check_detection(
    theta_hi_hz: float, theta_lo_hz: float, min_ms: float, bin_ms: float, sigma_ms: float, thresholds: str
) -> Needs:
    if not (math.isfinite(theta_hi_hz) and 0 < theta_lo_hz <= theta_hi_hz):
        raise ObjectiveError(
            f"up-states need 0 < theta_lo_hz <= theta_hi_hz, not {theta_lo_hz:g} and {theta_hi_hz:g}"
        )
    for option, value in (("min_ms", min_ms), ("sigma_ms", sigma_ms)):
        if not (math.isfinite(value) and value >= 0):
            raise ObjectiveError(f"{option} must be 0 ms or more, not {value:g}")
    if thresholds not in THRESHOLDS:
        raise ObjectiveError(f"thresholds must be one of {', '.join(THRESHOLDS)}, not {thresholds!r}")
    return Needs(bin_ms=bin_ms)


# The observation in which up-states were last detected, the options, and the up-states: the statistics of one
# population are computed one after another and share them. The weak reference keeps no observation alive.
_latest: tuple[weakref.ref[Observation], dict[str, Any], UpStates] | None = None


def _detect(observation: Observation, **options: Any) -> UpStates:
    global _latest
    latest = _latest
    if latest is not None and latest[0]() is observation and latest[1] == options:
        return latest[2]
    states = up_states(observation, **options)
    for array in (states.cluster, states.start, states.stop):
        array.flags.writeable = False
    _latest = weakref.ref(observation), options, states
    return states


def _of_up_states(
    *,
    unit: str = "",
    scale: Literal["linear", "log"] = "linear",
    sample: str = "",
) -> Callable[[Callable[[UpStates, Callable[[str], Estimate]], Estimate]], Statistic]:
    """Make a statistic from a function of the up-states, with the options of their detection.

    The function's second argument makes an undefined Estimate, given a note, for a network without up-states.
    """

    def decorate(function: Callable[[UpStates, Callable[[str], Estimate]], Estimate]) -> Statistic:
        def of_observation(
            observation: Observation,
            *,
            population: str = "E",
            theta_hi_hz: float = 20.0,
            theta_lo_hz: float = 15.0,
            min_ms: float = 50.0,
            bin_ms: float = 5.0,
            sigma_ms: float = 25.0,
            thresholds: str = "absolute",
        ) -> Estimate:
            states = _detect(
                observation,
                population=population,
                theta_hi_hz=theta_hi_hz,
                theta_lo_hz=theta_lo_hz,
                min_ms=min_ms,
                bin_ms=bin_ms,
                sigma_ms=sigma_ms,
                thresholds=thresholds,
            )

            def undefined(note: str) -> Estimate:
                rate_share = min(states.peak_hz / states.theta_hz, 1.0)
                time_share = min(states.longest_ms / min_ms, 1.0) if states.longest_ms else 0.0
                missing = shortfall(observation, population, (rate_share + time_share) / 2)
                return Estimate(math.nan, support=0, shortfall=missing, note=note)

            estimate = function(states, undefined)
            return estimate if estimate.note or not states.note else replace(estimate, note=states.note)

        of_observation.__name__, of_observation.__doc__ = function.__name__, function.__doc__
        of_observation.__module__ = function.__module__
        return statistic(
            unit=unit, needs=_check_detection, scale=scale, sample=sample, depends_on=("clusters", "neurons")
        )(of_observation)

    return decorate


def _no_up_state(states: UpStates) -> str:
    return f"no up-state; the highest smoothed rate of a cluster is {states.peak_hz:.3g} Hz"


@_of_up_states(unit="ms", scale="log", sample="duration of every complete up-state")
def dwell_time(states: UpStates, undefined: Callable[[str], Estimate]) -> Estimate:
    """Mean dwell time of clusters in up-states, including those that the measurement cuts off.

        dwell = total time of all clusters in up-states / number of up-states that end

    The time of up-states that are cut off by the start or the end of the measurement counts like any other:
    for exponential dwell times this is the maximum-likelihood estimate under censoring, whereas dropping
    them would favour short ones. Up-states shorter than min_ms are not detected, so that exponential dwell
    times of mean tau give about tau + min_ms, and about 10 % more with thresholds well below the middle
    between the two rates, since smoothing then widens up-states and joins those with short gaps.

    population      which neurons; its clusters are up or down
    theta_hi_hz     an up-state begins when the smoothed rate of a cluster exceeds this,
    theta_lo_hz     and ends when it falls below this
    min_ms          shorter up-states are dropped
    bin_ms          width of the bins of the rate
    sigma_ms        SD of the Gaussian that smooths the rate; 0 for none
    thresholds      "absolute": as given; "relative": above the median rate of each cluster, for background
                    rates near an absolute threshold; "mixture": 2/3 and 1/2 of the way between the means of
                    two normal distributions fitted to all rates, or as given if these are less than 2 SDs
                    apart

    Returns ms, > 0. Support: up-states that end; with fewer than 10, the standard error is that of
    exponential dwell times, dwell / sqrt(support). The sample contains the complete up-states; the value is
    not simply their mean.
    If there are up-states but none ends, the total time is returned, as if one ended with the measurement: a
    lower bound, which meets no target.
    Undefined without an up-state (as with 0 or 1 spikes): the shortfall is (1 - progress) / 2, where progress
    is the mean of two ratios, the highest smoothed rate to the upper threshold and the longest time above it
    to min_ms, each at most 1; it is larger for silent networks, depending on their distance from threshold.
    Source: Litwin-Kumar and Doiron 2012; Rostami et al. 2024.
    """
    if not states.start.size:
        return undefined(_no_up_state(states))
    if not states.n_ended:
        note = "lower bound: no up-state ended"
        return Estimate(states.total_ms, support=0, lower_bound=True, note=note)
    value = states.total_ms / states.n_ended
    return Estimate(
        value,
        support=states.n_ended,
        error=_error_of_mean(value, states.active, states.stop, states),
        sample=states.lengths_ms[states.complete],
    )


@_of_up_states(unit="ms", scale="log")
def up_gap(states: UpStates, undefined: Callable[[str], Estimate]) -> Estimate:
    """Mean time between the up-states of a cluster, including gaps that the measurement cuts off.

        gap = total time of all clusters outside of up-states / number of up-states that begin

    the counterpart of `dwell_time`, with the same population and other options. A cluster without an up-state
    counts as one long gap that does not end.

    Returns ms, > 0. Support: up-states that begin; with fewer than 10, the standard error is that of
    exponential gaps, gap / sqrt(support). If there are up-states but none begins, the total time is
    returned: a lower bound.
    Biased by smoothing and by min_ms: short gaps are filled, and the gaps around a dropped up-state become
    one. With the defaults, exponential gaps of 500 ms between up-states of 150 ms (60 Hz against 5 Hz) give
    620 ms; sigma_ms = 5, min_ms = 0 and thresholds of 35 and 30 Hz give 544 ms.
    Undefined without an up-state (as with 0 or 1 spikes), with the shortfall of `dwell_time`; undefined with
    shortfall 0 if every cluster is up all the time. Source: as for `dwell_time`.
    """
    if not states.start.size:
        return undefined(_no_up_state(states))
    down_ms = states.n_clusters * states.duration_ms - states.total_ms
    if down_ms <= 0:
        return Estimate(math.nan, support=0, note="every cluster is up all the time")
    if not states.n_began:
        return Estimate(down_ms, support=0, lower_bound=True, note="lower bound: no up-state began")
    value = down_ms / states.n_began
    down = states.n_clusters - states.active
    error = _error_of_mean(value, down, states.start[states.start > 0], states)
    return Estimate(value, support=states.n_began, error=error)


def _error_of_mean(
    value_ms: float, clusters: NDArray[np.int64], events: NDArray[np.int64], states: UpStates
) -> float:
    """Return the standard error of a mean duration, the time of `clusters` (bins,) per event.

    With so few events that a part of the measurement has none, it is that of exponential durations.
    """
    n_events = np.bincount(events[events < states.n_bins], minlength=states.n_bins)
    error = jackknife.over_time(
        lambda kept: states.bin_ms * float(clusters @ kept) / max(float(n_events @ kept), 0.5), states.n_bins
    )
    exponential = value_ms / math.sqrt(n_events.sum())
    return exponential if n_events.sum() < jackknife.BLOCKS or math.isnan(error) else error


@_of_up_states()
def active_clusters(states: UpStates, _: Callable[[str], Estimate]) -> Estimate:
    """Mean number of clusters that are in an up-state at the same time.

        active = total time of all clusters in up-states / duration

    The population and the other options are those of `dwell_time`.

    No unit, from 0 to the number of clusters; always defined, 0 with 0 or 1 spikes. Support: up-states.
    Source: Litwin-Kumar and Doiron 2012; Rostami et al. 2024.
    """
    active = states.active
    error = jackknife.over_time(lambda kept: float(active[kept].mean()), active.size)
    return Estimate(states.total_ms / states.duration_ms, support=states.start.size, error=error)


@_of_up_states()
def active_sd(states: UpStates, _: Callable[[str], Estimate]) -> Estimate:
    """Standard deviation over time of the number of clusters that are up at the same time.

        active_sd = sqrt(< (a(t) - <a>)^2 >_t)

    where a(t) is the number of clusters in an up-state in bin t. The population and the other options are
    those of `dwell_time`.

    No unit, >= 0; always defined: 0 if the number never changes, as for winner-take-all and with 0 or 1
    spikes; sqrt(Q p (1 - p)) for Q clusters that are independently up for a share p of the time, less if they
    compete. Support: up-states.
    """
    active = states.active
    value = float(active.std()) if active.size else 0.0
    error = jackknife.over_time(lambda included: float(active[included].std()), active.size)
    return Estimate(value, support=states.start.size, error=error)


@_of_up_states()
def multiple_active(states: UpStates, _: Callable[[str], Estimate]) -> Estimate:
    """Share of the time in which two or more clusters are up.

        multiple = < [a(t) >= 2] >_t

    where a(t) is the number of clusters in an up-state in bin t. The population and the other options are
    those of `dwell_time`.

    No unit, from 0 to 1; always defined, 0 with 0 or 1 spikes. Support: up-states.
    """
    multiple = states.active >= 2
    value = float(multiple.mean()) if multiple.size else 0.0
    error = jackknife.over_time(lambda included: float(multiple[included].mean()), multiple.size)
    return Estimate(value, support=states.start.size, error=error)


@_of_up_states()
def occupancy_entropy(states: UpStates, undefined: Callable[[str], Estimate]) -> Estimate:
    """Entropy of the division of up-state time among the clusters, relative to its maximum.

        H = - sum_c p_c ln p_c / ln Q

    where p_c is the share of cluster c in the time that all Q clusters spend in up-states. The population and
    the other options are those of `dwell_time`.

    No unit, from 0 (one cluster has all the time: winner-take-all) to 1 (all have the same). Support:
    up-states. Biased downwards if there are few up-states per cluster.
    Undefined without an up-state (as with 0 or 1 spikes), with the shortfall of `dwell_time`, and with
    shortfall 1 for a population of one cluster.
    """
    if states.n_clusters < 2:
        return Estimate(math.nan, support=0, shortfall=1.0, note="there is only one cluster")
    if not states.start.size:
        return undefined(_no_up_state(states))
    up = states.up
    error = jackknife.over_time(lambda included: _entropy(up[:, included].sum(axis=1)), states.n_bins)
    return Estimate(_entropy(up.sum(axis=1)), support=states.start.size, error=error)


def _entropy(times: NDArray[np.int64]) -> float:
    """Return the entropy of the shares of `times`, relative to its maximum; nan if all are 0."""
    if not times.any():
        return math.nan
    shares = times[times > 0] / times.sum()
    return max(float(-(shares * np.log(shares)).sum()) / math.log(times.size), 0.0)


@_of_up_states(unit="Hz")
def switching_rate(states: UpStates, _: Callable[[str], Estimate]) -> Estimate:
    """Up-states that begin, per cluster and second.

        switching = number of up-states that begin / (number of clusters * duration)

    An up-state that is ongoing at the start of the measurement does not count. The population and the other
    options are those of `dwell_time`.

    Biased by smoothing and by min_ms, since up-states with a short gap become one and short ones are dropped.
    With the defaults, exponential up-states of 150 ms and gaps of 500 ms (60 Hz against 5 Hz), 1.54 per
    second, give 1.17 Hz; sigma_ms = 5, min_ms = 0 and thresholds of 35 and 30 Hz give 1.43 Hz.

    Returns Hz, >= 0; always defined, 0 with 0 or 1 spikes. Support: up-states that begin.
    Source: Litwin-Kumar and Doiron 2012; Rostami et al. 2024.
    """
    began = np.bincount(states.start[states.start > 0], minlength=states.n_bins)
    per_bin = 1000 / (states.n_clusters * states.bin_ms)
    error = jackknife.over_time(lambda kept: float(began[kept].mean()) * per_bin, states.n_bins)
    times_s = states.n_clusters * states.duration_ms / 1000
    return Estimate(states.n_began / times_s, support=states.n_began, error=error)
