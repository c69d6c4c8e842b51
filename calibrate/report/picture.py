"""A figure of the report."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.figure import Figure

from calibrate.figures.style import svg


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure with its caption, and a text alternative for readers who cannot see it."""

    name: str
    figure: Figure
    caption: str
    alt: str

    @property
    def svg(self) -> str:
        return svg(self.figure, self.name)
