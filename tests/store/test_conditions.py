"""Conditions in the database: simulations of one graph in several conditions, and tables that lack them."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Index, MetaData, Table, UniqueConstraint, create_engine, inspect
from sqlalchemy.exc import IntegrityError

from calibrate import read_results
from calibrate.cli.commands import execute
from calibrate.store import connections, schema, urls
from calibrate.store.schema import SCHEMA, SIMULATION, STUDY
from tests.helpers.conditions import ALL, BOTH
from tests.helpers.studies import Tables, write_study
from tests.helpers.waiting import wait_until

ROW: dict[str, Any] = {
    "study": 1,
    "uuid": "a",
    "candidate": 0,
    "stage": 1,
    "realisation": 0,
    "parameters": {},
    "seed": 1,
    "backend": {},
    "duration_ms": 1.0,
    "wall_s": 1.0,
    "host": "here",
    "finished": "now",
    "status": "complete",
    "statistics": {"rate_E": {"value": 1.0}},
}


def older_tables(engine: Any) -> Table:
    """Make the tables as version 5 has them, with one simulation; returns that of the simulations."""
    older = MetaData()
    columns = [one for one in SIMULATION.c if one.name != "condition"]
    table = Table(
        SIMULATION.name,
        older,
        *(Column(one.name, one.type, primary_key=one.primary_key) for one in columns),
        UniqueConstraint("study", "uuid", "stage", "realisation"),
        Index(schema.BY_CANDIDATE.name, "study", "candidate"),
        Index(schema.BY_TRIAL.name, "study", "trial"),
    )
    with engine.begin() as connection:
        for one in (SCHEMA, STUDY, schema.COORDINATOR, schema.CLAIM, schema.VERDICT):
            one.create(connection)
        table.create(connection)
        connection.execute(SCHEMA.insert().values(version=5))
        study = {"id": 1, "name": "s", "digest": "", "content": {}, "text": "", "created": "", "versions": {}}
        connection.execute(STUDY.insert().values(**study))
        connection.execute(table.insert().values(**ROW))
    return table


def test_tables_without_conditions_get_them_and_tell_simulations_apart_by_them(url):
    engine = connections.connect(urls.parse(url, Path.cwd()))
    table = older_tables(engine)
    schema.upgrade(engine)
    with engine.connect() as connection:
        (row,) = connection.execute(SIMULATION.select()).all()
        assert schema.version(connection) == schema.latest()
    assert (row.condition, row.uuid, row.statistics) == ("", "a", ROW["statistics"])
    with engine.begin() as connection:
        connection.execute(SIMULATION.insert().values(**ROW, condition="evoked"))
        connection.execute(table.insert().values(**{**ROW, "uuid": "b"}))  # by a run of an older version
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(SIMULATION.insert().values(**ROW, condition="evoked"))
    names = {index["name"] for index in inspect(engine).get_indexes(SIMULATION.name)}
    assert {schema.BY_CANDIDATE.name, schema.BY_TRIAL.name} <= names
    engine.dispose()


def test_a_killed_run_is_resumed_with_the_conditions_that_it_lacks(tmp_path):
    slow: Tables = {
        "parameters": {"pause_s": 0.1},
        "budget": {"trials": 2},
        "replicates": {"confirm": 0, "fresh": 1},
    }
    path = write_study(tmp_path, ALL, slow)
    whole = write_study(tmp_path, ALL, slow, name="whole")
    command = [sys.executable, "-m", "calibrate.cli", "run", str(path), "--quiet", "--slots", "1"]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=dict(os.environ))

    def stored() -> list[tuple[str, str]]:
        if not (tmp_path / "small.db").exists():
            return []
        try:
            with sqlite3.connect(tmp_path / "small.db") as connection:
                return connection.execute("select uuid, condition from calibrate_simulation").fetchall()
        except sqlite3.OperationalError:  # before there are tables
            return []

    wait_until(lambda: stored(), "a simulation")
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    before = stored()
    assert len(before) < 2 * 2
    for one in (path, whole):
        assert execute(["run", str(one), "--quiet", "--slots", "1"]) == 0
    assert set(before) < set(stored())
    resumed, at_once = (read_results(one).trials for one in (path, whole))
    assert resumed["loss"].tolist() == at_once["loss"].tolist()


def test_a_study_with_conditions_is_copied_and_exported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path, BOTH, budget={"trials": 2})
    assert execute(["run", "small.toml", "--quiet", "--slots", "1"]) == 0
    assert execute(["copy", "small.toml", "--to", "sqlite:///copy.db"]) == 0
    assert execute(["export", "small.toml", "--storage", "sqlite:///copy.db", "-o", "out"]) == 0
    lines = (tmp_path / "out" / "simulations.csv").read_text().splitlines()
    assert lines[0].startswith("trial,stage,graph,condition,seed,")
    assert [line.split(",")[3] for line in lines[1:]] == ["spontaneous", "evoked"] * 2
    assert "evoked.rate_E" in (tmp_path / "out" / "statistics.csv").read_text()
    with create_engine("sqlite:///copy.db").connect() as connection:
        assert {row.condition for row in connection.execute(SIMULATION.select())} == {"spontaneous", "evoked"}
