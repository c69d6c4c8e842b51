"""The time that a study took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from calibrate.calibration.trials.simulation import Simulation


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

    @classmethod
    def of(cls, simulations: Sequence[Simulation]) -> Spent:
        """What these simulations took."""
        ends = [simulation.finished for simulation in simulations]
        # Members of a batch share their time, to the last digit.
        times = {(simulation.host, simulation.wall_s) for simulation in simulations}
        return cls(
            begun=min(ends, default=None),
            last=max(ends, default=None),
            simulations=len(ends),
            simulated_s=sum(wall_s for _, wall_s in times),
        )
