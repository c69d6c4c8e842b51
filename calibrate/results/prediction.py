"""Predictions: the statistics of a network that was not simulated, from the trials of its study."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from calibrate.calibration.emulator.models import Model
from calibrate.calibration.emulator.process import NINETY
from calibrate.errors import StudyError, did_you_mean
from calibrate.objective import Objective
from calibrate.results.results import Results
from calibrate.study import Study

# Farther from any trial than this part of a range, a prediction is a guess.
FAR = 0.2


@dataclass(frozen=True, kw_only=True)
class PredictedStatistic:
    """What a statistic of a network probably is, simulated on one graph.

    Attributes
    ----------
    name : str
        Name of the statistic.
    unit : str
        Its unit, or "".
    median : float or None
        The value that half of the simulations exceed; None if the statistic was hardly ever defined.
    low : float or None
        Lower end of the interval that holds the value of a simulation with a probability of 90 %.
    high : float or None
        Upper end of this interval.
    defined : float
        Probability that the statistic is defined.
    met : float or None
        Probability that the value meets the target; None without a target.
    """

    name: str
    unit: str
    median: float | None
    low: float | None
    high: float | None
    defined: float
    met: float | None = None


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """The predicted statistics of a network, and how much they are worth.

    Attributes
    ----------
    parameters : dict of str to object
        Its free parameters.
    statistics : tuple of PredictedStatistic
        The predictions.
    nearest : int
        Number of the nearest trial.
    distance : float
        How far this trial is: its largest difference in a parameter, as a part of the range.
    """

    parameters: Mapping[str, Any]
    statistics: tuple[PredictedStatistic, ...]
    nearest: int
    distance: float

    @property
    def is_far(self) -> bool:
        """Whether no trial is near: the prediction is then hardly more than a guess."""
        return self.distance > FAR


def predict(
    results: Results, parameters: Mapping[str, Any], *, statistics: Sequence[str] | None = None
) -> Prediction:
    """Predict the statistics of a network from the trials of its study, without simulating it.

    Each statistic has a model, a Gaussian process of all complete trials, with the errors of the trials.

    Parameters
    ----------
    results : Results
        The results of the study.
    parameters : dict of str to object
        All free parameters, within their ranges.
    statistics : sequence of str, optional
        Names of statistics that the simulations measured; by default those of objectives and constraints.

    Returns
    -------
    Prediction
        Each statistic with an interval of 90 %, and how far the nearest trial is.

    Raises
    ------
    StudyError
        If there are fewer than 10 complete trials, or two per parameter; if a parameter is missing, not free
        or outside of its range; or if a statistic was never measured.

    Examples
    --------
    `study.toml` is a finished study:

    >>> from calibrate import predict, read_results
    >>> prediction = predict(read_results("study.toml"), {"I_th_E": 1.5, "I_th_I": 1.0})
    >>> [one.name for one in prediction.statistics]
    ['rate_E', 'rate_I']
    """
    emulation, study = results.emulation, results.study
    point = {name: _checked(study, name, value) for name, value in parameters.items()}
    missing = [name for name in study.space if name not in point]
    if missing:
        raise StudyError(f"a prediction needs all free parameters: {', '.join(missing)} is missing")
    wanted = statistics if statistics is not None else [one.name for one in study.judged]
    nearest, distance = emulation.nearest(point)
    at = emulation.cube.point(point)[None, :]
    predicted = tuple(_predict(study, name, emulation.model(name), at) for name in dict.fromkeys(wanted))
    return Prediction(parameters=point, statistics=predicted, nearest=nearest, distance=distance)


def _checked(study: Study, name: str, value: object) -> Any:
    if name not in study.space:
        raise StudyError(
            f"'{name}' is not a free parameter of study '{study.name}'{did_you_mean(name, study.space)}: "
            "only these can be predicted"
        )
    domain = study.space[name]
    if not domain.contains(value):
        ends = domain.ends
        known = f"from {ends[0]:g} to {ends[1]:g}" if len(ends) == 2 and not isinstance(ends[0], str) else ""
        known = known or f"one of {', '.join(map(str, ends))}"
        raise StudyError(f"{name} = {value} is outside of what was searched: it is {known}")
    return value


def _predict(study: Study, name: str, model: Model, at: np.ndarray) -> PredictedStatistic:
    unit = next((one.unit for one in study.statistics if one.name == name), "")
    judged = next((one for one in study.objectives if one.name == name), None)
    predicted = model.predict(at)
    mean, defined = float(predicted.mean[0]), float(predicted.defined[0])
    if not math.isfinite(mean):
        met = 0.0 if judged is not None else None
        return PredictedStatistic(
            name=name, unit=unit, median=None, low=None, high=None, defined=defined, met=met
        )
    spread = math.hypot(float(predicted.sd[0]), float(predicted.error[0]))
    low, median, high = model.scale.inverse(mean + spread * np.array([-NINETY, 0.0, NINETY]))
    met = None if judged is None else defined * _probability(judged, model, mean, spread)
    return PredictedStatistic(
        name=name,
        unit=unit,
        median=float(median),
        low=float(low),
        high=float(high),
        defined=defined,
        met=met,
    )


def _probability(objective: Objective, model: Model, mean: float, spread: float) -> float:
    """The probability that a value, normal on the scale of the model, lies within the target."""
    from scipy.special import ndtr

    low, high = model.scale.forward(np.array(objective.target.ends))
    return float(ndtr((high - mean) / spread) - ndtr((low - mean) / spread))
