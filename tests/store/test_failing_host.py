"""A host that only fails, beside others that work: it stops, and its trials are made again."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from calibrate.calibration.loop import run
from calibrate.calibration.search.optuna_trials import Answer
from calibrate.calibration.search.search import Search
from calibrate.calibration.trials.simulation import Simulation
from calibrate.errors import SimulatorError
from calibrate.simulation.jobs import Job, Outcome
from calibrate.store import Store
from calibrate.study import Study
from tests.helpers.in_memory import Bench
from tests.helpers.studies import small_study
from tests.helpers.waiting import PATIENCE_S
from tests.store.test_coordinators import rows, simulation

STATES = "select status, count(*) from calibrate_simulation group by status"
INDICES = "select value_json from trial_user_attributes where key = 'index'"


class Working(Bench):
    """A pool that says when it simulates."""

    def __init__(self, wall_s: float) -> None:
        super().__init__(wall_s=wall_s)
        self.simulates = threading.Event()

    def run(self, candidates: Sequence[Job], **more: Any) -> list[Outcome]:
        self.simulates.set()
        return super().run(candidates, **more)


class Beside:
    """A run that works, in a thread of its own."""

    def __init__(self, study: Study, url: str, *, wall_s: float) -> None:
        self.result: Any = None
        self._pool = Working(wall_s)

        def go() -> None:
            with Store(study, url) as store:
                self.result = run(study, pool=self._pool, store=store)

        self._thread = threading.Thread(target=go)

    def __enter__(self) -> Beside:
        self._thread.start()
        assert self._pool.simulates.wait(PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()


def test_a_host_that_fails_from_some_moment_on_takes_nothing_from_the_budget_of_the_others(tmp_path, url):
    study = small_study(tmp_path, budget={"trials": 24})
    seen: list[str] = []

    def fail(job: Job) -> bool:
        seen.append(job.uuid)
        return len(seen) > 4

    stops = pytest.raises(SimulatorError, match="other runs of the study make its 12 trials again")
    with Store(study, url) as store, Beside(study, url, wall_s=0.2) as good, stops:
        run(study, pool=Bench(fail=fail), store=store)
    assert (good.result.complete, good.result.failed, good.result.stopped) == (24, 0, "trials")
    assert good.result.added == 20
    assert rows(url, STATES) == [("complete", 24)]
    assert sorted(int(value) for (value,) in rows(url, INDICES)) == list(range(24))


def test_a_host_that_fails_with_the_last_trials_gives_them_back(tmp_path):
    url = f"sqlite:///{tmp_path}/shared.db"
    study = small_study(tmp_path, budget={"trials": 6})
    with Store(study, url) as store, Beside(study, url, wall_s=1.0) as good:
        result = run(study, pool=Bench(fail=lambda _: True), store=store)
    assert (result.failed, result.added, result.others) == (0, 0, True)
    assert (good.result.complete, good.result.failed) == (6, 0)
    assert rows(url, STATES) == [("complete", 6)]


def test_failures_between_trials_that_complete_count_beside_others_too(tmp_path):
    url = f"sqlite:///{tmp_path}/shared.db"
    study = small_study(tmp_path, budget={"trials": 12})
    with Store(study, url) as store, Beside(study, url, wall_s=0.5) as good:
        result = run(study, pool=Bench(fail=lambda job: job.parameters["I_E"] > 2), store=store)
    assert result.failed > 0
    assert good.result.complete + good.result.failed == 12
    assert dict(rows(url, STATES))["failed"] == good.result.failed


def test_alone_a_host_that_only_fails_counts_its_trials(tmp_path):
    url = f"sqlite:///{tmp_path}/shared.db"
    study = small_study(tmp_path, budget={"trials": 40})
    with Store(study, url) as store, pytest.raises(SimulatorError, match=r"it broke$"):
        run(study, pool=Bench(fail=lambda _: True), store=store)
    with Store(study, url) as store:
        assert [trial.number for trial in store.trials()] == list(range(12))


def test_what_another_run_gives_back_while_this_one_decides_to_stop_is_made(tmp_path, url, monkeypatch):
    study = small_study(tmp_path)
    with Store(study, url) as other, Store(study, url) as store:
        search = Search(study.space, study.sampler, seed=1)
        (proposal,) = search.ask(1, claim=other.claim)
        other.record(_failed(proposal.index))
        (trial,) = search.tell([Answer(proposal=proposal, loss=None, attributes={"uuid": "a"})])
        elsewhere = Store.elsewhere

        def late(self: Store) -> int:
            if self is store and other.give_back([trial]):
                other.leave()
            return elsewhere(self)

        monkeypatch.setattr(Store, "elsewhere", late)
        result = run(study, pool=Bench(), store=store)
    assert (result.complete, result.failed) == (8, 0)


def _failed(index: int) -> Simulation:
    return replace(simulation("a", index), reason="it broke", observation=None)
