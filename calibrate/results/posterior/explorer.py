"""What samples the posterior of any data, once an engine has learned the likelihood from trials."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from calibrate.results.posterior.engine import Datum
from calibrate.results.posterior.importance import Explored, explore

FloatArray = NDArray[np.float64]
# The logarithm of the likelihood of data at some points, shape (m,).
LogLikelihood = Callable[[Sequence[Datum]], FloatArray]

# Points of the prior where the likelihood is looked up first, a power of two.
_POINTS = 2048


class Explorer:
    """A `Fitted` engine that knows the likelihood at any point.

    dimensions  number of parameters
    likelihood  that at quantiles of shape (m, parameters)
    seed        of the points of the prior
    """

    def __init__(
        self, dimensions: int, likelihood: Callable[[FloatArray], LogLikelihood], *, seed: int
    ) -> None:
        self._dimensions, self._likelihood, self._seed = dimensions, likelihood, seed
        self._last: tuple[object, Explored] | None = None

    def sample(self, data: Sequence[Datum], *, n: int, seed: int, temperature: float = 1.0) -> FloatArray:
        """Draw from the posterior; see `Fitted`.

        Points where the likelihood of the same data was looked up before serve again, at any temperature.
        """
        asked = (tuple(data), n, seed)
        if self._last is None or self._last[0] != asked:
            quantiles, log = self._prior
            self._last = asked, Explored(quantiles, log(data))
        explored = self._last[1]
        explore(
            explored,
            lambda quantiles: self._likelihood(quantiles)(data),
            temperature=temperature,
            n=n,
            seed=seed,
        )
        return explored.sample(temperature, n, seed)

    @cached_property
    def _prior(self) -> tuple[FloatArray, LogLikelihood]:
        from scipy.stats import qmc

        drawn = qmc.Sobol(self._dimensions, scramble=True, rng=self._seed).random(_POINTS)
        quantiles = np.clip(drawn, 1e-9, 1 - 1e-9)
        return quantiles, self._likelihood(quantiles)
