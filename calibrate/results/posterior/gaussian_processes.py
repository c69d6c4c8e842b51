"""The engine "gp": the likelihood of data from the emulator, a Gaussian process for each statistic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from calibrate.calibration.emulator.cube import Cube
from calibrate.calibration.emulator.models import Model, Trial
from calibrate.errors import StudyError
from calibrate.results.posterior.engine import Datum
from calibrate.results.posterior.importance import Explored, explore
from calibrate.results.posterior.likelihood import Errors, Likelihood

FloatArray = NDArray[np.float64]

# Points of the prior where the likelihood is looked up first, a power of two.
_POINTS = 2048


class GaussianProcesses:
    """The engine. The models of some of the trials are fitted from where those of all trials ended.

    Models of a network are wrong in ways that they do not know, so that their likelihood alone would give
    intervals that are too narrow: it is tempered.
    """

    name = "gp"
    temperatures = (1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0)

    def __init__(self, cube: Cube, models: Mapping[str, Model]) -> None:
        self._cube, self._models = cube, models

    def fit(self, trials: Sequence[Trial], *, seed: int) -> FittedProcesses:
        """Fit a model to every statistic. Raises StudyError if one was hardly ever defined."""
        fitted = {
            name: Model.of(name, model.scale, trials, start=model) for name, model in self._models.items()
        }
        for name, model in fitted.items():
            if model.values is None:
                raise StudyError(
                    f"{name} was defined in hardly any trial: what it says about the parameters is not known"
                )
        return FittedProcesses(self._cube, fitted, seed=seed)


class FittedProcesses:
    """Models of the statistics, asked for the posterior of any data."""

    def __init__(self, cube: Cube, models: Mapping[str, Model], *, seed: int) -> None:
        self._cube, self._models, self._seed = cube, models, seed
        self._errors = Errors.of(list(models.values()))
        self._last: tuple[object, Explored] | None = None

    def sample(self, data: Sequence[Datum], *, n: int, seed: int, temperature: float = 1.0) -> FloatArray:
        """Draw from the posterior; see `Fitted`.

        Points where the likelihood of the same data was looked up before serve again, at any temperature.
        """
        asked = (tuple(data), n, seed)
        if self._last is None or self._last[0] != asked:
            quantiles, likelihood = self._prior
            self._last = asked, Explored(quantiles, likelihood.log(data))
        explored = self._last[1]
        explore(
            explored,
            lambda quantiles: self._likelihood(quantiles).log(data),
            temperature=temperature,
            n=n,
            seed=seed,
        )
        return explored.sample(temperature, n, seed)

    def _likelihood(self, quantiles: FloatArray) -> Likelihood:
        return Likelihood(self._models, self._errors, self._cube.at(quantiles))

    @cached_property
    def _prior(self) -> tuple[FloatArray, Likelihood]:
        from scipy.stats import qmc

        drawn = qmc.Sobol(len(self._cube), scramble=True, rng=self._seed).random(_POINTS)
        quantiles = np.clip(drawn, 1e-9, 1 - 1e-9)
        return quantiles, self._likelihood(quantiles)
