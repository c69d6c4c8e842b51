"""A study: what is calibrated and how, read from a TOML file and checked before anything starts."""

from calibrate.study.file.samplers import AnySampler as Sampler
from calibrate.study.file.samplers import Bo, Cmaes, Gp, Grid, Nsga2, Qmc, Random, Tpe
from calibrate.study.identity import differences
from calibrate.study.reading import make_study, read_study
from calibrate.study.study import Study

__all__ = [
    "Bo",
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
    "make_study",
    "read_study",
]
