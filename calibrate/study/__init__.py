"""A study: what is calibrated and how, read from a TOML file and checked before anything starts."""

from calibrate.study.study import Grid, Random, Sampler, Study, Tpe, differences, read_study

__all__ = ["Grid", "Random", "Sampler", "Study", "Tpe", "differences", "read_study"]
