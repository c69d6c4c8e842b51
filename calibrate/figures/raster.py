"""The raster of a network, sorted by cluster, above the rates of its clusters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from calibrate.errors import ObservationError
from calibrate.figures.style import COLOURS, INK, new_figure, styled
from calibrate.observation import Observation, UpStates

MOST_ROWS = 2000
BIN_MS = 5.0
SMOOTHING_MS = 25.0

# Of the names of populations.
FONT_PT = 9.0
LINE_SPACING = 1.25
WIDTH_OF_LETTER = 0.75  # of a bold capital, in font sizes
POINTS_PER_INCH = 72


@styled
def raster_figure(observation: Observation, *, up_states: UpStates | None = None) -> Figure:
    """Draw all spikes, neurons ordered by population and cluster, over the rate of each cluster.

    Parameters
    ----------
    observation : Observation
        What the network showed.
    up_states : UpStates, optional
        Up-states of the first population, to be outlined among the rates.

    Returns
    -------
    Figure
        A matplotlib figure. Time is in s from the start of the measurement; rates are in Hz, in bins of about
        5 ms, smoothed with a Gaussian of 25 ms. Stimuli are shaded.

    Raises
    ------
    ObservationError
        If the observation holds no spikes.

    Examples
    --------
    >>> from calibrate import observe_trains, raster_figure
    >>> observation = observe_trains([[12.0, 31.0], [40.0]], duration_ms=100.0)
    >>> raster_figure(observation).savefig("raster.png")
    """
    if observation.spikes is None:
        raise ObservationError("a raster needs spikes, but this observation contains only counts")
    figure = new_figure(8, 6)
    raster, rates = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    _draw_raster(raster, observation)
    _finish(figure, rates, observation, up_states)
    return figure


@styled
def rates_figure(observation: Observation, *, up_states: UpStates | None = None) -> Figure:
    """Draw the rate of each cluster over time, as `raster_figure` does; it needs no spikes.

    Parameters
    ----------
    observation : Observation
        What the network showed.
    up_states : UpStates, optional
        Up-states of the first population, to be outlined.

    Returns
    -------
    Figure
        A matplotlib figure.

    Examples
    --------
    >>> from calibrate import observe_trains, rates_figure
    >>> observation = observe_trains([[12.0, 31.0], [40.0]], duration_ms=100.0, clusters=2)
    >>> rates_figure(observation).savefig("rates.png")
    """
    figure = new_figure(8, 2.6)
    _finish(figure, figure.subplots(), observation, up_states)
    return figure


def _finish(figure: Figure, rates: Any, observation: Observation, up_states: UpStates | None) -> None:
    layout = observation.layout
    if len(layout.groups) > len(layout.populations):
        image = _draw_rate_map(rates, observation)
        figure.colorbar(image, ax=rates, label="rate (Hz)", pad=0.01)
        if up_states is not None:
            _outline(rates, up_states)
    else:
        _draw_rates(rates, observation)
    for stimulus in observation.presentations:
        start_s, stop_s = stimulus.start_ms / 1000, stimulus.stop_ms / 1000
        rates.axvspan(start_s, stop_s, ymin=0.98, color=INK, linewidth=0, label="_stimulus")
    rates.set_xlabel("time (s)")
    rates.set_xlim(0, observation.duration_ms / 1000)


def _outline(axes: Any, states: UpStates) -> None:
    """Draw boxes around the up-states; every cluster of the first population is a row."""
    for cluster, start, stop in zip(states.cluster, states.start, states.stop, strict=True):
        box = (start * states.bin_ms / 1000, cluster - 0.45)
        width = (stop - start) * states.bin_ms / 1000
        axes.add_patch(Rectangle(box, width, 0.9, fill=False, edgecolor="white", linewidth=1.0))


def _draw_raster(axes: Any, observation: Observation) -> None:
    spikes, layout = observation.spikes, observation.layout
    assert spikes is not None  # checked by the caller
    every = -(-layout.n_neurons // MOST_ROWS)
    time_s = (spikes.step + 1) * observation.dt_ms / 1000
    size = 72 * 4 / (layout.n_neurons / every)  # the height of a row, limited below
    for colour, population in zip(_colours(observation), layout.populations, strict=True):
        rows = layout.neurons_of(population)
        chosen = (spikes.neuron >= rows.start) & (spikes.neuron < rows.stop) & (spikes.neuron % every == 0)
        axes.plot(
            time_s[chosen],
            spikes.neuron[chosen],
            linestyle="none",
            marker="|",
            markersize=min(max(size, 1.0), 6.0),
            markeredgewidth=0.5,
            color=colour,
            rasterized=True,
        )
    for group in layout.groups[1:]:
        axes.axhline(group.start - 0.5, color="0.8", linewidth=0.4, zorder=0)
    _label_populations(axes, observation, [layout.neurons_of(name) for name in layout.populations])
    axes.set_ylabel("neuron" if every == 1 else f"neuron (1 in {every} shown)")
    axes.set_ylim(-0.5, layout.n_neurons - 0.5)


def _draw_rate_map(axes: Any, observation: Observation) -> Any:
    layout, bin_ms = observation.layout, _bin_ms(observation)
    rates = np.concatenate([_rates(observation, population) for population in layout.populations])
    image = axes.imshow(
        rates,
        aspect="auto",
        origin="lower",
        interpolation="nearest",
        cmap="cividis",
        vmin=0,
        extent=(0, rates.shape[1] * bin_ms / 1000, -0.5, len(layout.groups) - 0.5),
    )
    _label_populations(axes, observation, [layout.groups_of(name) for name in layout.populations])
    axes.set_ylabel("cluster")
    return image


def _draw_rates(axes: Any, observation: Observation) -> None:
    bin_ms = _bin_ms(observation)
    for colour, population in zip(_colours(observation), observation.layout.populations, strict=True):
        rates = _rates(observation, population)[0]
        axes.plot((np.arange(rates.size) + 0.5) * bin_ms / 1000, rates, color=colour, label=population)
    axes.set_ylabel("rate (Hz)")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, loc="upper right")


def _rates(observation: Observation, population: str) -> NDArray[np.float64]:
    """Return the smoothed rate of each cluster of `population` (Hz), shape (clusters, bins)."""
    bin_ms = _bin_ms(observation)
    counts = observation.group_counts(population, bin_ms)
    rates = counts / observation.group_sizes(population)[:, None] / (bin_ms / 1000)
    width = SMOOTHING_MS / bin_ms
    reach = min(int(4 * width), (rates.shape[1] - 1) // 2)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    # Near the ends, only part of the kernel lies within the measurement.
    inside = np.convolve(np.ones(rates.shape[1]), kernel, mode="same")
    return np.array([np.convolve(row, kernel, mode="same") / inside for row in rates])


def _bin_ms(observation: Observation) -> float:
    return observation.bin_ms * max(round(BIN_MS / observation.bin_ms), 1)


def _colours(observation: Observation) -> list[str]:
    return [COLOURS[k % len(COLOURS)] for k in range(len(observation.layout.populations))]


def _label_populations(axes: Any, observation: Observation, rows: list[slice]) -> None:
    names = observation.layout.populations
    n_rows = rows[-1].stop
    inches = axes.figure.get_figheight() * axes.get_position().height
    line = n_rows * FONT_PT * LINE_SPACING / POINTS_PER_INCH / inches  # its height, in rows
    scale = min(1.0, n_rows / (line * len(names)))  # so that all labels fit one above the other
    middles = [(span.start + span.stop - 1) / 2 for span in rows]
    places = _spread(middles, line * scale, low=-0.5, high=n_rows - 0.5)
    for colour, population, place in zip(_colours(observation), names, places, strict=True):
        axes.text(
            -0.01, place, population, color=colour, fontweight="bold", ha="right", va="center",
            fontsize=FONT_PT * scale, transform=axes.get_yaxis_transform(),
        )  # fmt: skip
    for span in rows[1:]:
        axes.axhline(span.start - 0.5, color="0.3", linewidth=0.8)
    axes.set_yticks([])
    axes.yaxis.labelpad = FONT_PT * scale * WIDTH_OF_LETTER * max(map(len, names)) + 11


def _spread(places: Sequence[float], gap: float, *, low: float, high: float) -> list[float]:
    """Move labels at ascending places apart, to a distance of `gap`, between `low` and `high`."""
    spread: list[float] = []
    for place in places:
        spread.append(max(place, spread[-1] + gap if spread else low + gap / 2))
    highest = high - gap / 2
    for k in range(len(spread) - 1, -1, -1):
        spread[k] = min(spread[k], highest)
        highest = spread[k] - gap
    return spread
