"""Shared variability: how much of the variance of spike counts a few common factors explain."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibrate.objective import Estimate, Needs, ObjectiveError, jackknife, statistic
from calibrate.observation import Observation
from objectives.activity import shortfall, spikes_towards

FloatArray = NDArray[np.float64]

_FOLDS = 5  # of the cross-validation
_MOST_FACTORS = 10  # that it tries
_WINDOWS_PER_NEURON = 10


@dataclass(frozen=True)
class Factors:
    """A factor analysis: the covariance of the counts is L L' + diag(psi).

    shared      diag(L L')_i / (diag(L L')_i + psi_i) of each neuron, in percent
    eigenvalues nonzero eigenvalues of L L', in descending order
    """

    shared: FloatArray
    eigenvalues: FloatArray


def _check_analysis(
    neurons: int, window_ms: float, factors: int, min_hz: float, explained: float = 0.95
) -> Needs:
    if neurons < 3:
        raise ObjectiveError(f"a factor analysis needs at least 3 neurons, not {neurons}")
    if not 0 <= factors < neurons:
        raise ObjectiveError(
            f"factors must be at least 0 (cross-validation) and below the {neurons} neurons, not {factors}"
        )
    if not (math.isfinite(min_hz) and min_hz >= 0):
        raise ObjectiveError(f"min_hz must be a rate of 0 Hz or more, not {min_hz:g}")
    if not 0 < explained <= 1:
        raise ObjectiveError(f"explained must be above 0 and at most 1, not {explained:g}")
    return Needs(window_ms=window_ms)


def _check_shared(neurons: int, window_ms: float, factors: int, min_hz: float) -> Needs:
    return _check_analysis(neurons, window_ms, factors, min_hz)


def _check_dimensions(neurons: int, window_ms: float, factors: int, min_hz: float, explained: float) -> Needs:
    return _check_analysis(neurons, window_ms, factors, min_hz, explained)


@statistic(unit="%", needs=_check_shared, sample="shared variance of each neuron", depends_on=())
def shared_variance(
    observation: Observation,
    *,
    population: str = "E",
    neurons: int = 50,
    window_ms: float = 200.0,
    factors: int = 0,
    min_hz: float = 0.5,
) -> Estimate:
    """Percentage of the variance of spike counts that neurons share, by factor analysis.

        %sv = 100 < (L L')_ii / ((L L')_ii + psi_i) >_i

    for the model of the counts x in a window, x - <x> = L f + noise, with normal factors f of variance 1 and
    independent noise of variance psi_i, fitted by maximum likelihood.

    population  which neurons
    neurons     how many active neurons to use; fixed, since the result depends on it. They are drawn once at
                random, the same ones in all observations as far as they are active
    window_ms   width of the windows
    factors     their number; 0 for the number from 0 to 10 with the highest likelihood in 5-fold
                cross-validation, in which folds are blocks of successive windows
    min_hz      rate from which a neuron is active

    In %, from 0 to 100; exactly 0 if cross-validation finds no factor, as in independent neurons. Factors
    beyond those that the counts have explain noise, and raise the value: 5 of them
    in 50 independent Poisson neurons find 7 % in 100 s, and 4 % in 300 s. Nothing is subtracted for this:
    factors that the counts do have explain hardly any noise. Support: neurons. The standard error is
    that of a mean over neurons that share their time, with the same number of factors.
    Undefined with shortfall 1 in fewer than 10 windows per neuron: by default 100 s are needed. Also
    undefined with fewer active neurons than asked for (as with 0 or 1 spikes): the shortfall is
    (1 - progress) / 2, where progress is half the share of active neurons plus half the share of the needed
    spikes that the neurons have; it is larger for silent networks, depending on their distance from
    threshold. Source: Williamson et al. 2016; Wu et al. 2024.
    """
    counts = _counts(observation, population, neurons, window_ms, min_hz)
    if isinstance(counts, Estimate):
        return counts
    chosen = not factors
    factors = factors or _cross_validate(counts)
    if not factors:
        return Estimate.mean_of(np.zeros(neurons), note="no shared factor")

    def shares(kept: NDArray[np.bool_]) -> FloatArray:
        return _factor_analysis(counts[kept], factors).shared

    return Estimate.mean_of(
        shares(np.ones(len(counts), dtype=bool)),
        error=jackknife.over_neurons(shares, len(counts)),
        note=_number_of(factors, chosen),
    )


@statistic(needs=_check_dimensions, sample="eigenvalues of the shared covariance", depends_on=())
def shared_dimensions(
    observation: Observation,
    *,
    population: str = "E",
    neurons: int = 50,
    window_ms: float = 200.0,
    factors: int = 0,
    min_hz: float = 0.5,
    explained: float = 0.95,
) -> Estimate:
    """Number of dimensions in which neurons vary together, by factor analysis of spike counts.

        d = min { m : sum_{j <= m} lambda_j >= explained * sum_j lambda_j }

    with lambda_1 >= lambda_2 >= ... the eigenvalues of the shared covariance L L' of `shared_variance`.

    explained   share of the shared variance that the dimensions explain; the population and the other options
                are those of `shared_variance`

    No unit, a whole number from 0 (cross-validation finds no factor) to the number of factors. Support:
    neurons; the standard error is a jackknife that leaves out a tenth of the time, with the same number of
    factors. The sample is the eigenspectrum, lambda in counts^2, in descending order; the value is not its
    mean. Undefined as `shared_variance` (with 0 or 1 spikes, for example). Source: Williamson et al. 2016; Wu
    et al. 2024.
    """
    counts = _counts(observation, population, neurons, window_ms, min_hz)
    if isinstance(counts, Estimate):
        return counts
    chosen = not factors
    factors = factors or _cross_validate(counts)
    if not factors:
        return Estimate(0.0, support=neurons, note="no shared factor")
    eigenvalues = _factor_analysis(counts, factors).eigenvalues

    def dimensions(included: NDArray[np.bool_]) -> float:
        return _count_dimensions(_factor_analysis(counts[included], factors).eigenvalues, explained)

    return Estimate(
        _count_dimensions(eigenvalues, explained),
        support=neurons,
        error=jackknife.over_time(dimensions, counts.shape[0]),
        note=_number_of(factors, chosen),
        sample=eigenvalues,
    )


def _count_dimensions(eigenvalues: FloatArray, explained: float) -> float:
    """Return how many of the largest eigenvalues sum to the share `explained` of the total."""
    cumulative = np.cumsum(eigenvalues) / eigenvalues.sum()
    return float(np.searchsorted(cumulative, explained * (1 - 1e-12)) + 1)


def _number_of(factors: int, chosen: bool) -> str:
    most = ", the most that were tried" if chosen and factors == _MOST_FACTORS else ""
    return f"{factors} factor{'s' if factors > 1 else ''}{most}"


def _counts(
    observation: Observation, population: str, neurons: int, window_ms: float, min_hz: float
) -> FloatArray | Estimate:
    """Return the counts of the neurons included, shape (windows, neurons), or why there are too few."""
    counts = observation.neuron_counts(population, window_ms)
    n_windows = counts.shape[1]
    if n_windows < _WINDOWS_PER_NEURON * neurons:
        needed_s = _WINDOWS_PER_NEURON * neurons * window_ms / 1000
        note = f"{neurons} neurons need a measurement of {needed_s:g} s"
        return Estimate(math.nan, support=0, shortfall=1.0, note=note)
    totals = observation.totals(population)
    needed = max(min_hz * observation.duration_ms / 1000, 1.0)
    active = (totals >= needed) & (np.ptp(counts, axis=1) > 0)
    n_active = int(active.sum())
    if n_active < neurons:
        progress = (n_active / neurons + spikes_towards(totals, needed)) / 2
        missing = shortfall(observation, population, progress)
        note = f"only {n_active} of {neurons} neurons are active at {min_hz:g} Hz"
        return Estimate(math.nan, support=n_active, shortfall=missing, note=note)
    order = np.random.default_rng(0).permutation(totals.size)
    chosen = np.sort(order[active[order]][:neurons])
    return np.array(counts[chosen].T, dtype=np.float64)


def _factor_analysis(counts: FloatArray, factors: int) -> Factors:
    model = _model(counts, factors)
    communal = (model.components_**2).sum(axis=0)
    # L is unique up to rotation, and L'L has the nonzero eigenvalues of L L'.
    eigenvalues = np.linalg.eigvalsh(model.components_ @ model.components_.T)[::-1]
    return Factors(
        shared=100 * communal / (communal + model.noise_variance_), eigenvalues=np.maximum(eigenvalues, 0.0)
    )


def _cross_validate(counts: FloatArray) -> int:
    """Return the number of factors with the highest likelihood of left-out windows."""
    folds = np.array_split(np.arange(counts.shape[0]), _FOLDS)
    best, highest = 0, -math.inf
    for factors in range(min(_MOST_FACTORS, counts.shape[1] - 1) + 1):
        likelihood = float(np.mean([_likelihood(counts, fold, factors) for fold in folds]))
        if likelihood > highest:
            best, highest = factors, likelihood
        elif factors > best + 1:
            break  # the likelihood has fallen twice, and does not rise again
    return best


def _likelihood(counts: FloatArray, fold: NDArray[np.int64], factors: int) -> float:
    """Return the mean log likelihood of the windows in `fold` under a model of the others."""
    others = np.delete(counts, fold, axis=0)
    if factors:
        return float(_model(others, factors).score(counts[fold]))
    variance = np.maximum(others.var(axis=0), 1e-12)
    squares = (counts[fold] - others.mean(axis=0)) ** 2 / variance
    return float(-0.5 * (squares + np.log(2 * math.pi * variance)).sum(axis=1).mean())


def _model(counts: FloatArray, factors: int):  # type: ignore[no-untyped-def]  # scikit-learn has no types
    from sklearn.decomposition import FactorAnalysis  # takes two seconds to import
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        # If psi of a neuron tends to 0, the likelihood keeps growing slowly, by amounts far below the noise.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return FactorAnalysis(factors, svd_method="lapack").fit(counts)
