"""Gaussian process regression with noise that differs between points (Rasmussen & Williams 2006).

The covariance is Matérn 5/2 with one length scale per dimension. scikit-learn has it too, but takes ten times
as long to fit it, and its noise cannot fall with the number of graphs that a point was measured on.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
# A function drawn from a process: its values at points, shape (m, d).
Draw = Callable[[FloatArray], FloatArray]

# Priors of the logarithms of length scales (unit cube), variance, and noise: mean and standard deviation.
# That of length scales grows with the number of dimensions: without evidence, a function is nearly linear
# (Hvarfner, Hellsten & Nardi 2024).
_LENGTH_SD, _VARIANCE, _NOISE = math.sqrt(3), (0.0, 1.5), (math.log(0.02), 1.5)
_BOUNDS = {"length": (math.log(0.05), math.log(100)), "rest": (math.log(1e-4), math.log(1e3))}
# Added to the diagonal, relative to the variance, so that equal points can be factorised.
_JITTER = 1e-8
# Waves that a drawn function is made of, before it is led through the data; and those that are shared by
# functions that are drawn at once.
_WAVES, _SHARED_WAVES = 128, 512
# The errors of data like a value are those of one in so many.
_NEAR = 8
_ROOT5 = math.sqrt(5)
# Values that differ by less, relative to them, differ by rounding.
_ROUNDING = 1e-12
# Standard deviations from the mean to either end of an interval of 90 %.
NINETY = 1.6448536269514722


@dataclass(frozen=True, kw_only=True)
class Data:
    """What a process is fitted to.

    points  in the unit cube, shape (n, d)
    values  at these points, shape (n,)
    known   variance of the error of each value that is known, shape (n,)
    share   part of the unknown variance that each value has: 1 / graphs, shape (n,)
    """

    points: FloatArray
    values: FloatArray
    known: FloatArray
    share: FloatArray

    def part(self, chosen: NDArray[np.int64]) -> Data:
        """Some of the data, by their positions."""
        return Data(
            points=self.points[chosen],
            values=self.values[chosen],
            known=self.known[chosen],
            share=self.share[chosen],
        )

    @property
    def content(self) -> bytes:
        """All its numbers."""
        return b"".join(array.tobytes() for array in (self.points, self.values, self.known, self.share))


class Process:
    """A Gaussian process, conditioned on data.

    data    that it is conditioned on
    theta   logarithms of the length scales, of the variance, and of the unknown variance of the errors; the
            last two in units of the variance of the values
    spread  standard deviation of the values; 1 if they are all the same
    """

    def __init__(self, data: Data, theta: FloatArray) -> None:
        from scipy.linalg import cho_factor, cho_solve

        self.data, self.theta = data, theta
        d = data.points.shape[1]
        self._lengths = np.exp(theta[:d])
        self._mean, self.spread = _standard(data.values)
        self.variance, self.noise = np.exp(theta[d:]) * self.spread**2
        self._errors = data.known + data.share * self.noise
        scaled = data.points / self._lengths
        covariance = self.variance * _matern(_distances(scaled, scaled))
        covariance[np.diag_indices_from(covariance)] += self._errors + _JITTER * self.variance
        self._factor = cho_factor(covariance, lower=True)
        self._weights = cho_solve(self._factor, data.values - self._mean)

    @property
    def varies(self) -> bool:
        """Whether the values differ, by more than rounding."""
        return _differ(self.data.values)

    @property
    def evidence(self) -> float:
        """The logarithm of the likelihood of the data (Rasmussen & Williams 2006, equation 5.8)."""
        fit = (self.data.values - self._mean) @ self._weights
        n = len(self._weights)
        return float(-0.5 * fit - np.log(np.diag(self._factor[0])).sum() - n / 2 * math.log(2 * math.pi))

    def left_out(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """The points; how far each value is from what the others predict; and the standard deviation of that.

        Rasmussen & Williams 2006, equations 5.10 to 5.12.
        """
        from scipy.linalg import cho_solve

        inverse = cho_solve(self._factor, np.eye(len(self._weights)))
        precision = np.diag(inverse)
        return self.data.points, self._weights / precision, 1 / np.sqrt(precision)

    @cached_property
    def inflation(self) -> float:
        """The factor by which intervals of 90 % must be wider to contain 90 % of the values left out.

        At least 1. Jumps at the boundaries of regimes make it larger.
        """
        _, errors, sd = self.left_out()
        return max(float(np.quantile(np.abs(errors / sd), 0.9)) / NINETY, 1.0)

    @property
    def error(self) -> float:
        """Standard deviation of a value that is measured on one graph around the function."""
        return math.sqrt(self.noise + float(np.median(self.data.known / self.data.share)))

    def error_at(self, values: FloatArray) -> FloatArray:
        """The same where the function has these values: the known part is that of data like them."""
        from scipy.ndimage import median_filter

        order = np.argsort(self.data.values)
        known = (self.data.known / self.data.share)[order]
        near = median_filter(known, size=max(len(known) // _NEAR, 5), mode="nearest")
        return np.asarray(np.sqrt(self.noise + np.interp(values, self.data.values[order], near)))

    def predict(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation of the function, without noise, at points of shape (m, d)."""
        from scipy.linalg import solve_triangular

        across = self._across(points)
        explained = solve_triangular(self._factor[0], across, lower=True)
        left = self.variance - np.einsum("nm,nm->m", explained, explained)
        return self._mean + across.T @ self._weights, np.sqrt(np.maximum(left, 0.0))

    def mean(self, points: FloatArray) -> FloatArray:
        """Mean of the function at points of shape (m, d): half as much work as `predict`."""
        return np.asarray(self._mean + self._across(points).T @ self._weights)

    def draw(self, random: np.random.Generator) -> Draw:
        """Draw a function from the process (pathwise conditioning, Wilson et al. 2021)."""
        drawn = self._draw(random, 1, _WAVES)
        return lambda points: drawn(points)[0]

    def draws(self, random: np.random.Generator, n: int) -> Draw:
        """Draw n functions at once, which takes little longer than one; values of shape (n, m)."""
        return self._draw(random, n, _SHARED_WAVES)

    def _draw(self, random: np.random.Generator, n: int, waves: int) -> Draw:
        from scipy.linalg import cho_solve

        data, d = self.data, self.data.points.shape[1]
        # The spectral density of Matérn 5/2 is that of Student's t with five degrees of freedom.
        radius = np.sqrt(5 / random.chisquare(5, size=waves))
        frequencies = random.standard_normal((d, waves)) * radius / self._lengths[:, None]
        phases = random.uniform(0, 2 * np.pi, waves)
        amplitudes = random.standard_normal((n, waves)) * math.sqrt(2 * self.variance / waves)

        def prior(points: FloatArray) -> FloatArray:
            return np.asarray(amplitudes @ np.cos(points @ frequencies + phases).T)

        noise = random.standard_normal((n, len(data.values))) * np.sqrt(self._errors)
        missing = data.values - self._mean - prior(data.points) - noise
        weights = cho_solve(self._factor, missing.T)
        return lambda points: self._mean + prior(points) + weights.T @ self._across(points)

    def _across(self, points: FloatArray) -> FloatArray:
        """Covariance between the data and other points, shape (n, m)."""
        distances = _distances(self.data.points / self._lengths, points / self._lengths)
        return np.asarray(self.variance * _matern(distances))


def fit(data: Data, *, start: FloatArray | None = None) -> FloatArray:
    """The most probable `theta` of a process (maximum a posteriori), sought from `start`."""
    from scipy.optimize import minimize

    d = data.points.shape[1]
    mean, sd = _standard(data.values)
    values, known = (data.values - mean) / sd, data.known / sd**2
    squares = (data.points[:, None, :] - data.points[None, :, :]) ** 2
    prior_mean = np.array([*[math.sqrt(2) + math.log(d) / 2] * d, _VARIANCE[0], _NOISE[0]])
    prior_sd = np.array([*[_LENGTH_SD] * d, _VARIANCE[1], _NOISE[1]])

    def cost(theta: FloatArray) -> tuple[float, FloatArray]:
        value, gradient = _likelihood(theta, squares, values, known, data.share)
        z = (theta - prior_mean) / prior_sd
        return 0.5 * float(z @ z) - value, z / prior_sd - gradient

    first = start_of(data) if start is None else start
    bounds = [_BOUNDS["length"]] * d + [_BOUNDS["rest"]] * 2
    found = minimize(cost, first, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 60})
    return np.asarray(found.x, dtype=float)


def one_thread() -> AbstractContextManager[object]:
    """Linear algebra on one core: simulators use the others, and for small matrices threads only wait."""
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(1)
    return limits


def start_of(data: Data) -> FloatArray:
    """The `theta` before anything is fitted."""
    d = data.points.shape[1]
    return np.array([*[math.log(0.5) + math.log(d) / 2] * d, _VARIANCE[0], _NOISE[0]])


def _likelihood(
    theta: FloatArray, squares: FloatArray, values: FloatArray, known: FloatArray, share: FloatArray
) -> tuple[float, FloatArray]:
    """The log marginal likelihood (Rasmussen & Williams 2006, equations 5.8 and 5.9) and its gradient."""
    from scipy.linalg import lapack

    n, d = squares.shape[1:]
    precision = np.exp(-2 * theta[:d])
    variance, noise = np.exp(theta[d:])
    root = _ROOT5 * np.sqrt(squares @ precision)
    decay = variance * np.exp(-root)
    signal = decay * (1 + root + root**2 / 3)
    covariance = signal.copy()
    covariance[np.diag_indices(n)] += known + share * noise + _JITTER * variance
    factor, failed = lapack.dpotrf(covariance, lower=True)
    if failed:  # numerically singular: no parameters to stay at
        return -1e10, np.zeros_like(theta)
    weights, _ = lapack.dpotrs(factor, values, lower=True)
    inverse, _ = lapack.dpotri(factor, lower=True)
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    value = -0.5 * values @ weights - np.log(np.diag(factor)).sum() - 0.5 * n * math.log(2 * np.pi)
    inner = np.outer(weights, weights) - inverse
    slope = inner * decay * (1 + root) * (5 / 3)
    lengths = 0.5 * np.einsum("ij,ijk->k", slope, squares) * precision
    of_variance = 0.5 * (np.sum(inner * signal) + _JITTER * variance * np.trace(inner))
    of_noise = 0.5 * noise * float(np.diag(inner) @ share)
    return float(value), np.array([*lengths, of_variance, of_noise])


def _standard(values: FloatArray) -> tuple[float, float]:
    """Mean and standard deviation of the values; 1 if they are all the same, but for rounding."""
    return float(values.mean()), float(values.std()) if _differ(values) else 1.0


def _differ(values: FloatArray) -> bool:
    return float(np.ptp(values)) > _ROUNDING * float(np.abs(values).max())


def _distances(a: FloatArray, b: FloatArray) -> FloatArray:
    """Euclidean distances between all points of a and of b."""
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1)[None, :] - 2 * a @ b.T
    return np.asarray(np.sqrt(np.maximum(squares, 0.0)))


def _matern(distances: FloatArray) -> FloatArray:
    root = _ROOT5 * distances
    return np.asarray(np.exp(-root) * (1 + root + root**2 / 3))
