"""What the loop of a study needs from a pool and a store, without any simulator or SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from optuna.trial import FrozenTrial

from calibrate.calibration.search.optuna_trials import Claim
from calibrate.calibration.trials.simulation import Simulation
from calibrate.simulation.jobs import Job, Outcome


class Simulates(Protocol):
    """What the loop needs from a pool."""

    @property
    def capacity(self) -> int:
        """Jobs that are simulated at once."""

    def run(
        self,
        jobs: Sequence[Job],
        *,
        progress: Callable[[Outcome], None] = ...,
    ) -> list[Outcome]:
        """Outcomes in the order of `jobs`; `progress` is called with each as soon as it is known."""


class Remembers(Protocol):
    """What the loop needs from a store."""

    def news(self) -> tuple[list[FrozenTrial], list[Simulation]]:
        """What other runs, earlier or concurrent, have added since the last call: their finished trials, and
        the simulations of untold candidates that this run owns from now on."""

    def told(self) -> list[FrozenTrial]:
        """The finished trials that other runs have added since the last call of `news` or `told`."""

    def claim(self, wanted: Sequence[Claim]) -> Sequence[Claim]:
        """Claim candidates for this run; returns those that are taken already, among them or beyond."""

    def elsewhere(self) -> int:
        """Number of candidates that other runs have asked for and not told yet."""

    def leave(self) -> bool:
        """Release all claims of this run, which asks no more; returns whether other runs are alive."""

    def record(self, simulation: Simulation) -> None:
        """Store a simulation, as soon as its outcome is known."""

    def illustrate(self, uuid: str) -> None:
        """Store figures of a candidate that will be told next."""

    def mirror(self, trials: Sequence[FrozenTrial]) -> Sequence[int]:
        """Store finished trials, in this order, except those whose UUID is stored; returns all numbers."""

    def give_back(self, trials: Sequence[FrozenTrial]) -> bool:
        """Leave these failed trials, which are not stored, to the other runs that are alive, without their
        failed simulations; returns whether there are any. If not, nothing is changed."""

    def simulations(self, uuid: str) -> list[Simulation]:
        """All simulations of a candidate, without observations."""
