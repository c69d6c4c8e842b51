"""Mixtures of normal distributions at many points, and the likelihood of data under them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibrate.results.posterior.engine import Datum

FloatArray = NDArray[np.float64]

# Draws for the probability that several values lie between their ends; of one value, it is exact.
_DRAWS = 32
_LEAST = 1e-300
# Added to variances, relative to them, so that a variable can have two data.
_JITTER = 1e-9


@dataclass(frozen=True, kw_only=True)
class Gaussians:
    """Mixtures of c normal distributions of k variables at m points.

    log_weights  shape (m, c)
    means        shape (m, c, k)
    covariances  shape (m, c, k, k)
    """

    log_weights: FloatArray
    means: FloatArray
    covariances: FloatArray

    def log(self, data: Sequence[Datum], rows: Sequence[int]) -> FloatArray:
        """The logarithm of the likelihood of data at each point, shape (m,); their own errors come on top.

        rows  the variable of each datum; one may have a value and lie between ends

        Values have a density. That other variables lie between their ends has a probability, given these
        values (Genz 1992, one variable after the other).
        """
        order = sorted(range(len(data)), key=lambda k: data[k].ends is not None)
        chosen, (m, c) = [rows[k] for k in order], self.log_weights.shape
        means, covariances = self.means[..., chosen], self.covariances[..., chosen, :][..., chosen]
        own = np.array([data[k].error ** 2 for k in order])
        variances = np.einsum("...kk->...k", covariances)
        factor = np.linalg.cholesky(covariances + (own + _JITTER * variances)[..., None] * np.eye(len(order)))
        log = self.log_weights[..., None]
        z = np.zeros((m, c, 1, 0))
        for j, datum in enumerate(data[k] for k in order):
            width = factor[..., j, j, None]
            centre = means[..., j, None] + (z * factor[..., None, j, :j]).sum(axis=-1)
            if datum.ends is None:
                drawn = (datum.value - centre) / width
                log = log - 0.5 * drawn**2 - np.log(width) - 0.5 * math.log(2 * math.pi)
            else:
                low, high = ((end - centre) / width for end in datum.ends)
                probability, drawn = _between(low, high, seed=j)
                log = log + np.log(np.maximum(probability, _LEAST))
            z = np.concatenate([np.broadcast_to(z, (*drawn.shape, j)), drawn[..., None]], axis=-1)
        draws = log.shape[-1]
        return np.asarray(np.logaddexp.reduce(log.reshape(m, -1), axis=1) - math.log(draws))


def _between(low: FloatArray, high: FloatArray, *, seed: int) -> tuple[FloatArray, FloatArray]:
    """The probability that a standard normal variable lies between ends, and draws of it on the last axis."""
    from scipy.special import ndtr, ndtri

    below, above = ndtr(low), ndtr(high)
    at = np.random.default_rng(seed).permutation((np.arange(_DRAWS) + 0.5) / _DRAWS)
    drawn = ndtri(np.clip(below + at * (above - below), 1e-15, 1 - 1e-15))
    return above - below, drawn
