"""Studies that are changed and begun anew, in one database."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial

from calibrate.calibration.loop import run
from calibrate.calibration.result import Result
from calibrate.cli.commands import execute
from calibrate.store import Adopted, Store, resolve_name, storage_url
from calibrate.study import Study
from tests.helpers.in_memory import Bench
from tests.helpers.studies import RATE_E, RATE_I

NARROW = {"parameters": {"I_E": {"low": 1.0, "high": 2.5}}}
TARGET = {"objectives": [RATE_E | {"target": 7.0}, RATE_I]}
PLUS = {"parameters": {"J+": 3}}


def went(
    study: Study, *, new: bool = False, origins: Sequence[str] = (), bench: Bench | None = None
) -> tuple[Result, dict[str, Adopted], str]:
    """Run `study` in its database as the command does, without processes; its name there."""
    url = storage_url(study)
    place = resolve_name(study, url, new=new)
    with Store(place.study, url) as store:
        adopted = {name: store.adopt(name) for name in origins}
        return run(place.study, pool=bench or Bench(), store=store), adopted, place.study.name


def taking(study: Study) -> tuple[Result, Adopted, str]:
    """The study begun anew, with the trials of study "small"."""
    result, adopted, name = went(study, new=True, origins=["small"])
    return result, adopted["small"], name


def trials(name: str) -> list[FrozenTrial]:
    return optuna.load_study(study_name=name, storage=f"sqlite:///{Path.cwd()}/small.db").trials


def uuids(found: Sequence[FrozenTrial]) -> set[str]:
    return {trial.user_attrs["uuid"] for trial in found}


def taken(name: str) -> list[FrozenTrial]:
    return [trial for trial in trials(name) if "origin" in trial.user_attrs]


def rows(query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect("small.db") as connection:
        return connection.execute(query).fetchall()


def names() -> list[str]:
    return [name for (name,) in rows("select name from calibrate_study order by id")]


def refused(capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    capfd.readouterr()
    assert execute(arguments) == 2
    (line,) = [x for x in capfd.readouterr().err.splitlines() if x != "models may print"]
    assert line.startswith("error: ")
    return line
