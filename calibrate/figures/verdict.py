"""How well two simulators agree."""

from __future__ import annotations

import math

from matplotlib.figure import Figure

from calibrate.calibration.validation.verdict import Verdict
from calibrate.errors import StudyError
from calibrate.figures.style import COLOURS, FAINT, MISSED, new_figure, styled

FARTHEST = 3.0


@styled
def verdict_figure(verdict: Verdict) -> Figure:
    """Draw the differences between two simulators with their confidence intervals, in tolerances.

    Simulators agree in a statistic whose interval lies inside the band. Statistics without an objective are
    left out.

    Parameters
    ----------
    verdict : Verdict
        Verdict of a validation in two simulators.

    Returns
    -------
    Figure
        A matplotlib figure.

    Raises
    ------
    StudyError
        If the verdict has only one simulator, or is of spike trains.

    Examples
    --------
    The best trial of `study.toml` was validated in NEST and GeNN:

    >>> from calibrate import read_results, read_study, verdict_figure
    >>> results = read_results(read_study("study.toml"))
    >>> (verdict,) = (one for one in results.verdicts if one.trial == results.best.number)
    >>> verdict_figure(verdict).savefig("verdict.png")
    """
    rows = [row for row in verdict.statistics if row.margin is not None and row.difference is not None]
    if not rows:
        raise StudyError("this verdict does not compare two simulators")
    figure = new_figure(6.5, 0.8 + 0.32 * len(rows))
    axes = figure.subplots()
    axes.axvspan(-1, 1, color=COLOURS[2], alpha=0.18, linewidth=0)
    axes.axvline(0, color=FAINT, linewidth=0.8)
    for place, row in enumerate(reversed(rows)):
        assert row.margin is not None  # by the choice of rows
        unit = math.log(row.margin) if row.scale == "log" else row.margin
        middle, low, high = (
            math.nan if value is None else (math.log(value) if row.scale == "log" else value) / unit
            for value in (row.difference, row.low, row.high)
        )
        colour = COLOURS[0] if row.decision == "equivalent" else MISSED
        axes.plot([low, high], [place, place], color=colour, linewidth=2)
        axes.plot(middle, place, "o", color=colour, markersize=5)
    axes.set_yticks(range(len(rows)), [row.name for row in reversed(rows)])
    reach = max(1.5, *(abs(edge) for edge in axes.get_xlim()))
    axes.set_xlim(-min(reach, FARTHEST), min(reach, FARTHEST))
    first, second = verdict.names
    axes.set_xlabel(f"{first} - {second}, in tolerances")
    axes.spines["left"].set_visible(False)
    axes.tick_params(left=False)
    return figure
