"""What pools have in common: batches of one graph each, and outcomes in the order of their jobs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from itertools import groupby

from calibrate.simulation.jobs import Job, Outcome, Setup, Timing


def batched(jobs: Sequence[Job], *, batch_size: int, devices: int) -> Iterator[Sequence[Job]]:
    """Divide jobs into batches of one graph each, for `devices` that simulate at once.

    The batches are ordered by graph, so that slots rarely change theirs.
    """
    by_graph = sorted(jobs, key=lambda job: job.realisation)
    for _, group in groupby(by_graph, key=lambda job: job.realisation):
        members = list(group)
        # Spread evenly: 5 jobs on 2 devices of batch size 4 are 3 + 2, not 4 + 1.
        size = max(min(batch_size, -(-len(members) // devices)), 1)
        for start in range(0, len(members), size):
            yield members[start : start + size]


class BasePool(ABC):
    """Simulates jobs with one setup.

    timing  of simulations, unless `run` is given another
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
        timing: Timing | None = None,
        progress: Callable[[Outcome], None] = lambda _: None,
    ) -> list[Outcome]:
        """Simulate `jobs`, each on its graph; outcomes come back in their order.

        `progress` is called with each outcome as soon as it is known.
        """
        outcomes: dict[tuple[str, int], Outcome] = {}
        with closing(self._simulate(jobs, timing or self.timing)) as arriving:
            for outcome in arriving:
                outcomes[outcome.key] = outcome
                progress(outcome)
        return [outcomes[job.key] for job in jobs]

    @abstractmethod
    def _simulate(self, jobs: Sequence[Job], timing: Timing) -> Generator[Outcome, None, None]:
        """Simulate `jobs`, and yield each outcome as soon as it is known."""
