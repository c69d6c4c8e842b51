"""Bayesian optimisation with a model of every statistic, not one of the loss (Thompson sampling).

For each proposal, a function is drawn for every statistic from its model. The proposal is the point where the
loss that follows from these functions is lowest. So proposals explore where the models are uncertain, if good
networks may be there, and the draws of a batch differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.calibration.emulator.cube import Cube
from calibrate.calibration.emulator.emulator import Emulator
from calibrate.calibration.emulator.losses import losses, violations
from calibrate.calibration.emulator.models import Drawn, Model, Trial
from calibrate.calibration.emulator.process import one_thread
from calibrate.calibration.search.optuna_trials import Told, unpacked
from calibrate.calibration.search.question import Question
from calibrate.objective import UNDEFINED

FloatArray = NDArray[np.float64]
Statistic = Callable[[FloatArray], Drawn]

# Points where a drawn loss is evaluated: anywhere, and at these distances around each of the best trials.
_ANYWHERE, _NEAR, _BEST, _SPREADS = 400, 80, 3, (0.02, 0.08, 0.25)
# Rounds of refinement around the lowest points: their number, and the distances.
_LOWEST, _AROUND, _STEPS = 3, 20, (0.05, 0.02, 0.007)
# Proposals differ from each other and from all trials by this part of at least one range.
_DISTANCE = 0.01
# Number of draws from which a median is taken.
_DRAWS = 200
# Weight of the weighted sum beside the largest weighted loss, on a Pareto front (Knowles 2006, ParEGO).
_SUM = 0.05


class Thompson:
    """Proposes parameter sets.

    history  number of trials that the models are conditioned on
    """

    def __init__(self, question: Question, *, history: int) -> None:
        self._question = question
        self._cube = Cube(question.space)
        self._emulator = Emulator((*question.objectives, *question.constraints), most=history)

    def propose(
        self, told: Sequence[Told], waiting: Sequence[Mapping[str, Any]], seed: int
    ) -> Callable[[], dict[str, Any]]:
        """A function that proposes: see `Strategy`."""
        random = np.random.default_rng(seed)
        trials = self._trials(told)
        with one_thread():
            models = self._emulator.models(trials)
        best = np.array([trial.point for trial in sorted(trials, key=lambda trial: trial.loss)[:_BEST]])
        used = [self._cube.point(parameters) for parameters in (*(one.parameters for one in told), *waiting)]

        def draw() -> dict[str, Any]:
            statistics = {name: model.draw(random) for name, model in models.items()}
            weights = self._weights(random)
            with one_thread():
                point = self._lowest(
                    lambda points: self._loss(statistics, weights, points), best, used, random
                )
            used.append(point)
            return self._cube.parameters(point)

        return draw

    def expect(
        self, told: Sequence[Told], parameters: Sequence[Mapping[str, Any]], graphs: int
    ) -> Sequence[float]:
        """The medians of the losses that these parameter sets probably have over so many graphs."""
        points = np.array([self._cube.point(one) for one in parameters])
        random, shape = np.random.default_rng(0), (_DRAWS, len(points))

        def drawn(model: Model) -> Drawn:
            predicted = model.predict(points)
            spread = np.sqrt(predicted.sd**2 + predicted.error**2 / graphs)
            values = model.scale.inverse(predicted.mean + spread * random.standard_normal(shape))
            defined = random.random(shape) < predicted.defined
            return Drawn(values=values, defined=defined, depth=np.ones(shape))

        with one_thread():
            models = self._emulator.models(self._trials(told))
            statistics = {name: drawn(model) for name, model in models.items()}
        weights = np.array([objective.weight for objective in self._question.objectives])
        total = np.average(
            [losses(one, statistics[one.name]) for one in self._question.objectives], axis=0, weights=weights
        )
        for constraint in self._question.constraints:
            broken = violations(constraint, statistics[constraint.name])
            total = total + 2 * UNDEFINED * (broken > 0)
        return [float(loss) for loss in np.median(total, axis=0)]

    def _trials(self, told: Sequence[Told]) -> list[Trial]:
        """The complete trials, as the models take them."""
        return [
            Trial(
                point=self._cube.point(trial.parameters),
                estimates=unpacked(trial.attributes),
                graphs=int(trial.attributes.get("graphs", 1)),
                loss=trial.loss,
            )
            for trial in told
            if trial.loss is not None
        ]

    def _weights(self, random: np.random.Generator) -> FloatArray:
        weights = np.array([objective.weight for objective in self._question.objectives])
        if self._question.pareto:  # each proposal aims at another part of the front
            weights = random.dirichlet(np.ones(len(weights)))
        return np.asarray(weights / weights.sum())

    def _loss(
        self, statistics: Mapping[str, Statistic], weights: FloatArray, points: FloatArray
    ) -> FloatArray:
        drawn = {name: statistic(points) for name, statistic in statistics.items()}
        parts = np.array([losses(one, drawn[one.name]) for one in self._question.objectives])
        total: FloatArray = weights @ parts
        if self._question.pareto:
            total = (weights[:, None] * parts).max(axis=0) + _SUM * total
        for constraint in self._question.constraints:
            broken = violations(constraint, drawn[constraint.name])
            total = total + 2 * UNDEFINED * np.where(broken > 0, 1 + broken, 0.0)
        return total

    def _lowest(
        self,
        loss: Callable[[FloatArray], FloatArray],
        best: FloatArray,
        used: Sequence[FloatArray],
        random: np.random.Generator,
    ) -> FloatArray:
        """The point of lowest loss among many, which is none of those used."""
        near = best.repeat(_NEAR, axis=0)
        near = near + random.choice(_SPREADS, size=(len(near), 1)) * random.standard_normal(near.shape)
        anywhere = random.random((_ANYWHERE, self._cube.dimensions))
        points = self._cube.snapped(np.vstack([anywhere, near]))
        values = loss(points)
        for step in _STEPS:
            lowest = points[np.argsort(values, kind="stable")[:_LOWEST]].repeat(_AROUND, axis=0)
            more = self._cube.snapped(lowest + step * random.standard_normal(lowest.shape))
            points, values = np.vstack([points, more]), np.append(values, loss(more))
        others = np.array(used)
        for k in np.argsort(values, kind="stable"):
            if np.abs(others - points[k]).max(axis=1).min() >= _DISTANCE:
                return np.asarray(points[k])
        return np.asarray(points[np.argmin(values)])  # all are used: the space has few values
