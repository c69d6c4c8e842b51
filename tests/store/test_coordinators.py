"""Several runs of one study at a time, through one database: nothing is doubled, nothing is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
import pytest
from sqlalchemy import create_engine, text

from calibrate.calibration.loop import run
from calibrate.calibration.search.optuna_trials import Answer, Claim
from calibrate.calibration.search.search import Search
from calibrate.calibration.trials.simulation import Simulation
from calibrate.errors import StoreError
from calibrate.store import Store, coordinators, runs_of
from calibrate.store.coordinators import place
from calibrate.study import Study, read_study
from calibrate.tasks.run import run_study
from tests.helpers.in_memory import Bench
from tests.helpers.postgres import Server, needs_postgres
from tests.helpers.studies import small_study, write_study
from tests.helpers.waiting import PATIENCE_S, wait_until


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return small_study(tmp_path)


@pytest.fixture
def two(study: Study, url: str) -> Iterator[tuple[Store, Store]]:
    with Store(study, url) as one, Store(study, url) as other:
        yield one, other


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coordinators, "BEAT_S", 0.05)


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]
    finally:
        engine.dispose()


def claims(*indices: int) -> list[Claim]:
    return [Claim(index=index) for index in indices]


def simulation(uuid: str, index: int) -> Simulation:
    return Simulation(
        uuid=uuid,
        index=index,
        parameters={"I_E": 1.0, "I_I": 2.0},
        seed=1,
        backend={"name": "poisson"},
        duration_ms=1000.0,
        wall_s=0.1,
        host="here",
        finished=datetime(2026, 1, 2, tzinfo=UTC),
    )


def told(study: Study, store: Store, *uuids: str) -> list[optuna.trial.FrozenTrial]:
    """Tell a trial of each of these candidates, asked through `store`."""
    search = Search(study.space, study.sampler, seed=1)
    proposals = search.ask(len(uuids), claim=store.claim)
    for proposal, uuid in zip(proposals, uuids, strict=True):
        store.record(simulation(uuid, proposal.index))
    answers = [
        Answer(proposal=proposal, loss=1.0, attributes={"uuid": uuid})
        for proposal, uuid in zip(proposals, uuids, strict=True)
    ]
    return search.tell(answers, mirror=store.mirror)


def test_a_candidate_is_claimed_by_one_run_and_by_no_other(two):
    one, other = two
    assert one.claim(claims(0, 1)) == []
    assert one.claim(claims(0, 1)) == []
    assert [taken.index for taken in other.claim(claims(0, 1, 2))] == [0, 1]
    assert [taken.index for taken in one.claim(claims(2, 3))] == [2]
    assert (one.elsewhere(), other.elsewhere()) == (1, 3)


def test_a_run_learns_what_the_other_told_and_hears_nothing_twice(study, two):
    one, other = two
    assert one.news() == other.news() == ([], [])
    told(study, one, "a", "b")
    told(study, other, "c")
    assert [trial.user_attrs["uuid"] for trial in other.news()[0]] == ["a", "b"]
    assert [(t.user_attrs["uuid"], t.user_attrs["index"], t.number) for t in one.news()[0]] == [("c", 2, 2)]
    assert one.news() == other.news() == ([], [])
    assert one.elsewhere() == other.elsewhere() == 0


def test_what_a_run_that_ends_has_not_told_goes_to_the_others(study, url):
    with Store(study, url) as other:
        with Store(study, url) as one:
            one.claim(claims(0, 1, 2))
            one.record(simulation("b", 1))
            assert other.news() == ([], [])
        trials, untold = other.news()
        assert (trials, [found.uuid for found in untold]) == ([], ["b"])
        assert other.news() == ([], [])
        assert [taken.index for taken in other.claim(claims(0, 1, 2))] == [1]


def test_a_run_that_falls_silent_is_taken_for_dead_and_stops_when_it_wakes(study, url, impatient):  # noqa: ARG001
    with Store(study, url) as asleep, Store(study, url) as other:
        asleep.claim(claims(0, 1))
        asleep.record(simulation("a", 0))
        asleep._coordinator._ended.set()  # its heart stands still
        untold: list[Simulation] = []
        wait_until(lambda: untold.extend(other.news()[1]) or untold, "the simulations of the silent run")
        assert [found.uuid for found in untold] == ["a"]
        assert other.claim(claims(1)) == []
        for late in (
            lambda: asleep.record(simulation("b", 1)),
            lambda: asleep.claim(claims(5)),
            asleep.news,
            lambda: asleep.mirror([]),
        ):
            with pytest.raises(StoreError, match="another run of the study took over"):
                late()
    assert rows(url, "select uuid from calibrate_simulation") == [("a",)]


def test_a_run_that_beats_stays_alive_however_long_it_simulates(study, url, impatient):  # noqa: ARG001
    with Store(study, url) as one, Store(study, url) as other:
        one.claim(claims(0))
        other.claim(claims(1))
        time.sleep(30 * coordinators.BEAT_S)
        assert other.news() == one.news() == ([], [])
        one.record(simulation("a", 0))
        assert (one.elsewhere(), other.elsewhere()) == (1, 1)


def test_a_run_whose_process_is_gone_from_this_computer_is_dead_at_once(study, url):
    script = f"""
import os, signal
from calibrate.calibration.search.search import Claim
from calibrate.store import Store
from calibrate.study import read_study
with Store(read_study({str(study.path)!r}), {url!r}) as store:
    store.claim([Claim(index=0), Claim(index=1)])
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -signal.SIGKILL
    assert len(rows(url, "select * from calibrate_claim")) == 2
    assert runs_of(study, url) == []
    with Store(study, url) as store:
        assert store.news() == ([], [])
        assert store.claim(claims(0, 1)) == []
        assert runs_of(study, url) == [f"process {os.getpid()} on {os.uname().nodename}"]
    assert runs_of(study, url) == []
    assert rows(url, "select * from calibrate_coordinator") == []


def test_a_run_on_another_computer_is_known_by_its_beats(study, url, impatient, monkeypatch):  # noqa: ARG001
    with Store(study, url) as store:
        monkeypatch.setattr(coordinators, "place", lambda: "elsewhere")
        store.claim(claims(0))
        monkeypatch.setattr(coordinators, "place", place)
        assert len(runs_of(study, url)) == 1
        store._coordinator._ended.set()
        time.sleep(3 * coordinators.BEAT_S)
        assert runs_of(study, url) == []


def test_runs_side_by_side_share_the_budget_and_each_knows_all_trials(tmp_path, url):
    study = small_study(tmp_path, sampler={"name": "tpe", "startup": 12}, budget={"trials": 60})
    results: list[Any] = []

    def go() -> None:
        with Store(study, url) as store:
            results.append(run(study, pool=Bench(wall_s=0.01), store=store))

    threads = [threading.Thread(target=go) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(found.complete, found.stopped) for found in results] == [(60, "trials")] * 3
    assert sum(found.added for found in results) == 60
    assert all(found.added for found in results)
    assert len({found.best.number for found in results}) == 1
    assert [found.others for found in results].count(False) >= 1
    indices = [int(value) for (value,) in rows(url, INDICES)]
    assert sorted(indices) == list(range(60))
    assert rows(url, "select count(distinct seed) from calibrate_simulation") == [(60,)]


INDICES = "select value_json from trial_user_attributes where key = 'index'"


def test_points_to_try_first_are_tried_once_by_runs_side_by_side(tmp_path, url):
    points = [{"I_E": 1.0}, {"I_E": 1.5}, {"I_E": 2.0, "I_I": 1.0}, {"I_E": 2.5}, {"I_E": 3.0}]
    study = small_study(tmp_path, prior={"points": points}, budget={"trials": 24})
    with ExitStack() as stack:
        stores = [stack.enter_context(Store(study, url)) for _ in range(3)]
        searches = [Search(study.space, study.sampler, seed=study.seed) for _ in stores]
        for search in searches:
            search.enqueue(study.prior.points)
        asked = []
        for turn in range(12):
            asked += searches[turn % 3].ask(2, trials=24, claim=stores[turn % 3].claim)
        assert searches[0].ask(2, trials=24, claim=stores[0].claim) == []
    assert sorted(proposal.index for proposal in asked) == list(range(24))
    tried = [proposal.parameters["I_E"] for proposal in asked]
    assert [tried.count(value) for value in (1.0, 1.5, 2.0, 2.5, 3.0)] == [1] * 5


def test_a_grid_is_complete_once_after_runs_side_by_side(tmp_path, url):
    study = small_study(
        tmp_path,
        parameters={
            "I_E": {"low": 1.0, "high": 4.0, "step": 1.0},
            "I_I": {"low": 1.0, "high": 5.0, "step": 1.0},
        },
        sampler={"name": "grid"},
        budget={"trials": None, "wall_s": 60},
    )
    results: list[Any] = []

    def go() -> None:
        with Store(study, url) as store:
            results.append(run(study, pool=Bench(wall_s=0.02), store=store))

    threads = [threading.Thread(target=go) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(found.complete, found.stopped) for found in results] == [(20, "trials")] * 2
    assert len(set(rows(url, "select seed from calibrate_simulation"))) == 20


# --- as users do it: processes, some of them killed ---------------------------------------------------


def drive(path: Path, url: str, log: Path) -> subprocess.Popen[bytes]:
    """`calibrate run` in a process group of its own."""
    command = [sys.executable, "-m", "calibrate.cli", "run", str(path), "--slots", "1"]
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            env={**os.environ, "OPTUNA_STORAGE": url},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def assert_complete(url: str, n: int) -> None:
    """Whether the database holds `n` trials, none doubled, none open, each with its simulation."""
    indices = [int(value) for (value,) in rows(url, INDICES)]
    assert sorted(indices) == list(range(n))
    assert rows(url, "select distinct cast(state as varchar) from trials") == [("COMPLETE",)]
    assert rows(
        url, "select count(*), count(distinct uuid), count(distinct trial) from calibrate_simulation"
    ) == [(n, n, n)]
    assert rows(url, "select count(*) from calibrate_claim") == [(0,)]
    assert rows(url, "select count(*) from calibrate_coordinator") == [(0,)]


# Short, but with time to be killed in: a pause costs no processor.
QUICK = {"simulation": {"duration_ms": 200}, "parameters": {"pause_s": 0.03}}


@pytest.mark.slow
def test_four_drivers_of_which_two_are_killed_lose_and_double_nothing(tmp_path, url):
    n = 150
    path = write_study(tmp_path, QUICK, budget={"trials": n})
    drivers = [drive(path, url, tmp_path / f"{k}.log") for k in range(4)]
    for driver, share in zip(drivers[:2], (0.2, 0.4), strict=True):
        wait_for(url, share * n, drivers)
        os.kill(driver.pid, signal.SIGKILL)
    codes = [driver.wait(timeout=PATIENCE_S) for driver in drivers]
    assert codes == [-signal.SIGKILL, -signal.SIGKILL, 0, 0], (tmp_path / "2.log").read_text()
    assert_complete(url, n)


@pytest.mark.slow
@needs_postgres
def test_drivers_wait_for_a_server_that_starts_again(tmp_path, server: Server):
    url = server.new_database()
    path = write_study(tmp_path, QUICK, budget={"trials": 150})
    drivers = [drive(path, url, tmp_path / f"{k}.log") for k in range(2)]
    for mode in ("fast", "immediate"):
        wait_for(url, 30 if mode == "fast" else 60, drivers)
        server.stop(mode)
        time.sleep(1)
        server.start()
    assert [driver.wait(timeout=PATIENCE_S) for driver in drivers] == [0, 0], (tmp_path / "0.log").read_text()
    assert_complete(url, 150)
    logs = [(tmp_path / f"{k}.log").read_text() for k in range(2)]
    # One that only simulated meanwhile noticed nothing.
    assert any("waiting for the database server" in log for log in logs)
    assert not any("verysecret" in log or "Traceback" in log for log in logs)


def wait_for(url: str, n: float, drivers: list[subprocess.Popen[bytes]]) -> None:
    """Until there are `n` trials."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and any(driver.poll() is None for driver in drivers):
        try:
            if rows(url, "select count(*) from trials")[0][0] >= n:
                return
        except Exception:  # there are no tables yet
            time.sleep(0.2)
        time.sleep(0.1)
    raise AssertionError("the drivers stand still")


def test_a_second_run_waits_for_what_the_first_one_simulates(tmp_path, url):
    slow = small_study(tmp_path)
    first = Bench(wall_s=1.0)
    results: dict[str, Any] = {}

    def go(name: str, pool: Bench) -> None:
        with Store(slow, url) as store:
            results[name] = run(slow, pool=pool, store=store)

    one = threading.Thread(target=go, args=("first", first))
    one.start()
    time.sleep(0.5)
    second = Bench()
    go("second", second)
    one.join()
    assert len(first.asked) + len(second.asked) == 8
    assert results["first"].complete == results["second"].complete == 8


@pytest.mark.parametrize(
    ("moment", "limit", "complete"), [("elsewhere", {}, 8), ("leave", {"wall_s": 1e-6}, 1)]
)
def test_the_run_that_ends_last_knows_what_another_told_while_it_decided_to_stop(
    tmp_path, url, moment, limit, complete, monkeypatch
):
    """The other run tells its last trial, the best, just before this one asks whether others simulate."""
    study = read_study(
        write_study(tmp_path), changes={f"budget.{key}": value for key, value in limit.items()}
    )
    with Store(study, url) as other, Store(study, url) as store:
        search = Search(study.space, study.sampler, seed=1)
        (proposal,) = search.ask(1, claim=other.claim)
        other.record(simulation("a", proposal.index))
        ask = getattr(Store, moment)

        def late(self):
            if self is store and not search.trials:
                search.tell(
                    [Answer(proposal=proposal, loss=1e-6, attributes={"uuid": "a"})], mirror=other.mirror
                )
                other.leave()
            return ask(self)

        monkeypatch.setattr(Store, moment, late)
        result = run(study, pool=Bench(), store=store)
    assert search.trials, "the other run told nothing"
    assert not result.others
    assert result.best is not None
    assert result.best.loss == 1e-6
    assert result.complete == complete


def test_run_study_says_that_another_run_goes_on(tmp_path, capsys):
    study = read_study(write_study(tmp_path, replicates={"fresh": 2}), changes={"budget.trials": 4})
    url = f"sqlite:///{tmp_path / 'small.db'}"
    with Store(read_study(study.path), url) as other:
        other.claim(claims(100))
        result = run_study(study, slots=1)
        assert result.others
        assert "Another run of this study is still going" in capsys.readouterr().err
        assert result.best is not None
        assert not result.best.fresh
    result = run_study(study, slots=1, progress=False)
    assert not result.others
    assert result.best is not None
    assert result.best.fresh
