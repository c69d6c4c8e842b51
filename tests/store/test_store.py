"""The store: what is kept where, that nothing is kept twice, and what it says when it cannot keep it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.trial import TrialState
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import OperationalError

from calibrate.calibration.search.optuna_trials import Answer
from calibrate.calibration.search.search import Search
from calibrate.calibration.trials.simulation import Simulation
from calibrate.errors import StoreError
from calibrate.objective import Estimate, find_statistic
from calibrate.observation import Layout, Observation, observe_spikes
from calibrate.results.results import read_results
from calibrate.store import Store, archive, connections, find, runs_of, schema, storage_url, urls
from calibrate.store.copying import copy_study
from calibrate.store.reader import Reader
from calibrate.study import Study, read_study
from calibrate.tasks.run import run_study, validate
from tests.helpers.studies import RATE_E, RATE_I, small_study, write_study

pytestmark = pytest.mark.usefixtures("in_tmp_path")

LAYOUT = Layout.of([("E", 4, 2), ("I", 2, 1)])


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return small_study(tmp_path)


@pytest.fixture
def store(study: Study) -> Iterator[Store]:
    with Store(study, storage_url(study)) as store:
        yield store


def observation() -> Observation:
    random = np.random.default_rng(1)
    spikes = np.unique(random.integers(0, [1000, 6], size=(300, 2)), axis=0)
    return observe_spikes(spikes[:, 0], spikes[:, 1], LAYOUT, dt_ms=1.0, duration_ms=1000.0)


def simulation(uuid: str, index: int = 0, **changes: Any) -> Simulation:
    return Simulation(
        **{
            "uuid": uuid,
            "index": index,
            "parameters": {"I_E": 1.0, "I_I": 2.0},
            "seed": 2**32 - 1,
            "backend": {"name": "poisson", "version": "1"},
            "duration_ms": 1000.0,
            "wall_s": 0.25,
            "host": "here",
            "finished": datetime(2026, 1, 2, tzinfo=UTC),
            "estimates": {
                "rate_E": Estimate(5.0, support=40.0),
                "dwell_time_I": Estimate(300.0, lower_bound=True),
                "dwell_time": Estimate(float("nan"), shortfall=0.5, note="no up-state"),
            },
        }
        | changes
    )


def trials(study: Study, *uuids: str, loss: float | None = 1.0) -> list[Any]:
    search = Search(study.space, study.sampler, seed=1)
    return search.tell(
        [
            Answer(proposal=proposal, loss=loss, attributes={"uuid": uuid})
            for proposal, uuid in zip(search.ask(len(uuids)), uuids, strict=True)
        ]
    )


def rows(path: str, query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(path) as connection:
        return connection.execute(query).fetchall()


def test_simulations_are_kept_with_all_that_is_known_of_them(store):
    store.record(simulation("a", 7, observation=observation()))
    store.record(simulation("b", 8, reason="it broke", estimates={}))
    _, kept = store.news()
    assert kept[0] == simulation("a", 7, estimates=kept[0].estimates)
    rate = kept[0].estimates["rate_E"]
    assert (rate.value, rate.support) == (5.0, 40.0)
    assert kept[0].estimates["dwell_time_I"].lower_bound
    assert not kept[0].estimates["dwell_time"].defined
    assert kept[0].estimates["dwell_time"].note == "no up-state"
    assert kept[1].failed
    assert kept[1].reason == "it broke"
    status = rows("small.db", "select candidate, status, trial from calibrate_simulation")
    assert status == [(7, "complete", None), (8, "failed", None)]
    assert (
        rows("small.db", "select statistics from calibrate_simulation where candidate = 7")[0][0].count("NaN")
        == 0
    )


def test_a_simulation_is_kept_once(store):
    for wall_s in (0.25, 9.0):
        store.record(simulation("a", wall_s=wall_s))
        store.record(simulation("a", stage=2, wall_s=wall_s))
    assert rows("small.db", "select stage, wall_s from calibrate_simulation") == [(1, 0.25), (2, 0.25)]


def test_trials_are_mirrored_once_however_often_they_are_told(store, study):
    told = trials(study, "a", "b")
    for _ in range(3):
        store.mirror(told)
    store.mirror([*told, *trials(study, "c", loss=None)])
    found = optuna.load_study(study_name="small", storage=f"sqlite:///{Path('small.db').resolve()}").trials
    assert [trial.user_attrs["uuid"] for trial in found] == ["a", "b", "c"]
    assert [trial.state for trial in found] == [TrialState.COMPLETE, TrialState.COMPLETE, TrialState.FAIL]
    assert all(trial.system_attrs == {} for trial in found)
    assert [trial.params for trial in found[:2]] == [trial.params for trial in told]


def test_trials_are_mirrored_once_even_by_one_process_after_another(study):
    told = trials(study, "a", "b")
    for _ in range(2):
        with Store(study, storage_url(study)) as store:
            store.mirror(told)
    assert rows("small.db", "select count(*) from trials") == [(2,)]


def test_a_mirrored_trial_is_noted_with_its_simulation(store, study):
    store.record(simulation("a"))
    store.record(simulation("b"))
    store.mirror(trials(study, "x", "b"))
    assert rows("small.db", "select uuid, trial from calibrate_simulation") == [("a", None), ("b", 1)]
    _, untold = store.news()
    assert [kept.uuid for kept in untold] == ["a"]


def test_a_crash_between_mirroring_and_noting_is_mended(study):
    with Store(study, storage_url(study)) as store:
        store.record(simulation("a"))
        store.mirror(trials(study, "a"))
    with sqlite3.connect("small.db") as connection:
        connection.execute("update calibrate_simulation set trial = null")
    with Store(study, storage_url(study)) as store:
        told, untold = store.news()
    assert [trial.user_attrs["uuid"] for trial in told] == ["a"]
    assert untold == []


def test_simulations_are_found_by_candidate(store):
    store.record(simulation("a"))
    store.record(simulation("a", realisation=3))
    assert [(found.realisation, found.estimates["rate_E"].value) for found in store.simulations("a")] == [
        (0, 5.0),
        (3, 5.0),
    ]
    assert store.simulations("nobody") == []


def test_observations_are_kept_beside_the_database_and_come_back_as_they_were(store, tmp_path):
    shown = observation()
    store.record(simulation("a", observation=shown))
    assert [path.name for path in (tmp_path / "small.observations").iterdir()] == ["a-1-0.npz"]
    found = store.observation("a", stage=1)
    assert found.layout == shown.layout
    for name in ("group_bins", "neuron_windows", "neuron_totals", "depolarisation"):
        one, other = getattr(found, name), getattr(shown, name)
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(found.intervals.cv2, shown.intervals.cv2)
    np.testing.assert_array_equal(found.spikes.step, shown.spikes.step)


def test_an_observation_stored_without_blocks_of_time_has_the_errors_of_independent_neurons(store, tmp_path):
    shown = observation()
    store.record(simulation("a", observation=shown))
    path = tmp_path / "small.observations" / "a-1-0.npz"
    np.testing.assert_allclose(archive.load(path).interval_blocks.cv2, shown.interval_blocks.cv2, rtol=1e-6)
    with np.load(path) as arrays:
        before = {name: array for name, array in arrays.items() if not name.startswith("blocks_")}
    np.savez_compressed(path, **before)
    found = archive.load(path)
    assert found.interval_blocks is None
    lv = find_statistic(f"lv_{found.layout.populations[0]}")
    assert lv(found).value == lv(shown).value
    assert lv(found).error == pytest.approx(lv(found).sample.std(ddof=1) / np.sqrt(lv(found).support))


def test_an_observation_stored_before_there_was_lvr_is_read_and_has_none(store, tmp_path):
    store.record(simulation("a", observation=observation()))
    path = tmp_path / "small.observations" / "a-1-0.npz"
    with np.load(path) as arrays:
        before = {name: array for name, array in arrays.items() if name != "intervals_lvr"}
    np.savez_compressed(path, **before)
    found = archive.load(path)
    np.testing.assert_array_equal(found.intervals.lv, observation().intervals.lv)
    population = found.layout.populations[0]
    estimate = find_statistic(f"lvr_{population}")(found)
    assert (estimate.defined, estimate.shortfall) == (False, 1.0)
    assert estimate.note == "the observation was stored without LvR"
    assert find_statistic(f"lv_{population}")(found).defined


def test_a_changed_or_missing_observation_is_refused(store, tmp_path):
    store.record(simulation("a", observation=observation()))
    path = tmp_path / "small.observations" / "a-1-0.npz"
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(StoreError, match="has changed since it was written"):
        store.observation("a", stage=1)
    path.unlink()
    with pytest.raises(StoreError, match="cannot read the observation"):
        store.observation("a", stage=1)
    with pytest.raises(StoreError, match="no observation of candidate b is stored"):
        store.observation("b", stage=1)


def test_a_file_that_is_no_observation_is_refused(tmp_path):
    (tmp_path / "x.npz").write_text("no")
    with pytest.raises(StoreError, match="is not an observation"):
        archive.load(tmp_path / "x.npz")


def test_an_observation_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    def full(*_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(StoreError, match=r"cannot write the observation .*No space left on device"):
        archive.save(observation(), tmp_path / "x.npz")
    assert list(tmp_path.glob(".x*")) == []


def test_observations_are_not_kept_where_the_study_says_so(tmp_path):
    study = small_study(tmp_path, storage={"observations": False})
    with Store(study, storage_url(study)) as store:
        store.record(simulation("a", observation=observation()))
    assert not (tmp_path / "small.observations").exists()


def test_the_database_is_chosen_by_option_then_environment_then_file(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    named = small_study(tmp_path, storage={"url": "sqlite:///mine.db"})
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert storage_url(small_study(tmp_path)) == f"sqlite:///{tmp_path}/small.db"
    assert storage_url(named) == f"sqlite:///{tmp_path}/mine.db"
    monkeypatch.setenv("OPTUNA_STORAGE", "sqlite:///env.db")
    assert storage_url(named) == f"sqlite:///{tmp_path}/elsewhere/env.db"
    assert storage_url(named, "sqlite:////tmp/given.db") == "sqlite:////tmp/given.db"


def test_several_studies_share_a_database(tmp_path):
    for name in ("one", "two"):
        study = small_study(tmp_path, name=name)
        with Store(study, "sqlite:///both.db") as store:
            store.mirror(trials(study, f"{name}-a"))
            told = store.trials()
            assert [trial.user_attrs["uuid"] for trial in told] == [f"{name}-a"]
    assert optuna.get_all_study_names(f"sqlite:///{tmp_path}/both.db") == ["one", "two"]


def test_a_changed_study_is_refused_and_the_difference_shown(study, tmp_path):
    with Store(study, storage_url(study)) as store:
        store.record(simulation("a"))
    before = Path("small.db").read_bytes()
    changed = small_study(tmp_path, study={"seed": 4}, objectives=[RATE_E | {"target": 6.0}, RATE_I])
    with pytest.raises(StoreError) as error, Store(changed, storage_url(changed)):
        pass
    assert "[study] seed was 3, is 4; [objectives] rate_E.target was 5.0, is 6.0. Undo this" in str(
        error.value
    )
    assert Path("small.db").read_bytes() == before


def test_changes_that_cannot_matter_are_accepted(study, tmp_path):
    with Store(study, storage_url(study)) as store:
        store.record(simulation("a"))
    longer = small_study(tmp_path, budget={"trials": 9})
    with Store(longer, storage_url(longer)) as store:
        assert len(store.news()[1]) == 1


def test_an_optuna_study_of_someone_else_is_left_alone(study):
    optuna.create_study(study_name="small", storage="sqlite:///small.db")
    with pytest.raises(StoreError, match="that calibrate did not create"), Store(study, storage_url(study)):
        pass
    assert rows("small.db", "select count(*) from trials") == [(0,)]


def test_sqlite_writes_ahead_and_holds_foreign_keys(store):
    assert rows("small.db", "pragma journal_mode") == [("wal",)]
    with store._engine.connect() as connection:
        assert connection.execute(text("pragma foreign_keys")).scalar() == 1
    with store._optuna.engine.connect() as connection:
        assert connection.execute(text("pragma foreign_keys")).scalar() == 1


def test_an_older_database_is_migrated_in_one_transaction(study, monkeypatch):
    with Store(study, storage_url(study)) as store:
        store.record(simulation("a"))

    def good(connection: Connection) -> None:
        connection.execute(text("alter table calibrate_study add column mood text"))

    def bad(connection: Connection) -> None:
        connection.execute(text("alter table calibrate_study add column weather text"))
        raise RuntimeError("half way")

    before = schema.latest()
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, good, bad))
    with pytest.raises(RuntimeError), Store(study, storage_url(study)):
        pass
    assert rows("small.db", "select version from calibrate_schema") == [(before,)]
    assert "mood" not in str(rows("small.db", "select sql from sqlite_master"))
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS[:-2], good))
    with Store(study, storage_url(study)) as store:
        assert len(store.news()[1]) == 1
    assert rows("small.db", "select version from calibrate_schema") == [(before + 1,)]
    assert rows("small.db", "select mood from calibrate_study") == [(None,)]


def test_a_newer_database_is_refused_and_left_as_it_is(study):
    with Store(study, storage_url(study)):
        pass
    with sqlite3.connect("small.db") as connection:
        connection.execute("update calibrate_schema set version = 99")
    before = Path("small.db").read_bytes()
    with (
        pytest.raises(StoreError, match=r"a newer version of calibrate wrote this"),
        Store(study, storage_url(study)),
    ):
        pass
    assert Path("small.db").read_bytes() == before


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("results.db", "'results.db' is not the URL of a database; write sqlite:///FILE.db"),
        ("sqlite://", "does not name a file"),
        ("sqlite:///no/such/folder/x.db", "there is no folder .*/no/such/folder for the database x.db"),
        ("sqlite:///small.toml", "small.toml: the file is not an SQLite database"),
        ("oracles://x", "oracles://x: .*oracles"),
    ],
)
def test_a_database_that_cannot_be_is_refused_in_one_line(study, url, message):
    with pytest.raises(StoreError, match=message) as error, Store(study, storage_url(study, url)):
        pass
    assert "\n" not in str(error.value)


def test_passwords_are_not_shown(study):
    url = "postgresql+nodriver://me:secret@localhost:1/x"
    with pytest.raises(StoreError, match=r"postgresql\+nodriver://me:\*\*\*@") as error, Store(study, url):
        pass
    assert "secret" not in str(error.value)


def test_a_read_only_database_is_refused(study):
    with Store(study, storage_url(study)):
        pass
    url = f"sqlite:///file:{Path('small.db').resolve()}?mode=ro&uri=true"
    with pytest.raises(StoreError, match="is read-only"), Store(study, url) as store:
        store.record(simulation("a"))


@pytest.mark.parametrize("state", ["finished", "being written"])
def test_a_study_in_a_folder_without_permission_to_write_is_read(study, tmp_path, monkeypatch, state):
    """SQLite needs to write beside a file with a write-ahead log, unless it is told that it cannot."""
    url = storage_url(study)
    with Store(study, url) as store:
        store.record(simulation("a"))
        store.mirror(trials(study, "a"))
        if state == "being written":
            folder = tmp_path / "theirs"
            folder.mkdir()
            for file in Path.cwd().glob("small.db*"):
                shutil.copy(file, folder)
            monkeypatch.chdir(folder)
    assert Path("small.db-wal").exists() == (state == "being written")
    before = sorted(path.name for path in Path.cwd().iterdir())
    # Tests may run as root, who may write anywhere.
    monkeypatch.setattr(urls.os, "access", lambda _, mode: mode != os.W_OK)
    url = f"sqlite:///{Path('small.db').resolve()}"
    assert find(study, url).name == study.name
    with Reader(study, url) as reader:
        assert [trial.user_attrs["uuid"] for trial in reader.trials()] == ["a"]
        assert [simulation.uuid for simulation in reader.simulations()] == ["a"]
        with (
            pytest.raises(OperationalError, match="readonly"),
            connections.writing(reader._engine) as connection,
        ):
            connection.execute(text("create table x (y integer)"))
    assert runs_of(study, url) == []
    assert sorted(path.name for path in Path.cwd().iterdir()) == before


DELETED = {
    "deleted": lambda url: optuna.delete_study(study_name="small", storage=url),
    "renamed": lambda url: rows(url.removeprefix("sqlite:///"), "update studies set study_name = 'mine'"),
}


@pytest.mark.parametrize("delete", DELETED.values(), ids=DELETED)
def test_trials_that_another_program_deleted_are_made_again_by_a_run(tmp_path, capsys, delete):
    """Optuna's dashboard can delete and rename studies; our tables keep every simulation."""
    study = read_study(write_study(tmp_path, replicates={"confirm": 2, "fresh": 2}))
    url = f"sqlite:///{tmp_path / 'small.db'}"
    before = run_study(study, slots=1, storage=url, progress=False)
    validate(study, slots=1, storage=url, progress=False)
    kept = read_results(study, storage=url)
    delete(url)
    message = r"another program deleted or renamed Optuna's study 'small'; calibrate run makes its trials"
    ready = find(study, url)
    for read in (read_results, validate):
        with pytest.raises(StoreError, match=message):
            read(study, storage=url)
    with pytest.raises(StoreError, match=message):
        copy_study(ready, url, f"sqlite:///{tmp_path / 'copy.db'}")
    after = run_study(study, slots=1, storage=url)
    assert f"{before.trials['complete']} trials are made again" in capsys.readouterr().err
    assert after.trials == {**before.trials, "added": 0}
    assert str(after.best) == str(before.best)
    results = read_results(study, storage=url)
    pd.testing.assert_frame_equal(results.trials, kept.trials)
    assert len(results.simulations) == len(kept.simulations)
    assert results.verdicts == []


def test_a_gap_in_the_numbers_of_trials_is_no_deletion(study):
    """An own script can ask Optuna for a trial that it never tells."""
    url = storage_url(study)
    with Store(study, url) as store:
        store.news()
        for uuid in "ab":
            store.record(simulation(uuid))
            store.mirror(trials(study, uuid))
            optuna.load_study(study_name=study.name, storage=url).ask()
    heard: list[str] = []
    with Store(study, url, say=heard.append) as store:
        store.news()
        assert len(store.trials()) == 2
    assert heard == []


def test_a_study_that_another_program_deletes_during_a_run_is_said(study):
    url = storage_url(study)
    with Store(study, url) as store:
        store.news()
        optuna.delete_study(study_name=study.name, storage=url)
        with pytest.raises(StoreError, match="deleted Optuna's study 'small' during this run; run again"):
            store.mirror(trials(study, "a"))


@pytest.mark.parametrize("reading", [True, False])
def test_tables_of_another_version_of_optuna_are_refused_in_one_line(study, reading):
    url = storage_url(study)
    with Store(study, url):
        pass
    with sqlite3.connect("small.db") as connection:
        connection.execute("update alembic_version set version_num = 'v3.0.0.a'")
    opened = Reader(study, url) if reading else Store(study, url)
    with pytest.raises(StoreError, match=r"made by another version .* `optuna storage upgrade`"), opened:
        opened.trials()


def fill(store: Store) -> None:
    def limit(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("pragma max_page_count = 1")

    for engine in (store._engine, store._optuna.engine):
        event.listen(engine, "connect", limit)
        engine.dispose()


@pytest.mark.parametrize(
    "write",
    [
        lambda store, _: [store.record(simulation(str(k), reason="x" * 5000)) for k in range(20)],
        lambda store, study: store.mirror(trials(study, *map(str, range(200)))),
    ],
    ids=["record", "mirror"],
)
def test_a_full_disk_is_a_clear_message_and_what_was_kept_stays(
    store, study, write: Callable[[Store, Study], None], monkeypatch
):
    monkeypatch.setattr("time.sleep", lambda _: None)  # Optuna tries five times
    store.record(simulation("kept"))
    fill(store)
    with pytest.raises(StoreError, match="the disk is full; free some space and run again"):
        write(store, study)
    assert ("kept",) in rows("small.db", "select uuid from calibrate_simulation")
    assert rows("small.db", "select count(*) from trials where state = 'RUNNING'") == [(0,)]


def test_a_database_held_by_another_process_is_waited_for_then_reported(store):
    other = sqlite3.connect("small.db", isolation_level=None)
    other.execute("begin immediate")

    def impatient(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("pragma busy_timeout = 50")

    event.listen(store._engine, "connect", impatient)
    store._engine.dispose()
    with pytest.raises(StoreError, match="another process has locked it for 20 s"):
        store.record(simulation("a"))
    other.execute("rollback")
    store.record(simulation("a"))
    other.close()


def test_a_database_that_is_removed_or_replaced_is_written_to_no_more(store, study):
    store.record(simulation("a"))
    Path("small.db").rename("away.db")
    for write in (lambda: store.record(simulation("b")), lambda: store.mirror(trials(study, "a"))):
        with pytest.raises(StoreError, match="was removed or replaced during this run"):
            write()
    assert not Path("small.db").exists()
    Path("small.db").touch()
    with pytest.raises(StoreError, match="was removed or replaced during this run"):
        store.record(simulation("b"))
    Path("away.db").replace("small.db")
    store.record(simulation("b"))
    assert rows("small.db", "select uuid from calibrate_simulation") == [("a",), ("b",)]


def test_a_folder_with_braces_in_its_name_is_a_folder(study, tmp_path):
    (tmp_path / "{SCHEMA_VERSION}").mkdir()
    with Store(study, f"sqlite:///{tmp_path}/{{SCHEMA_VERSION}}/x.db"):
        pass
    assert os.listdir(tmp_path / "{SCHEMA_VERSION}") == ["x.db"]  # noqa: PTH208


def test_a_study_of_the_first_version_of_the_tables_goes_on(tmp_path):
    data = Path(__file__).parents[1] / "data"
    shutil.copy(data / "version1.toml", tmp_path)
    with sqlite3.connect(tmp_path / "version1.db") as connection:
        connection.executescript((data / "version1.sql").read_text())
        known = {uuid for (uuid,) in connection.execute("select uuid from calibrate_simulation")}
    assert len(known) == 4
    study = read_study(tmp_path / "version1.toml", changes={"budget.trials": 6, "replicates.fresh": 0})
    result = run_study(study, progress=False, slots=1)
    assert (result.complete, result.added) == (6, 2)
    with sqlite3.connect(tmp_path / "version1.db") as connection:
        told = [
            json.loads(uuid)
            for (uuid,) in connection.execute(
                "select value_json from trial_user_attributes where key = 'uuid'"
            )
        ]
        assert connection.execute("select version from calibrate_schema").fetchall() == [(schema.latest(),)]
        untold = connection.execute("select count(*) from calibrate_simulation where trial is null")
        assert untold.fetchone() == (0,)
    assert len(told) == len(set(told)) == 6
    assert known < set(told)
