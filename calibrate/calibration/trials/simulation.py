"""Simulation: the record of one simulation of a candidate, independent of how it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from calibrate.objective import Estimate
from calibrate.observation import Observation
from calibrate.observation.packing import Packed


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """The input and the result of one simulation.

    uuid         of the candidate
    index        of the candidate in its study; the seed is derived from it
    parameters   values of the study's free parameters
    seed         of the initial state and random input
    stage        number of the stage, from 1
    realisation  number of the graph
    condition    of the study; "" if it has none, or if it is merged from all of them
    backend      the simulator's description: name, version, device, precision
    duration_ms  length of the measurement, without the warm-up
    wall_s       wall time of its batch, the same for all networks in the batch
    host         name of the computer
    finished     when, with time zone
    reason       why it failed; None if it did not
    estimates    the statistics, by name
    origin       the study it was imported from; None if it is this study's own
    observation  None if it failed or was not stored
    """

    uuid: str
    index: int
    parameters: Mapping[str, Any]
    seed: int
    stage: int = 1
    realisation: int = 0
    condition: str = ""
    backend: Mapping[str, str]
    duration_ms: float
    wall_s: float
    host: str
    finished: datetime
    reason: str | None = None
    estimates: Mapping[str, Estimate] = field(default_factory=dict)
    observation: Observation | Packed | None = None
    origin: str | None = None

    @property
    def failed(self) -> bool:
        return self.reason is not None
