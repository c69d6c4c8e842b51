"""The sections that define what a network should do: objectives, constraints, and a recording."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from calibrate.study.file.base import Count, Duration, Name, Positive, Section, Several

Label = str | int | float | bool

# Refers to the values in the recording, in place of numbers.
RECORDING = "recording"


class StatisticSection(Section):
    """The keys that define the statistic of an objective or constraint."""

    statistic: str = Field(min_length=1, description='an installed statistic, or your own as "file.py:name"')
    name: Name | None = Field(
        default=None, description="name of the objective or constraint (default: that of the statistic)"
    )
    options: dict[str, Any] = Field(default_factory=dict, description="options of the statistic")
    clusters: list[int] | None = Field(
        default=None,
        min_length=1,
        description="numbers, from 0, of the clusters of its population to include",
    )
    during_ms: list[float] | None = Field(
        default=None,
        min_length=2,
        max_length=2,
        description="[from, to]: the part of the measurement to analyse, in ms from its start",
    )


class ObjectiveSection(StatisticSection):
    """[[objectives]]: a statistic and the target that it should reach."""

    target: float | Literal["recording"] | None = Field(
        default=None,
        description='the value to reach, in the unit of the statistic; or "recording": its value in the '
        "recording, in pieces as long as a simulation",
    )
    interval: list[float] | None = Field(
        default=None,
        min_length=2,
        max_length=2,
        description="[low, high]: all values in between are equally good",
    )
    distribution: str | list[float] | None = Field(
        default=None,
        description="compare the values of all neurons (or episodes) whose mean is the statistic with those "
        'in a file of one number per line, with a list of numbers, or with the "recording"; the target is a '
        "distance of 0",
    )
    distance: Literal["wasserstein", "ks"] = Field(
        default="wasserstein",
        description="of distributions: Wasserstein, in the unit of the statistic, or Kolmogorov-Smirnov",
    )
    tolerance: Positive | None = Field(
        default=None,
        description="largest deviation that meets the target; required unless the target is recorded: then "
        "two standard errors, of the recording or of one trial (`standard_error`), whichever is larger",
    )
    loss: Literal["squared", "robust"] = Field(
        default="squared",
        description="robust: beyond the tolerance the loss grows linearly with the deviation (Huber)",
    )
    neurons: Several | None = Field(
        default=None,
        description="compute it from this many random neurons of each population (of its `clusters`), as "
        "many as were recorded",
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
        description="standard error of the statistic in one trial, if you know it; by default, "
        "`calibrate check` measures it",
    )

    @property
    def is_recorded(self) -> bool:
        """Whether it compares with the recording."""
        return RECORDING in (self.target, self.distribution)


class RecordingSection(Section):
    """[recording]: a file of recorded spikes for objectives to compare with."""

    file: str = Field(
        min_length=1,
        description="spike times: text, NPZ, MATLAB, NWB, files of NEST, the folder of a spike sorter, or "
        "one of neo's formats; in the study's folder",
    )
    population: str = Field(
        default="E", min_length=1, description="population of the units, if the file does not name it"
    )
    start_ms: float | None = Field(
        default=None,
        description="start of the analysed interval (ms; default: that of the file; if it names none, 0, or "
        "the first spike if the clock started earlier or later)",
    )
    duration_ms: Duration | None = Field(
        default=None, description="length of the analysed interval (ms; default: to its end)"
    )
    units: dict[str, Label | list[Label]] | None = Field(
        default=None,
        description="units to use: for columns of the file, the value or values that a unit may have there, "
        'such as { quality = "good" } (default: all units)',
    )
    time_unit: Literal["s", "ms"] | None = Field(
        default=None, description="unit of the times, for files that do not say it"
    )
    sampling_rate_hz: Positive | None = Field(
        default=None,
        description="how many samples, or steps of a simulation, a second has, for files that count time in "
        "them and do not say it",
    )
    columns: dict[str, str] | None = Field(
        default=None,
        description="what the file calls the time and the unit of each spike, if that is not clear, such as "
        '{ time = "ts", unit = "clu" }',
    )
    n_units: Count | dict[str, Count] | None = Field(
        default=None,
        description="number of units, for files that list only those that fired; of several populations, of "
        "each, such as { E = 400, I = 100 }",
    )


class ConstraintSection(StatisticSection):
    """[[constraints]]: bounds that a network must satisfy to be a solution at all."""

    min: float | None = Field(default=None, description="lowest value allowed, in the statistic's unit")
    max: float | None = Field(default=None, description="highest value allowed")
