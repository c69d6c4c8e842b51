"""Trials that are stored while the next batch simulates: what is stored when, and that nothing is lost."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest
from optuna.trial import FrozenTrial

from calibrate.calibration.loop import run
from calibrate.errors import StoreError
from calibrate.simulation.jobs import Job, Outcome
from tests.helpers.in_memory import Bench, Shelf
from tests.helpers.studies import small_study


class Waits(Shelf):
    """A store that stores trials only once it may, so that it is known what went on before."""

    def __init__(self) -> None:
        super().__init__()
        self.may = threading.Event()

    def mirror(self, trials: Sequence[FrozenTrial]) -> Sequence[int]:
        assert self.may.wait(10)
        return super().mirror(trials)


class Watched(Bench):
    """A pool that lets the store go on only once a second batch is running."""

    def __init__(self, shelf: Waits) -> None:
        super().__init__()
        self._shelf = shelf
        self.stored: list[int] = []

    def run(self, candidates: Sequence[Job], **more: Any) -> list[Outcome]:
        self.stored.append(len(self._shelf.trials))
        if len(self.stored) > 1:
            self._shelf.may.set()
        return super().run(candidates, **more)


def test_a_batch_begins_before_the_trials_of_the_one_before_are_stored(tmp_path):
    shelf = Waits()
    pool = Watched(shelf)
    result = run(small_study(tmp_path), pool=pool, store=shelf)
    assert pool.stored[:2] == [0, 0]  # the second one was submitted while nothing was stored
    assert len(shelf.trials) == 8 == result.complete
    assert [trial.number for trial in shelf.trials] == list(range(8))


def test_what_is_proposed_and_found_does_not_depend_on_when_trials_are_stored(tmp_path):
    late, at_once = Shelf(), Shelf()
    changes = {"sampler": {"name": "tpe"}, "budget": {"trials": 24}}
    one = run(small_study(tmp_path, changes), pool=Bench(), store=late)
    # A plateau is counted in stored trials, so these are stored before the next batch is asked for.
    changes["budget"] = {"trials": 24, "plateau": 1000}
    other = run(small_study(tmp_path, changes), pool=Bench(), store=at_once)
    assert [trial.params for trial in late.trials] == [trial.params for trial in at_once.trials]
    assert one.best is not None
    assert one.best == other.best


def test_trials_of_simulations_that_a_killed_run_stored_are_made_by_the_next(tmp_path):
    class Killed(Shelf):
        """Its process is killed when it should store trials."""

        alive = True

        def mirror(self, trials: Sequence[FrozenTrial]) -> Sequence[int]:
            if self.alive:
                raise KeyboardInterrupt
            return super().mirror(trials)

    shelf, study = Killed(), small_study(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run(study, pool=Bench(), store=shelf)
    shelf.leave()
    shelf.alive = False
    simulated, bench = len(shelf.kept), Bench()
    assert simulated
    assert not shelf.trials
    run(study, pool=bench, store=shelf)
    assert len(shelf.trials) == 8
    assert len(bench.asked) == 8 - simulated


def test_a_store_that_fails_meanwhile_ends_the_run_with_its_reason(tmp_path):
    class Full(Shelf):
        def mirror(self, trials: Sequence[FrozenTrial]) -> Sequence[int]:  # noqa: ARG002
            raise StoreError("the disk is full")

    with pytest.raises(StoreError, match="the disk is full"):
        run(small_study(tmp_path), pool=Bench(), store=Full())
