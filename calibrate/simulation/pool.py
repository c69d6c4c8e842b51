"""What pools have in common: batches of one graph and timing each, and outcomes in the order of the jobs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import groupby

from calibrate.simulation.jobs import Job, Key, Outcome, Setup, Timing


def batched(jobs: Sequence[Job], *, batch_size: int, devices: int) -> Iterator[Sequence[Job]]:
    """Divide jobs into batches of one graph and one timing each, for `devices` that simulate at once.

    The batches are ordered by graph, so that slots rarely change theirs. Conditions of a study that last as
    long share batches.
    """
    for _, group in groupby(sorted(jobs, key=_of_batch), key=_of_batch):
        members = list(group)
        # Spread evenly: 5 jobs on 2 devices of batch size 4 are 3 + 2, not 4 + 1.
        size = max(min(batch_size, -(-len(members) // devices)), 1)
        for start in range(0, len(members), size):
            yield members[start : start + size]


def _of_batch(job: Job) -> tuple[float, ...]:
    timing = job.timing
    return (job.realisation, *((timing.warmup_ms, timing.duration_ms) if timing else ()))


def timing_of(batch: Sequence[Job]) -> Timing:
    """The timing of a batch, which all its jobs share."""
    timing = batch[0].timing
    assert timing is not None  # the pool has given it its own
    return timing


class BasePool(ABC):
    """Simulates jobs with one setup.

    timing  of jobs that have none of their own
    """

    def __init__(self, setup: Setup, timing: Timing) -> None:
        self.setup, self.timing = setup, timing

    @property
    @abstractmethod
    def slots(self) -> int:
        """Number of batches that are simulated at once."""

    @property
    def batch_size(self) -> int:
        """Number of jobs of one graph that are simulated together."""
        return self.setup.batch_size

    @property
    def capacity(self) -> int:
        """Number of jobs that are simulated at once: slots times batch size."""
        return self.slots * self.batch_size

    def run(
        self,
        jobs: Sequence[Job],
        *,
        progress: Callable[[Outcome], None] = lambda _: None,
    ) -> list[Outcome]:
        """Simulate `jobs`, each on its graph; outcomes come back in their order.

        `progress` is called with each outcome as soon as it is known.
        """
        outcomes: dict[Key, Outcome] = {}
        timed = [job if job.timing else replace(job, timing=self.timing) for job in jobs]
        with closing(self._simulate(timed)) as arriving:
            for outcome in arriving:
                outcomes[outcome.key] = outcome
                progress(outcome)
        return [outcomes[job.key] for job in jobs]

    @abstractmethod
    def _simulate(self, jobs: Sequence[Job]) -> Generator[Outcome, None, None]:
        """Simulate `jobs`, and yield each outcome as soon as it is known."""
