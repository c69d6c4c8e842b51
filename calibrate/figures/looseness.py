"""How well the targets determine the parameters."""

from __future__ import annotations

from matplotlib.figure import Figure

from calibrate.errors import StudyError
from calibrate.figures.style import COLOURS, FAINT, MISSED, new_figure, styled
from calibrate.results.results import Results
from calibrate.study.space import Range


@styled
def looseness_figure(results: Results) -> Figure:
    """Draw the interval in which each parameter can move until the loss has grown by 1, and the best trial.

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
        If there are too few trials near the targets.

    Examples
    --------
    `study.toml` is a finished study:

    >>> from calibrate import looseness_figure, read_results, read_study
    >>> looseness_figure(read_results(read_study("study.toml"))).savefig("looseness.png")
    """
    loose, best = results.looseness, results.best
    if loose is None or best is None:
        raise StudyError("there are too few trials near the targets to determine the looseness of parameters")
    figure = new_figure(6.5, 0.7 + 0.4 * len(loose.parameters))
    axes = figure.subplots()
    names = list(loose.parameters)
    for row, name in enumerate(reversed(names)):
        domain = results.study.space[name]
        assert isinstance(domain, Range)  # choices have no looseness
        low, high = (domain.quantile(value) for value in loose.parameters[name])
        axes.plot([0, 1], [row, row], color=FAINT, linewidth=1)
        axes.plot([low, high], [row, row], color=COLOURS[0], linewidth=7, solid_capstyle="butt")
        axes.plot(domain.quantile(best.params[name]), row, "*", color=MISSED, markersize=11)
        axes.text(-0.01, row - 0.32, f"{domain.ends[0]:g}", ha="left", va="center", fontsize=7)
        axes.text(1.01, row - 0.32, f"{domain.ends[1]:g}", ha="right", va="center", fontsize=7)
    axes.set_yticks(range(len(names)), names[::-1])
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.6, len(names) - 0.6)  # the labels of a single row would otherwise lie outside
    axes.set_xticks([])
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(left=False)
    axes.set_xlabel("line: whole range; bar: the loss grows by less than 1; star: best trial")
    return figure
