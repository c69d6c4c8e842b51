"""The section of a condition: an experiment that every candidate is simulated in."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from calibrate.study.file.base import LONGEST_MS, Duration, Section

# Without a full stop or a hyphen: "evoked.rate_E" and "evoked-spontaneous.rate_E" are names of statistics.
ConditionName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_]*$", max_length=50)]


class ChangeSection(Section):
    """A parameter in a condition: { set = 5.0 } or { scale = 1.2 }."""

    set: Any = Field(default=None, description="its value in this condition")
    scale: float | None = Field(default=None, description="factor of the value that the candidate has")


class ConditionSection(Section):
    """[[conditions]]: an experiment that every candidate is simulated in, on the same graphs."""

    name: ConditionName = Field(description="name of the condition: letters, digits and _")
    held_out: bool = Field(
        default=False,
        description="true: the search does not simulate it; it is predicted by the best network only",
    )
    warmup_ms: float | None = Field(
        default=None,
        ge=0,
        le=LONGEST_MS,
        description="time before its measurement (ms; default: that of [simulation])",
    )
    duration_ms: Duration | None = Field(
        default=None, description="length of its measurement (ms; default: that of [simulation])"
    )
    parameters: dict[str, ChangeSection] = Field(
        default_factory=dict,
        description="parameters that differ: NAME = { set = VALUE } or { scale = FACTOR }; applied last, so "
        "that parameters that are derived from them keep their values",
    )
    period: str | None = Field(
        default=None,
        min_length=1,
        description="the intervals of this name in every recording that names no period itself",
    )
