"""The sections that define what a network should do: objectives, constraints, and recordings."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import Field

from calibrate.study.file.base import Count, Duration, Name, Positive, Section, Several
from calibrate.study.file.conditions import ConditionName

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
    condition: ConditionName | None = Field(
        default=None, description="the condition in which it is measured; required if there are several"
    )


class ObjectiveSection(StatisticSection):
    """[[objectives]]: a statistic and the target that it should reach."""

    difference: list[ConditionName] | None = Field(
        default=None,
        min_length=2,
        max_length=2,
        description="instead of condition: the value in the first condition minus that in the second, on the "
        "same graph with the same seed",
    )

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
    population: Annotated[str, Field(min_length=1)] | dict[str, Label | list[Label]] = Field(
        default="E",
        description="population of the units, if the file does not name it; or the column that tells "
        'populations apart, and its values for each: { column = "cell_type", E = ["RS", "pyr"], I = "FS" }',
    )
    cluster: str | None = Field(
        default=None,
        min_length=1,
        description="column of the file whose values tell clusters apart (default: its column cluster)",
    )
    start_ms: float | None = Field(
        default=None,
        description="start of the analysed interval (ms; default: that of the file; if it names none, 0, or "
        "the first spike if the clock started earlier or later)",
    )
    duration_ms: Duration | None = Field(
        default=None, description="length of the analysed interval (ms; default: to its end)"
    )
    period: str | None = Field(
        default=None,
        min_length=1,
        description="only the intervals of this name in the file, such as epochs or trials (default: all)",
    )
    stimuli: Annotated[str, Field(min_length=1)] | dict[str, list[int]] | None = Field(
        default=None,
        description="intervals of the file in which a stimulus was presented, by their name; or a name for "
        "each stimulus with the clusters that receive it: { left = [0], right = [1] }",
    )
    units: dict[str, Label | list[Label] | dict[Literal["min", "max"], float]] | None = Field(
        default=None,
        description="units to use: for columns of the file, the value or values that a unit may have there, "
        'or the least and the most, such as { quality = "good", depth = { min = 300, max = 800 } } '
        "(default: all units)",
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


class RecordingsSection(RecordingSection):
    """[[recordings]]: one of several recordings, such as sessions or animals, that are pooled."""

    name: Name | None = Field(
        default=None, description="name of the recording (default: that of its file, without the ending)"
    )
    condition: Name | None = Field(
        default=None, description="the condition that it is data of (default: every condition)"
    )

    @property
    def called(self) -> str:
        """Its name."""
        return self.name or PurePath(self.file).stem


class ConstraintSection(StatisticSection):
    """[[constraints]]: bounds that a network must satisfy to be a solution at all."""

    min: float | None = Field(default=None, description="lowest value allowed, in the statistic's unit")
    max: float | None = Field(default=None, description="highest value allowed")
