"""The model of a statistic: its values at any point, and where it is defined, learned from trials."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calibrate.calibration.emulator.process import Data, Process, fit
from calibrate.calibration.emulator.scales import Scale
from calibrate.objective import Estimate
from calibrate.objective.losses import shortfall_of

FloatArray = NDArray[np.float64]
# A statistic that is defined at fewer points than this has no model of its values.
LEAST = 6
# The parameters of a process are fitted to so many of its data at most; the time grows with the third power.
_MOST_FITTED = 250
# Mean and variance of the logarithm of a squared standard normal variable.
_LOG_CHI_MEAN, _LOG_CHI_VARIANCE = -1.2703628454614782, math.pi**2 / 2
# So many of the most distant trials say how far all would be from each other if they were evenly spread.
# They do not crowd if this part of them is half as far from each other.
_DISTANT, _EVEN = 30, 0.6
# Labels of where a statistic is defined: 1 if it is; else -_EDGE or less, by its shortfall. Their errors have
# this variance.
_EDGE, _LABEL_VARIANCE = 0.2, 0.01


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
    """A statistic at m points, as it might be. All arrays have the shape (m,), or (n, m) if drawn n times.

    values   in its unit; nan if nothing is known of them
    defined  whether it is defined there
    depth    where it is not: its shortfall, from 0 to 1
    """

    values: FloatArray
    defined: NDArray[np.bool_]
    depth: FloatArray


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """A statistic at m points, as it probably is. All arrays have the shape (m,).

    mean, sd  of the mean over graphs, on the scale of the model; nan if nothing is known
    error     standard deviation of a trial on one graph around that mean, on this scale
    defined   probability that the statistic is defined
    """

    mean: FloatArray
    sd: FloatArray
    error: FloatArray
    defined: FloatArray


@dataclass(frozen=True)
class Model:
    """The model of one statistic.

    scale   on which its values are modelled
    values  process of its values; None: it was defined at too few points
    labels  process of where it is defined; None: everywhere
    noise   process of the logarithm of the variance of its errors; None: it is the same everywhere
    """

    scale: Scale
    values: Process | None
    labels: Process | None
    noise: Process | None = None

    @classmethod
    def of(
        cls,
        name: str,
        scale: Scale,
        trials: Sequence[Trial],
        *,
        start: Model | None = None,
        one_noise: bool = False,
    ) -> Model:
        """The model of a statistic after these trials.

        Where most of them crowd around an optimum, its parameters are fitted to trials that are spread out:
        the crowd does not know how rough the statistic is elsewhere.

        start      that of other trials, from which the fit begins
        one_noise  whether the error of a trial is taken to be the same everywhere, which is quicker
        """
        few, begun = spread_out(trials), start or cls(scale, None, None)
        data, labels = values_of(name, scale, few), labels_of(name, few)
        values: Process | None = None
        noise: Process | None = None
        if data is not None:
            values, noise = (_fitted(data, begun.values), None) if one_noise else _with_noise(data, begun)
        found = cls(scale, values, None if labels is None else _fitted(labels, begun.labels), noise)
        return found if len(few) == len(trials) else found.conditioned(name, trials)

    def conditioned(self, name: str, trials: Sequence[Trial]) -> Model:
        """The same with the data of all these trials."""
        data, labels = values_of(name, self.scale, trials), labels_of(name, trials)
        if data is not None and self.noise is not None:
            data = replace(data, known=np.exp(self.noise.mean(data.points)))
        return replace(
            self,
            values=None if data is None else _conditioned(data, self.values),
            labels=None if labels is None else _conditioned(labels, self.labels),
        )

    def predict(self, points: FloatArray) -> Predicted:
        """What is known of the statistic at points of shape (m, d)."""
        n = len(points)
        defined = np.ones(n) if self.labels is None else probability_of(self.labels, points)
        if self.values is None:
            nothing = np.full(n, np.nan)
            return Predicted(mean=nothing, sd=nothing, error=nothing, defined=np.zeros(n))
        mean, sd = self.values.predict(points)
        # As much wider as it takes to contain values that were left out.
        wider, error = self.values.inflation, self.values.error_at(mean)
        if self.noise is not None:
            error = np.sqrt(np.exp(self.noise.mean(points)) + self.values.noise)
        return Predicted(mean=mean, sd=wider * sd, error=wider * error, defined=defined)

    def draw(self, random: np.random.Generator) -> Callable[[FloatArray], Drawn]:
        """A function that the statistic might be, of points of shape (m, d)."""
        of_values = None if self.values is None else self.values.draw(random)
        of_labels = None if self.labels is None else self.labels.draw(random)

        def drawn(points: FloatArray) -> Drawn:
            values = None if of_values is None else of_values(points)
            return self._drawn(values, np.ones(len(points)) if of_labels is None else of_labels(points))

        return drawn

    def draws(self, random: np.random.Generator, n: int) -> Callable[[FloatArray], Drawn]:
        """Functions that the statistic might be, n of them: their values have the shape (n, m)."""
        of_values = None if self.values is None else self.values.draws(random, n)
        of_labels = None if self.labels is None else self.labels.draws(random, n)

        def drawn(points: FloatArray) -> Drawn:
            values = None if of_values is None else of_values(points)
            return self._drawn(values, np.ones((n, len(points))) if of_labels is None else of_labels(points))

        return drawn

    def draw_left_out(self, name: str, trials: Sequence[Trial], random: np.random.Generator, n: int) -> Drawn:
        """What each trial might have measured of the statistic, had it been left out; n times.

        trials  those that the model was fitted to, which have all measured it
        """
        points = np.array([trial.point for trial in trials])
        noise = random.standard_normal((2, n, len(trials)))
        labels, values = np.ones((n, len(trials))), None
        if self.labels is not None:
            _, errors, sd = self.labels.left_out()
            labels = self.labels.data.values - errors + noise[0] * sd
        if self.values is not None:
            predicted = self.predict(points)
            mean, sd = predicted.mean, np.hypot(predicted.sd, predicted.error)
            defined = np.array([trial.estimates[name].defined for trial in trials])
            _, errors, sd[defined] = self.values.left_out()
            mean[defined] = self.values.data.values - errors
            values = mean + noise[1] * sd
        return self._drawn(values, labels)

    def _drawn(self, values: FloatArray | None, labels: FloatArray) -> Drawn:
        depth = np.clip(-labels - _EDGE, 0.0, 1.0)
        if values is None:
            nothing = np.full(labels.shape, np.nan)
            return Drawn(values=nothing, defined=np.zeros(labels.shape, bool), depth=depth)
        return Drawn(values=self.scale.inverse(values), defined=labels > 0, depth=depth)


def values_of(name: str, scale: Scale, trials: Sequence[Trial]) -> Data | None:
    """Where a statistic is defined, its values on their scale."""
    found = [(trial, trial.estimates[name]) for trial in trials if name in trial.estimates]
    defined = [(trial, estimate) for trial, estimate in found if estimate.defined]
    if len(defined) < LEAST:
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


def labels_of(name: str, trials: Sequence[Trial]) -> Data | None:
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


def spread_out(trials: Sequence[Trial]) -> Sequence[Trial]:
    """Trials that do not crowd; all, if most are half as far from each other as if they were evenly spread.

    They are chosen one after another, each the farthest from all before it, down to half the distance of the
    30th. (Of random points, at least 0.7 are as far from each other as said.)
    """
    points = np.array([trial.point for trial in trials])
    evenly = (_DISTANT / len(trials)) ** (1 / points.shape[1])
    nearest, chosen, steps = np.full(len(trials), np.inf), [0], [np.inf]
    while len(chosen) < len(trials):
        nearest = np.minimum(nearest, np.linalg.norm(points - points[chosen[-1]], axis=1))
        farthest = int(nearest.argmax())
        if len(chosen) > _DISTANT and nearest[farthest] < steps[_DISTANT] * evenly / 2:
            break
        chosen.append(farthest)
        steps.append(float(nearest[farthest]))
    if len(chosen) >= _EVEN * len(trials):
        return trials
    return [trials[k] for k, step in sorted(zip(chosen, steps, strict=True)) if step >= steps[_DISTANT] / 2]


def _conditioned(data: Data, fitted: Process | None) -> Process:
    return Process(data, fit(data) if fitted is None else fitted.theta)


def where_all_defined(names: Sequence[str], trials: Sequence[Trial]) -> Process | None:
    """The process of the labels of where all of these statistics are defined; None if they are everywhere."""
    found = [labels for name in names if (labels := labels_of(name, trials)) is not None]
    if not found:
        return None
    # Each trial has measured all of them, so that labels stand beside each other.
    joint = replace(found[0], values=np.min([labels.values for labels in found], axis=0))
    return _fitted(joint, None)


def probability_of(labels: Process, points: FloatArray) -> FloatArray:
    """The probability that a statistic is defined at points of shape (m, d), by the process of its labels."""
    from scipy.special import ndtr

    label, spread = labels.predict(points)
    return np.asarray(ndtr(label / np.sqrt(spread**2 + labels.error**2)))


def _fitted(data: Data, start: Process | None) -> Process:
    """A process of these data. Its parameters are fitted to some hundreds of them, which fix them well."""
    n = len(data.values)
    chosen = np.linspace(0, n - 1, min(n, _MOST_FITTED)).astype(int)
    return Process(data, fit(data.part(chosen), start=None if start is None else start.theta))


def _with_noise(data: Data, start: Model) -> tuple[Process, Process | None]:
    """A process of these values, and one of the logarithm of their noise, if it differs between regimes.

    The squared errors of values that were left out show the noise. With it, the process is fitted once more
    (the most likely heteroscedastic process, Kersting et al. 2007, after one round). It is the model if the
    data are more likely with it.
    """
    first = _fitted(data, start.values)
    _, errors, _ = first.left_out()
    least = 1e-6 * float(np.mean(errors**2)) or 1e-12
    squares = replace(
        data,
        values=np.log(errors**2 + least) - _LOG_CHI_MEAN,
        known=np.full(len(errors), _LOG_CHI_VARIANCE),
        share=np.ones(len(errors)),
    )
    noise = _fitted(squares, start.noise)
    known = replace(data, known=np.exp(noise.mean(data.points)))
    second = _fitted(known, first)
    return (second, noise) if second.evidence > first.evidence else (first, None)
