"""The section of a closed loop."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from calibrate.study.file.base import Positive, Section


class LoopSection(Section):
    """[loop]: the environment of a closed loop, which the network acts on and which stimulates it."""

    environment: str = Field(
        min_length=1,
        description='an installed environment, or your own as "file.py:Name": a class with the methods reset '
        "and step of a Gymnasium environment",
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="keyword arguments for making the environment"
    )
    interval_ms: Positive = Field(
        default=10.0, description="biological time from one exchange to the next (ms)"
    )
    output: Literal["rates", "counts"] = Field(
        default="rates",
        description="what the environment receives from every cluster: its mean rate in the interval (Hz), "
        "or its number of spikes",
    )
    output_population: str = Field(
        default="E", min_length=1, description="population whose clusters the environment observes"
    )
    input: Literal["current", "rate"] = Field(
        default="current",
        description="what the environment returns for every cluster: a current in addition to the constant "
        "input (pA), or the rate of the Poisson input (Hz), which the population must have",
    )
    input_population: str = Field(
        default="E", min_length=1, description="population whose clusters the environment stimulates"
    )
    deadline: Literal["wait", "hold", "skip"] = Field(
        default="wait",
        description="what `calibrate loop` does if the network misses a deadline: the environment waits, or "
        "continues in real time with the last activity (hold) or with none (skip)",
    )
