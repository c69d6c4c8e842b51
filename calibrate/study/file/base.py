"""What all sections of a study file share: their configuration, and limits of numbers."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$", max_length=100)]


# Larger numbers are mistakes: they would exhaust the memory, or are out of range for a clock.
MANY = 1_000_000
MOST_TRIALS = 10_000_000
LONGEST_MS = 1e12
LONGEST_S = 1e9

Count = Annotated[int, Field(ge=1, le=MANY)]
Several = Annotated[int, Field(ge=2, le=MANY)]
Positive = Annotated[float, Field(gt=0)]
Time = Annotated[float, Field(ge=0, le=LONGEST_MS)]  # in ms
Duration = Annotated[float, Field(gt=0, le=LONGEST_MS)]  # in ms
Seconds = Annotated[float, Field(gt=0, le=LONGEST_S)]


class Section(BaseModel):
    """A table of the study file: no other keys, no conversion between types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
