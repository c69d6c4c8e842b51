"""Importance: which parameters the loss and the statistics depend on, and what chance alone would show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calibrate.calibration.emulator.losses import losses
from calibrate.calibration.emulator.models import Drawn, Model, Trial
from calibrate.calibration.emulator.process import one_thread
from calibrate.errors import StudyError
from calibrate.results.sensitivity import Index, sobol_indices
from calibrate.study import Study

if TYPE_CHECKING:
    from calibrate.results.emulation import Emulation
    from calibrate.results.results import Results

FloatArray = NDArray[np.float64]

# Points of the Sobol' estimate of the loss, a power of two; and functions or values that are drawn.
_POINTS, _DRAWS = 512, 16
# The largest of 19 shuffled results is exceeded by chance once in 20.
SHUFFLES = 19
# What chance reaches is computed from so many trials at most.
_MOST_SHUFFLED = 80
# Shares below this are errors of the estimate.
_LEAST = 0.01
_LOWEST_LOSS = 1e-3


@dataclass(frozen=True, kw_only=True)
class Importance:
    """Which parameters the loss and the statistics depend on.

    loss    share of the variance of ln(loss) that each parameter explains, by itself or with others, largest
            first; what several explain together counts for each of them
    single  the part of it that each explains by itself
    chance  share that is reached in 5 % of studies whose statistics depend on no parameter
    total   total Sobol' indices of the objectives' statistics, by parameter
    clear   for each statistic, the parameters that explain more of it than chance would
    """

    loss: Mapping[str, float]
    single: Mapping[str, float]
    chance: float
    total: Mapping[str, Mapping[str, Index]]
    clear: Mapping[str, frozenset[str]]


def importance(emulation: Emulation) -> Importance | None:
    """The importance of the parameters of a study; None where nothing varies, or if there is one parameter.

    The share of a parameter is its total Sobol' index of the ln(loss) that the models predict anywhere in the
    ranges, times the part of the variance of ln(loss) between trials that the models explain if each trial is
    left out where it is predicted. (Logarithms, because networks far from the targets would make up all.)

    Chance reaches the largest part that models explain of trials which have exchanged their statistics, in
    19 such shuffles of at most 80 trials; of more, chance explains less in inverse proportion. It is at least
    1 %, which errors of the estimate reach.
    """
    study, trials = emulation.study, emulation.trials
    found, points = np.log([max(t.loss, _LOWEST_LOSS) for t in trials]), [t.point for t in trials]
    if len(study.space) < 2 or np.ptp(found) < 1e-9 or not np.ptp(points, axis=0).any():
        return None
    models = {objective.name: emulation.model(objective.name) for objective in study.objectives}
    with one_thread():
        explained = np.maximum(_explained(study, models, trials), 0.0)
        shuffled = np.array([_explained(study, *shuffle) for shuffle in _shuffled(emulation)])
        single, loss = explained[0] * _of_loss(emulation, models)
        total = {name: sobol_indices(model, study.space)[1] for name, model in models.items()}
    chance = np.maximum(shuffled.max(axis=0) * min(_MOST_SHUFFLED / len(trials), 1.0), _LEAST)
    names, order = list(study.space), np.argsort(-loss, kind="stable")
    return Importance(
        loss={names[k]: float(loss[k]) for k in order},
        single={names[k]: float(single[k]) for k in order},
        chance=float(chance[0]),
        total=total,
        clear={
            name: frozenset(p for p, index in total[name].items() if index.value * known > least)
            for name, known, least in zip(models, explained[1:], chance[1:], strict=True)
        },
    )


def importance_of(results: Results) -> Importance | None:
    """The importance of the parameters of a study; None with too few trials, too."""
    try:
        return importance(results.emulation)
    except StudyError:
        return None


def _shuffled(emulation: Emulation) -> Iterator[tuple[dict[str, Model], list[Trial]]]:
    """Trials that have exchanged their statistics, and models of them, once for each shuffle."""
    random, trials = np.random.default_rng(0), emulation.trials
    for _ in range(SHUFFLES):
        points, others = (random.permutation(len(trials))[:_MOST_SHUFFLED] for _ in range(2))
        mixed = [replace(trials[k], point=trials[j].point) for j, k in zip(points, others, strict=True)]
        yield (
            {
                one.name: Model.of(one.name, emulation.scale(one.name), mixed, one_noise=True)
                for one in emulation.study.objectives
            },
            mixed,
        )


def _explained(study: Study, models: Mapping[str, Model], trials: Sequence[Trial]) -> FloatArray:
    """The part of the variance between trials that is explained, each being left out where it is predicted.

    Of ln(loss), and of each statistic on its scale where it is defined, shape (1 + statistics,). Negative if
    predictions are worse than the mean.
    """
    random = np.random.default_rng(0)
    drawn = {name: model.draw_left_out(name, trials, random, _DRAWS) for name, model in models.items()}
    found = np.log([max(trial.loss, _LOWEST_LOSS) for trial in trials])
    missed = found - _log_loss(study, drawn).mean(axis=0)
    parts = [1 - (missed**2).mean() / found.var()]
    for model in models.values():
        if model.values is None:
            parts.append(0.0)
            continue
        _, errors, _ = model.values.left_out()
        parts.append(1 - (errors**2).mean() / (model.values.spread**2 or 1.0))
    return np.array(parts)


def _of_loss(emulation: Emulation, models: Mapping[str, Model]) -> FloatArray:
    """First-order and total Sobol' indices of the predicted ln(loss), shape (2, parameters)."""
    from scipy.stats import sobol_indices as estimate
    from scipy.stats import uniform

    study, cube, random = emulation.study, emulation.cube, np.random.default_rng(0)
    functions = {name: model.draws(random, _DRAWS) for name, model in models.items()}

    def predicted(quantiles: FloatArray) -> FloatArray:
        points = cube.at(quantiles.T)
        drawn = {name: function(points) for name, function in functions.items()}
        return np.asarray(_log_loss(study, drawn).mean(axis=0)[None, :])

    ranges = [uniform()] * len(study.space)
    indices = estimate(func=predicted, n=_POINTS, dists=ranges, rng=np.random.default_rng(1))
    found = [np.ravel(index) for index in (indices.first_order, indices.total_order)]
    return np.asarray(np.clip(np.nan_to_num(found), 0.0, 1.0))


def _log_loss(study: Study, drawn: Mapping[str, Drawn]) -> FloatArray:
    """ln(loss), of the shape of what was drawn."""
    weights = sum(objective.weight for objective in study.objectives)
    parts = [one.weight / weights * losses(one, drawn[one.name]) for one in study.objectives]
    loss = np.sum(parts, axis=0)
    return np.asarray(np.log(np.maximum(loss, _LOWEST_LOSS)))
