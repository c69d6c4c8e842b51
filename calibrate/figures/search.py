"""The course of a search: losses, statistics against parameters, Pareto front."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from calibrate.errors import StudyError
from calibrate.figures.style import COLOURS, FAINT, INK, MISSED, new_figure, styled
from calibrate.results.results import Results

LOWEST_LOSS = 1e-3
MOST_ROWS = 6
# Most points drawn as vector graphics; more are rasterised.
MOST_POINTS = 2000


@styled
def history_figure(results: Results) -> Figure:
    """Draw the loss of every trial and the lowest so far; crosses are trials that break a constraint.

    Parameters
    ----------
    results : Results
        Results of the study.

    Returns
    -------
    Figure
        A matplotlib figure.

    Examples
    --------
    `study.toml` is a finished study:

    >>> from calibrate import history_figure, read_results, read_study
    >>> history_figure(read_results(read_study("study.toml"))).savefig("history.png")
    """
    trials = results.trials[results.trials["state"] == "complete"]
    figure = new_figure(6.5, 2.8)
    axes = figure.subplots()
    losses = np.maximum(trials["loss"].to_numpy(dtype=float), LOWEST_LOSS)
    feasible = trials["feasible"].to_numpy(dtype=bool)
    numbers = trials.index.to_numpy()
    many = len(losses) > MOST_POINTS
    axes.plot(
        numbers[feasible],
        losses[feasible],
        ".",
        color=COLOURS[5],
        markersize=5,
        label="trial",
        rasterized=many,
    )
    if (~feasible).any():
        axes.plot(
            numbers[~feasible], losses[~feasible], "x", color=FAINT, markersize=4, label="breaks a constraint"
        )
    if feasible.any():
        lowest = np.minimum.accumulate(losses[feasible])
        axes.step(numbers[feasible], lowest, where="post", color=COLOURS[0], label="best so far")
    if results.best is not None:
        axes.plot(
            results.best.number, max(results.best.loss, LOWEST_LOSS), "*", color=MISSED, markersize=10,
            label="best",
        )  # fmt: skip
    axes.set_yscale("log")
    axes.set_xlabel("trial")
    axes.set_ylabel("loss")
    axes.legend(loc="upper right", fontsize=8)
    return figure


@styled
def slices_figure(results: Results, statistics: Sequence[str] | None = None) -> Figure:
    """Draw statistics of all trials against each free parameter; targets are bands, the best trial a star.

    Parameters
    ----------
    results : Results
        Results of the study.
    statistics : sequence of str, optional
        Names of statistics; by default those of the first six objectives.

    Returns
    -------
    Figure
        A matplotlib figure.

    Raises
    ------
    StudyError
        If a statistic was not computed.

    Examples
    --------
    `study.toml` is a finished study:

    >>> from calibrate import read_results, read_study, slices_figure
    >>> slices_figure(read_results(read_study("study.toml"))).savefig("slices.png")
    """
    trials = results.trials[results.trials["state"] == "complete"]
    objectives = {objective.name: objective for objective in results.study.objectives}
    distances = {one.name for one in results.study.statistics if one.compares is not None}
    space = list(results.study.space)
    names = [f"{n}_reached" if n in space else n for n in (statistics or list(objectives)[:MOST_ROWS])]
    for name in names:
        if name not in trials:
            raise StudyError(f"no statistic '{name}' was computed")
    figure = new_figure(1.2 + 1.7 * len(space), 0.5 + 1.4 * len(names))
    panels = figure.subplots(len(names), len(space), sharex="col", sharey="row", squeeze=False)
    for row, name in zip(panels, names, strict=True):
        for axes, parameter in zip(row, space, strict=True):
            _scatter(axes, trials[parameter], trials[name])
            if (objective := objectives.get(name.removesuffix("_reached"))) is not None:
                low, high = objective.target.ends
                axes.axhspan(low, high, color=COLOURS[2], alpha=0.25, linewidth=0)
            if results.best is not None:
                value = trials[name].get(results.best.number, math.nan)
                axes.plot(results.best.params[parameter], value, "*", color=MISSED, markersize=9)
        row[0].set_ylabel(f"distance of\n{name}" if name in distances else name, fontsize=8)
    for axes, parameter in zip(panels[-1], space, strict=True):
        axes.set_xlabel(parameter)
    return figure


def _scatter(axes: Any, x: Any, y: Any) -> None:
    values = y.to_numpy(dtype=float)
    # A few extreme networks would compress all others into a line.
    finite = values[np.isfinite(values)]
    axes.plot(
        x, values, ".", color=COLOURS[0], markersize=2.5, alpha=0.6, rasterized=len(values) > MOST_POINTS
    )
    if finite.size > 20:
        low, high = np.quantile(finite, [0.02, 0.95])
        axes.set_ylim(min(low, axes.get_ylim()[0]) if low == high else low - 0.1 * (high - low), None)
        if high > low:
            axes.set_ylim(low - 0.15 * (high - low), high + 0.25 * (high - low))


@styled
def front_figure(results: Results) -> Figure:
    """Draw the losses of a Pareto study, each objective against each later one; the front is coloured.

    Parameters
    ----------
    results : Results
        Results of a Pareto study.

    Returns
    -------
    Figure
        A matplotlib figure.

    Raises
    ------
    StudyError
        If it is not a Pareto study.

    Examples
    --------
    `pareto.toml` is a finished Pareto study:

    >>> from calibrate import front_figure, read_results, read_study
    >>> front_figure(read_results(read_study("pareto.toml"))).savefig("front.png")
    """
    if not results.study.pareto:
        raise StudyError(f"study '{results.study.name}' is not a Pareto study and has no front")
    losses, on_front = results.losses
    names = [objective.name for objective in results.study.objectives]
    n = len(names)
    figure = new_figure(2.6 * (n - 1) + 0.6, 2.4 * (n - 1) + 0.4)
    panels = figure.subplots(n - 1, n - 1, squeeze=False)
    clipped = np.maximum(losses, LOWEST_LOSS)
    for row in range(n - 1):
        for column in range(n - 1):
            axes = panels[row, column]
            if column > row:
                axes.set_visible(False)
                continue
            x, y = clipped[:, column], clipped[:, row + 1]
            axes.plot(x[~on_front], y[~on_front], ".", color=FAINT, markersize=3)
            axes.plot(x[on_front], y[on_front], "o", color=MISSED, markeredgecolor=INK, markersize=5)
            axes.set(xscale="log", yscale="log")
            if row == n - 2:
                axes.set_xlabel(f"loss of {names[column]}")
            if column == 0:
                axes.set_ylabel(f"loss of {names[row + 1]}")
    return figure
