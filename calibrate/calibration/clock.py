"""How long each activity of a run takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from calibrate.simulation.jobs import Outcome
from calibrate.simulation.running_time import running_s

Activity = Literal["starting", "simulating", "asking", "scoring", "storing"]


@dataclass(frozen=True, kw_only=True)
class Times:
    """Time that each activity of a run took, in seconds.

    starting    until the first batch simulates: worker processes, networks, compilation
    simulating  batches, from their submission to the last outcome
    asking      the sampler
    scoring     statistics
    storing     the database and the files of observations
    """

    starting_s: float = 0.0
    simulating_s: float = 0.0
    asking_s: float = 0.0
    scoring_s: float = 0.0
    storing_s: float = 0.0
    wall_s: float = 0.0


class Clock:
    """Counts every moment of a run once, for the innermost current activity; some moments have none.

    began  running_s() when the run began, by default now; the activity is "starting" until `has_started`
    """

    def __init__(self, began: float | None = None) -> None:
        self._began = self._since = running_s() if began is None else began
        self._current: list[Activity | None] = ["starting"]
        self._spent: dict[Activity, float] = {}
        self._first_batch = True

    @property
    def elapsed_s(self) -> float:
        return running_s() - self._began

    @property
    def starting_s(self) -> float:
        return self._spent.get("starting", 0.0)

    @property
    def times(self) -> Times:
        self._count()
        return Times(**{f"{name}_s": spent for name, spent in self._spent.items()}, wall_s=self.elapsed_s)

    def has_started(self) -> None:
        """End the activity "starting": from now on, time between activities counts only towards the total."""
        self._count()
        self._current[0] = None

    @contextmanager
    def counts(self, activity: Activity) -> Iterator[None]:
        """Count the body for `activity`, except for the activities inside it."""
        self._count()
        self._current.append(activity)
        try:
            yield
        finally:
            self._count()
            self._current.pop()

    @contextmanager
    def counts_batch(self, capacity: int) -> Iterator[list[Outcome]]:
        """Count a batch, of which `capacity` are simulated at once; the body adds outcomes to the list."""
        before = self._spent.get("simulating", 0.0)
        outcomes: list[Outcome] = []
        with self.counts("simulating"):
            yield outcomes
        elapsed = self._spent["simulating"] - before
        starting = 0.0
        if self._first_batch:
            # The rest of the first batch's time, without its simulations: processes, networks, compilation.
            rounds = -(-len(outcomes) // capacity)
            slowest = max(outcome.wall_s + outcome.scoring_s for outcome in outcomes)
            starting = max(elapsed - rounds * slowest, 0.0)
            self._first_batch = False
        scoring = (elapsed - starting) * _share_of_scoring(outcomes)
        self._add("starting", starting)
        self._add("scoring", scoring)
        self._add("simulating", -starting - scoring)

    def _count(self) -> None:
        """Count the time since the last call for the current activity."""
        now = running_s()
        activity = self._current[-1]
        if activity is not None:
            self._add(activity, now - self._since)
        self._since = now

    def _add(self, activity: Activity, seconds: float) -> None:
        self._spent[activity] = self._spent.get(activity, 0.0) + seconds


def _share_of_scoring(outcomes: Sequence[Outcome]) -> float:
    """The fraction of their time in which the simulating processes computed statistics."""
    scoring_s = sum(outcome.scoring_s for outcome in outcomes)
    return scoring_s / max(scoring_s + sum(outcome.wall_s + outcome.build_s for outcome in outcomes), 1e-9)
