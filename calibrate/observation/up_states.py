"""Up-states of clusters: periods in which the smoothed rate of a cluster is high."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibrate.observation.observation import Observation

THRESHOLDS = ("absolute", "relative", "mixture")

# A mixture is fitted to at most this many rates; its two means must be this many SDs apart.
_MOST_RATES = 5000
_APART = 2.0
# Quantiles of the rates from which fits of the mixture start: up-states may fill little or most of the time.
_STARTS = ((0.25, 0.95), (0.05, 0.75))


@dataclass(frozen=True)
class UpStates:
    """The up-states of all clusters of a population.

    Attributes
    ----------
    cluster : ndarray of int, shape (episodes,)
        Cluster of each up-state, in ascending order.
    start : ndarray of int, shape (episodes,)
        First bin of each.
    stop : ndarray of int, shape (episodes,)
        First bin after each.
    n_clusters : int
        Number of clusters, with or without up-states.
    n_bins : int
        Number of bins of the measurement.
    bin_ms : float, ms
        Width of the bins.
    peak_hz : float, Hz
        Highest smoothed rate of any cluster.
    longest_ms : float, ms
        Longest time above threshold, including episodes that are too short for an up-state.
    theta_hz : float, Hz
        Upper threshold of the cluster with the highest rate.
    note : str
        Remark on the thresholds, or "".

    Examples
    --------
    Two clusters of one neuron each; the first fires for half a second:

    >>> from calibrate import observe_trains
    >>> from calibrate.observation import up_states
    >>> observation = observe_trains([list(range(200, 700, 10)), []], duration_ms=1000.0, clusters=2)
    >>> found = up_states(
    ...     observation, population="E", theta_hi_hz=20.0, theta_lo_hz=10.0, min_ms=20.0,
    ...     bin_ms=5.0, sigma_ms=25.0,
    ... )
    >>> found.cluster, found.up.sum(axis=1) > 0
    (array([0]), array([ True, False]))
    """

    cluster: NDArray[np.int64]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    n_clusters: int
    n_bins: int
    bin_ms: float
    peak_hz: float
    longest_ms: float
    theta_hz: float
    note: str = ""

    @property
    def lengths_ms(self) -> NDArray[np.float64]:
        """Length of each up-state within the measurement in ms, shape (episodes,)."""
        return np.asarray((self.stop - self.start) * self.bin_ms, dtype=np.float64)

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Whether each begins and ends within the measurement, shape (episodes,)."""
        return np.asarray((self.start > 0) & (self.stop < self.n_bins))

    @property
    def total_ms(self) -> float:
        """Time of all clusters in up-states together, in ms."""
        return float(self.lengths_ms.sum())

    @property
    def duration_ms(self) -> float:
        """Length of the measurement in ms, at least one bin."""
        return max(self.n_bins, 1) * self.bin_ms

    @property
    def of_clusters_ms(self) -> NDArray[np.float64]:
        """Time of each cluster in up-states in ms, shape (clusters,)."""
        times = np.zeros(self.n_clusters)
        np.add.at(times, self.cluster, self.lengths_ms)
        return times

    @property
    def up(self) -> NDArray[np.int64]:
        """1 where a cluster is up, else 0, shape (clusters, bins)."""
        changes = np.zeros((self.n_clusters, self.n_bins + 1), dtype=np.int64)
        changes[self.cluster, self.start] = 1
        changes[self.cluster, self.stop] = -1
        return np.cumsum(changes, axis=1)[:, :-1]

    @property
    def active(self) -> NDArray[np.int64]:
        """Number of clusters that are up in each bin, shape (bins,)."""
        return np.asarray(self.up.sum(axis=0), dtype=np.int64)

    @property
    def n_began(self) -> int:
        """Number of up-states that began within the measurement."""
        return int((self.start > 0).sum())

    @property
    def n_ended(self) -> int:
        """Number of up-states that ended within the measurement."""
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
    thresholds: str = "absolute",
) -> UpStates:
    """Find the up-states of the clusters of a population.

    Parameters
    ----------
    observation : Observation
        What the network showed.
    population : str
        Name of the population.
    theta_hi_hz : float, Hz
        An up-state begins when the rate of the cluster exceeds this.
    theta_lo_hz : float, Hz
        It ends when the rate falls below this.
    min_ms : float, ms
        Up-states shorter than this are dropped, also at the start and end of the measurement: whether they
        would have lasted is not known.
    bin_ms : float, ms
        Width of the bins in which the rate of each cluster, per neuron, is counted.
    sigma_ms : float, ms
        Standard deviation of the Gaussian that the rate is smoothed with.
    thresholds : {"absolute", "relative", "mixture"}
        "absolute" takes the thresholds as they are. "relative" adds the median rate of each cluster to them.
        "mixture" puts them at 2/3 and 1/2 of the way from the lower to the upper mean of a mixture of two
        normal distributions, fitted to the rates of all clusters; if the means are less than 2 SDs apart, the
        thresholds are taken as they are.

    Returns
    -------
    UpStates
        The up-states, cluster by cluster.

    Raises
    ------
    ObservationError
        If there is no such population, or if the stored bins do not divide `bin_ms`.

    Notes
    -----
    A measurement that starts between the thresholds starts down.

    Examples
    --------
    >>> from calibrate import observe_trains
    >>> from calibrate.observation import up_states
    >>> observation = observe_trains([list(range(200, 700, 10)), []], duration_ms=1000.0, clusters=2)
    >>> found = up_states(
    ...     observation, population="E", theta_hi_hz=20.0, theta_lo_hz=10.0, min_ms=20.0,
    ...     bin_ms=5.0, sigma_ms=25.0,
    ... )
    >>> found.n_began, found.n_ended
    (1, 1)
    """
    counts = observation.group_counts(population, bin_ms)
    sizes = observation.group_sizes(population)
    rates = counts / (sizes[:, None] * (bin_ms / 1000))
    if sigma_ms > 0 and counts.size:
        # "reflect" preserves the number of spikes and the level at both ends. Zeros beyond the ends would
        # halve the rate there and end ongoing up-states; repeating the last bin would not smooth at all.
        from scipy.ndimage import gaussian_filter1d  # slow to import, and not always needed

        rates = gaussian_filter1d(rates, sigma_ms / bin_ms, axis=1, mode="reflect")
    n_clusters, n_bins = rates.shape
    high, low, note = _thresholds(rates, theta_hi_hz, theta_lo_hz, thresholds)

    # A bin has the state of the last bin, up to and including itself, that is above the upper or below the
    # lower threshold. If there is none, it has the state of the first bin, which is then down.
    above = rates > high
    decisive = np.where(above | (rates < low), np.arange(n_bins), 0)
    up = np.take_along_axis(above, np.maximum.accumulate(decisive, axis=1), axis=1)

    # With a silent bin on either side of each row, starts and stops come in the same order.
    edges = np.diff(np.pad(up, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    cluster, start = np.nonzero(edges > 0)
    stop = np.nonzero(edges < 0)[1]
    lengths_ms = (stop - start) * bin_ms
    long_enough = lengths_ms >= min_ms * (1 - 1e-9)
    return UpStates(
        cluster=cluster[long_enough],
        start=start[long_enough],
        stop=stop[long_enough],
        n_clusters=n_clusters,
        n_bins=n_bins,
        bin_ms=bin_ms,
        peak_hz=float(rates.max(initial=0.0)),
        longest_ms=float(lengths_ms.max(initial=0.0)),
        theta_hz=float(high[np.argmax(rates.max(axis=1)), 0] if rates.size else theta_hi_hz),
        note=note,
    )


def _thresholds(
    rates: NDArray[np.float64], theta_hi_hz: float, theta_lo_hz: float, kind: str
) -> tuple[NDArray[np.float64], NDArray[np.float64], str]:
    """Return the upper and lower thresholds of each cluster, shape (clusters, 1), and a note on them."""
    none = np.zeros((rates.shape[0], 1))
    if kind == "relative" and rates.size:
        median = np.median(rates, axis=1, keepdims=True)
        return median + theta_hi_hz, median + theta_lo_hz, ""
    if kind == "mixture":
        levels = _levels(rates)
        if levels is None:
            note = "the rates do not have two separate levels; thresholds are used as given"
            return none + theta_hi_hz, none + theta_lo_hz, note
        lower, upper = levels
        return none + lower + 2 / 3 * (upper - lower), none + (lower + upper) / 2, ""
    return none + theta_hi_hz, none + theta_lo_hz, ""


def _levels(rates: NDArray[np.float64]) -> tuple[float, float] | None:
    """Return the two means of the mixture of normal distributions fitted to the rates; None if too close."""
    every = max(rates.size // _MOST_RATES, 1)
    flat = np.asarray(rates).reshape(-1, 1)[::every]
    if flat.size < 10 or np.ptp(flat) < 1e-9:
        return None
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits

    # On so few numbers, several threads only wait for one another: for long, if other programs compute too.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        # One start finds a wrong maximum in 1 % of samples: a wide component about a narrow one, for example.
        fits = [
            GaussianMixture(2, means_init=np.quantile(flat, pair).reshape(2, 1), random_state=0).fit(flat)
            for pair in _STARTS
        ]
        model = max(fits, key=lambda fit: fit.lower_bound_)
    order = np.argsort(model.means_.ravel())
    lower, upper = (float(mean) for mean in model.means_.ravel()[order])
    sd = math.sqrt(float(model.covariances_.ravel().mean()))
    return (lower, upper) if upper - lower > _APART * sd else None
