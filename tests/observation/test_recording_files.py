"""Tables and arrays: what is read is what was written, or one clear line says what to do."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import neo
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from calibrate import RecordingError, read_recording
from calibrate.observation.recording_files import read_table
from tests.helpers.recorded_files import table_of, write_nwb
from tests.helpers.recordings import trains

times_s = st.lists(st.floats(0, 1e4, allow_subnormal=False), max_size=6, unique=True)


words = st.builds(
    lambda first, rest: (first + rest).strip(),
    st.sampled_from("AnEλß"),
    st.text("aN7 ,;\"'#.+-é", max_size=6),
)


labels = st.integers(-9, 10**12) | words.filter(
    lambda word: word.casefold() not in ("na", "nan", "none", "null")
)


named = st.sampled_from(["E", "I", "L2/3 e", "01"])


def in_words(key: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(str(part) for part in key)


@st.composite
def units(draw) -> dict[tuple[str, Any, Any], list[float]]:
    """Spike times in ms by population, cluster and name, at least one of them."""
    several = st.lists(st.tuples(named, labels, labels), min_size=1, max_size=6, unique_by=in_words)
    found = {key: sorted(set(1000.0 * np.array(draw(times_s)))) for key in draw(several)}
    return found if any(found.values()) else {next(iter(found)): [5.0]}


def read_back(path: Path) -> dict[tuple[str, str, str], list[float]]:
    found, times = read_table(path).units("E")
    return {(p, str(c), str(u)): t.tolist() for (p, c, u), t in zip(found, times, strict=True)}


def as_text(wanted: dict[tuple[str, Any, Any], list[float]]) -> dict[tuple[str, str, str], list[float]]:
    return {(p, str(c), str(u)): t for (p, c, u), t in wanted.items()}


def rows_of(wanted: dict[tuple[str, Any, Any], list[float]]) -> list[tuple[Any, ...]]:
    return [(time, u, p, c) for (p, c, u), times in wanted.items() for time in times or [float("nan")]]


quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(units(), st.randoms())
@example({("E", 0, f"{number}"): [float(number)] for number in range(12)}, None)
def test_a_csv_table_is_read_as_it_was_written(tmp_path, wanted, random):
    rows = rows_of(wanted)
    if random:
        random.shuffle(rows)
    with (tmp_path / "a.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["time_ms", "unit", "population", "cluster"])
        writer.writerows(["" if row[0] != row[0] else repr(float(row[0])), *row[1:]] for row in rows)
    assert read_back(tmp_path / "a.csv") == as_text(wanted)


@quick
@given(units())
def test_arrays_are_read_as_they_were_written(tmp_path, wanted):
    time, unit, population, cluster = zip(*rows_of(wanted), strict=True)
    np.savez(tmp_path / "a.npz", time_ms=time, unit=unit, population=population, cluster=cluster)
    assert read_back(tmp_path / "a.npz") == as_text(wanted)


@quick
@given(units())
def test_a_table_of_units_is_read_as_it_was_written(tmp_path, wanted):
    population, cluster, _ = zip(*wanted, strict=True)
    columns = {"population": population, "cluster": [str(c) for c in cluster]}
    columns["spike_times"] = [np.array(times) / 1000 for times in wanted.values()]
    found = read_back(write_nwb(tmp_path / "a.nwb", columns))
    expected = {
        (p, str(c), str(row)): [1000 * (time / 1000) for time in times]
        for row, ((p, c, _), times) in enumerate(wanted.items())
    }
    assert found == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("time_ms,unit\n1,7,3\n2,8,3\n", "names 2 columns in its first line, but has 3 in the second"),
        ("time_ms,unit\n1,7\n2,8,3\n", "Expected 2 fields in line 3, saw 3"),
        ("time_ms,unit\n1,7\n2\n", "the column unit has empty cells; each row"),
        ("time_ms,unit\n1,a\n2, \n", "the column unit has empty cells; each row"),
        ('time_ms,unit\n1,a\n2," "\n', "the column unit has empty cells; each row"),
        ("time_ms,unit\n1,a\n2,NA\n", r"the column unit has empty cells \('NA'\)"),
        ("time_ms,unit\n1,1\n2,01\n", "the column unit writes one label in several ways: 01 and 1; write it"),
        ("time_ms,unit,cluster\n1,1,2\n2,2,2.0\n", "the column cluster writes one label in several ways"),
        ("time_ms,unit,unit\n1,1,2\n", "has several columns with the name 'unit'"),
        ("time_ms,time_s,unit\n1,1,2\n", "has both time_ms and time_s: leave out one"),
        ("time_ms,unit\n1,2\n,2\n", r"unit 2 of E has rows without a time \(1 of 2\)"),
        ("time_ms,unit,stop_ms\n1,2,9\n", "has a column stop_ms, which only an NPZ file can give"),
        ("time_ms,unit\nTrue,2\n", "time_ms contains 'True', which is not a number"),
        (
            "time_ms,unit\n" + "".join(f"{k % 7},{k}.5\n" for k in range(200)),
            "columns of time and unit exchanged",
        ),
    ],
)
def test_tables_that_are_malformed_are_refused(tmp_path, content, message):
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(RecordingError, match=message) as caught:
        read_recording(tmp_path / "a.csv")
    assert "\n" not in str(caught.value)


def test_a_table_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "a.csv").write_bytes("time_ms,unit\n1,ä\n".encode("latin-1"))
    with pytest.raises(RecordingError, match="is not a text in UTF-8"):
        read_recording(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"unit": ["a", "b", ""]}, "the column unit has empty cells"),
        ({"unit": np.array([1, None, 2], dtype=object)}, "the array unit holds Python objects"),
        ({"unit": [0.0, 1.0, np.nan]}, "the column unit has empty cells"),
        ({"unit": [0.0, 1.0, 1.5]}, "the column unit contains 1.5; labels are whole numbers or text"),
        ({"unit": [1, 2]}, "needs one unit for every spike time"),
        ({"time_ms": np.array(["2026-01-01"] * 3, dtype="datetime64[ms]")}, "but times are real numbers"),
        ({"time_ms": np.eye(3)}, "needs one row per spike, but time_ms has 2 dimensions"),
        ({"stop_ms": [1.0, 2.0]}, "stop_ms must be one number"),
    ],
)
def test_arrays_that_are_malformed_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **({"time_ms": [1.0, 2.0, 3.0], "unit": [0, 1, 2]} | arrays))
    with pytest.raises(RecordingError, match=message):
        read_recording(tmp_path / "a.npz")


def test_seconds_in_a_column_of_milliseconds_are_recognised(tmp_path):
    table_of([train / 1000 for train in trains(10)]).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(
        RecordingError, match=r"within 19.9 ms, .* if the times are seconds, name the column time_s"
    ):
        read_recording(tmp_path / "a.csv")


def test_milliseconds_in_a_column_of_seconds_are_pointed_out(tmp_path):
    table_of(trains(10)).rename(columns={"time_ms": "time_s"}).to_csv(tmp_path / "a.csv", index=False)
    found = [np.arange(1.0, 5e6, 4e4) + 7 * k for k in range(20)]
    table_of(found).rename(columns={"time_ms": "time_s"}).to_csv(tmp_path / "a.csv", index=False)
    (note,) = read_recording(tmp_path / "a.csv").notes
    assert "if the times are milliseconds, the column is time_ms" in note


def test_spikes_that_are_there_twice_are_counted_and_the_ways_out_are_said(tmp_path):
    frame = table_of(trains(3))
    pd.concat([frame, frame]).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(RecordingError, match=f"{len(frame)} of {2 * len(frame)} spikes .* remove rows"):
        read_recording(tmp_path / "a.csv")


def test_spikes_that_a_sorter_found_twice_count_once(tmp_path):
    found = read_recording(write_nwb(tmp_path / "a.nwb", {"spike_times": [[1.0, 2.0, 2.0], [2.0]]}))
    assert [train.tolist() for train in found.trains["E"]] == [[1000.0, 2000.0], [2000.0]]
    assert found.notes == ("1 of 4 spikes have the unit and the time of another, and are left out",)


def test_units_with_one_name_and_clusters_of_one_unit_are_pointed_out(tmp_path):
    (tmp_path / "a.csv").write_text("time_ms,unit,cluster\n1,a,0\n2,a,1\n3,b,1\n")
    assert read_recording(tmp_path / "a.csv").notes == (
        "names of units occur in several populations or clusters: they are read as 3 different units, not 2",
    )
    (tmp_path / "a.csv").write_text("time_ms,unit,cluster\n1,a,17\n2,b,25\n")
    (note,) = read_recording(tmp_path / "a.csv").notes
    assert note.startswith("each unit is a cluster of its own")


SUFFIXES = sorted(
    {
        extension.lower()
        for reader in neo.io.iolist
        for extension in reader.extensions
        if extension and not extension.isdigit() and reader is not neo.io.ExampleIO
    }
)


def test_every_suffix_that_neo_lists_is_read_or_explained(tmp_path):
    for suffix in SUFFIXES:
        path = tmp_path / f"a.{suffix}"
        path.write_bytes(b"\0nonsense")
        with pytest.raises(RecordingError) as caught:
            read_recording(path)
        text = str(caught.value)
        assert "\n" not in text
        assert "Could not identify IO" not in text
        assert not text.endswith(": None")
        assert f"files named .{suffix} are not read" not in text


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.fake", "files named .fake are not read: save its spikes as CSV"),  # neo makes up data for it
        ("a", "its name has no suffix that says what it is: save its spikes as CSV"),
        ("a.csv.gz", "is compressed: unpack it first"),
        ("a.xlsx", "is a workbook: save the sheet as CSV"),
        ("a.txt", "is empty: it needs the columns time_ms"),
        ("a.sion", "is a file of SIONlib: let NEST record with record_to"),
        ("a.pkl", "can run any code when it is read, so it is not: save its spikes"),
        ("a.ns5", "belongs to a .nev file"),
        ("a.rhd", "holds traces, not spikes: sort them"),
        ("a.dat", "is a .dat file, which many programs write for different things: save its spikes as CSV"),
        ("a.h5", "is HDF5, which programs fill in their own ways: save its spikes as CSV"),
    ],
)
def test_files_that_are_not_read_say_what_to_do(tmp_path, name, message):
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(RecordingError, match=f"{name}: {message}"):
        read_recording(tmp_path / name)


@pytest.mark.parametrize(("name", "package"), [("a.nwb", "h5py"), ("a.plx", "neo")])
def test_formats_that_need_a_package_name_it(tmp_path, monkeypatch, name, package):
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / name).touch()
    with pytest.raises(RecordingError, match=f"needs the package {package}: pip install"):
        read_recording(tmp_path / name)


def test_a_table_of_names_alone_is_refused(tmp_path):
    (tmp_path / "none.csv").write_text("time_ms,unit\n")
    with pytest.raises(RecordingError, match="has a line of names, but no rows"):
        read_recording(tmp_path / "none.csv")
