"""The look of all figures: one style, colours for every kind of colour vision, and file formats."""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from calibrate.errors import CalibrateError

# Okabe & Ito's colours, distinguishable with every kind of colour vision; one per population, in order.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MISSED = COLOURS[1]

# For text and axes. Pages replace it by their text colour, so that figures follow light and dark mode.
INK = "#21262b"
FAINT = "#8a929a"
# Resolution of figures on a page.
PIXELS_PER_INCH = 120

_STYLE: dict[Any, Any] = {
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "image.cmap": "cividis",
    "svg.fonttype": "none",
}

Arguments = ParamSpec("Arguments")


class _Figure(Figure):
    """A figure that notebooks display without pyplot."""

    def _repr_png_(self) -> bytes:
        return png(self, dpi=100)


def styled(draw: Callable[Arguments, Figure]) -> Callable[Arguments, Figure]:
    """Make `draw` use our style, whatever the user's settings are."""

    @functools.wraps(draw)
    def draw_in_style(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Figure:
        with mpl.rc_context({**mpl.rcParamsDefault, **_STYLE}):
            return draw(*args, **kwargs)

    return draw_in_style


def new_figure(width: float, height: float) -> Figure:
    """Create an empty figure (in inches) without pyplot, which would keep a reference to it."""
    figure = _Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write `figure` to `path` in the format of its suffix: .png, .pdf, .svg, ... Raises CalibrateError."""
    check_path(path)
    try:
        with mpl.rc_context({"svg.fonttype": "none"}):
            figure.savefig(path, dpi=200)
    except OSError as error:
        raise CalibrateError(f"cannot write the figure {path}: {error.strerror}") from None


def check_path(path: Path) -> None:
    """Raise CalibrateError if a figure cannot be written to `path`."""
    formats = sorted(FigureCanvasAgg.get_supported_filetypes())
    if path.suffix.lower().lstrip(".") not in formats:
        raise CalibrateError(
            f"unknown format of figure '{path.name}': its name must end in .{', .'.join(formats)}"
        )
    if not path.parent.is_dir():
        raise CalibrateError(f"there is no folder {path.parent} for the figure {path.name}")


def png(figure: Figure, *, dpi: int = 120) -> bytes:
    """Return `figure` as the content of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def svg(figure: Figure, name: str) -> str:
    """Return `figure` as an <svg> element for a page: transparent, with text in the page's font and colour.

    name  prefix of all its ids, so that one page can contain several figures
    """
    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, dpi=150, metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    seen: dict[str, int] = {}

    def unique(match: re.Match[str]) -> str:
        # Identical images have the same id; a repeated one gets a number.
        seen[match[1]] = seen.get(match[1], 0) + 1
        return f'id="{name}-{match[1]}' + (f"-{seen[match[1]]}" if seen[match[1]] > 1 else "") + '"'

    text = re.sub(r'\bid="([^"]*)"', unique, text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    text = re.sub(r'href="#', f'href="#{name}-', text)
    text = re.sub(r"font: ([^;\"]*?)px [^;\"]*", r"font-size: \1px", text)
    # As wide as the page, but with letters no larger than those of the text.
    width = f"{figure.get_figwidth() * PIXELS_PER_INCH:.0f}px"
    size = f'style="max-width: {width}; min-width: min(34rem, {width})"'
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', rf"\1 {size}", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    return text.replace(INK, "currentColor")
