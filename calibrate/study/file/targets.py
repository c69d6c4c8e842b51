"""The sections that say what a network should do: objectives, constraints, and a recording."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from calibrate.study.file.base import Duration, Name, Positive, Section, Several

# What an objective says in place of numbers to mean those of the recording.
RECORDING = "recording"


class StatisticSection(Section):
    """What objectives and constraints say of their statistic."""

    statistic: str = Field(min_length=1, description='an installed statistic, or your own as "file.py:name"')
    name: Name | None = Field(default=None, description="what to call it (default: the statistic's name)")
    options: dict[str, Any] = Field(default_factory=dict, description="options of the statistic")
    clusters: list[int] | None = Field(
        default=None,
        min_length=1,
        description="numbers, from 0, of the clusters of its population to look at",
    )
    during_ms: list[float] | None = Field(
        default=None,
        min_length=2,
        max_length=2,
        description="[from, to]: the part of the measurement to look at, from its start",
    )


class ObjectiveSection(StatisticSection):
    """[[objectives]]: a statistic and the target that it should reach."""

    target: float | Literal["recording"] | None = Field(
        default=None,
        description='the value to reach, in the unit of the statistic; or "recording": its value there, with '
        "twice its bootstrap error as the default tolerance",
    )
    interval: list[float] | None = Field(
        default=None, min_length=2, max_length=2, description="[low, high]: any value between is as good"
    )
    distribution: str | list[float] | None = Field(
        default=None,
        description="compare the values of all neurons (or episodes) that the statistic is the mean of: with "
        'those in a file of one number a line, with a list of numbers, or with the "recording"; the target '
        "is a distance of 0",
    )
    distance: Literal["wasserstein", "ks"] = Field(
        default="wasserstein",
        description="between distributions: Wasserstein's, in the statistic's unit, or Kolmogorov-Smirnov's",
    )
    tolerance: Positive | None = Field(
        default=None,
        description="deviation that still counts as reached; needed for all but a recording",
    )
    loss: Literal["squared", "robust"] = Field(
        default="squared",
        description="robust: beyond the tolerance the loss grows linearly with the deviation (Huber)",
    )
    neurons: Several | None = Field(
        default=None,
        description="compute it from so many neurons of each population, drawn at random, as were recorded",
    )
    samples: Several = Field(
        default=20,
        description="how often `neurons` are drawn; the statistic is the mean over the draws",
    )
    weight: float = Field(
        default=1.0, gt=0, le=1e12, description="weight of its loss in the mean over objectives"
    )
    source: str = Field(default="", description="where the target comes from")
    standard_error: float | None = Field(
        default=None,
        ge=0,
        description="of the statistic in one trial, where you know it better than the estimate",
    )


class RecordingSection(Section):
    """[recording]: a file of recorded spikes that objectives compare with."""

    file: str = Field(
        min_length=1,
        description="CSV (columns time_ms, unit), NPZ, NWB, or what neo reads; from the study file's folder",
    )
    population: str = Field(
        default="E", min_length=1, description="name of the units' population, where the file gives none"
    )
    start_ms: float | None = Field(default=None, description="where to begin (ms; default: at its start)")
    duration_ms: Duration | None = Field(
        default=None, description="how long to look at it (ms; default: to its end)"
    )


class ConstraintSection(StatisticSection):
    """[[constraints]]: bounds that a network must keep to be a solution at all."""

    min: float | None = Field(default=None, description="lowest value allowed, in the statistic's unit")
    max: float | None = Field(default=None, description="highest value allowed")
