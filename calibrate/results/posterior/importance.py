"""Samples from a density on the unit cube, at several temperatures at once, by importance sampling.

Quantiles are drawn as normal variables, of which no value lies outside of a range.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
# The logarithm of the likelihood at quantiles of shape (m, parameters).
LogLikelihood = Callable[[FloatArray], FloatArray]

# Proposals are Student's t with this many degrees of freedom, and this much wider than the points so far.
_TAILS, _WIDER = 8.0, 1.2
_ROUNDS, _NARROWEST, _HOTTEST = 10, 1e-6, 1e6
# A proposal is fitted to at least as many effective points, and as many for each dimension.
_ENOUGH, _ENOUGH_EACH = 30, 5
# Effective points for each sample.
_EACH = 0.4


class Explored:
    """Points that were drawn from several proposals, with their likelihood.

    Their weights are those of the mixture of all proposals (the balance heuristic, Veach & Guibas 1995). The
    first proposal is the prior, so that no weight is extreme.

    quantiles       drawn from the prior, shape (m, parameters)
    log_likelihood  at these, shape (m,)
    """

    def __init__(self, quantiles: FloatArray, log_likelihood: FloatArray) -> None:
        from scipy.special import ndtri

        self.quantiles, self._log = quantiles, log_likelihood
        self._normal = ndtri(quantiles)
        self._prior = _log_normal(self._normal)
        self._first = len(quantiles)
        self._proposals: list[tuple[int, _Proposal]] = []
        # Of the mixture, without its size.
        self._mixture = self._prior + math.log(len(quantiles))

    @property
    def dimensions(self) -> int:
        """Number of parameters."""
        return int(self.quantiles.shape[1])

    def weights(self, temperature: float = 1.0) -> FloatArray:
        """Weights of the points in the posterior of this temperature; their sum is 1."""
        log = self._log / temperature + self._prior - self._mixture
        weights = np.exp(log - log.max())
        return np.asarray(weights / weights.sum())

    def coolest(self, enough: float, lowest: float) -> float:
        """The temperature, `lowest` or the next above it at which this number of points counts."""
        low, high = math.log(lowest), math.log(_HOTTEST)
        if effective(self.weights(lowest)) >= enough:
            return lowest
        for _ in range(12):
            middle = (low + high) / 2
            low, high = (
                (low, middle) if effective(self.weights(math.exp(middle))) >= enough else (middle, high)
            )
        return math.exp(high)

    def grow(self, log_likelihood: LogLikelihood, temperature: float, n: int, seed: int) -> None:
        """Draw `n` points close to the posterior of this temperature."""
        from scipy.special import ndtr

        proposal = _Proposal(self._normal, self.weights(temperature))
        drawn = proposal.draw(n, seed)
        quantiles, prior = np.clip(ndtr(drawn), 1e-12, 1 - 1e-12), _log_normal(drawn)
        first = math.log(self._first) + prior
        mixture = np.logaddexp.reduce(
            [first, *(math.log(m) + one.log(drawn) for m, one in self._proposals)], axis=0
        )
        self._normal = np.concatenate([self._normal, drawn])
        self._prior = np.concatenate([self._prior, prior])
        self.quantiles = np.concatenate([self.quantiles, quantiles])
        self._log = np.concatenate([self._log, log_likelihood(quantiles)])
        self._mixture = np.concatenate([self._mixture, mixture])
        self._mixture = np.logaddexp(self._mixture, math.log(n) + proposal.log(self._normal))
        self._proposals.append((n, proposal))

    def sample(self, temperature: float, n: int, seed: int) -> FloatArray:
        """Draw `n` of the quantiles with their weights, shape (n, parameters) (systematic resampling)."""
        random = np.random.default_rng(seed)
        ends = np.cumsum(self.weights(temperature))
        at = (np.arange(n) + random.random()) / n
        chosen = np.minimum(np.searchsorted(ends, at), len(ends) - 1)
        return np.asarray(self.quantiles[random.permutation(chosen)])


class _Proposal:
    """Student's t distribution, fitted to weighted points."""

    def __init__(self, points: FloatArray, weights: FloatArray) -> None:
        d = points.shape[1]
        self._mean = weights @ points
        spread = np.cov(points, rowvar=False, aweights=weights).reshape(d, d)
        # Few points show correlations that there are not.
        shrunk = d / (d + effective(weights))
        spread = (1 - shrunk) * spread + shrunk * np.diag(np.diag(spread)) + _NARROWEST * np.eye(d)
        self._factor = _WIDER * np.linalg.cholesky(spread)

    def draw(self, n: int, seed: int) -> FloatArray:
        random, d = np.random.default_rng(seed), len(self._mean)
        wide = np.sqrt(_TAILS / random.chisquare(_TAILS, size=(n, 1)))
        return np.asarray(self._mean + wide * random.standard_normal((n, d)) @ self._factor.T)

    def log(self, points: FloatArray) -> FloatArray:
        from scipy.linalg import solve_triangular

        d = len(self._mean)
        squares = (solve_triangular(self._factor, (points - self._mean).T, lower=True) ** 2).sum(axis=0)
        half = (_TAILS + d) / 2
        constant = math.lgamma(half) - math.lgamma(_TAILS / 2) - d * math.log(_TAILS * math.pi) / 2
        constant -= float(np.log(np.diag(self._factor)).sum())
        return np.asarray(constant - half * np.log1p(squares / _TAILS))


def explore(
    explored: Explored, log_likelihood: LogLikelihood, *, temperature: float, n: int, seed: int
) -> None:
    """Add `n` points at a time, until there are enough for `n` samples at this temperature.

    A posterior that is much narrower than the prior is approached from higher temperatures (population Monte
    Carlo, Cappé et al. 2004).
    """
    enough = _ENOUGH + _ENOUGH_EACH * explored.dimensions
    for step in range(_ROUNDS):
        if effective(explored.weights(temperature)) >= _EACH * n:
            return
        at = explored.coolest(enough, temperature)
        explored.grow(log_likelihood, at, n, seed + len(explored.quantiles) + step)


def effective(weights: FloatArray) -> float:
    """The number of points that count (Kish 1965)."""
    return float(1 / (weights**2).sum())


def _log_normal(points: FloatArray) -> FloatArray:
    d = points.shape[1]
    return np.asarray(-0.5 * (points**2).sum(axis=1) - d / 2 * math.log(2 * math.pi))
