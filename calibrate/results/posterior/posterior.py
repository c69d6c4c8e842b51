"""The posterior of the parameters of a study, from its trials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calibrate.calibration.emulator.models import Model
from calibrate.errors import StudyError
from calibrate.results.posterior.diagnostics import Coverage, coverage_of
from calibrate.results.posterior.engines import engine_of
from calibrate.results.posterior.evidence import Evidence, basis_in_words
from calibrate.results.posterior.reach import out_of_reach
from calibrate.results.results import Results
from calibrate.study import Study
from calibrate.study.space import Choice, Range

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]

# The ends of an interval of 90 %.
_LOW, _HIGH = 0.05, 0.95
# With fewer different samples than this part of them, or than this number, intervals are rough.
_DIFFERENT, _ENOUGH = 0.1, 100
# A direction is named by so many parameters, which move by at least this part of the one that moves most.
_MOST_NAMED, _NAMED = 4, 0.25


@dataclass(frozen=True, kw_only=True)
class Marginal:
    """The posterior of one parameter that is a number.

    Attributes
    ----------
    median : float
        Its median.
    low : float
        Lower end of the interval of 90 %.
    high : float
        Upper end of this interval.
    """

    median: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """Which parameters are compatible with the targets of a study.

    Attributes
    ----------
    study : Study
        The study.
    samples : DataFrame
        Parameter sets drawn from the posterior, a column per free parameter.
    predicted : DataFrame
        What one simulation of each of these would probably show, a column per objective; NaN where it would
        be undefined.
    coverage : Coverage
        How often intervals contain the parameters of trials that were left out.
    out_of_reach : tuple of str
        Targets that no parameters within the ranges reach, in words.
    trials : int
        Number of trials that it rests on.
    engine : str
        Name of the engine that found it.
    basis : str
        Where the standard errors of the targets come from, in words.
    notes : tuple of str
        What else is to be known, one line each.
    """

    study: Study = field(repr=False)
    samples: pd.DataFrame = field(repr=False)
    predicted: pd.DataFrame = field(repr=False)
    coverage: Coverage
    out_of_reach: tuple[str, ...]
    trials: int
    engine: str
    basis: str
    notes: tuple[str, ...] = ()

    @cached_property
    def marginals(self) -> dict[str, Marginal]:
        """Median and interval of 90 % of each parameter that is a number, by name."""
        found = {}
        for name in self._ranges:
            low, median, high = self.samples[name].quantile([_LOW, 0.5, _HIGH])
            found[name] = Marginal(median=float(median), low=float(low), high=float(high))
        return found

    @cached_property
    def choices(self) -> dict[str, dict[Any, float]]:
        """Probability of each value of the parameters that are choices, by name."""
        found = {}
        for name, domain in self.study.space.items():
            if isinstance(domain, Choice):
                drawn = list(self.samples[name])
                found[name] = {value: drawn.count(value) / len(drawn) for value in domain.values}
        return found

    @cached_property
    def correlations(self) -> dict[tuple[str, str], float]:
        """Rank correlation (Spearman) of each pair of parameters that are numbers, the strongest first."""
        names = list(self._ranges)
        table = np.nan_to_num(self.samples[names].astype(float).corr(method="spearman").to_numpy())
        pairs = {
            (a, b): float(table[k, m])
            for k, a in enumerate(names)
            for m, b in enumerate(names[k + 1 :], start=k + 1)
        }
        return dict(sorted(pairs.items(), key=lambda pair: -abs(pair[1])))

    @cached_property
    def loosest(self) -> dict[str, tuple[float, float]]:
        """The direction that the targets determine least: its parameters, each at the two ends of 90 %.

        It is the first principal axis of the samples, in parts of the ranges, with the parameters that move
        most along it, four at most.
        """
        if not self._ranges:
            return {}
        quantiles = np.array([
            [domain.quantile(value) for value in self.samples[name]] for name, domain in self._ranges.items()
        ])  # fmt: skip
        middle = np.median(quantiles, axis=1)
        axis = np.linalg.eigh(np.cov(quantiles).reshape(len(middle), -1))[1][:, -1]
        axis *= np.sign(axis[np.abs(axis).argmax()])
        ends = np.quantile(axis @ (quantiles - middle[:, None]), [_LOW, _HIGH])
        part = np.abs(axis) >= _NAMED * np.abs(axis).max()
        return {
            name: (
                domain.at_or_end(middle[k] + ends[0] * axis[k]),
                domain.at_or_end(middle[k] + ends[1] * axis[k]),
            )
            for k, (name, domain) in enumerate(self._ranges.items())
            if part[k]
        }

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to know before the samples are used, one line each."""
        lines = [*self.out_of_reach, *self.coverage.warnings]
        n, different = len(self.samples), len(self.samples.drop_duplicates())
        continuous = any(not one.integer and one.step is None for one in self._ranges.values())
        if continuous and different < max(_DIFFERENT * n, min(_ENOUGH, n / 2)):
            lines.append(
                f"only {different} of {n} samples are different: the posterior is a very small part of the "
                "ranges, and its intervals are rough; search narrower ranges around it"
            )
        return tuple(lines)

    @property
    def _ranges(self) -> dict[str, Range]:
        return {name: domain for name, domain in self.study.space.items() if isinstance(domain, Range)}


def posterior(results: Results, *, engine: str = "gp", samples: int = 2000, seed: int = 0) -> Posterior:
    """Find the parameters that are compatible with the targets of a study, without simulating.

    Parameters
    ----------
    results : Results
        The results of the study.
    engine : {"gp", "npe"}
        What finds it: the Gaussian processes of the statistics, or a neural network (sbi, which the extra
        `posterior` installs).
    samples : int
        Number of samples, at least 100.
    seed : int
        Seed of the samples: with the same one, they are the same.

    Returns
    -------
    Posterior
        Samples, intervals and diagnostics.

    Raises
    ------
    StudyError
        If there are fewer than 10 complete trials, or two per parameter; if a statistic was hardly ever
        defined; if there is no such engine; or if `samples` is below 100.

    Notes
    -----
    The prior is uniform over the ranges (over logarithms for `log`). A target lies around what the model of
    its statistic predicts, on the scale of that model, with Student's t distribution. Its squared width is
    the sum of the variances of the model, of one trial, of one graph, and of the target itself: the standard
    error of the recording if it is known, else half the tolerance. Errors of statistics are correlated as
    those of the trials are. The likelihood contains the probability that every statistic is defined, and
    that the constraints are kept.

    Models of networks are wrong in ways that they do not know. The logarithm of the likelihood is therefore
    divided by a temperature at which intervals of 90 % contain the parameters of 90 % of trials that were
    left out (general posterior calibration, Syring & Martin 2019, Biometrika 106:479-486).

    Examples
    --------
    `study.toml` is a finished study:

    >>> from calibrate import posterior, read_results
    >>> found = posterior(read_results("study.toml"), samples=500)
    >>> found.samples.shape
    (500, 2)
    >>> low, high = found.marginals["I_th_E"].low, found.marginals["I_th_E"].high
    >>> low < high
    True
    >>> sorted(found.coverage.parameters)
    ['I_th_E', 'I_th_I']
    """
    import pandas as pd

    if samples < _ENOUGH:
        raise StudyError(f"a posterior needs at least {_ENOUGH} samples, not {samples}")
    study, emulation = results.study, results.emulation
    models = {judged.name: emulation.model(judged.name) for judged in study.judged}
    for name, model in models.items():
        if model.values is None:
            raise StudyError(
                f"{name} was defined in hardly any trial: what it says of parameters is not known"
            )
    evidence = [Evidence.of(judged, emulation.scale(judged.name)) for judged in study.judged]
    finder = engine_of(engine, emulation.cube, models)
    coverage = coverage_of(finder, study.space, emulation.trials, evidence, models, seed=seed)
    between = emulation.between_graphs
    data = [one.datum_with(between.get(one.name, 0.0)) for one in evidence]
    quantiles = finder.fit(emulation.trials, seed=seed).sample(
        data, n=samples, seed=seed, temperature=coverage.temperature
    )
    points = emulation.cube.at(quantiles)
    table = pd.DataFrame([emulation.cube.parameters(point) for point in points], columns=list(study.space))
    return Posterior(
        study=study,
        samples=table,
        predicted=pd.DataFrame(_predicted(study, models, points, seed=seed)),
        coverage=coverage,
        out_of_reach=tuple(out_of_reach(evidence, study, models, emulation.cube, points)),
        trials=len(emulation.trials),
        engine=engine,
        basis=basis_in_words(evidence),
        notes=tuple(_notes(results)),
    )


def _notes(results: Results) -> list[str]:
    emulation = results.emulation
    lines = []
    if not emulation.between_graphs:
        lines.append(
            "all trials are on one graph: how much the statistics differ between graphs is not contained "
            "(set [replicates] confirm or graphs)"
        )
    if len(emulation.trials) < results.emulation.complete:
        lines.append(f"of {emulation.complete} complete trials, {len(emulation.trials)} are used")
    return lines


def _predicted(
    study: Study, models: Mapping[str, Model], points: FloatArray, *, seed: int
) -> dict[str, FloatArray]:
    """One simulation at every point, as it might be, by objective."""
    random = np.random.default_rng(seed)
    drawn = {}
    for objective in study.objectives:
        model = models[objective.name]
        predicted = model.predict(points)
        spread = np.hypot(predicted.sd, predicted.error)
        values = model.scale.inverse(predicted.mean + spread * random.standard_normal(len(points)))
        drawn[objective.name] = np.where(random.random(len(points)) < predicted.defined, values, np.nan)
    return drawn
