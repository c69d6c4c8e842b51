"""The time that a study took."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Spent:
    """When a study ran, and how long its simulations took.

    begun, last  end of its first and of its last simulation
    simulations  number of simulations
    simulated_s  time that processes took for them (batches count once)
    """

    begun: datetime | None
    last: datetime | None
    simulations: int
    simulated_s: float
