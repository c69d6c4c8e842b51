"""The queue of a run: which candidates are simulated next, in which stage."""

from __future__ import annotations

from datetime import datetime

from calibrate.calibration.search.optuna_trials import Proposal
from calibrate.calibration.stage_queue import StageQueue
from calibrate.calibration.trials.candidate import Candidate, create_candidates


def candidates(n: int) -> list[Candidate]:
    return create_candidates([Proposal(index=k, parameters={}, asked=datetime(2026, 1, 1)) for k in range(n)])


def test_the_latest_stage_that_fills_a_batch_goes_first_and_what_is_beyond_the_batch_waits():
    first, second = candidates(4), candidates(5)
    queue = StageQueue(3)
    queue.add(first)
    queue.add(second, 2)
    batch = queue.take_full(3)
    assert batch is not None
    assert (batch.stage, batch.candidates) == (2, second[:3])
    batch = queue.take_full(3)
    assert batch is not None
    assert (batch.stage, batch.candidates) == (1, first[:3])
    assert queue.take_full(3) is None
    assert queue


def test_without_a_full_batch_the_earliest_stage_goes_first():
    first, last = candidates(1), candidates(2)
    queue = StageQueue(2)
    queue.add(last, 2)
    queue.add(first)
    taken = [queue.take_earliest(4) for _ in range(3)]
    assert [batch and (batch.stage, batch.candidates) for batch in taken] == [(1, first), (2, last), None]
    assert not queue


def test_the_first_stage_lacks_what_it_needs_for_a_batch():
    queue = StageQueue(2)
    queue.add(candidates(3))
    queue.add(candidates(9), 2)
    assert queue.missing(8) == 5
