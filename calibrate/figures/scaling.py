"""How simulation time and memory grow with the size of the network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, StrMethodFormatter

from calibrate.calibration.resources.measurement import Measurement
from calibrate.calibration.resources.scaling import Growth, PowerLaw, Scaling
from calibrate.errors import StudyError
from calibrate.figures.style import COLOURS, FAINT, new_figure, styled

GIB = 2**30
# Fits are extended to the real-time limit if it is within this factor of the measured sizes.
FARTHEST = 4.0


@styled
def scaling_figure(found: Scaling) -> Figure:
    """Draw the real-time factor and memory against the number of neurons, with fitted power laws.

    Parameters
    ----------
    found : Scaling
        Measurements of `scale`.

    Returns
    -------
    Figure
        A matplotlib figure. Fits are dashed where they are extrapolated; a diamond is the largest network in
        real time; bars are the range of the repeats.

    Raises
    ------
    StudyError
        If nothing was measured.

    Examples
    --------
    >>> from calibrate import read_study, scale, scaling_figure
    >>> found = scale(read_study("study.toml"), [500, 1000], backends=["poisson"], duration_ms=10_000.0)
    >>> scaling_figure(found).savefig("scaling.png")
    """
    if not found.measurements:
        raise StudyError("no size was measured, so there is nothing to draw")
    figure = new_figure(7.2, 3.2)
    time, memory = figure.subplots(1, 2)
    time.axhline(1, color=FAINT, linewidth=1, linestyle=":")
    time.annotate(
        "real time", (0, 1), xycoords=("axes fraction", "data"), xytext=(4, 2), textcoords="offset points",
        color=FAINT, fontsize=8,
    )  # fmt: skip
    growth = {(fit.backend, fit.batch_size): fit for fit in found.growth}
    curves = dict.fromkeys((point.backend, point.batch_size) for point in found.measurements)
    for number, curve in enumerate(curves):
        points = [point for point in found.measurements if (point.backend, point.batch_size) == curve]
        colour = COLOURS[number % len(COLOURS)]
        _draw(time, memory, points, growth.get(curve), colour)
    time.set_ylabel("real-time factor")
    memory.set_ylabel("memory (GiB)")
    for axes in (time, memory):
        _set_log_scales(axes)
        axes.set_xlabel("neurons")
        axes.tick_params(labelsize=8)
        axes.legend(fontsize=8, loc="lower left", bbox_to_anchor=(-0.02, 1), handletextpad=0.1)
    return figure


def _draw(time: Any, memory: Any, points: Sequence[Measurement], growth: Growth | None, colour: str) -> None:
    neurons = [point.neurons for point in points]
    factors = [point.real_time_factor for point in points]
    gibibytes = [point.memory_bytes / GIB for point in points]
    name = f"{points[0].simulator['name']}, {points[0].simulator['device']}"
    if points[0].batch_size > 1:
        name += f", {points[0].batch_size} at once"
    of_time = f"{name}: {_law(growth.time)}" if growth else name
    of_memory = f"{name}: {_law(growth.memory)}" if growth else name
    lowest, highest = zip(*((min(point.factors), max(point.factors)) for point in points), strict=True)
    time.vlines(neurons, lowest, highest, colour)
    time.plot(neurons, factors, "o", color=colour, markersize=4.5, label=of_time)
    memory.plot(neurons, gibibytes, "o", color=colour, markersize=4.5, label=of_memory)
    if growth is None:
        return
    ends = min(neurons), max(neurons)
    _line(time, growth.time, ends, colour)
    _line(memory, growth.memory, ends, colour, unit=GIB)
    limit = growth.real_time_neurons
    if limit is not None and ends[0] / FARTHEST <= limit <= ends[1] * FARTHEST:
        if growth.extrapolated:
            nearest = min(ends, key=lambda end: abs(end - limit))
            _line(time, growth.time, (nearest, limit), colour, linestyle="--")
        time.plot(limit, 1, "D", color=colour, markersize=5.5, markerfacecolor="white", zorder=3)


def _line(
    axes: Any, law: PowerLaw, ends: tuple[float, float], colour: str, *, unit: float = 1, linestyle: str = "-"
) -> None:
    neurons = np.array(ends)
    axes.plot(neurons, law.at(neurons) / unit, color=colour, linewidth=1.2, linestyle=linestyle)


def _law(law: PowerLaw) -> str:
    error = "" if law.error is None else rf" \pm {law.error:.2f}"
    return f"$n^{{{law.exponent:.2f}{error}}}$"


def _set_log_scales(axes: Any) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        low, high = axis.get_view_interval()
        # The fewer decades there are, the more ticks each one has.
        steps = (1,) if high > 300 * low else (1, 2, 5) if high > 6 * low else (1, 1.5, 2, 3, 5, 7)
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        ticks = [step * 10.0**decade for decade in decades for step in steps]
        axis.set_ticks([tick for tick in ticks if low <= tick <= high])
        axis.set_major_formatter(StrMethodFormatter("{x:,g}"))
        axis.set_minor_formatter(NullFormatter())
        axis.set_view_interval(low, high, ignore=True)
