"""Which parameters are compatible with the targets, and what they are predicted to show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from calibrate.figures.style import COLOURS, MISSED, new_figure, styled
from calibrate.objective import Interval
from calibrate.results.posterior.posterior import Posterior
from calibrate.results.posterior.predictive import PredictiveCheck
from calibrate.study.space import Choice, Domain

FloatArray = NDArray[np.float64]

# Parameters that are drawn in pairs at most; points of a panel; bins of a histogram; panels in a row.
MOST, _POINTS, _BINS, _A_ROW = 8, 1000, 30, 3


@styled
def posterior_figure(found: Posterior) -> Figure:
    """Draw each parameter of a posterior, and each pair of them, over their ranges.

    The shaded part of a histogram is the interval of 90 %. Of more than eight parameters, those are drawn
    that the targets determine best.

    Parameters
    ----------
    found : Posterior
        The posterior.

    Returns
    -------
    Figure
        A matplotlib figure.

    Examples
    --------
    `study.toml` is a finished study:

    >>> from calibrate import posterior, posterior_figure, read_results
    >>> posterior_figure(posterior(read_results("study.toml"), samples=500)).savefig("posterior.png")
    """
    names = _drawn(found)
    n, space = len(names), found.study.space
    columns = {name: _numbers(space[name], found.samples[name]) for name in names}
    figure = new_figure(max(1.55 * n + 0.5, 3.2), max(1.4 * n + 0.4, 2.2))
    panels = figure.subplots(n, n, squeeze=False)
    for row, y in enumerate(names):
        for column, x in enumerate(names):
            axes = panels[row, column]
            if column > row:
                axes.set_visible(False)
                continue
            _set_axis(axes.xaxis, space[x], is_outer=row == n - 1, label=_label(found, x))
            axes.set_xlim(*_limits(space[x]))
            if column == row:
                _draw_marginal(axes, found, x, columns[x])
                continue
            axes.plot(
                columns[x][:_POINTS], columns[y][:_POINTS], ".", color=COLOURS[0], markersize=1.6, alpha=0.35,
                rasterized=True,
            )  # fmt: skip
            _set_axis(axes.yaxis, space[y], is_outer=column == 0, label=_label(found, y))
            axes.set_ylim(*_limits(space[y]))
            if getattr(space[x], "log", False):
                axes.set_xscale("log")
            if getattr(space[y], "log", False):
                axes.set_yscale("log")
    figure.align_labels()
    return figure


@styled
def predictive_figure(found: Posterior, check: PredictiveCheck | None = None) -> Figure:
    """Draw what networks of a posterior are predicted to show in one simulation each; the targets are bands.

    Parameters
    ----------
    found : Posterior
        The posterior.
    check : PredictiveCheck, optional
        What some of them showed, each a stroke.

    Returns
    -------
    Figure
        A matplotlib figure.

    Examples
    --------
    `study.toml` is a finished study:

    >>> from calibrate import posterior, predictive_figure, read_results
    >>> predictive_figure(posterior(read_results("study.toml"), samples=500)).savefig("predictive.png")
    """
    objectives = {objective.name: objective for objective in found.study.objectives}
    shown = {} if check is None else {one.name: np.array(one.simulated) for one in check.statistics}
    names = [str(name) for name in found.predicted]
    columns = min(len(names), _A_ROW)
    rows = math.ceil(len(names) / columns)
    figure = new_figure(2.6 * columns + 0.2, 1.7 * rows + 0.1)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, name in zip(panels, names, strict=False):
        values = found.predicted[name].to_numpy(dtype=float)
        values = values[np.isfinite(values)]
        low, high = objectives[name].target.ends
        simulated = shown.get(name, np.zeros(0))
        axes.axvspan(low, high, color=COLOURS[2], alpha=0.25, linewidth=0)
        edges = _edges(values, [low, high, *simulated[np.isfinite(simulated)]])
        axes.hist(values, bins=edges, color=COLOURS[0], alpha=0.75)
        if not isinstance(objectives[name].target, Interval):
            axes.axvline(objectives[name].target.centre, color=COLOURS[2], linewidth=1.2)
        for value in simulated[np.isfinite(simulated)]:
            axes.axvline(value, ymax=0.25, color=MISSED, linewidth=1.2)
        axes.set_title(name)
        axes.set_xlabel(objectives[name].statistic.unit)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    return figure


def _drawn(found: Posterior) -> Sequence[str]:
    space = found.study.space
    if len(space) <= MOST:
        return list(space)
    width = {
        name: space[name].quantile(one.high) - space[name].quantile(one.low)  # type: ignore[union-attr]
        for name, one in found.marginals.items()
    }
    best = sorted(width, key=lambda name: width[name])[:MOST]
    return [name for name in space if name in best]


def _numbers(domain: Domain, column: Any) -> FloatArray:
    """Values for an axis: choices by their place."""
    if isinstance(domain, Choice):
        return np.array(
            [next(k for k, own in enumerate(domain.values) if own == one) for one in column], float
        )
    return np.asarray(column, dtype=float)


def _limits(domain: Domain) -> tuple[float, float]:
    if isinstance(domain, Choice):
        return -0.5, len(domain.values) - 0.5
    low, high = domain.ends
    return float(low), float(high)


def _draw_marginal(axes: Any, found: Posterior, name: str, values: FloatArray) -> None:
    domain = found.study.space[name]
    if isinstance(domain, Choice):
        share = [float((values == k).mean()) for k in range(len(domain.values))]
        axes.bar(range(len(share)), share, color=COLOURS[0], width=0.7)
    else:
        low, high = _limits(domain)
        edges = np.geomspace(low, high, _BINS + 1) if domain.log else np.linspace(low, high, _BINS + 1)
        one = found.marginals[name]
        axes.axvspan(one.low, one.high, color=COLOURS[0], alpha=0.15, linewidth=0)
        axes.hist(values, bins=edges, color=COLOURS[0])
        axes.axvline(one.median, color=MISSED, linewidth=1.2)
        if domain.log:
            axes.set_xscale("log")
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def _set_axis(axis: Any, domain: Domain, *, is_outer: bool, label: str) -> None:
    if isinstance(domain, Choice):
        axis.set_ticks(range(len(domain.values)), [str(value) for value in domain.values])
    axis.set_tick_params(labelsize=7)
    if is_outer:
        axis.set_label_text(label, fontsize=8)
    else:
        axis.set_ticklabels([])


def _label(found: Posterior, name: str) -> str:
    unit = found.study.model.parameter(name).unit
    return f"{name} ({unit})" if unit else name


def _edges(values: FloatArray, others: Sequence[float]) -> FloatArray:
    """Bins that hold nearly all values, and the others."""
    ends = [*np.quantile(values, [0.01, 0.99]), *others] if values.size else others
    low, high = min(ends), max(ends)
    margin = 0.05 * (high - low) or 1.0
    return np.linspace(low - margin, high + margin, _BINS + 1)
