"""Distributions over neurons and episodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from numpy.typing import NDArray

from calibrate.errors import ObservationError
from calibrate.figures.style import COLOURS, MISSED, new_figure, styled
from calibrate.objective import Estimate
from calibrate.objective.panel import measure
from calibrate.observation import Observation
from calibrate.results.results import Results

KINDS = ("rate", "cv", "dwell_time")
MOST_A_ROW = 3
BINS = 30


@styled
def distributions_figure(results: Results, observations: Mapping[str, Sequence[Observation]]) -> Figure:
    """Draw the distributions over neurons and episodes: rates, CVs and dwell times of each population.

    Targets are dashed lines.

    Parameters
    ----------
    results : Results
        Results of the study, which say the statistics and targets.
    observations : dict of str to sequence of Observation
        Observations of one network on several graphs, by a name for the legend, such as that of a simulator;
        their values are pooled.

    Returns
    -------
    Figure
        A matplotlib figure.

    Raises
    ------
    ObservationError
        If no statistic has values for a distribution.

    Examples
    --------
    `study.toml` is a finished study:

    >>> from calibrate import distributions_figure, read_results, read_study
    >>> results = read_results(read_study("study.toml"))
    >>> shown = results.simulate(results.best.number).observation
    >>> distributions_figure(results, {"Poisson": [shown]}).savefig("distributions.png")
    """
    targets = {objective.name: objective.target for objective in results.study.objectives}
    samples = _samples(results, observations)
    statistics = [one for one in results.study.statistics if one.name in samples]
    columns = min(len(statistics), MOST_A_ROW)
    rows = -(-len(statistics) // columns)
    figure = new_figure(2.6 * columns, 2.1 * rows + 0.3)
    panels = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axes, statistic in zip(panels, statistics, strict=False):
        values = samples[statistic.name]
        every = np.concatenate(list(values.values()))
        # Rates come from whole numbers of spikes: every bin covers the same number of them, or the histogram
        # would look like a comb.
        durations_ms = [observation.duration_ms for graphs in observations.values() for observation in graphs]
        edges = _edges(every, 1000 / min(durations_ms) if statistic.unit == "Hz" else None)
        for colour, (label, sample) in zip(COLOURS, values.items(), strict=False):
            axes.hist(sample, edges, density=True, histtype="step", color=colour, linewidth=1.4, label=label)
        target = targets.get(statistic.name)
        for aim in () if target is None else np.atleast_1d(target.aim):
            axes.axvline(aim, color=MISSED, linestyle="--", linewidth=1.2, label="target (mean)")
        axes.set_xlabel(f"{statistic.name} ({statistic.unit})" if statistic.unit else statistic.name)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
    for axes in panels[len(statistics) :]:
        axes.set_visible(False)
    handles: dict[str, Artist] = {}
    for axes in panels[: len(statistics)]:
        artists, labels = axes.get_legend_handles_labels()
        handles |= dict(zip(labels, artists, strict=True))
    figure.legend(list(handles.values()), list(handles), loc="outside upper left", ncols=4)
    return figure


def _samples(
    results: Results, observations: Mapping[str, Sequence[Observation]]
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """The values of each statistic that has a distribution everywhere, by label. Raises ObservationError."""
    statistics = [
        statistic
        for statistic in results.study.statistics
        if statistic.sample
        and any(statistic.name == kind or statistic.name.startswith(f"{kind}_") for kind in KINDS)
    ]
    estimates = {
        label: [measure(observation, statistics) for observation in graphs]
        for label, graphs in observations.items()
    }
    samples = {
        statistic.name: {
            label: _pool([of_graph[statistic.name] for of_graph in graphs])
            for label, graphs in estimates.items()
        }
        for statistic in statistics
    }
    drawable = {
        name: by_label
        for name, by_label in samples.items()
        if all(values.size > 1 for values in by_label.values())
    }
    if not drawable or not observations:
        raise ObservationError("no statistic has a distribution to draw")
    return drawable


def _pool(estimates: Sequence[Estimate]) -> NDArray[np.float64]:
    samples = [estimate.sample for estimate in estimates if estimate.sample is not None]
    return np.concatenate(samples) if samples else np.array([])


def _edges(values: NDArray[np.float64], quantum: float | None) -> NDArray[np.float64]:
    low, high = float(values.min()), float(np.quantile(values, 0.995))
    width = max((high - low) / BINS, 1e-9)
    if quantum is not None:
        width = quantum * max(round(width / quantum), 1)
        low = (round(low / quantum) - 0.5) * quantum
    return np.asarray(low + width * np.arange(int(np.ceil((high - low) / width)) + 2), dtype=np.float64)
