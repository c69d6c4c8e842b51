"""Which parameters matter: for the loss, and for each statistic."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.figure import Figure

from calibrate.errors import StudyError
from calibrate.figures.style import COLOURS, FAINT, INK, new_figure, styled
from calibrate.results.importance import Importance
from calibrate.results.results import Results


@styled
def importance_figure(results: Results) -> Figure:
    """Draw how much of the loss, and of each statistic, depends on each parameter, according to the emulator.

    On the left are shares of the variance of ln(loss), with a line at what chance reaches once in 20 times.
    Parameters that do not exceed it are pale. On the right are total Sobol' indices of the statistics; those
    that chance may have made are left blank.

    Parameters
    ----------
    results : Results
        Results of the study.

    Returns
    -------
    Figure
        A matplotlib figure.

    Raises
    ------
    StudyError
        If there are too few complete trials to tell, if only one parameter is free, or if all losses are
        equal.

    Notes
    -----
    Both are those of models of the statistics that are fitted to the trials (`sensitivity`). The dark part of
    a bar is what the parameter explains by itself, the rest what it explains together with others. Optuna's
    dashboard computes something else under the same name: how much the best tenth of the trials differs from
    all in each parameter, normalised to a sum of 1 [1]_.

    References
    ----------
    .. [1] Watanabe et al. 2023, PED-ANOVA.

    Examples
    --------
    `study.toml` is a finished study:

    >>> from calibrate import importance_figure, read_results, read_study
    >>> importance_figure(read_results(read_study("study.toml"))).savefig("importance.png")
    """
    found = results.importance
    if found is None:
        raise StudyError(
            "nothing tells which parameters matter: too few complete trials, or all losses are equal"
        )
    rows, statistics = len(found.loss), len(found.total)
    figure = new_figure(3.6 + 0.62 * statistics, 1.5 + 0.32 * rows)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[2.8, 0.62 * statistics])
    _draw_loss(left, found)
    _draw_statistics(right, found)
    return figure


def _draw_loss(axes: Any, found: Importance) -> None:
    names = list(found.loss)
    for row, name in enumerate(names):
        alpha = 1.0 if found.loss[name] > found.chance else 0.35
        axes.barh(row, found.loss[name], color=COLOURS[5], height=0.6, alpha=alpha)
        axes.barh(row, min(found.single[name], found.loss[name]), color=COLOURS[0], height=0.6, alpha=alpha)
    axes.axvline(found.chance, color=FAINT, linestyle=":", label="by chance")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of ln(loss)")
    axes.set_title("loss")
    axes.legend(loc="lower right", fontsize=8)


def _draw_statistics(axes: Any, found: Importance) -> None:
    names = list(found.loss)
    shown = [
        [
            index[name].value if name in found.clear[statistic] else math.nan
            for statistic, index in found.total.items()
        ]
        for name in names
    ]
    axes.imshow(shown, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for row, name in enumerate(names):
        for column, (statistic, index) in enumerate(found.total.items()):
            if name in found.clear[statistic]:
                value = index[name].value
                # Cells have their own colour: their text must not follow that of the page.
                ink = "#ffffff" if value > 0.55 else "#000000"
                axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7, color=ink)
    axes.set_xticks(range(len(found.total)), list(found.total), rotation=35, ha="right", fontsize=8)
    axes.tick_params(left=False, labelleft=False)
    axes.set_title("statistics: total indices")
    axes.spines[:].set_color(INK)
    axes.set_ylim(len(names) - 0.5, -0.5)
