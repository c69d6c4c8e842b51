"""A network against the bits of its weights."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, StrMethodFormatter

from calibrate.calibration.hardening.hardening import Hardening
from calibrate.figures.style import COLOURS, FAINT, INK, new_figure, styled

# Losses below are drawn here: they are all far within the tolerances.
LEAST_LOSS = 1e-2

_DASHES = {"between": (0, (4, 1.5))}


@styled
def ladder_figure(hardening: Hardening) -> Figure:
    """Draw loss and targets met against the bits of the weights, of all projections and of each alone.

    Parameters
    ----------
    hardening : Hardening
        Hardening of a trial.

    Returns
    -------
    Figure
        A matplotlib figure. A marker is filled where every target is kept; the dotted line is the network as
        it was.

    Examples
    --------
    >>> from calibrate import harden, ladder_figure, read_study
    >>> found = harden(read_study("study.toml"), 0, target="custom", bits=[8, 6], chips=4, progress=False)
    >>> ladder_figure(found).savefig("ladder.png")
    """
    ladder = hardening.ladder
    figure = new_figure(7.2, 3.6)
    loss, met = figure.subplots(1, 2)
    loss.axhline(max(ladder.exact.loss, LEAST_LOSS), color=FAINT, linewidth=1, linestyle=":")
    met.axhline(ladder.exact.met, color=FAINT, linewidth=1, linestyle=":")
    pairs = list(dict.fromkeys(_ends(name)[0] for name in ladder.projections if name is not None))
    places = {bits: place for place, bits in enumerate(ladder.bits)}
    for name in reversed(ladder.projections):  # all projections last, on top
        rungs = ladder.of(name)
        x = [places[rung.bits] for rung in rungs if rung.bits is not None]
        pair, part = ("", "all") if name is None else _ends(name)
        colour = INK if name is None else COLOURS[pairs.index(pair) % (len(COLOURS) - 1)]
        line = {
            "color": colour,
            "linewidth": 1.8 if name is None else 1.1,
            "linestyle": _DASHES.get(part, "-"),
        }
        kept = [ladder.keeps(rung) for rung in rungs]
        for axes, heights in (
            (loss, [max(rung.loss, LEAST_LOSS) for rung in rungs]),
            (met, [rung.met for rung in rungs]),
        ):
            axes.plot(x, heights, label=name or "all projections", **line)
            for filled in (True, False):
                points = [k for k, one in enumerate(kept) if one == filled]
                axes.plot(
                    [x[k] for k in points],
                    [heights[k] for k in points],
                    "o",
                    color=colour,
                    markersize=4.5,
                    markerfacecolor=colour if filled else "white",
                )
    loss.set_yscale("log")
    loss.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    loss.yaxis.set_minor_formatter(NullFormatter())
    loss.set_ylabel("loss")
    met.set_ylabel("targets met")
    met.set_yticks(range(ladder.targets + 1))
    for axes in (loss, met):
        axes.set_xticks(range(len(places)), [str(bits) for bits in places])
        axes.set_xlabel("bits of a weight")
    handles, labels = loss.get_legend_handles_labels()
    figure.legend(
        handles[::-1], labels[::-1], loc="outside upper left", ncols=3, fontsize=8, handlelength=2.4
    )
    return figure


def _ends(projection: str) -> tuple[str, str]:
    """The populations of a projection, and its part."""
    pair, _, part = projection.rpartition("_")
    return pair, part
