"""Text files: tables of any column names, a line or a column per unit, and what must be asked about."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from calibrate import RecordingError, Study, StudyError, read_recording
from tests.helpers.recordings import trains
from tests.helpers.studies import RATE_E, RATE_I, small_study

# Three units at 8 Hz and a silent one, in s.
TRAINS = [train / 1000 for train in trains(3)] + [np.zeros(0)]
ROWS = sorted((time, unit) for unit, train in enumerate(TRAINS) for time in train)


def read(path: Path, **how: Any) -> list[np.ndarray]:
    return read_recording(path, **how).trains["E"]


def same(found: list[np.ndarray], wanted: list[np.ndarray] = TRAINS) -> bool:
    return len(found) == len(wanted) and all(
        np.allclose(a, 1000 * b, atol=1e-2) for a, b in zip(found, wanted, strict=True) if len(a) == len(b)
    )


def refusal(path: Path, **how: Any) -> str:
    with pytest.raises(RecordingError) as caught:
        read_recording(path, **how)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def table(head: str, row: str, factor: float = 1) -> str:
    return head + "".join(row.format(t=factor * time, u=unit) + "\n" for time, unit in ROWS)


SEMICOLONS = table("time [ms];neuron_id\n", "{t:.3f};{u}", 1000).replace(".", ",")
IN_S = "in ms, half of the intervals of units would be shorter"


@pytest.mark.parametrize(
    ("name", "content", "understood"),
    [
        ("a.csv", table("Spike Time (s),Cell\n", "{t:.6f},{u}"), "CSV, times in s (as Spike Time (s) says)"),
        (
            "a.csv",
            table("unit,t_ms\n", "{u},{t:.3f}", 1000),
            "times in ms (as t_ms says), units named by unit",
        ),
        ("a.csv", table("ts,clu,ch\n", "{t:.6f},{u},0"), f"times in s ({IN_S}"),
        ("a.csv", SEMICOLONS, "text with semicolons and decimal commas, times in ms (as time [ms] says)"),
        ("a.tsv", table("id\ttime\n", "{u}\t{t:.6f}"), "text with tabs, times in s"),
        ("a.txt", table("", "{t:.6f} {u}"), "rows of a time (column 1) and a unit (column 2)"),
        ("a.txt", table("", "{u}\t{t:.6f}"), "rows of a time (column 2) and a unit (column 1)"),
        ("a.txt", table("# spike times in ms\n", "{u} {t:.4f}", 1000), "times in ms (as its comments say)"),
        (
            "a.txt",
            table("# unit t_s\n", "{u} {t:.6f}"),
            "times in s (as t_s says), units named by unit",
        ),
        ("a.txt", table("", "{u} {t:.1f}", 1000), "times in ms (in s, all would be multiples of 0.05 s)"),
        ("a.dat", table("", "{t:.6f} {u}"), "text with spaces, times in s"),
    ],
)
def test_tables_of_any_names_are_read(tmp_path, name, content, understood):
    (tmp_path / name).write_text(content)
    found = read_recording(tmp_path / name)
    assert same(found.trains["E"], TRAINS[:3])
    assert understood in found.understood


def test_what_is_not_clear_is_asked_for_and_can_be_said(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(table("onset,who,where\n", "{t:.6f},n{u},3"))
    assert (
        'its columns are onset, who, where; say which are, such as columns = { time = "onset", unit ='
        in refusal(path)
    )
    assert same(read(path, columns={"time": "onset", "unit": "who"}), TRAINS[:3])
    assert "has no time column 'on'; it has onset, who, where" in refusal(path, columns={"time": "on"})
    assert "columns names time and unit, and not units" in refusal(path, columns={"units": "who"})
    path.write_text(table("time,who,where\n", "{t:.6f},n{u},3"))
    text = refusal(path)
    assert "has a column of times, time, but which one names the unit is not clear: who, where" in text
    (role,) = re.findall(r"--columns time=time,unit=(\w+)", text)
    assert same(read(path, columns={"time": "time", "unit": role}), TRAINS[:3])
    path.write_text(table("time,spike_time,unit\n", "{t:.6f},{t:.6f},{u}"))
    assert "has several columns that could be the time: time, spike_time; say columns" in refusal(path)


def test_seconds_or_milliseconds_are_asked_for_with_both_readings(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("time,unit\n0.5,1\n3.25,1\n10.123,2\n")
    text = refusal(path)
    assert "read as s: 0.148 Hz over 10.12 s; as ms: 148 Hz over 0.01012 s; say which" in text
    assert [train.tolist() for train in read(path, time_unit="s")] == [[500.0, 3250.0], [10123.0]]
    assert [train.tolist() for train in read(path, time_unit="ms")] == [[0.5, 3.25], [10.123]]
    path.write_text("time_ms,unit\n0.5,1\n3.25,1\n")
    assert "gives its times in ms: leave out time_unit" in refusal(path, time_unit="s")
    path.write_text("".join(f"{30_000 * time:.0f} {unit}\n" for time, unit in ROWS))
    assert "all whole numbers, are milliseconds or samples: read as ms: 0.2" in refusal(path)
    found = read_recording(path, sampling_rate_hz=30_000)
    assert same(found.trains["E"], TRAINS[:3])
    assert "times in samples at 30 kHz (as you say)" in found.understood
    assert "leave out one of the two" in refusal(path, sampling_rate_hz=30_000, time_unit="s")
    assert "must be above 0" in refusal(path, sampling_rate_hz=0)
    path.write_text("time_ms,unit\n0.5,1\n3.25,1\n")
    assert "gives its times in ms: leave out sampling_rate_hz" in refusal(path, sampling_rate_hz=30_000)
    path.write_text("spike_samples,unit\n15,1\n30,1\n")
    assert "gives its times in samples, but no sampling rate: say the rate" in refusal(path)
    assert [train.tolist() for train in read(path, sampling_rate_hz=30_000)] == [[0.5, 1.0]]


@pytest.mark.parametrize(
    ("name", "separator", "label"),
    [("a.txt", " ", ""), ("a.csv", ",", ""), ("a.txt", " ", "unit{}: "), ("a.csv", ",", "n{},")],
)
def test_a_line_per_unit_is_read_and_empty_lines_are_silent_units(tmp_path, name, separator, label):
    lines = [label.format(k) + separator.join(f"{t:.5f}" for t in train) for k, train in enumerate(TRAINS)]
    (tmp_path / name).write_text("\n".join(lines) + "\n")
    found = read_recording(tmp_path / name)
    assert same(found.trains["E"])
    assert "a line per unit" in found.understood


@pytest.mark.parametrize("index", [True, False])
@pytest.mark.parametrize("names", ["unit_{}", "{}"])
def test_a_column_per_unit_is_read_as_pandas_writes_it(tmp_path, names, index):
    frame = pd.DataFrame({names.format(k): pd.Series(train) for k, train in enumerate(TRAINS)})
    frame.to_csv(tmp_path / "a.csv", index=index)
    assert same(read(tmp_path / "a.csv"))


def test_times_alone_are_one_unit(tmp_path):
    np.savetxt(tmp_path / "a.txt", TRAINS[0])
    assert same(read(tmp_path / "a.txt"), TRAINS[:1])
    pd.DataFrame({"spike_times_s": TRAINS[0]}).to_csv(tmp_path / "a.csv", index=False)
    assert same(read(tmp_path / "a.csv"), TRAINS[:1])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "unit,rate,depth\n" + "".join(f"{k},{k * 7 % 5}.5,{k}\n" for k in range(200))),
        ("a.txt", "\n".join(" ".join(f"{k * j % 7}.5" for k in range(9)) for j in range(1, 9))),
        ("a.txt", "Dear all,\nthis is a letter, 12 of it.\n"),
        ("a.txt", "\x89PNG\r\n\0\0"),
        ("a.tsv", ""),
        ("a.txt", "time unit\n"),
        ("a.txt", "1 2\n2 1\n3\n1 5 2\n"),
    ],
)
def test_other_texts_are_refused(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    assert refusal(tmp_path / name, time_unit="s")


def test_whole_numbers_of_which_either_could_be_the_times_are_asked_about(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("1 1\n1 2\n2 1\n2 2\n3 3\n")
    assert "of which either could be the times: say columns" in refusal(path, time_unit="ms")
    assert len(read(path, time_unit="ms", columns={"time": "1", "unit": "2"})) == 3
    assert "leave out columns" in refusal(_lines(tmp_path), columns={"time": "1"})
    assert same(read(_lines(tmp_path)))


def _lines(folder: Path) -> Path:
    """A line per unit, longer than what the csv module takes for a cell."""
    (folder / "b.txt").write_text("\n".join(" ".join(f"{t:.900f}" for t in train) for train in TRAINS) + "\n")
    return folder / "b.txt"


def test_silent_units_can_be_counted(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("time_ms,unit\n5,1\n9,4\n")
    found = read_recording(path, n_units=5)
    assert [train.tolist() for train in found.trains["E"]] == [[5.0], [9.0], [], [], []]
    assert "has 2 units of E, more than n_units = 1" in refusal(path, n_units=1)
    path.write_text("time_ms,unit,population\n5,1,E\n9,4,I\n")
    assert "say how many units each has, n_units = { E = ..., I = ... }" in refusal(path, n_units=5)
    found = read_recording(path, n_units={"E": 3, "I": 2})
    assert {name: [train.size for train in units] for name, units in found.trains.items()} == {
        "E": [1, 0, 0],
        "I": [1, 0],
    }
    assert "has no population J for n_units; it has E, I" in refusal(path, n_units={"J": 3})
    path.write_text("time_ms,unit,cluster\n5,1,0\n9,4,1\n")
    assert "n_units is for files without clusters" in refusal(path, n_units=5)


def test_a_study_says_what_the_columns_are(tmp_path):
    (tmp_path / "a.csv").write_text(table("onset,who\n", "{t:.6f},{u}"))
    goal = RATE_E | {"target": "recording", "tolerance": 1.0}

    def study(**more: Any) -> Study:
        return small_study(tmp_path, {"recording": {"file": "a.csv", **more}}, objectives=[goal, RATE_I])

    said = {"columns": {"time": "onset", "unit": "who"}, "time_unit": "s", "duration_ms": 20_000.0}
    every, silent = study(**said), study(**said, n_units=6)
    assert silent.objectives[0].target.value == pytest.approx(every.objectives[0].target.value / 2)
    with pytest.raises(StudyError, match="its columns are onset, who"):
        study()
