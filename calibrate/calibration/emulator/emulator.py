"""What every judged statistic is at any point, from the trials so far, and where it is defined."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from calibrate.calibration.emulator.process import Data, Process, fit, start_of
from calibrate.calibration.emulator.scales import Scale
from calibrate.objective import Constraint, Estimate, Objective
from calibrate.objective.losses import shortfall_of

FloatArray = NDArray[np.float64]
Judged = Objective | Constraint

# A statistic that is defined at fewer points than this has no model of its values.
_LEAST = 6
# Labels of where a statistic is defined: 1 if it is; else -_EDGE or less, by its shortfall. Their errors have
# this variance.
_EDGE, _LABEL_VARIANCE = 0.2, 0.01
# The parameters of the models are fitted anew each time the trials have grown by this factor.
_GROWTH = 1.25


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A point of the unit cube, and what was found there.

    estimates  of the judged statistics that were measured there, means over the graphs
    graphs     number of these graphs
    loss       by which trials are chosen if there are too many
    """

    point: FloatArray
    estimates: Mapping[str, Estimate]
    graphs: int = 1
    loss: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A statistic at m points, as it might be.

    values   in its unit, shape (m,); nan if nothing is known of them
    defined  whether it is defined there, shape (m,)
    depth    where it is not: its shortfall, from 0 to 1, shape (m,)
    """

    values: FloatArray
    defined: NDArray[np.bool_]
    depth: FloatArray


@dataclass(frozen=True)
class Model:
    """The model of one statistic.

    scale   on which its values are modelled
    values  process of its values; None: it was defined at too few points
    labels  process of where it is defined; None: everywhere
    """

    scale: Scale
    values: Process | None
    labels: Process | None

    def draw(self, random: np.random.Generator) -> Callable[[FloatArray], Drawn]:
        """A function that the statistic might be, of points of shape (m, d)."""
        of_values = None if self.values is None else self.values.draw(random)
        of_labels = None if self.labels is None else self.labels.draw(random)

        def drawn(points: FloatArray) -> Drawn:
            label = np.ones(len(points)) if of_labels is None else of_labels(points)
            depth = np.clip(-label - _EDGE, 0.0, 1.0)
            if of_values is None:
                return Drawn(
                    values=np.full(len(points), np.nan), defined=np.zeros(len(points), bool), depth=depth
                )
            return Drawn(values=self.scale.inverse(of_values(points)), defined=label > 0, depth=depth)

        return drawn


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
            values=self._process(f"{name} values", trials, partial(_values, name, scale)),
            labels=self._process(f"{name} labels", trials, partial(_labels, name)),
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
    n = _LEAST
    while n <= trials:
        yield n
        n = math.ceil(n * _GROWTH)


def _values(name: str, scale: Scale, trials: Sequence[Trial]) -> Data | None:
    """Where a statistic is defined, its values on their scale."""
    found = [(trial, trial.estimates[name]) for trial in trials if name in trial.estimates]
    defined = [(trial, estimate) for trial, estimate in found if estimate.defined]
    if len(defined) < _LEAST:
        return None
    values = np.array([float(estimate.value) for _, estimate in defined])
    errors = np.array([e.error if math.isfinite(e.error) else 0.0 for _, e in defined])
    graphs = np.array([trial.graphs * (1 - estimate.undefined) for trial, estimate in defined])
    return Data(
        points=np.array([trial.point for trial, _ in defined]),
        values=scale.forward(values),
        known=(errors * scale.slope(values)) ** 2,
        share=1 / np.maximum(graphs, 1.0),
    )


def _labels(name: str, trials: Sequence[Trial]) -> Data | None:
    """Where a statistic is defined, as labels of all trials; None if it is everywhere."""
    found = [(trial, trial.estimates[name]) for trial in trials if name in trial.estimates]
    if all(estimate.defined and not estimate.undefined for _, estimate in found):
        return None
    labels = []
    for _, estimate in found:
        share = estimate.undefined if estimate.defined else 1.0
        labels.append((1 - share) - share * (_EDGE + shortfall_of(estimate)))
    return Data(
        points=np.array([trial.point for trial, _ in found]),
        values=np.array(labels),
        known=np.full(len(found), _LABEL_VARIANCE),
        share=np.ones(len(found)),
    )
