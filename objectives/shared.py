"""Shared variability: how much of the variance of spike counts few common factors explain."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibrate.objective import Estimate, Needs, ObjectiveError, statistic
from calibrate.observation import Observation
from objectives import jackknife
from objectives.activity import shortfall, spikes_towards

FloatArray = NDArray[np.float64]

_FOLDS = 5  # of the cross-validation
_MOST_FACTORS = 10  # that it tries
_SHUFFLES = 5  # of the null
_WINDOWS_PER_NEURON = 10


@dataclass(frozen=True)
class Factors:
    """A factor analysis: the covariance of the counts is L L' + diag(psi).

    shared      diag(L L')_i / (diag(L L')_i + psi_i) of each neuron, in percent
    eigenvalues of L L', the largest first, without those that are 0
    """

    shared: FloatArray
    eigenvalues: FloatArray


def _analysis(neurons: int, window_ms: float, factors: int, min_hz: float, explained: float = 0.95) -> Needs:
    if neurons < 3:
        raise ObjectiveError(f"a factor analysis takes at least 3 neurons, not {neurons}")
    if not 0 <= factors < neurons:
        raise ObjectiveError(f"factors must be from 0 (found by cross-validation) to below {neurons} neurons")
    if not (math.isfinite(min_hz) and min_hz >= 0):
        raise ObjectiveError(f"min_hz must be a rate of 0 Hz or more, not {min_hz:g}")
    if not 0 < explained <= 1:
        raise ObjectiveError(f"explained must be above 0 and at most 1, not {explained:g}")
    return Needs(window_ms=window_ms)


def _of_shared(neurons: int, window_ms: float, factors: int, min_hz: float) -> Needs:
    return _analysis(neurons, window_ms, factors, min_hz)


def _of_dimensions(neurons: int, window_ms: float, factors: int, min_hz: float, explained: float) -> Needs:
    return _analysis(neurons, window_ms, factors, min_hz, explained)


@statistic(unit="%", needs=_of_shared, sample="shared variance of each neuron", per_neuron=True)
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

        %sv = 100 < (L L')_ii / ((L L')_ii + psi_i) >_i  less the same of shuffled counts

    for the model of the counts x in a window, x - <x> = L f + noise, with normal factors f of variance 1 and
    independent noise of variance psi_i. The null, from counts whose windows are shuffled for every neuron by
    itself, with as many factors, mean of 5 shuffles, is what factors find in independent neurons of these
    counts: 50 Poisson neurons and 5 factors share 13 % in 30 s.

    population  which neurons
    neurons     how many of those that are active; fixed, since the result depends on it: the same ones in all
                observations as far as they are active, drawn once at random
    window_ms   width of the windows
    factors     their number; 0 for that from 0 to 10 with the highest likelihood in 5-fold cross-validation,
                in which successive windows stay together
    min_hz      rate from which a neuron is active

    In %, up to 100, about 0 for independent neurons, also a little below; exactly 0 where cross-validation
    finds no factor. Support: neurons. The standard error takes them as independent.
    Undefined with shortfall 1 in fewer than 10 windows per neuron: by default 100 s are needed. Undefined too
    with fewer active neurons than asked for, so with 0 or 1 spikes: shortfall (1 - progress) / 2, with
    progress half of the share of those neurons, plus half of the share of the spikes needed that the neurons
    have; more for silent networks, by their distance from threshold. Source: Williamson et al. 2016; Wu et
    al. 2024.
    """
    counts = _counts(observation, population, neurons, window_ms, min_hz)
    if isinstance(counts, Estimate):
        return counts
    factors = factors or _cross_validated(counts)
    if not factors:
        return Estimate.mean_of(np.zeros(neurons), note="no shared factor")
    random = np.random.default_rng(0)
    null = [_fitted(random.permuted(counts, axis=0), factors).shared for _ in range(_SHUFFLES)]
    return Estimate.mean_of(_fitted(counts, factors).shared - np.mean(null, axis=0), note=_said(factors))


@statistic(needs=_of_dimensions, sample="eigenvalues of the shared covariance")
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

    explained   share of the shared variance that the dimensions hold; the population and the other options
                are those of `shared_variance`

    No unit, a whole number from 0 (cross-validation finds no factor) to the number of factors. Support:
    neurons; the standard error is that of leaving out a tenth of the time at a time, with as many factors.
    The sample is the eigenspectrum, lambda in counts^2, the largest first, of which the value is no mean.
    Undefined as `shared_variance` is, so with 0 or 1 spikes. Source: Williamson et al. 2016; Wu et al. 2024.
    """
    counts = _counts(observation, population, neurons, window_ms, min_hz)
    if isinstance(counts, Estimate):
        return counts
    factors = factors or _cross_validated(counts)
    if not factors:
        return Estimate(0.0, support=neurons, note="no shared factor")
    eigenvalues = _fitted(counts, factors).eigenvalues

    def dimensions(kept: NDArray[np.bool_]) -> float:
        return _holding(_fitted(counts[kept], factors).eigenvalues, explained)

    return Estimate(
        _holding(eigenvalues, explained),
        support=neurons,
        error=jackknife.over_time(dimensions, counts.shape[0]),
        note=_said(factors),
        sample=eigenvalues,
    )


def _holding(eigenvalues: FloatArray, explained: float) -> float:
    """How many of them, the largest first, hold this share of their sum."""
    held = np.cumsum(eigenvalues) / eigenvalues.sum()
    return float(np.searchsorted(held, explained * (1 - 1e-12)) + 1)


def _said(factors: int) -> str:
    return f"{factors} factor{'s' if factors > 1 else ''}"


def _counts(
    observation: Observation, population: str, neurons: int, window_ms: float, min_hz: float
) -> FloatArray | Estimate:
    """Counts of the neurons that take part, shape (windows, neurons), or why there are too few."""
    counts = observation.neuron_counts(population, window_ms)
    n_windows = counts.shape[1]
    if n_windows < _WINDOWS_PER_NEURON * neurons:
        needed_s = _WINDOWS_PER_NEURON * neurons * window_ms / 1000
        note = f"{neurons} neurons take a measurement of {needed_s:g} s"
        return Estimate(math.nan, support=0, shortfall=1.0, note=note)
    totals = observation.totals(population)
    needed = max(min_hz * observation.duration_ms / 1000, 1.0)
    active = (totals >= needed) & (np.ptp(counts, axis=1) > 0)
    n_active = int(active.sum())
    if n_active < neurons:
        progress = (n_active / neurons + spikes_towards(totals, needed)) / 2
        missing = shortfall(observation, population, progress)
        note = f"{n_active} of {neurons} neurons are active at {min_hz:g} Hz"
        return Estimate(math.nan, support=n_active, shortfall=missing, note=note)
    order = np.random.default_rng(0).permutation(totals.size)
    chosen = np.sort(order[active[order]][:neurons])
    return np.array(counts[chosen].T, dtype=np.float64)


def _fitted(counts: FloatArray, factors: int) -> Factors:
    model = _model(counts, factors)
    communal = (model.components_**2).sum(axis=0)
    # L is unique up to rotation, and L'L has the eigenvalues of L L' that are not 0.
    eigenvalues = np.linalg.eigvalsh(model.components_ @ model.components_.T)[::-1]
    return Factors(
        shared=100 * communal / (communal + model.noise_variance_), eigenvalues=np.maximum(eigenvalues, 0.0)
    )


def _cross_validated(counts: FloatArray) -> int:
    """The number of factors under which windows that were left out are most likely."""
    folds = np.array_split(np.arange(counts.shape[0]), _FOLDS)
    best, highest = 0, -math.inf
    for factors in range(min(_MOST_FACTORS, counts.shape[1] - 1) + 1):
        likelihood = float(np.mean([_left_out(counts, fold, factors) for fold in folds]))
        if likelihood > highest:
            best, highest = factors, likelihood
        elif factors > best + 1:
            break  # it has fallen twice, and does not rise again
    return best


def _left_out(counts: FloatArray, fold: NDArray[np.int64], factors: int) -> float:
    """Mean log likelihood of the windows in `fold` under a model of all others."""
    kept = np.delete(counts, fold, axis=0)
    if factors:
        return float(_model(kept, factors).score(counts[fold]))
    variance = np.maximum(kept.var(axis=0), 1e-12)
    squares = (counts[fold] - kept.mean(axis=0)) ** 2 / variance
    return float(-0.5 * (squares + np.log(2 * math.pi * variance)).sum(axis=1).mean())


def _model(counts: FloatArray, factors: int):  # type: ignore[no-untyped-def]  # scikit-learn has no types
    from sklearn.decomposition import FactorAnalysis  # takes two seconds to import
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        # Where psi of a neuron tends to 0, the likelihood creeps on; what it still gains is far below the
        # noise.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return FactorAnalysis(factors, svd_method="lapack").fit(counts)
