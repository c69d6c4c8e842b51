"""Intrinsic timescale: how fast the autocorrelation of spike counts decays."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from calibrate.objective import Estimate, Needs, ObjectiveError, jackknife, statistic
from calibrate.observation import Observation
from objectives.activity import shortfall, spikes_towards

_STANDS_OUT = 3.0  # the autocorrelation is fitted if it decays by this many standard errors


def _check_lags(window_ms: float, max_lag_ms: float) -> Needs:
    needs = Needs(window_ms=window_ms)
    if not (math.isfinite(max_lag_ms) and max_lag_ms >= 4 * window_ms):
        raise ObjectiveError(f"max_lag_ms must be at least 4 windows of {window_ms:g} ms, not {max_lag_ms:g}")
    return needs


@statistic(unit="ms", needs=_check_lags, scale="log", depends_on=())
def timescale(
    observation: Observation, *, population: str = "E", window_ms: float = 50.0, max_lag_ms: float = 1000.0
) -> Estimate:
    """Intrinsic timescale: decay time of the autocorrelation of spike counts.

        R(l) = < z_i(k) z_i(k + l) >_{i,k},    fitted by A (exp(-l / tau) + B)

    where z_i(k) is the count of neuron i in window k minus its mean, in units of its standard deviation,
    averaged over all windows k and all neurons i whose counts vary. Least squares over the lags from one
    window to max_lag_ms; if R rises at first, as after refractoriness, from the first lag at which it
    declines. The offset B accounts for what R loses because the mean is estimated from the measurement. This
    should be much longer than the timescale: below about 20 timescales, the estimate is too short.

    population  which neurons
    window_ms   width of the windows
    max_lag_ms  longest lag, at least 4 windows

    Returns ms, > 0, from half a window to 10 max_lag_ms. Support: neurons included; the standard error is a
    jackknife that leaves out a tenth of the windows at a time.
    Undefined if the autocorrelation does not decay (as with 0 or 1 spikes, and for constant rates): if its
    first value does not exceed the mean of its later half by 3 standard errors of independent Poisson counts,
    sqrt((1 + 1 / m) / (n K)) for n neurons, K windows and m lags in that half, or if no tau in that range
    fits best with A > 0. The shortfall is (1 - progress) / 2, where progress is half the share of 2 spikes
    that the neurons have, plus half the ratio of the decay to the decay needed; it is larger for silent
    networks, depending on their distance from threshold. Undefined with shortfall 1 in measurements shorter
    than twice max_lag_ms. Source: Murray et al. 2014.
    """
    counts = observation.neuron_counts(population, window_ms)
    n_windows = counts.shape[1]
    n_lags = int(max_lag_ms / window_ms + 1e-9)
    if n_windows < 2 * n_lags:
        note = f"the measurement is shorter than {2 * max_lag_ms:g} ms, twice the longest lag"
        return Estimate(math.nan, support=0, shortfall=1.0, note=note)
    varying = np.ptp(counts, axis=1) > 0
    n = int(varying.sum())
    active = spikes_towards(observation.totals(population), 2) / 2
    if not n:
        missing = shortfall(observation, population, active)
        return Estimate(math.nan, support=0, shortfall=missing, note="no neuron has counts that vary")

    z = counts[varying] - counts[varying].mean(axis=1, keepdims=True)
    z /= np.sqrt(np.einsum("ik,ik->i", z, z) / n_windows)[:, None]
    lags = np.arange(1, n_lags + 1)
    lag_ms = window_ms * lags.astype(float)
    # products[l, k] = <z_i(k) z_i(k + l)>_i, nan if k + l is beyond the last window.
    products = np.full((n_lags, n_windows), np.nan)
    for row, lag in zip(products, lags, strict=True):
        row[:-lag] = np.einsum("ik,ik->k", z[:, :-lag], z[:, lag:]) / n
    correlation = np.nanmean(products, axis=1)
    declines = np.flatnonzero(np.diff(correlation) < 0)
    first = min(int(declines[0]), n_lags - 4) if declines.size else 0
    later = correlation[n_lags // 2 :]
    decay = float(correlation[first] - later.mean())
    needed = _STANDS_OUT * math.sqrt((1 + 1 / later.size) / (n * n_windows))

    def fit(included: NDArray[np.bool_]) -> float:
        r = np.nanmean(products[first:, included], axis=1)
        return _fit(lag_ms[first:], r, window_ms / 2, 10 * max_lag_ms)

    tau_ms = fit(np.ones(n_windows, dtype=bool)) if decay >= needed else math.nan
    if math.isnan(tau_ms):
        missing = shortfall(observation, population, active + min(max(decay / needed, 0.0), 1.0) / 2)
        note = "the autocorrelation of the counts does not decay exponentially"
        return Estimate(math.nan, support=n, shortfall=missing, note=note)
    return Estimate(tau_ms, support=n, error=jackknife.over_time(fit, n_windows))


def _fit(
    lag_ms: NDArray[np.float64], correlation: NDArray[np.float64], shortest_ms: float, longest_ms: float
) -> float:
    """Fit A (exp(-lag / tau) + B) by least squares and return tau; nan at the ends of its range or if A <= 0.

    For a given tau the rest is a linear regression, so that only tau is searched: on a grid, then between the
    neighbours of the best grid point.
    """
    from scipy.optimize import minimize_scalar  # takes half a second to import

    residual = correlation - correlation.mean()

    def regress(log_tau: float) -> tuple[float, float]:
        """Return the residual sum of squares and the amplitude."""
        basis = np.exp(-lag_ms / math.exp(log_tau))
        basis -= basis.mean()
        amplitude = float(basis @ residual / (basis @ basis))
        return float(((residual - amplitude * basis) ** 2).sum()), amplitude

    grid = np.linspace(math.log(shortest_ms), math.log(longest_ms), 60)
    best = int(np.argmin([regress(log_tau)[0] for log_tau in grid]))
    if best in (0, grid.size - 1):
        return math.nan
    minimum = minimize_scalar(
        lambda log_tau: regress(log_tau)[0],
        bounds=(grid[best - 1], grid[best + 1]),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return math.exp(minimum.x) if regress(minimum.x)[1] > 0 else math.nan
