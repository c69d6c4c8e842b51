"""Distributions over neurons and episodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from numpy.typing import NDArray

from calibrate.errors import ObservationError
from calibrate.figures.style import COLOURS, FAINT, MISSED, new_figure, styled
from calibrate.objective import Estimate, Statistic
from calibrate.objective.panel import measure
from calibrate.observation import Observation
from calibrate.results.results import Results
from calibrate.study.conditions import Condition, find_condition

KINDS = ("rate", "cv", "dwell_time")
MOST_A_ROW = 3
FEWEST_BINS, MOST_BINS = 8, 30


@dataclass(frozen=True, kw_only=True)
class _Panel:
    """The distribution of one statistic.

    samples    its values in the network, by label
    reference  the values that an objective compares them with; None if it compares their mean, or nothing
    source     where these come from
    aims       what their mean should be; both ends of an interval
    """

    statistic: Statistic
    samples: Mapping[str, NDArray[np.float64]]
    reference: NDArray[np.float64] | None
    source: str
    aims: Sequence[float]


@styled
def distributions_figure(
    results: Results,
    observations: Mapping[str, Sequence[Observation]],
    *,
    condition: str | None = None,
) -> Figure:
    """Draw the distributions over neurons and episodes: rates, CVs and dwell times of each population.

    Those that an objective compares with a distribution are drawn too, whatever they are of, over that
    distribution, which is filled. Targets of means are dashed lines.

    Parameters
    ----------
    results : Results
        Results of the study, which say the statistics and targets.
    observations : dict of str to sequence of Observation
        Observations of one network on several graphs, by a name for the legend, such as that of a simulator;
        their values are pooled.
    condition : str, optional
        Name of their condition; by default the first one of the study.

    Returns
    -------
    Figure
        A matplotlib figure.

    Raises
    ------
    ObservationError
        If no statistic has values for a distribution.
    StudyError
        If there is no such condition.

    Examples
    --------
    `study.toml` is a finished study:

    >>> from calibrate import distributions_figure, read_results, read_study
    >>> results = read_results(read_study("study.toml"))
    >>> shown = results.simulate(results.best.number).observation
    >>> distributions_figure(results, {"Poisson": [shown]}).savefig("distributions.png")
    """
    drawn = _panels(results, observations, find_condition(results.study, condition))
    columns = min(len(drawn), MOST_A_ROW)
    rows = -(-len(drawn) // columns)
    figure = new_figure(2.6 * columns, 2.1 * rows + 0.3)
    panels = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    # Rates come from whole numbers of spikes: every bin covers the same number of them, or the histogram
    # would look like a comb.
    durations_ms = [observation.duration_ms for graphs in observations.values() for observation in graphs]
    for axes, panel in zip(panels, drawn, strict=False):
        _draw(axes, panel, 1000 / min(durations_ms) if panel.statistic.unit == "Hz" else None)
    for axes in panels[len(drawn) :]:
        axes.set_visible(False)
    handles: dict[str, Artist] = {}
    for axes in panels[: len(drawn)]:
        artists, labels = axes.get_legend_handles_labels()
        handles |= dict(zip(labels, artists, strict=True))
    figure.legend(list(handles.values()), list(handles), loc="outside upper left", ncols=4)
    return figure


def _panels(
    results: Results, observations: Mapping[str, Sequence[Observation]], condition: Condition
) -> list[_Panel]:
    """The statistics that have a distribution everywhere. Raises ObservationError if there are none."""
    study = results.study
    targets = {objective.name: objective.target for objective in study.targeted}
    given = {
        objective.name: section.distribution
        for objective, section in zip(study.targeted, study.file.objectives, strict=True)
    }
    panels = []
    for statistic in condition.statistics:
        compared = statistic.compares
        whose = statistic if compared is None else compared.statistic
        if compared is None and not (whose.sample and _is_usual(whose.name)):
            continue
        samples = {
            label: _pool([measure(observation, [whose])[whose.name] for observation in graphs])
            for label, graphs in observations.items()
        }
        if not samples or any(values.size < 2 for values in samples.values()):
            continue
        name = condition.named(statistic.name)
        target, file = targets.get(name), given.get(name)
        panels.append(
            _Panel(
                statistic=whose,
                samples=samples,
                reference=None if compared is None else compared.reference,
                source=file if isinstance(file, str) else "target distribution",
                aims=[] if target is None or compared is not None else list(np.atleast_1d(target.aim)),
            )
        )
    if not panels:
        raise ObservationError("no statistic has a distribution to draw")
    return panels


def _is_usual(name: str) -> bool:
    return any(name == kind or name.startswith(f"{kind}_") for kind in KINDS)


def _draw(axes: Any, panel: _Panel, quantum: float | None) -> None:
    references = [] if panel.reference is None else [panel.reference]
    edges = _edges([*panel.samples.values(), *references], quantum)
    for reference in references:
        axes.hist(reference, edges, density=True, color=FAINT, alpha=0.45, label=panel.source)
    for colour, (label, sample) in zip(COLOURS, panel.samples.items(), strict=False):
        axes.hist(sample, edges, density=True, histtype="step", color=colour, linewidth=1.4, label=label)
    for aim in panel.aims:
        axes.axvline(aim, color=MISSED, linestyle="--", linewidth=1.2, label="target (mean)")
    axes.set_xlabel(panel.statistic.label)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def _pool(estimates: Sequence[Estimate]) -> NDArray[np.float64]:
    samples = [estimate.sample for estimate in estimates if estimate.sample is not None]
    return np.concatenate(samples) if samples else np.array([])


def _edges(samples: Sequence[NDArray[np.float64]], quantum: float | None) -> NDArray[np.float64]:
    """Edges of bins for all samples, as many as suit the smallest by Rice's rule."""
    values = np.concatenate(samples)
    low, high = float(values.min()), float(np.quantile(values, 0.995))
    bins = np.clip(2 * min(sample.size for sample in samples) ** (1 / 3), FEWEST_BINS, MOST_BINS)
    width = max((high - low) / bins, 1e-9)
    if quantum is not None:
        width = quantum * max(round(width / quantum), 1)
        low = (round(low / quantum) - 0.5) * quantum
    return np.asarray(low + width * np.arange(int(np.ceil((high - low) / width)) + 2), dtype=np.float64)
