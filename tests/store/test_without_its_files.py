"""A study keeps what it took from its data files, so that its results can be read without them."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from calibrate import StoreError, StudyError, read_results, read_study, run_study
from calibrate.calibration.trials.rescored import warnings_of_older
from calibrate.cli.commands import execute
from calibrate.errors import ObjectiveError
from calibrate.store import find, storage_url
from calibrate.study.from_files import FromFiles
from tests.helpers.recordings import trains, written
from tests.helpers.studies import RATE_I, Tables, write_study

AIMS: list[Tables] = [
    {"statistic": "rate_E", "target": "recording"},
    {"statistic": "cv2_E", "distribution": "recording", "tolerance": 0.2},
    {"statistic": "lv_E", "distribution": "lv.csv", "tolerance": 0.2},
    RATE_I,
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished study of a recording and of a list of numbers."""
    folder = tmp_path_factory.mktemp("finished")
    written(folder / "units.csv", trains(10, duration_ms=10_000))
    (folder / "lv.csv").write_text("lv\n0.8\n1.0\n1.3\n")
    path = write_study(folder, recording={"file": "units.csv"}, objectives=AIMS, budget={"trials": 2})
    run_study(read_study(path), slots=1, progress=False)
    return folder


@pytest.fixture
def study(finished: Path, tmp_path: Path) -> Path:
    """The file of the study, in a folder of its own."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return tmp_path / "small.toml"


@pytest.fixture
def alone(study: Path) -> Path:
    """The same without the files that its targets come from."""
    for name in ("units.csv", "lv.csv"):
        (study.parent / name).unlink()
    return study


def test_results_are_the_same_without_the_files(study):
    before = read_results(read_study(study))
    for name in ("units.csv", "lv.csv"):
        (study.parent / name).unlink()
    after = read_results(study)
    assert after.trials.equals(before.trials)
    assert str(after.best) == str(before.best)
    assert "rate_E" in str(after.best)
    assert after.study.content == before.study.content
    observation = before.simulate(0, spikes=False).observation
    for one, other in zip(before.study.objectives, after.study.objectives, strict=True):
        assert one.statistic(observation).value == other.statistic(observation).value
        assert one.target == other.target


def test_files_that_are_unchanged_are_not_measured_again(study, monkeypatch):
    before = read_results(read_study(study))
    monkeypatch.setattr("calibrate.study.rules.recorded_sessions.read_recording", None)
    after = read_results(study)
    assert after.trials.equals(before.trials)
    assert [one.target for one in after.study.objectives] == [one.target for one in before.study.objectives]


def test_a_file_that_has_changed_is_measured(study):
    written(study.parent / "units.csv", trains(10, duration_ms=9_000))
    with pytest.raises(StoreError, match=r"units\.csv"):
        read_results(study)


@pytest.mark.parametrize(
    "command",
    [
        ["show"],
        ["export", "--output", "out"],
        ["report", "--output", "page.html"],
        ["copy", "--to", "sqlite:///copy.db"],
        ["simulate", "--trial", "0"],
        ["validate", "--replicates", "3", "--slots", "1"],
    ],
    ids=lambda command: command[0],
)
def test_every_command_that_reads_results_works_without_them(alone, command, capfd, monkeypatch):
    monkeypatch.chdir(alone.parent)
    assert execute([*command, "small.toml"]) in (0, 1)  # 1: a verdict that the targets are missed
    out, err = capfd.readouterr()
    assert "missing" not in err
    assert out
    if command[0] == "report":
        assert "the recording units.csv (ten units, " in Path("page.html").read_text()


def test_the_methods_name_the_recording_without_having_it(alone):
    taken = read_results(alone).study.taken
    facts = taken.recordings[""]
    assert (facts.units, round(facts.duration_ms, -2)) == (10, 10_000)
    assert list(taken.distributions) == ["cv2_E", "lv_E"]
    assert list(taken.distributions["lv_E"]) == [0.8, 1.0, 1.3]


@pytest.mark.parametrize("command", ["run", "check", "simulate"])
def test_new_trials_need_the_file_and_say_so_in_one_line(alone, command, capfd):
    (alone.parent / "lv.csv").write_text("0.8\n1.0\n1.3\n")
    assert execute([command, str(alone)]) == 2
    err = capfd.readouterr().err
    assert err.count("error: ") == 1
    assert "the file does not exist; new trials need it: put it back, or say where it is" in err


def test_a_study_that_never_ran_has_nothing_to_show(tmp_path):
    path = write_study(tmp_path, recording={"file": "units.csv"}, objectives=AIMS)
    with pytest.raises(StudyError, match="the file does not exist"):
        read_results(path)


def test_a_study_that_has_changed_is_not_found_without_them_either(alone):
    alone.write_text(alone.read_text().replace("tolerance = 2.0", "tolerance = 2.5"))
    with pytest.raises(StoreError, match=r"tolerance was 2\.0, is 2\.5"):
        read_results(alone)


def test_targets_stay_what_they_were_when_the_study_began(study):
    with sqlite3.connect(study.parent / "small.db") as connection:
        ((text,),) = connection.execute("SELECT taken FROM calibrate_study").fetchall()
        stored = json.loads(text)
        stored["targets"]["rate_E"]["value"] = 7.0
        connection.execute("UPDATE calibrate_study SET taken = ?", [json.dumps(stored)])
    now = read_study(study)
    found = find(now, storage_url(now))
    assert found.objectives[0].target.value == 7.0
    assert any("rate_E: the study keeps the target that it began with, 7 ±" in one for one in found.warnings)


def as_older(folder: Path) -> None:
    """Make the database one of an older version: no targets in it, none measured in pieces, other scores."""
    with sqlite3.connect(folder / "small.db") as connection:
        ((text,),) = connection.execute("SELECT content FROM calibrate_study").fetchall()
        content = json.loads(text)
        content["recording"].pop("piece_ms", None)
        connection.execute("UPDATE calibrate_study SET content = ?", [json.dumps(content)])
        connection.execute("ALTER TABLE calibrate_study DROP COLUMN taken")
        for table in ("variant", "hardening"):
            connection.execute(f"DROP TABLE calibrate_{table}")
        connection.execute("UPDATE calibrate_schema SET version = 4")
        connection.execute(
            "UPDATE study_system_attributes SET value_json = '2' WHERE key = 'calibrate:scoring'"
        )
        connection.execute("UPDATE trial_values SET value = 1000 - value")


def test_an_older_study_is_shown_by_targets_that_are_measured_again(study, capfd):
    new = read_results(study).trials["loss"]
    as_older(study.parent)
    assert list(read_results(study).trials["loss"]) == pytest.approx(list(new))
    # Its distances are from the whole recording: more trials would mix two scales.
    assert execute(["run", str(study)]) == 2
    assert "[recording] piece_ms = 2000.0 was added" in capfd.readouterr().err
    (study.parent / "units.csv").unlink()
    with pytest.raises(StoreError, match=r"units.csv is missing, and the older version .* stored no targets"):
        read_results(study)


def test_an_older_study_goes_on_with_targets_that_are_measured_again(tmp_path, capfd):
    written(tmp_path / "units.csv", trains(10, duration_ms=10_000))
    keys: Tables = {"recording": {"file": "units.csv"}, "objectives": [AIMS[0], RATE_I]}
    study = write_study(tmp_path, keys, budget={"trials": 1})
    run_study(read_study(study), slots=1, progress=False)
    new = read_results(study).trials["loss"]
    as_older(tmp_path)
    study = write_study(tmp_path, keys, budget={"trials": 2})
    assert execute(["run", str(study), "--slots", "1"]) == 0
    err = capfd.readouterr().err
    assert "its targets from the recording are measured again, and its trials scored by them" in err
    (tmp_path / "units.csv").unlink()
    assert list(read_results(study).trials["loss"])[:1] == pytest.approx(list(new))


def test_nothing_is_said_of_a_study_without_data_files(tmp_path):
    assert warnings_of_older(read_study(write_study(tmp_path)), {}) == (None, None)


def test_damaged_targets_are_one_line(study):
    with sqlite3.connect(study.parent / "small.db") as connection:
        connection.execute("""UPDATE calibrate_study SET taken = '{"targets": [1]}'""")
    with pytest.raises(StoreError, match="invalid targets from its data files"):
        read_results(study)


def test_a_distribution_of_very_many_values_stays_in_its_file(tmp_path):
    many = FromFiles.of({}, 1000.0, {}, {"isi_E": np.arange(20_001.0), "cv_E": np.arange(3.0)})
    assert list(many.distributions) == ["cv_E"]
    (tmp_path / "isi.csv").write_text("\n".join(map(str, range(1, 20_002))))
    aim = {"statistic": "isi_E", "distribution": "isi.csv", "tolerance": 5.0}
    path = write_study(tmp_path, objectives=[aim, RATE_I], budget={"trials": 1})
    run_study(read_study(path), slots=1, progress=False)
    before = read_results(read_study(path))
    (tmp_path / "isi.csv").unlink()
    after = read_results(path)
    assert str(after.best) == str(before.best)
    with pytest.raises(ObjectiveError, match=r"isi_E needs isi\.csv, which is missing"):
        after.study.objectives[0].statistic(before.simulate(0, spikes=True).observation)


def test_a_recording_may_lie_in_another_place(study):
    (study.parent / "data").mkdir()
    (study.parent / "units.csv").rename(study.parent / "data" / "units.csv")
    study.write_text(study.read_text().replace("units.csv", "data/units.csv"))
    assert execute(["show", str(study)]) == 0
    assert execute(["run", str(study), "--trials", "3", "--slots", "1", "--quiet"]) == 0
    (study.parent / "data" / "units.csv").write_text("time_ms,unit\n1,0\n90,0\n5000,0\n")
    assert execute(["run", str(study), "--trials", "4", "--slots", "1", "--quiet"]) == 2
