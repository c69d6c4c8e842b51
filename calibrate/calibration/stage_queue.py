"""The queue of a run: candidates that wait for a stage of the study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from calibrate.calibration.trials.candidate import Candidate


@dataclass(frozen=True)
class Batch:
    """Candidates to simulate next, all in one stage."""

    stage: int
    candidates: list[Candidate]


class StageQueue:
    """Candidates by the stage that they wait for, each in the order in which they were added."""

    def __init__(self, stages: int) -> None:
        self._waiting: dict[int, list[Candidate]] = {stage: [] for stage in range(1, stages + 1)}

    def __bool__(self) -> bool:
        return any(self._waiting.values())

    def add(self, candidates: Sequence[Candidate], stage: int = 1) -> None:
        """Queue candidates for `stage`."""
        self._waiting[stage] += candidates

    def missing(self, n: int) -> int:
        """Number of new candidates that the first stage needs for a batch of `n`."""
        return n - len(self._waiting[1])

    def take_full(self, n: int) -> Batch | None:
        """Take a batch of the latest stage for which `n` candidates wait; None if there is no such stage."""
        full = (stage for stage in reversed(self._waiting) if len(self._waiting[stage]) >= n)
        return self._take(next(full, None), n)

    def take_earliest(self, n: int) -> Batch | None:
        """Take up to `n` candidates of the earliest stage, so that later ones fill up; None if none wait."""
        return self._take(next((stage for stage in self._waiting if self._waiting[stage]), None), n)

    def _take(self, stage: int | None, n: int) -> Batch | None:
        if stage is None:
            return None
        waiting = self._waiting[stage]
        self._waiting[stage] = waiting[n:]
        return Batch(stage, waiting[:n])
