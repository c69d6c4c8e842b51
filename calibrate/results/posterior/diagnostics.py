"""How far a posterior can be trusted: trials that were left out are asked for their parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from calibrate.calibration.emulator.cube import Cube
from calibrate.calibration.emulator.models import Model, Trial
from calibrate.errors import StudyError
from calibrate.results.posterior.engine import Datum, Engine
from calibrate.results.posterior.evidence import Evidence
from calibrate.results.posterior.gaussian_processes import explorer_of
from calibrate.study.space import Choice, Space

FloatArray = NDArray[np.float64]

# Parts that the trials are divided into, each left out once; trials that are asked; samples for each.
_FOLDS, _ASKED, _SAMPLES = 5, 60, 100
# Fewer trials than this say nothing.
FEWEST = 15
# Points by which the part of the parameters that is nearest to a trial is measured, from a posterior of this
# temperature: it is several times as wide as that of the targets.
_POINTS, _AROUND = 2048, 16.0
# The share that an interval is to contain, and its ends.
_SHARE, _LOW, _HIGH = 0.9, 0.05, 0.95
# What a likelihood is tempered by if there are too few trials to choose: more than most studies need.
_USUAL = 4.0


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How often intervals of 90 % contain the parameters of trials that were left out.

    These are trials with parameters that are not unlike compatible ones: models can be good there and bad
    elsewhere. They count by the part of these parameters that is nearest to them, so that trials which crowd
    around an optimum stand for no more than their place. If a temperature is chosen, that of each trial is
    chosen from others.

    Attributes
    ----------
    parameters : dict of str to float
        The share of these trials, by parameter. Choices, which have no order, are left out.
    ranks : dict of str to float
        By parameter: p of the Kolmogorov-Smirnov test that the ranks of the true values among samples are
        uniform, as they must be (Talts et al. 2018, arXiv:1804.06788).
    temperature : float
        What the logarithm of the likelihood is divided by, so that intervals are wide enough; 1 if they are
        without it.
    trials : float
        Number of these trials, as if all counted alike; 0 if there are fewer than 15.
    """

    parameters: Mapping[str, float] = field(default_factory=dict)
    ranks: Mapping[str, float] = field(default_factory=dict)
    temperature: float = 1.0
    trials: float = 0.0

    @property
    def error(self) -> float:
        """Standard error of a share, if it is 90 %."""
        return math.sqrt(_SHARE * (1 - _SHARE) / self.trials) if self.trials else math.nan

    @property
    def warnings(self) -> list[str]:
        """What is wrong with the intervals, in words."""
        if not self.trials:
            return [
                f"the intervals could not be checked: fewer than {FEWEST} trials with all statistics are "
                "spread around the compatible parameters (add trials with the sampler qmc)"
            ]
        return [
            f"intervals of {name} may be too narrow: of trials that were left out, they contain "
            f"{100 * share:.0f} % (± {100 * self.error:.0f} %), not 90 %"
            for name, share in self.parameters.items()
            if share < _SHARE - 2 * self.error
        ]


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Trials that are asked, with the data that they give, and how much each counts.

    numbers  of the trials
    data     of each
    counts   how often each was drawn, shape (asked,)
    truth    quantiles of their parameters, shape (asked, parameters)
    """

    numbers: Sequence[int]
    data: Sequence[Sequence[Datum]]
    counts: FloatArray
    truth: FloatArray

    @property
    def effective(self) -> float:
        """Their number, as if all counted alike."""
        return float(self.counts.sum() ** 2 / (self.counts**2).sum()) if len(self.counts) else 0.0


def coverage_of(
    engine: Engine,
    space: Space,
    trials: Sequence[Trial],
    evidence: Sequence[Evidence],
    models: Mapping[str, Model],
    *,
    seed: int,
) -> Coverage:
    """Leave out trials in turn, and ask an engine that was fitted to the others for their parameters.

    models  of the statistics, which know how much one graph differs from the mean over several
    """
    random, cube = np.random.default_rng(seed), Cube(space)
    unknown = Coverage(temperature=min(engine.temperatures, key=lambda one: abs(one - _USUAL)))
    asked = _draw(cube, trials, evidence, models, random, seed=seed)
    if asked.effective < FEWEST:
        return unknown
    folds = random.permutation(len(asked.numbers)) % _FOLDS
    try:
        ranks = _ranks(engine, cube, trials, asked, folds, seed=seed)
    except StudyError:  # a statistic that is hardly ever defined
        return unknown
    ordered = [k for k, domain in enumerate(space.values()) if not isinstance(domain, Choice)]
    crossed = np.empty(asked.truth.shape)
    for fold in range(_FOLDS):
        inside = folds == fold
        crossed[inside] = ranks[_chosen(ranks[:, ~inside][:, :, ordered], asked.counts[~inside]), inside]
    names, weights = list(space), asked.counts / asked.counts.sum()
    return Coverage(
        parameters={names[k]: float(weights @ _is_inside(crossed[:, k])) for k in ordered},
        ranks={names[k]: _uniform(crossed[:, k], weights) for k in ordered},
        temperature=engine.temperatures[_chosen(ranks[:, :, ordered], asked.counts)],
        trials=asked.effective,
    )


def _draw(
    cube: Cube,
    trials: Sequence[Trial],
    evidence: Sequence[Evidence],
    models: Mapping[str, Model],
    random: np.random.Generator,
    *,
    seed: int,
) -> LeftOut:
    """Draw trials that give all data, each as often as its part of the parameters demands."""
    able = [k for k, trial in enumerate(trials) if all(_gives(one, trial) for one in evidence)]
    parts = _parts(cube, trials, evidence, models, seed=seed)[able]
    if not parts.sum():
        return LeftOut(numbers=[], data=[], counts=np.zeros(0), truth=np.zeros((0, len(cube))))
    # Systematic: one that has a part of 1 / _ASKED is drawn once.
    ends = np.cumsum(parts / parts.sum())
    drawn = np.minimum(np.searchsorted(ends, (np.arange(_ASKED) + random.random()) / _ASKED), len(able) - 1)
    chosen, counts = np.unique(drawn, return_counts=True)
    numbers = [able[k] for k in chosen]
    data = []
    for number in numbers:
        trial, given = trials[number], []
        for one in evidence:
            spread = 0.0
            if trial.graphs > 1:
                predicted = models[one.name].predict(trial.point[None, :])
                spread = float(predicted.error[0]) * math.sqrt(1 - 1 / trial.graphs)
            given.append(one.of_trial(float(trial.estimates[one.name].value), spread, random))
        data.append(given)
    truth = cube.quantiles(np.array([trials[number].point for number in numbers]))
    return LeftOut(numbers=numbers, data=data, counts=counts.astype(float), truth=truth)


def _gives(evidence: Evidence, trial: Trial) -> bool:
    """Whether a trial has a statistic and keeps its bounds."""
    estimate = trial.estimates.get(evidence.name)
    if estimate is None or not estimate.defined:
        return False
    return not evidence.bound or evidence.keeps(float(estimate.value))


def _parts(
    cube: Cube,
    trials: Sequence[Trial],
    evidence: Sequence[Evidence],
    models: Mapping[str, Model],
    *,
    seed: int,
) -> FloatArray:
    """The part of all parameters around compatible ones that is nearest to each trial, shape (trials,)."""
    from scipy.spatial import cKDTree

    fitted = explorer_of(cube, models, seed=seed)
    around = fitted.sample([one.datum for one in evidence], n=_POINTS, seed=seed, temperature=_AROUND)
    _, nearest = cKDTree(np.array([trial.point for trial in trials])).query(cube.at(around))
    return np.asarray(np.bincount(nearest, minlength=len(trials)) / _POINTS)


def _ranks(
    engine: Engine, cube: Cube, trials: Sequence[Trial], asked: LeftOut, folds: NDArray[np.int_], *, seed: int
) -> FloatArray:
    """The rank of the true value among samples, from 0 to 1, shape (temperatures, asked, parameters)."""
    random = np.random.default_rng(seed)
    ranks = np.empty((len(engine.temperatures), *asked.truth.shape))
    for fold in range(_FOLDS):
        inside = np.flatnonzero(folds == fold)
        out = {asked.numbers[int(k)] for k in inside}
        fitted = engine.fit([trial for k, trial in enumerate(trials) if k not in out], seed=seed)
        for k in map(int, inside):
            for at, temperature in enumerate(engine.temperatures):
                drawn = fitted.sample(asked.data[k], n=_SAMPLES, seed=seed + k, temperature=temperature)
                drawn = cube.quantiles(cube.at(drawn))
                below, equal = drawn < asked.truth[k], np.isclose(drawn, asked.truth[k])
                # The true value has a random place among those equal to it, and is one of them.
                ties = random.random(equal.shape[1]) * (equal.sum(axis=0) + 1)
                ranks[at, k] = ((below & ~equal).sum(axis=0) + ties) / (_SAMPLES + 1)
    return ranks


def _chosen(ranks: FloatArray, counts: FloatArray) -> int:
    """The number of the lowest temperature at which intervals are wide enough, in the mean over parameters.

    General posterior calibration (Syring & Martin 2019, Biometrika 106:479).
    """
    if not ranks.size:
        return 0
    shares = counts @ _is_inside(ranks).mean(axis=2).T / counts.sum()
    wide = np.flatnonzero(shares >= _SHARE)
    return int(wide[0]) if wide.size else int(shares.argmax())


def _is_inside(ranks: FloatArray) -> FloatArray:
    return ((ranks > _LOW) & (ranks < _HIGH)).astype(float)


def _uniform(ranks: FloatArray, weights: FloatArray) -> float:
    """p of the Kolmogorov-Smirnov test of weighted ranks."""
    from scipy.stats import kstwo

    order = np.argsort(ranks)
    ends = np.cumsum(weights[order])
    starts = ends - weights[order]
    distance = max(float((ends - ranks[order]).max()), float((ranks[order] - starts).max()))
    return float(kstwo.sf(distance, round(1 / (weights**2).sum())))
