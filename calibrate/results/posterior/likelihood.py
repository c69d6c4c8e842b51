"""The likelihood of data, with the errors of everything that stands between them and the parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibrate.calibration.emulator.models import Model
from calibrate.results.posterior.engine import Datum

FloatArray = NDArray[np.float64]

# Degrees of freedom of the errors, of which one is chosen: the last ones are as good as normal.
_TAILS = (3.0, 4.0, 6.0, 8.0, 12.0, 20.0, 40.0, 1000.0)
# Those of too few trials to choose.
_USUAL_TAILS = 4.0
# Correlations of errors are shrunk towards 0 as if this many trials had shown none.
_SHRINKAGE = 10
_LEAST = 1e-300


@dataclass(frozen=True, kw_only=True)
class Errors:
    """The joint distribution of the errors of k statistics, each in units of its width: Student's t.

    Noise differs between regimes and there are jumps at their boundaries: the tails are heavy.

    correlation  shape (k, k)
    tails        degrees of freedom
    """

    correlation: FloatArray
    tails: float

    @classmethod
    def of(cls, models: Sequence[Model]) -> Errors:
        """That of trials which were left out, each predicted by all others."""
        found: dict[bytes, dict[int, float]] = {}
        for k, model in enumerate(models):
            if model.values is not None:
                points, errors, sd = model.values.left_out()
                for point, one in zip(points, errors / (sd * model.values.inflation), strict=True):
                    found.setdefault(point.tobytes(), {})[k] = float(one)
        n = len(models)
        complete = np.array([[one[k] for k in range(n)] for one in found.values() if len(one) == n])
        if len(complete) <= n + 1:
            return cls(correlation=np.eye(n), tails=_USUAL_TAILS)
        with np.errstate(invalid="ignore"):  # a statistic that never varies
            correlation = np.nan_to_num(np.atleast_2d(np.corrcoef(complete, rowvar=False)))
        correlation *= len(complete) / (len(complete) + _SHRINKAGE)
        np.fill_diagonal(correlation, 1.0)
        each = [cls(correlation=correlation, tails=tails) for tails in _TAILS]
        return max(each, key=lambda one: float(one.log(complete.T, range(n)).sum()))

    def log(self, errors: FloatArray, chosen: Sequence[int]) -> FloatArray:
        """The logarithm of the density of errors of some of the statistics, shape (chosen, m)."""
        k = len(chosen)
        factor = np.linalg.cholesky(self.correlation[np.ix_(chosen, chosen)])
        squares = (np.linalg.solve(factor, errors) ** 2).sum(axis=0)
        half = (self.tails + k) / 2
        constant = math.lgamma(half) - math.lgamma(self.tails / 2) - k * math.log(self.tails * math.pi) / 2
        constant -= float(np.log(np.diag(factor)).sum())
        return np.asarray(constant - half * np.log1p(squares / self.tails))

    def between(self, low: FloatArray, high: FloatArray) -> FloatArray:
        """The probability that the error of one statistic lies between two values."""
        from scipy.special import stdtr

        return np.asarray(stdtr(self.tails, high) - stdtr(self.tails, low))


class Likelihood:
    """The likelihood of data at given points of the cube, shape (m, d).

    A datum lies around the prediction of its model, on its scale. Its squared width is the sum of the
    variances of the model, of a trial on one graph around it, and of the datum itself. A statistic must be
    defined to have a value.
    """

    def __init__(self, models: Mapping[str, Model], errors: Errors, points: FloatArray) -> None:
        predicted = [model.predict(points) for model in models.values()]
        self._errors, self._names = errors, list(models)
        self._mean = np.array([one.mean for one in predicted])
        self._variance = np.array([one.sd**2 + one.error**2 for one in predicted])
        defined = np.array([one.defined for one in predicted])
        self._log_defined = np.log(np.maximum(defined, _LEAST)).sum(axis=0)

    def log(self, data: Sequence[Datum]) -> FloatArray:
        """The logarithm of the likelihood at each point, shape (m,); each of a statistic that has a model."""
        # A statistic may have a target and bounds.
        rows = [self._names.index(datum.name) for datum in data]
        own = np.array([datum.error for datum in data])
        mean, width = self._mean[rows], np.sqrt(self._variance[rows] + own[:, None] ** 2)
        total = self._log_defined
        values = [k for k, datum in enumerate(data) if datum.ends is None]
        if values:
            missing = np.array([data[k].value for k in values])[:, None] - mean[values]
            total = (
                total
                + self._errors.log(missing / width[values], [rows[k] for k in values])
                - np.log(width[values]).sum(0)
            )
        for k, datum in enumerate(data):
            if datum.ends is not None:
                low, high = ((end - mean[k]) / width[k] for end in datum.ends)
                total = total + np.log(np.maximum(self._errors.between(low, high), _LEAST))
        return np.asarray(total)
