"""Parameter maps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import matplotlib.patheffects as effects
import numpy as np
from matplotlib.figure import Figure

from calibrate.calibration.trials.regimes import REGIMES
from calibrate.figures.style import INK, new_figure, styled
from calibrate.results.maps import Map, parameter_map
from calibrate.results.results import Results

MOST_A_ROW = 3
MOST_POINTS = 2000
# Losses above this are clipped, since they would hide all others.
HIGHEST_LOSS = 100.0


@styled
def map_figure(results: Results, x: str, y: str, statistics: Sequence[str]) -> Figure:
    """Draw statistics over two free parameters, side by side, with the boundaries between regimes.

    A grid study is drawn exactly; others by `calibrate.results.maps.parameter_map`, with a point for every
    trial and nothing where none is near. A target is a dashed line, the best trial a star.

    Parameters
    ----------
    results : Results
        Results of the study.
    x : str
        Parameter along the horizontal axis.
    y : str
        Parameter along the vertical axis.
    statistics : sequence of str
        Names of statistics, or "loss".

    Returns
    -------
    Figure
        A matplotlib figure.

    Raises
    ------
    StudyError
        If `x` or `y` has no range in this study or both are the same, if a statistic was not computed, or if
        no trial is complete.

    Examples
    --------
    `study.toml` is a finished study:

    >>> from calibrate import map_figure, read_results, read_study
    >>> results = read_results(read_study("study.toml"))
    >>> map_figure(results, "I_th_E", "I_th_I", ["rate_E", "loss"]).savefig("map.png")
    """
    maps = [parameter_map(results, x, y, statistic) for statistic in statistics]
    rows = math.ceil(len(maps) / MOST_A_ROW)
    columns = math.ceil(len(maps) / rows)
    figure = new_figure(3.4 * columns + 0.4, 2.9 * rows)
    panels = np.atleast_1d(figure.subplots(rows, columns, sharex=True, sharey=True)).ravel()
    targets = {objective.name: objective.target for objective in results.study.objectives}
    labels = {statistic.name: statistic.label for statistic in results.study.statistics}
    for axes, drawn in zip(panels, maps, strict=False):
        axes.set_title(labels.get(drawn.name, drawn.name))
        _draw(figure, axes, drawn)
        aim = getattr(targets.get(drawn.name), "value", None)
        known = drawn.values[np.isfinite(drawn.values)]
        if aim is not None and known.size and known.min() < aim < known.max():
            lines = axes.contour(drawn.x, drawn.y, drawn.values, [aim], colors="white", linestyles="--")
            lines.set(path_effects=[effects.withStroke(linewidth=2.5, foreground="black", alpha=0.5)])
        if results.best is not None:
            best = results.best.params
            axes.plot(best[x], best[y], marker="*", markersize=11, color="white", markeredgecolor="black")
    for axes in panels[len(maps) :]:
        axes.set_visible(False)
    figure.supxlabel(_label(results, x), fontsize=9)
    figure.supylabel(_label(results, y), fontsize=9)
    return figure


def _draw(figure: Figure, axes: Any, drawn: Map) -> None:
    values = np.minimum(drawn.values, HIGHEST_LOSS) if drawn.name == "loss" else drawn.values
    image = axes.pcolormesh(drawn.x, drawn.y, values, shading="nearest", rasterized=True)
    figure.colorbar(image, ax=axes, pad=0.02)
    axes.set_facecolor("none")
    if not drawn.exact:
        few = len(drawn.points) <= MOST_POINTS
        axes.plot(
            *drawn.points.T, ".", markersize=2 if few else 0.5, color=INK, alpha=0.6, rasterized=not few
        )
    _draw_regimes(axes, drawn)


def _draw_regimes(axes: Any, drawn: Map) -> None:
    present = [k for k in range(len(REGIMES)) if (drawn.regimes == k).any()]
    if len(present) < 2 or min(drawn.regimes.shape) < 2:
        return
    halo = [effects.withStroke(linewidth=2.4, foreground="black", alpha=0.7)]
    for k in present:
        inside = (drawn.regimes == k).astype(float)
        lines = axes.contour(drawn.x, drawn.y, inside, [0.5], colors="white", linewidths=0.9)
        lines.set(path_effects=halo)
        if inside.sum() < 0.03 * inside.size:
            continue  # too small for a label
        row, column = _middle(inside > 0)
        axes.text(
            drawn.x[column], drawn.y[row], REGIMES[k], color="white", fontsize=7, ha="center", va="center",
            path_effects=halo,
        )  # fmt: skip


def _middle(inside: Any) -> tuple[int, int]:
    """Return the point of a region that is farthest from its edge."""
    from scipy.ndimage import distance_transform_edt

    depth = distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(np.argmax(depth), depth.shape)
    return int(row), int(column)


def _label(results: Results, name: str) -> str:
    unit = results.study.model.parameter(name).unit
    return f"{name} ({unit})" if unit else name
