"""[sampler]: the samplers that a study file can name, with their options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from calibrate.study.file.base import (
    MANY,
    Count,
    Section,
    Several,
)


class SamplerSection(Section):
    """[sampler]: how parameter sets are proposed.

    title   what proposes them, as a paper names it; or what they are, if proposals do not depend on results
    learns  whether proposals depend on results
    models_statistics  whether proposals depend on the statistics of the trials, not only on their losses
    cites   key of its reference in reports; empty if there is none
    """

    title: ClassVar[str]
    learns: ClassVar[bool] = True
    models_statistics: ClassVar[bool] = False
    cites: ClassVar[str] = ""


class Tpe(SamplerSection):
    """[sampler] name = "tpe": tree-structured Parzen estimator, after space-filling points."""

    title: ClassVar[str] = "the tree-structured Parzen estimator"
    cites: ClassVar[str] = "tpe"

    name: Literal["tpe"] = Field(default="tpe", description="the sampler")
    startup: Count = Field(default=16, description="space-filling (Sobol) points before the estimator starts")
    candidates: Count = Field(default=24, description="points that the estimator compares for each proposal")
    history: Several = Field(
        default=500, description="number of trials that the estimator uses: the best and the latest"
    )
    multivariate: bool = Field(default=True, description="whether parameters are modelled jointly")


class Random(SamplerSection):
    """[sampler] name = "random": independent random points."""

    title: ClassVar[str] = "independent random draws"
    learns: ClassVar[bool] = False

    name: Literal["random"] = Field(default="random", description="the sampler")


class Grid(SamplerSection):
    """[sampler] name = "grid": every combination of the parameters' steps, points and choices, once."""

    title: ClassVar[str] = "points of a grid"
    learns: ClassVar[bool] = False

    name: Literal["grid"] = Field(default="grid", description="the sampler")


class Qmc(SamplerSection):
    """[sampler] name = "qmc": space-filling (Sobol) points throughout."""

    title: ClassVar[str] = "points of a scrambled Sobol sequence"
    learns: ClassVar[bool] = False
    cites: ClassVar[str] = "sobol"

    name: Literal["qmc"] = Field(default="qmc", description="the sampler")


class Nsga2(SamplerSection):
    """[sampler] name = "nsga2": genetic algorithm, after a population of space-filling points."""

    title: ClassVar[str] = "the genetic algorithm NSGA-II"
    cites: ClassVar[str] = "nsga2"

    name: Literal["nsga2"] = Field(default="nsga2", description="the sampler")
    population: Several = Field(
        default=20, description="number of trials that parents are chosen from: the best so far"
    )


class Cmaes(SamplerSection):
    """[sampler] name = "cmaes": covariance matrix adaptation with restarts, not for choices."""

    title: ClassVar[str] = "covariance matrix adaptation (CMA-ES)"
    cites: ClassVar[str] = "cmaes"

    name: Literal["cmaes"] = Field(default="cmaes", description="the sampler")
    startup: Count = Field(
        default=16,
        description="space-filling (Sobol) points, the best of which is the first mean",
    )
    population: int | None = Field(
        default=None,
        ge=3,
        le=MANY,
        description="number of trials per generation (default: 4 + 3 ln(number of parameters))",
    )


class Gp(SamplerSection):
    """[sampler] name = "gp": Gaussian process, after space-filling points; for a few hundred trials. It needs
    PyTorch, whose usual build is gigabytes large; the page "Install" says how to take the one for CPUs.
    """

    title: ClassVar[str] = "a Gaussian process and its expected improvement"
    cites: ClassVar[str] = "gp"

    name: Literal["gp"] = Field(default="gp", description="the sampler")
    startup: Count = Field(
        default=16, description="space-filling (Sobol) points before the process is fitted"
    )
    history: Several = Field(
        default=300,
        description="number of trials that the process is fitted to: the best and the latest",
    )


class Bo(SamplerSection):
    """[sampler] name = "bo": a Gaussian process for every statistic, after space-filling points."""

    title: ClassVar[str] = (
        "Thompson sampling from a Gaussian process for every statistic, from which the loss follows"
    )
    models_statistics: ClassVar[bool] = True
    cites: ClassVar[str] = "bo"

    name: Literal["bo"] = Field(default="bo", description="the sampler")
    startup: int | None = Field(
        default=None,
        ge=2,
        le=MANY,
        description="space-filling (Sobol) points before the processes are fitted (default: two per "
        "parameter, at least 8)",
    )
    history: Several = Field(
        default=300,
        description="number of trials that the processes are fitted to: the best and the latest",
    )


AnySampler = Tpe | Random | Grid | Qmc | Nsga2 | Cmaes | Gp | Bo
Sampler = Annotated[AnySampler, Field(discriminator="name")]
SAMPLERS: Mapping[str, type[AnySampler]] = {
    "tpe": Tpe,
    "random": Random,
    "grid": Grid,
    "qmc": Qmc,
    "nsga2": Nsga2,
    "cmaes": Cmaes,
    "gp": Gp,
    "bo": Bo,
}
