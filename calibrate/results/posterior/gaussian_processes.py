"""The engine "gp": the likelihood of data from the emulator, a Gaussian process for each statistic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from calibrate.calibration.emulator.cube import Cube
from calibrate.calibration.emulator.models import Model, Trial
from calibrate.errors import StudyError
from calibrate.results.posterior.explorer import Explorer
from calibrate.results.posterior.likelihood import Errors, Likelihood


class GaussianProcesses:
    """The engine. The models of some of the trials are fitted from where those of all trials ended.

    Models of a network are wrong in ways that they do not know, so that their likelihood alone would give
    intervals that are too narrow: it is tempered.
    """

    name = "gp"
    temperatures = (1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0)

    def __init__(self, cube: Cube, models: Mapping[str, Model]) -> None:
        self._cube, self._models = cube, models

    def fit(self, trials: Sequence[Trial], *, seed: int) -> Explorer:
        """Fit a model to every statistic. Raises StudyError if one was hardly ever defined."""
        fitted = {
            name: Model.of(name, model.scale, trials, start=model) for name, model in self._models.items()
        }
        for name, model in fitted.items():
            if model.values is None:
                raise StudyError(
                    f"{name} was defined in hardly any trial: what it says about the parameters is not known"
                )
        return explorer_of(self._cube, fitted, seed=seed)


def explorer_of(cube: Cube, models: Mapping[str, Model], *, seed: int) -> Explorer:
    """What samples the posterior of any data from models of the statistics."""
    errors = Errors.of(list(models.values()))
    return Explorer(
        len(cube), lambda quantiles: Likelihood(models, errors, cube.at(quantiles)).log, seed=seed
    )
