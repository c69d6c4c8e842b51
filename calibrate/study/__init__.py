"""A study: what is calibrated and how, read from a TOML file and checked before anything starts."""

from calibrate.study.study import AnySampler as Sampler
from calibrate.study.study import (
    Cmaes,
    Gp,
    Grid,
    Nsga2,
    Qmc,
    Random,
    Study,
    Tpe,
    differences,
    read_study,
)

__all__ = [
    "Cmaes",
    "Gp",
    "Grid",
    "Nsga2",
    "Qmc",
    "Random",
    "Sampler",
    "Study",
    "Tpe",
    "differences",
    "read_study",
]
