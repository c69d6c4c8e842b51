"""Maps: a statistic over two parameters, exact on a grid, otherwise averaged over nearby trials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibrate.calibration.trials.regimes import REGIMES, regime_in
from calibrate.errors import StudyError, did_you_mean
from calibrate.results.results import Results
from calibrate.study.space import Range

FINE = 80
"""Number of points of an interpolated map along each axis."""


@dataclass(frozen=True, kw_only=True)
class Map:
    """A statistic over two parameters.

    x, y     values of the parameters at the points, shapes (nx,) and (ny,)
    values   of the statistic, shape (ny, nx); nan where it is undefined or no trial is near
    regimes  index into `REGIMES`, shape (ny, nx); -1 where the regime is unknown
    points   parameters of the trials, shape (trials, 2)
    exact    whether every point is on a grid that was simulated
    """

    name: str
    unit: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    values: NDArray[np.float64]
    regimes: NDArray[np.int64]
    points: NDArray[np.float64]
    exact: bool


def main_axes(results: Results) -> tuple[str, str] | None:
    """Return the two most important parameters with ranges, else the first two; None if there are fewer."""
    ranges = [name for name, domain in results.study.space.items() if isinstance(domain, Range)]
    order = [name for name in results.importances if name in ranges] or ranges
    return (order[0], order[1]) if len(order) > 1 else None


def parameter_map(results: Results, x: str, y: str, statistic: str) -> Map:
    """Compute the map of `statistic`, or of "loss", over the free parameters `x` and `y`.

    In a grid study, every point is the mean of the trials there (one trial if no other parameter is free).
    Otherwise it is the mean of all trials, weighted with a Gaussian of their distance in units of the ranges
    (Nadaraya-Watson; SD n^(-1/6) / 2, limited to 0.04 to 0.2, for n trials), and nan if no trial is within
    two SDs. Other free parameters are averaged over the values that the search chose.

    Raises StudyError for unknown names, and if there are no trials.
    """
    space = results.study.space
    for name in (x, y):
        if not isinstance(space.get(name), Range):
            ranges = [free for free, domain in space.items() if isinstance(domain, Range)]
            known = any(parameter.name == name for parameter in results.study.model.parameters)
            listed, hint = ", ".join(ranges) or "none", "" if known else did_you_mean(name, ranges)
            raise StudyError(f"{name} has no range in this study{hint}; parameters with ranges: {listed}")
    if x == y:
        raise StudyError(f"a map needs two different parameters, not {x} twice")
    trials = results.trials[results.trials["state"] == "complete"]
    statistic = f"{statistic}_reached" if statistic in space else statistic
    hidden = {"state", "feasible", "graphs", *space}
    computed = [str(name) for name in trials.columns if name not in hidden]
    if not len(trials):
        raise StudyError(f"study '{results.study.name}' has no complete trials yet")
    if statistic not in computed:
        hint = did_you_mean(statistic, computed)
        raise StudyError(f"no statistic '{statistic}' was computed{hint}: {', '.join(computed)}")
    points = trials[[x, y]].to_numpy(dtype=float)
    values = trials[statistic].to_numpy(dtype=float)
    regimes = _regimes(results, [str(name) for name in trials.columns], trials.to_dict("records"))
    unit = {each.name: each.unit for each in results.study.statistics}.get(statistic, "")
    if results.study.sampler.name == "grid":
        return _average_on_grid(statistic, unit, points, values, regimes)
    return _interpolate(results, x, y, statistic, unit, points, values, regimes)


def _regimes(results: Results, columns: Sequence[str], rows: Sequence[dict]) -> NDArray[np.int64]:  # type: ignore[type-arg]
    """The regime of each trial, of several conditions in the first."""
    regimes = [regime_in(results.study, {name: row[name] for name in columns}) for row in rows]
    return np.array([-1 if name is None else REGIMES.index(name) for name in regimes])


def _average_on_grid(
    name: str,
    unit: str,
    points: NDArray[np.float64],
    values: NDArray[np.float64],
    regimes: NDArray[np.int64],
) -> Map:
    x, column = np.unique(points[:, 0], return_inverse=True)
    y, row = np.unique(points[:, 1], return_inverse=True)
    shape = (y.size, x.size)
    sums, counts = np.zeros(shape), np.zeros(shape)
    defined = np.isfinite(values)
    np.add.at(sums, (row[defined], column[defined]), values[defined])
    np.add.at(counts, (row[defined], column[defined]), 1)
    votes = np.zeros((len(REGIMES), *shape))
    classified = regimes >= 0
    np.add.at(votes, (regimes[classified], row[classified], column[classified]), 1)
    with np.errstate(invalid="ignore"):
        mean = np.where(counts > 0, sums / counts, math.nan)
    return Map(
        name=name,
        unit=unit,
        x=x,
        y=y,
        values=mean,
        regimes=np.where(votes.any(axis=0), votes.argmax(axis=0), -1),
        points=points,
        exact=True,
    )


def _interpolate(
    results: Results,
    x: str,
    y: str,
    name: str,
    unit: str,
    points: NDArray[np.float64],
    values: NDArray[np.float64],
    regimes: NDArray[np.int64],
) -> Map:
    domains = [results.study.space[x], results.study.space[y]]
    assert all(isinstance(domain, Range) for domain in domains)  # checked by the caller
    from scipy.ndimage import distance_transform_edt, gaussian_filter  # slow to import, and not always needed

    u = np.array([[d.quantile(v) for d, v in zip(domains, point, strict=True)] for point in points])  # type: ignore[union-attr]
    width = min(max(0.5 * len(u) ** (-1 / 6), 0.04), 0.2)
    at = (np.arange(FINE) + 0.5) / FINE
    column, row = np.clip((u * FINE).astype(np.int64), 0, FINE - 1).T

    def smooth(amounts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the weighted sum of `amounts` of the trials near each point, shape (ny, nx)."""
        total = np.zeros((FINE, FINE))
        np.add.at(total, (row, column), amounts)
        return np.asarray(gaussian_filter(total, width * FINE, mode="constant", truncate=6))

    defined = np.isfinite(values)
    empty = np.ones((FINE, FINE), dtype=bool)
    empty[row[defined], column[defined]] = False
    near = distance_transform_edt(empty) <= 2 * width * FINE if defined.any() else ~empty
    weight = smooth(defined.astype(float))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(near, smooth(np.where(defined, values, 0.0)) / weight, math.nan)
    votes = np.array([smooth((regimes == k).astype(float)) for k in range(len(REGIMES))])
    return Map(
        name=name,
        unit=unit,
        x=np.array([float(domains[0].at(q)) for q in at]),
        y=np.array([float(domains[1].at(q)) for q in at]),
        values=mean,
        regimes=np.where(near & votes.any(axis=0), votes.argmax(axis=0), -1),
        points=points,
        exact=False,
    )
