"""What the loop of a study needs of others: no simulator, no SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from optuna.trial import FrozenTrial

from calibrate.calibration.search.trials import Claim
from calibrate.calibration.trials.simulation import Simulation
from calibrate.simulation.jobs import Job, Outcome, Timing


class Simulates(Protocol):
    """What the loop needs of a pool."""

    @property
    def capacity(self) -> int:
        """Candidates that are simulated at once."""

    def run(
        self,
        jobs: Sequence[Job],
        *,
        timing: Timing | None = None,
        progress: Callable[[Outcome], None] = ...,
    ) -> list[Outcome]:
        """Outcomes in the order of `jobs`; `progress` is called with each as soon as it is known."""


class Remembers(Protocol):
    """What the loop needs of a store."""

    def news(self) -> tuple[list[FrozenTrial], list[Simulation]]:
        """Since the last call, of runs before or beside this one: their finished trials, and simulations of
        candidates that no trial tells of, which are this run's from now on."""

    def claim(self, wanted: Sequence[Claim]) -> Sequence[Claim]:
        """Take candidates for this run; returns what others have taken, maybe some of these."""

    def elsewhere(self) -> int:
        """Number of candidates that other runs have asked and not told yet."""

    def leave(self) -> bool:
        """Ask no more, and give back what was claimed; returns whether other runs go on."""

    def record(self, simulation: Simulation) -> None:
        """Keep a simulation, as soon as it is known."""

    def illustrate(self, uuid: str) -> None:
        """Keep pictures of a candidate that will be told next."""

    def mirror(self, trials: Sequence[FrozenTrial]) -> Sequence[int]:
        """Keep finished trials, in this order, unless their UUID is known; returns their numbers."""

    def simulations(self, uuid: str) -> list[Simulation]:
        """All simulations of a candidate, without observations."""
