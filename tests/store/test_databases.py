"""Databases that are older, newer, read-only, full, held, deleted from or removed: what is said."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import OperationalError

from calibrate.errors import StoreError
from calibrate.store import Store, connections, find, runs_of, schema, storage_url, urls
from calibrate.store.reader import Reader
from calibrate.study import Study, read_study
from calibrate.tasks.run import run_study
from tests.helpers.stored import rows, simulation, trials

pytestmark = pytest.mark.usefixtures("in_tmp_path")


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
