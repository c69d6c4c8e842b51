"""What an earlier version wrote is used as it is: a study with a network and a statistic of a lab's own.

tests/data/version_0.1 was written by the last commit whose modules lay flat in one folder. Not a letter of
its own.py may have to change: its code is part of what the study is.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from calibrate import StoreError, read_results, run_study
from calibrate.cli.commands import execute
from calibrate.study import Bo, Cmaes
from tests.helpers.studies import small_study

DATA = Path(__file__).parent / "data" / "version_0.1"


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """The study file in a folder with its database, observations and pictures."""
    shutil.copytree(DATA, tmp_path, dirs_exist_ok=True)
    with sqlite3.connect(tmp_path / "lab.db") as connection:
        connection.executescript((DATA / "lab.sql").read_text())
    return tmp_path / "lab.toml"


def printed(capfd: pytest.CaptureFixture[str]) -> dict[str, object]:
    found: dict[str, object] = json.loads(capfd.readouterr().out)
    return found


def test_it_is_shown(lab, capfd):
    assert execute(["show", str(lab), "--json"]) == 0
    found = printed(capfd)
    assert found["trials"]["complete"] == 6
    assert found["best"]["number"] == 1
    assert found["best"]["params"]["drive"] == pytest.approx(2.89908, abs=1e-5)
    assert found["best"]["statistics"]["peak_rate"] == 50.0


def test_it_is_gone_on_with(lab, capfd):
    lab.write_text(lab.read_text().replace("trials = 6", "trials = 9"))
    assert execute(["run", str(lab), "--json", "--slots", "1"]) == 0
    found = printed(capfd)
    assert found["trials"]["complete"] == 9
    assert found["trials"]["added"] == 3


def test_it_is_reported_on_with_one_more_simulation(lab, capfd):
    assert execute(["report", str(lab), "--json"]) == 0
    assert "peak_rate" in Path(str(printed(capfd)["report"])).read_text()


def test_it_is_scored_again_from_its_observations(lab, capfd):
    lab.write_text(lab.read_text().replace("target = 60.0", "target = 55.0"))
    assert execute(["rescore", str(lab), "--json"]) == 0
    assert printed(capfd)["trials"]["complete"] == 6


def test_a_study_that_names_no_sampler_keeps_the_default_of_the_version_that_began_it(tmp_path, monkeypatch):
    few = {"budget": {"trials": 4}}
    with monkeypatch.context() as before:
        before.setattr("calibrate.study.reading.default_sampler", lambda *_, **__: Cmaes(startup=3))
        run_study(small_study(tmp_path, few, sampler=None), slots=1, progress=False)
    more = small_study(tmp_path, {"budget": {"trials": 8}}, sampler=None)
    assert more.sampler == Bo()
    assert run_study(more, slots=1, progress=False).trials["complete"] == 8
    assert read_results(more).study.sampler == Cmaes(startup=3)
    named = small_study(tmp_path, few, sampler={"name": "bo"})
    with pytest.raises(StoreError, match=r"\[sampler\] name was \"cmaes\", is \"bo\""):
        run_study(named, slots=1, progress=False)
