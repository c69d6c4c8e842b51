"""`calibrate stats`: a recording's statistics, and the objectives made of them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from calibrate import find_statistic, measure_recording, read_recording, read_study
from calibrate.cli.commands import execute
from tests.helpers.recordings import trains, written
from tests.helpers.studies import write_study


@pytest.fixture(autouse=True)
def _recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "units.csv", trains(20))


FEW = ["--repeats", "20", "--duration-ms", "20000"]


def test_stats_prints_json_and_nothing_else_on_standard_output():
    command = [sys.executable, "-m", "calibrate.cli", "stats", "units.csv", "--json", *FEW]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["units"], found["duration_ms"]) == (20, 20_000)
    rate = found["statistics"]["rate_E"]
    assert rate["value"] == pytest.approx(8.0, rel=0.1)
    assert 0 < rate["error"] < 0.5
    assert (rate["unit"], rate["support"]) == ("Hz", 20)
    assert {"cv2_E", "fano_E", "locking_E"} <= set(found["statistics"])


def test_stats_prints_a_table_for_people(capsys):
    assert execute(["stats", "units.csv", "--statistic", "cv2_E", "--statistic", "rate_E", *FEW]) == 0
    out = capsys.readouterr().out
    assert "units.csv: 20 units, 20 s" in out
    assert "cv2_E" in out
    assert "fano" not in out


def test_stats_says_in_which_pieces_it_measures(capsys):
    pieces = ["--statistic", "rate_E", "--piece-ms", "3000", *FEW]
    assert execute(["stats", "units.csv", *pieces]) == 0
    out = capsys.readouterr().out
    assert "20 units, 20 s (from 0 to 20 s)\nRead as CSV, times in ms: 20 units, 20 s as asked\n" in out
    assert "\nMeasured in 6 pieces of 3 s with 20 units; 10 % of the" in out
    assert execute(["stats", "units.csv", "--json", *pieces]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["pieces"] == [
        {"start_ms": start, "duration_ms": 3000, "units": 20} for start in range(0, 18_000, 3000)
    ]


def test_a_recording_of_a_moment_has_values_and_says_why_it_has_no_errors(capsys):
    few = ["--statistic", "rate_E", "--statistic", "fano_E"]
    assert execute(["stats", "units.csv", *few, "--duration-ms", "4000"]) == 0
    assert "rate_E: the standard error is from blocks of only 400 ms" in capsys.readouterr().out
    assert execute(["stats", "units.csv", *few, "--duration-ms", "1500", "--piece-ms", "3000"]) == 0
    out = capsys.readouterr().out
    assert "pieces: shorter than 3 s, since there is no more without a gap" in out
    assert "fano_E: no standard error: a recording of 1.5 s has 3 blocks of 0.4 s, and at least 5 are" in out
    assert "rate_E: the standard error is from blocks of only 150 ms" in out


def test_stats_says_what_units_there_are_and_uses_those_that_are_chosen(tmp_path, capsys):
    rows = [
        f"{100 * k + unit},{unit},{'mua' if unit == 2 else 'good'}" for k in range(100) for unit in range(3)
    ]
    (tmp_path / "units.csv").write_text("\n".join(["time_ms,unit,KSLabel", *rows]))
    wanted = ["--statistic", "rate_E", "--repeats", "2"]
    assert execute(["stats", "units.csv", *wanted]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "units.csv: 3 units" in out
    assert "note: units are used whatever their KSLabel: 2 good, 1 mua; choose some with units" in out
    assert execute(["stats", "units.csv", *wanted, "--units", "KSLabel=good", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["units"], found["notes"]) == (2, [])
    assert execute(["stats", "units.csv", *wanted, "--units", "good"]) == 2
    assert "--units good: write COLUMN=VALUE, such as quality=good" in capsys.readouterr().err


def test_the_objectives_that_it_writes_make_a_study(tmp_path, capsys):
    wanted = ["--statistic", "rate_E", "--statistic", "cv2_E"]
    assert execute(["stats", "units.csv", *wanted, *FEW, "--write", "aims.toml"]) == 0
    assert "Objectives: aims.toml" in capsys.readouterr().err
    text = (tmp_path / "aims.toml").read_text()
    aims = {one["statistic"]: one for one in tomllib.loads(text)["objectives"]}
    recording = read_recording("units.csv", duration_ms=20_000)
    chosen = [find_statistic("rate_E"), find_statistic("cv2_E")]
    for row in measure_recording(recording, chosen, repeats=20, piece_ms=10_000):
        one = aims[row.statistic.name]
        assert one["target"] == pytest.approx(row.estimate.value, rel=1e-4)
        assert one["tolerance"] == pytest.approx(2 * row.error, rel=0.05)
        assert one["source"] == "units.csv, 2 pieces of 10 s with 20 units"
    study = write_study(tmp_path)
    head, _, rest = study.read_text().partition("[[objectives]]")
    _, _, tail = rest.partition("[sampler]")
    known = text.replace("source =", "standard_error = 0.01\nsource =")
    study.write_text(f"{head}{known}\n[sampler]{tail}".replace("duration_ms = 2000", "duration_ms = 20000"))
    assert [one.name for one in read_study(study).objectives] == ["rate_E", "cv2_E"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.csv"], "none.csv: the file does not exist"),
        (["units.csv", "--statistic", "rat_E"], "did you mean"),
        (["units.csv", "--write", "units.csv"], "units.csv already exists"),
        (["units.csv", "--write", "no/x.toml", *FEW], "cannot be written"),
        (["units.csv", "--piece-ms", "0"], "a piece must be longer than 0 ms, not 0 ms"),
        (["units.csv", "--block-ms", "8000", "--duration-ms", "20000"], "2 blocks of 8 s"),
    ],
)
def test_what_cannot_be_done_is_one_line(capsys, arguments, message):
    assert execute(["stats", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1


def written_of(tmp_path: Path, *arguments: str) -> tuple[list[dict[str, object]], str]:
    """The objectives that `calibrate stats --write` writes, and the text."""
    assert execute(["stats", *arguments, "--repeats", "5", "--write", "written.toml"]) == 0
    text = (tmp_path / "written.toml").read_text()
    return tomllib.loads(text).get("objectives", []), text


def test_what_depends_on_the_number_of_units_is_written_for_as_many_neurons(tmp_path):
    names = ["rate_E", "synchrony_E", "correlation_E"]
    aims, text = written_of(tmp_path, "units.csv", *(f"--statistic={name}" for name in names))
    assert [one["statistic"] for one in aims] == names
    assert [one.get("neurons") for one in aims] == [None, 20, None]
    # Without clusters, the population is one group, whatever the network has.
    assert [one.get("options") for one in aims] == [None, {"scope": "all"}, {"scope": "all"}]
    assert "left out" not in text


def test_clusters_that_were_recorded_are_written(tmp_path):
    rows = (tmp_path / "units.csv").read_text().splitlines()
    labelled = [rows[0] + ",cluster", *(f"{row},{int(row.split(',')[1]) // 10}" for row in rows[1:])]
    (tmp_path / "labelled.csv").write_text("\n".join(labelled) + "\n")
    aims, _ = written_of(tmp_path, "labelled.csv", "--statistic", "synchrony_E")
    assert (aims[0]["clusters"], aims[0]["neurons"], "options" in aims[0]) == ([0, 1], 20, False)


@pytest.mark.parametrize(
    ("units", "statistic", "reason"),
    [
        (1, "synchrony_E", "it takes several units"),
        (20, "locking_E", "chance alone explains it, since it gives 0.17"),
        (20, "silent_fraction_E", "it is the same in every part of the recording"),
        (20, "switching_rate", "it needs the cluster of each unit"),
        (1, "correlation_E", "there is no pair of neurons in one cluster"),
    ],
)
def test_what_is_no_target_is_left_out_with_the_reason(tmp_path, units, statistic, reason):
    written(tmp_path / "few.csv", trains(units, rate_hz=25.0))
    aims, text = written_of(tmp_path, "few.csv", "--statistic", statistic)
    assert aims == []
    assert f"# {statistic} is left out: {reason}" in text


def test_what_it_writes_is_what_the_study_takes_by_default(tmp_path):
    aims, _ = written_of(tmp_path, "units.csv", "--statistic", "rate_E", "--piece-ms", "2000")
    keys = {"statistic": "rate_E", "target": "recording"}
    study = read_study(write_study(tmp_path, recording={"file": "units.csv"}, objectives=[keys]))
    target = study.objectives[0].target
    assert target.value == pytest.approx(aims[0]["target"], rel=1e-4)
    assert target.tolerance == pytest.approx(aims[0]["tolerance"], rel=0.4)  # of fewer halves
    assert len(str(target.tolerance)) <= 5


SEVERAL = ["units.csv", "other.csv", "third.csv"]
QUICK = ["--repeats", "2", "--duration-ms", "6000"]


@pytest.fixture
def _three():
    written(Path("other.csv"), trains(15, rate_hz=5.0, seed=2))
    written(Path("third.csv"), trains(15, rate_hz=11.0, seed=3))


@pytest.mark.usefixtures("_three")
def test_several_recordings_are_printed_each_pooled_and_with_what_one_network_can_have(capsys):
    wanted = ["--statistic", "rate_E", "--statistic", "cv2_E"]
    assert execute(["stats", *SEVERAL, *wanted, *QUICK]) == 0
    out = capsys.readouterr().out
    assert max(len(line) for line in out.splitlines() if "│" in line) <= 80
    header = next(line for line in out.splitlines() if "units ┃" in line)
    assert header.index("units") < header.index("other") < header.index("third")
    rate = next(line for line in out.splitlines() if "rate_E" in line)
    assert rate.count("±") == 3
    said = " ".join(out.split())
    assert "No network has the values of all sessions: they differ by more than their errors" in said
    assert "rate_E (Q = " in said
    assert "p < 0.001" in said
    assert "Of 3 sessions, the SD between them is only roughly known." in said


@pytest.mark.usefixtures("_three")
def test_json_of_several_recordings_has_each_and_the_mean(capsys):
    assert execute(["stats", *SEVERAL, "--statistic", "rate_E", "--json", *QUICK]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["recordings"]) == ["units", "other", "third"]
    each = [one["statistics"]["rate_E"]["value"] for one in found["recordings"].values()]
    rate = found["statistics"]["rate_E"]
    assert min(each) < rate["value"] < max(each)
    assert rate["between"] == pytest.approx(np.std(each, ddof=1), rel=0.1)
    assert (rate["sessions"], found["differing"]) == (["units", "other", "third"], ["rate_E"])
    assert rate["p"] < 0.001


@pytest.mark.usefixtures("_three")
def test_many_recordings_are_printed_in_tables_that_fit(capsys):
    for k in range(5):
        Path(f"a_session_of_mouse_{k}.csv").write_text(Path("units.csv").read_text())
    names = [f"a_session_of_mouse_{k}.csv" for k in range(5)]
    assert execute(["stats", *names, "--statistic", "rate_E", *QUICK]) == 0
    out = capsys.readouterr().out
    tables = [line for line in out.splitlines() if "│ rate_E" in line]
    assert max(len(line) for line in out.splitlines() if "│" in line) <= 80
    assert sum(line.count("±") for line in tables) == 5
    assert len(tables) == 4  # three of sessions, one of means
    assert "One network can serve all sessions" in out


@pytest.mark.usefixtures("_three")
def test_recordings_and_objectives_that_it_writes_are_those_of_a_study(tmp_path):
    (tmp_path / "there").mkdir()
    target = ["--write", "there/aims.toml", "--units", "unit_type=a", "--piece-ms", "2000"]
    for name in SEVERAL:
        rows = Path(name).read_text().splitlines()
        Path(name).write_text("\n".join([rows[0] + ",unit_type", *(row + ",a" for row in rows[1:])]))
    wanted = ["--statistic=rate_E", "--statistic=synchrony_E"]
    assert execute(["stats", *SEVERAL, *wanted, *QUICK, *target]) == 0
    text = (tmp_path / "there" / "aims.toml").read_text()
    written = tomllib.loads(text)
    assert [one["file"] for one in written["recordings"]] == [f"../{name}" for name in SEVERAL]
    assert written["recordings"][0]["units"] == {"unit_type": ["a"]}
    assert "# synchrony_E is left out: it depends on the number of units, and pieces hold 15 to 20." in text
    study = write_study(tmp_path / "there")
    head, _, rest = study.read_text().partition("[[objectives]]")
    _, _, tail = rest.partition("[sampler]")
    study.write_text(f"{head}{text}\n[sampler]{tail}")
    target = read_study(study).objectives[0].target
    said = re.search(r'target = "recording"  # (\S+) ± (\S+) Hz', text)
    assert float(said[1]) == pytest.approx(target.value, rel=0.01)  # errors of other halves weight
    assert float(said[2]) == pytest.approx(target.tolerance, rel=0.1)
    assert target.source == "recordings units, other, third"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["units.csv", "units.csv"], "units.csv is named twice"),
        (["units.csv", "none.csv"], "none.csv: the file does not exist"),
        (["units.csv", "--period", "x"], "units.csv: has no period 'x'; it has no named periods"),
        (["units.csv", "--units", "depth=.."], "write COLUMN=LEAST..MOST, such as depth=300..800"),
        (["units.csv", "--units", "depth=1..2"], "says nothing called depth about its units"),
        (["units.csv", "--population", "I=kind"], "write NAME=COLUMN:VALUE, such as I=cell_type:FS"),
        (["units.csv", "--population", "E=a:x", "--population", "I=b:x"], "told apart by the same column"),
        (["units.csv", "--stimuli", "a", "--stimuli", "b"], "write the clusters of each of several stimuli"),
    ],
)
def test_what_options_of_recordings_cannot_say_is_one_line(capsys, arguments, message):
    assert execute(["stats", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


def test_options_choose_units_populations_and_clusters(tmp_path, capsys):
    rows = [
        f"{100 * k + unit},{unit},{100 * unit},{'EEII'[unit]}x,{unit % 2}"
        for k in range(60)
        for unit in range(4)
    ]
    (tmp_path / "units.csv").write_text("\n".join(["time_ms,unit,depth,kind,layer", *rows]))
    kinds = ["--population", "E=kind:Ex", "--population", "I=kind:Ix", "--cluster", "layer"]
    wanted = ["--statistic=rate_E", "--statistic=rate_I", "--repeats=2", "--json"]
    assert execute(["stats", "units.csv", *wanted, *kinds, "--units", "depth=100..200"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["units"] == 2
    assert [one["support"] for one in found["statistics"].values()] == [1, 1]
