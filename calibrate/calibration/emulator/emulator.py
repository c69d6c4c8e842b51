"""Models of all judged statistics that follow a search, and lead to the same proposals when it is resumed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from calibrate.calibration.emulator.models import LEAST, Model, Trial, labels_of, values_of
from calibrate.calibration.emulator.process import Data, Process, fit, start_of
from calibrate.calibration.emulator.scales import Scale
from calibrate.objective import Constraint, Objective

FloatArray = NDArray[np.float64]
Judged = Objective | Constraint

# The parameters of the models are fitted anew each time the trials have grown by this factor.
_GROWTH = 1.25


class Emulator:
    """Models of all judged statistics, which follow the trials.

    most  number of trials that they are conditioned on: the best and the latest

    The parameters of a model are fitted each time the trials have grown by a quarter, starting from those
    that were fitted before. They follow from the trials in their order alone: a search can be resumed.
    """

    def __init__(self, judged: Sequence[Judged], *, most: int) -> None:
        self._judged, self._most = tuple(judged), most
        self._fits: dict[tuple[str, int], tuple[bytes, FloatArray]] = {}

    def models(self, trials: Sequence[Trial]) -> dict[str, Model]:
        """The models after these trials, which are sorted by index, by name of the statistic."""
        return {judged.name: self._model(judged, trials) for judged in self._judged}

    def _model(self, judged: Judged, trials: Sequence[Trial]) -> Model:
        name, scale = judged.name, Scale.of(judged)
        return Model(
            scale=scale,
            values=self._process(f"{name} values", trials, partial(values_of, name, scale)),
            labels=self._process(f"{name} labels", trials, partial(labels_of, name)),
        )

    def _process(
        self, name: str, trials: Sequence[Trial], data_of: Callable[[Sequence[Trial]], Data | None]
    ) -> Process | None:
        """The process of the data of these trials; None if there are too few."""
        data = data_of(self._choose(trials))
        if data is None:
            return None
        theta: FloatArray | None = None
        for n in _milestones(len(trials)):
            part = data_of(self._choose(trials[:n]))
            if part is not None:
                theta = self._fit(name, n, part, theta)
        return Process(data, start_of(data) if theta is None else theta)

    def _fit(self, name: str, n: int, data: Data, start: FloatArray | None) -> FloatArray:
        """The parameters after `n` trials; they are kept, unless other trials have come between these."""
        content, theta = self._fits.get((name, n), (b"", np.zeros(0)))
        if content != data.content:
            theta = fit(data, start=start)
            self._fits[name, n] = data.content, theta
        return theta

    def _choose(self, trials: Sequence[Trial]) -> Sequence[Trial]:
        if len(trials) <= self._most:
            return trials
        best = set(np.argsort([trial.loss for trial in trials], kind="stable")[: self._most // 2].tolist())
        latest = [k for k in reversed(range(len(trials))) if k not in best][: self._most - len(best)]
        return [trials[k] for k in sorted(best.union(latest))]


def _milestones(trials: int) -> Iterator[int]:
    """The numbers of trials after which parameters are fitted."""
    n = LEAST
    while n <= trials:
        yield n
        n = math.ceil(n * _GROWTH)
