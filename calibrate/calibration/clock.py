"""Where the time of a run goes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from calibrate.simulation.jobs import Outcome

Activity = Literal["starting", "simulating", "asking", "scoring", "storing"]


@dataclass(frozen=True, kw_only=True)
class Times:
    """Where the time of a run went, in seconds.

    starting    until the first batch simulates: worker processes, networks, compilation
    simulating  batches, from handing them out to the last outcome
    asking      the sampler; scoring: statistics; storing: the database and the observations' files
    """

    starting_s: float = 0.0
    simulating_s: float = 0.0
    asking_s: float = 0.0
    scoring_s: float = 0.0
    storing_s: float = 0.0
    wall_s: float = 0.0


class Clock:
    """Counts every moment of a run once: for the innermost activity that goes on, if any does.

    began  time.monotonic() when the run began, if that was before now; until the first activity, it starts
    """

    def __init__(self, began: float | None = None) -> None:
        self._began = self._since = time.monotonic() if began is None else began
        self._going_on: list[Activity | None] = ["starting"]
        self._spent: dict[Activity, float] = {}
        self._first_batch = True

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._began

    @property
    def starting_s(self) -> float:
        return self._spent.get("starting", 0.0)

    @property
    def times(self) -> Times:
        self._count()
        return Times(**{f"{name}_s": spent for name, spent in self._spent.items()}, wall_s=self.elapsed_s)

    def has_started(self) -> None:
        """From now on, what is between activities is in the whole time only."""
        self._count()
        self._going_on[0] = None

    @contextmanager
    def counts(self, activity: Activity) -> Iterator[None]:
        """Count the body, less the activities inside it."""
        self._count()
        self._going_on.append(activity)
        try:
            yield
        finally:
            self._count()
            self._going_on.pop()

    @contextmanager
    def counts_batch(self, capacity: int) -> Iterator[list[Outcome]]:
        """Count a batch, of which `capacity` are simulated at once; its outcomes go into the list."""
        before = self._spent.get("simulating", 0.0)
        outcomes: list[Outcome] = []
        with self.counts("simulating"):
            yield outcomes
        elapsed = self._spent["simulating"] - before
        starting = 0.0
        if self._first_batch:
            # What the first batch took beyond its simulations: processes, networks, compilation.
            rounds = -(-len(outcomes) // capacity)
            slowest = max(outcome.wall_s + outcome.scoring_s for outcome in outcomes)
            starting = max(elapsed - rounds * slowest, 0.0)
            self._first_batch = False
        scoring = (elapsed - starting) * _share_of_scoring(outcomes)
        self._add("starting", starting)
        self._add("scoring", scoring)
        self._add("simulating", -starting - scoring)

    def _count(self) -> None:
        """What has passed since this was called last, for what went on."""
        now = time.monotonic()
        activity = self._going_on[-1]
        if activity is not None:
            self._add(activity, now - self._since)
        self._since = now

    def _add(self, activity: Activity, seconds: float) -> None:
        self._spent[activity] = self._spent.get(activity, 0.0) + seconds


def _share_of_scoring(outcomes: Sequence[Outcome]) -> float:
    """The part of the time of the processes that simulate in which they computed statistics."""
    scoring_s = sum(outcome.scoring_s for outcome in outcomes)
    return scoring_s / max(scoring_s + sum(one.wall_s + one.build_s for one in outcomes), 1e-9)
