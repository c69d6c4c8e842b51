"""Figures of results: each function takes results and returns a matplotlib figure, all in the same style."""

from calibrate.figures.distributions import distributions_figure
from calibrate.figures.importance import importance_figure
from calibrate.figures.ladder import ladder_figure
from calibrate.figures.looseness import looseness_figure
from calibrate.figures.maps import map_figure
from calibrate.figures.posterior import posterior_figure, predictive_figure
from calibrate.figures.raster import raster_figure, rates_figure
from calibrate.figures.scaling import scaling_figure
from calibrate.figures.search import front_figure, history_figure, slices_figure
from calibrate.figures.verdict import verdict_figure

__all__ = [
    "distributions_figure",
    "front_figure",
    "history_figure",
    "importance_figure",
    "ladder_figure",
    "looseness_figure",
    "map_figure",
    "posterior_figure",
    "predictive_figure",
    "raster_figure",
    "rates_figure",
    "scaling_figure",
    "slices_figure",
    "verdict_figure",
]
