"""Sensitivity: which parameters a statistic depends on, and how far a solution may move before it is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calibrate.calibration.emulator.cube import Cube
from calibrate.calibration.emulator.losses import is_met
from calibrate.calibration.emulator.models import Model
from calibrate.calibration.emulator.process import one_thread
from calibrate.errors import StudyError
from calibrate.study.space import Range, Space

if TYPE_CHECKING:
    from calibrate.results.emulation import Emulation
    from calibrate.results.results import Results

FloatArray = NDArray[np.float64]

# Points of the Sobol' estimate, a power of two; and functions that are drawn from a model.
_POINTS, _DRAWS = 1024, 8
# Networks whose robustness is judged, within each of these parts of the best parameters, by how many
# functions drawn: close around the best, a function finds nearly all of them good, or none.
_NETWORKS, _FUNCTIONS = 400, 64
WITHIN = (0.01, 0.02, 0.05, 0.1)


@dataclass(frozen=True, kw_only=True)
class Index:
    """A Sobol' index and its standard error, which is that of the model.

    Attributes
    ----------
    value : float
        The index: a part of the variance, from 0 to 1.
    error : float
        Its standard error.
    """

    value: float
    error: float


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """How the statistics of a study depend on its parameters.

    Attributes
    ----------
    first : dict of str to dict of str to Index
        First-order indices by statistic and parameter: the part of the variance over the ranges that the
        parameter explains by itself. NaN where a statistic is the same in all trials, or hardly ever defined.
    total : dict of str to dict of str to Index
        Total indices: the part that would remain if all others were known, with all interactions.
    defined : dict of str to float
        Part of the ranges where the statistic is defined. Elsewhere its values are continued.
    trial : int
        Number of the best trial.
    robust : dict of float to float
        For each part x: the share of networks that meet all targets, if every parameter is drawn within x of
        its value in the best trial.
    """

    first: Mapping[str, Mapping[str, Index]]
    total: Mapping[str, Mapping[str, Index]]
    defined: Mapping[str, float]
    trial: int
    robust: Mapping[float, float]


def sensitivity(results: Results, *, statistics: Sequence[str] | None = None) -> Sensitivity:
    """Compute Sobol' indices of the statistics of a study, and the robustness of its best trial.

    Both are those of models of the statistics, which are fitted to all complete trials; nothing is simulated.

    Parameters
    ----------
    results : Results
        The results of the study.
    statistics : sequence of str, optional
        Names of statistics that the simulations measured; by default those of the objectives.

    Returns
    -------
    Sensitivity
        The indices with their errors, and the shares of robust networks.

    Raises
    ------
    StudyError
        If there are fewer than 10 complete trials, or two per parameter; if no trial is the best yet; or if a
        statistic was never measured.

    Notes
    -----
    Parameters are independent and uniform over their ranges (log-uniform for `log`). The estimators are those
    of `scipy.stats.sobol_indices` (Saltelli et al. 2010). The variance is that of the statistic on the scale
    of its model, which is linear up to about two tolerances from its target and logarithmic beyond, so that
    runaway networks do not make up all of it.

    Examples
    --------
    `study.toml` is a finished study:

    >>> from calibrate import read_results, sensitivity
    >>> found = sensitivity(read_results("study.toml"))
    >>> sorted(found.total["rate_E"])
    ['I_th_E', 'I_th_I']
    """
    emulation, best = results.emulation, results.best
    if best is None:
        raise StudyError(f"study '{results.study.name}' has no trial that satisfies all constraints")
    space = results.study.space
    wanted = statistics if statistics is not None else [one.name for one in results.study.objectives]
    first, total, defined = {}, {}, {}
    cube = emulation.cube
    anywhere = cube.at(np.random.default_rng(0).random((_NETWORKS, len(space))))
    for name in dict.fromkeys(wanted):
        model = emulation.model(name)
        first[name], total[name] = sobol_indices(model, space)
        defined[name] = float(model.predict(anywhere).defined.mean())
    return Sensitivity(
        first=first, total=total, defined=defined, trial=best.number, robust=robust(emulation, best.params)
    )


def sobol_indices(model: Model, space: Space) -> tuple[dict[str, Index], dict[str, Index]]:
    """First-order and total indices of a statistic, by parameter: mean and SD over functions drawn.

    They are NaN if it is the same in all trials, or was defined in hardly any.
    """
    from scipy.stats import sobol_indices as estimate
    from scipy.stats import uniform

    if model.values is None or not model.values.varies:
        nothing = dict.fromkeys(space, Index(value=float("nan"), error=float("nan")))
        return nothing, nothing
    cube, drawn = Cube(space), model.values.draws(np.random.default_rng(0), _DRAWS)
    with one_thread():
        indices = estimate(
            func=lambda quantiles: drawn(cube.at(quantiles.T)),
            n=_POINTS,
            dists=[uniform()] * len(space),
            rng=np.random.default_rng(1),
        )
    first, total = (of.reshape(_DRAWS, len(space)) for of in (indices.first_order, indices.total_order))
    return _summed(first, space), _summed(total, space)


def _summed(drawn: FloatArray, space: Space) -> dict[str, Index]:
    """Mean and standard deviation over draws, shape (draws, parameters); an estimate can lie below 0."""
    means, errors = np.clip(drawn.mean(axis=0), 0.0, 1.0), drawn.std(axis=0, ddof=1)
    return {
        name: Index(value=float(mean), error=float(error))
        for name, mean, error in zip(space, means, errors, strict=True)
    }


def robust(emulation: Emulation, best: Mapping[str, Any]) -> dict[float, float]:
    """The share of networks around these parameters that meet all targets, by how far around."""
    random, objectives = np.random.default_rng(0), emulation.study.objectives
    around = [
        _near(best, within, emulation.study.space, random) for within in WITHIN for _ in range(_NETWORKS)
    ]
    points = np.array([emulation.cube.point(parameters) for parameters in around])
    # The same functions for all, so that shares differ by how far around, not by what was drawn.
    met = np.ones((_FUNCTIONS, len(points)), dtype=bool)
    with one_thread():
        for objective in objectives:
            drawn = emulation.model(objective.name).draws(random, _FUNCTIONS)
            met &= is_met(objective, drawn(points))
    shares = np.mean(met, axis=0).reshape(len(WITHIN), _NETWORKS).mean(axis=1)
    return {within: float(share) for within, share in zip(WITHIN, shares, strict=True)}


def _near(
    best: Mapping[str, Any], within: float, space: Space, random: np.random.Generator
) -> dict[str, Any]:
    """Parameters within a part of the best ones, and within the ranges; choices stay."""
    found = dict(best)
    for name, domain in space.items():
        if isinstance(domain, Range):
            value = best[name] * (1 + within * random.uniform(-1, 1))
            low, high = domain.ends
            found[name] = min(max(value, low), high)
    return found
