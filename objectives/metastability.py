"""Metastability: the up-states of clusters, how long they last, how many there are, how often they begin."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from calibrate.objective import Estimate, Needs, ObjectiveError, Spread, statistic
from calibrate.observation import Observation
from objectives.activity import shortfall


@dataclass(frozen=True)
class UpStates:
    """The up-states of all clusters of a population; arrays of shape (episodes,).

    start, stop     first bin of each, and first bin after it
    n_clusters      clusters, with or without up-states
    n_bins, bin_ms  bins of the measurement, and their width
    peak_hz         highest smoothed rate of any cluster
    longest_ms      longest time above threshold, of episodes too short for an up-state too
    """

    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    n_clusters: int
    n_bins: int
    bin_ms: float
    peak_hz: float
    longest_ms: float

    @property
    def total_ms(self) -> float:
        return float((self.stop - self.start).sum()) * self.bin_ms

    @property
    def n_began(self) -> int:
        """Up-states that began within the measurement."""
        return int((self.start > 0).sum())

    @property
    def n_ended(self) -> int:
        """Up-states that ended within the measurement."""
        return int((self.stop < self.n_bins).sum())


def up_states(
    observation: Observation,
    *,
    population: str,
    theta_hi_hz: float,
    theta_lo_hz: float,
    min_ms: float,
    bin_ms: float,
    sigma_ms: float,
) -> UpStates:
    """The up-states of the clusters of `population`.

    The rate of each cluster, per neuron, in bins of `bin_ms`, is smoothed with a Gaussian of SD `sigma_ms`.
    An up-state begins where the rate exceeds `theta_hi_hz` and ends where it falls below `theta_lo_hz`.
    Those shorter than `min_ms` are dropped, also at the start and end of the measurement: whether they
    would have lasted is not known. A measurement that starts between the thresholds starts down.
    """
    counts = observation.group_counts(population, bin_ms)
    sizes = observation.group_sizes(population)
    rates = counts / (sizes[:, None] * (bin_ms / 1000))
    if sigma_ms > 0 and counts.size:
        # "reflect" keeps the number of spikes and the level at both ends. Zeros beyond the ends would halve
        # the rate there and end up-states that were going on; repeating the last bin would smooth nothing.
        rates = gaussian_filter1d(rates, sigma_ms / bin_ms, axis=1, mode="reflect")
    n_clusters, n_bins = rates.shape

    # Each bin is decided by the last one up to it that is above the upper or below the lower threshold, and
    # where there was none, by the first, which is then not above.
    above = rates > theta_hi_hz
    decisive = np.where(above | (rates < theta_lo_hz), np.arange(n_bins), 0)
    up = np.take_along_axis(above, np.maximum.accumulate(decisive, axis=1), axis=1)

    # Row by row, with a bin of silence on either side, beginnings and ends come in the same order.
    edges = np.diff(np.pad(up, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    start, stop = np.nonzero(edges > 0)[1], np.nonzero(edges < 0)[1]
    lengths_ms = (stop - start) * bin_ms
    kept = lengths_ms >= min_ms * (1 - 1e-9)
    return UpStates(
        start=start[kept],
        stop=stop[kept],
        n_clusters=n_clusters,
        n_bins=n_bins,
        bin_ms=bin_ms,
        peak_hz=float(rates.max(initial=0.0)),
        longest_ms=float(lengths_ms.max(initial=0.0)),
    )


def _thresholds(
    theta_hi_hz: float, theta_lo_hz: float, min_ms: float, bin_ms: float, sigma_ms: float
) -> Needs:
    if not (math.isfinite(theta_hi_hz) and 0 < theta_lo_hz <= theta_hi_hz):
        raise ObjectiveError(
            f"up-states need 0 < theta_lo_hz <= theta_hi_hz, not {theta_lo_hz:g} and {theta_hi_hz:g}"
        )
    for option, value in (("min_ms", min_ms), ("sigma_ms", sigma_ms)):
        if not (math.isfinite(value) and value >= 0):
            raise ObjectiveError(f"{option} must be 0 ms or more, not {value:g}")
    return Needs(bin_ms=bin_ms)


# Measured on the E/I clustered network in its metastable state, 1500 neurons, 6 clusters, 10 s. What differs
# between graphs of fixed in-degree is in `within`.
_SPREAD_OF_DWELL = {"fixed_indegree": Spread(within=0.16), "bernoulli": Spread(within=0.63, between=0.80)}
_SPREAD_OF_ACTIVE = {"fixed_indegree": Spread(within=0.14), "bernoulli": Spread(within=0.07, between=0.28)}
_SPREAD_OF_SWITCHING = {"fixed_indegree": Spread(within=0.10), "bernoulli": Spread(within=0.09, between=0.39)}


@statistic(unit="ms", needs=_thresholds, scale="log", spread=_SPREAD_OF_DWELL)
def dwell_time(
    observation: Observation,
    *,
    population: str = "E",
    theta_hi_hz: float = 20.0,
    theta_lo_hz: float = 15.0,
    min_ms: float = 50.0,
    bin_ms: float = 5.0,
    sigma_ms: float = 25.0,
) -> Estimate:
    """Mean dwell time of clusters in up-states, with those that the measurement cuts off.

        dwell = total time of all clusters in up-states / number of up-states that end

    The time of up-states that go on at the start or at the end of the measurement counts like any other:
    for exponential dwell times this is the maximum-likelihood estimate under censoring, where dropping
    them would favour short ones. Up-states shorter than min_ms are not seen, so that exponential
    dwell times of mean tau give about tau + min_ms, and some 10 % more with thresholds well below the middle
    between both rates, since smoothing widens up-states there and joins those with short gaps.

    population      which neurons; its clusters are what is up or down
    theta_hi_hz     an up-state begins where the smoothed rate of a cluster exceeds this,
    theta_lo_hz     and ends where it falls below this
    min_ms          shorter up-states are dropped
    bin_ms          width of the bins of the rate
    sigma_ms        SD of the Gaussian that smooths it; 0 for none

    Returns ms, > 0. Support: up-states that end. If there are up-states and none ends, the total time is
    returned, as if one ended with the measurement: a lower bound, which meets no target.
    Undefined without an up-state, so with 0 or 1 spikes: shortfall (1 - progress) / 2, with progress the
    mean of two shares: of the highest smoothed rate in theta_hi_hz, and of the longest time above threshold
    in min_ms; more for silent networks, by their distance from threshold.
    Source: Litwin-Kumar and Doiron 2012; Rostami et al. 2024.
    """
    states = up_states(
        observation,
        population=population,
        theta_hi_hz=theta_hi_hz,
        theta_lo_hz=theta_lo_hz,
        min_ms=min_ms,
        bin_ms=bin_ms,
        sigma_ms=sigma_ms,
    )
    if not states.start.size:
        rate_share = min(states.peak_hz / theta_hi_hz, 1.0)
        time_share = states.longest_ms / min_ms if states.longest_ms else 0.0
        missing = shortfall(observation, population, (rate_share + time_share) / 2)
        note = f"no up-state; the highest smoothed rate of a cluster is {states.peak_hz:.3g} Hz"
        return Estimate(math.nan, support=0, shortfall=missing, note=note)
    if not states.n_ended:
        note = "lower bound: no up-state ended"
        return Estimate(states.total_ms, support=0, lower_bound=True, note=note)
    return Estimate(states.total_ms / states.n_ended, support=states.n_ended)


@statistic(needs=_thresholds, spread=_SPREAD_OF_ACTIVE)
def active_clusters(
    observation: Observation,
    *,
    population: str = "E",
    theta_hi_hz: float = 20.0,
    theta_lo_hz: float = 15.0,
    min_ms: float = 50.0,
    bin_ms: float = 5.0,
    sigma_ms: float = 25.0,
) -> Estimate:
    """Mean number of clusters that are in an up-state at the same time.

        active = total time of all clusters in up-states / duration

    The population and the other options are those of `dwell_time`.

    No unit, from 0 to the number of clusters; always defined, 0 with 0 or 1 spikes. Support: up-states.
    Source: Litwin-Kumar and Doiron 2012; Rostami et al. 2024.
    """
    states = up_states(
        observation,
        population=population,
        theta_hi_hz=theta_hi_hz,
        theta_lo_hz=theta_lo_hz,
        min_ms=min_ms,
        bin_ms=bin_ms,
        sigma_ms=sigma_ms,
    )
    length_ms = max(states.n_bins, 1) * bin_ms
    return Estimate(states.total_ms / length_ms, support=states.start.size)


@statistic(unit="Hz", needs=_thresholds, spread=_SPREAD_OF_SWITCHING)
def switching_rate(
    observation: Observation,
    *,
    population: str = "E",
    theta_hi_hz: float = 20.0,
    theta_lo_hz: float = 15.0,
    min_ms: float = 50.0,
    bin_ms: float = 5.0,
    sigma_ms: float = 25.0,
) -> Estimate:
    """Up-states that begin, per cluster and second.

        switching = number of up-states that begin / (number of clusters * duration)

    An up-state that goes on when the measurement starts did not begin in it. The population and the
    other options are those of `dwell_time`.

    Returns Hz, >= 0; always defined, 0 with 0 or 1 spikes. Support: up-states that begin.
    Source: Litwin-Kumar and Doiron 2012; Rostami et al. 2024.
    """
    states = up_states(
        observation,
        population=population,
        theta_hi_hz=theta_hi_hz,
        theta_lo_hz=theta_lo_hz,
        min_ms=min_ms,
        bin_ms=bin_ms,
        sigma_ms=sigma_ms,
    )
    length_s = max(states.n_bins, 1) * bin_ms / 1000
    return Estimate(states.n_began / (states.n_clusters * length_s), support=states.n_began)
