"""Files of recordings: what is read is what was written, or one clear line says what to do."""

from __future__ import annotations

import csv
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import h5py
import neo
import numpy as np
import pandas as pd
import pytest
import quantities as pq
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from calibrate import RecordingError, Study, StudyError, read_recording
from calibrate.observation.recording_files import Wanted, read_table
from calibrate.observation.recording_files.neo_files import READERS, read_neo
from tests.helpers.recorded_files import write_nwb, write_plexon, write_units
from tests.helpers.recordings import trains
from tests.helpers.studies import RATE_E, RATE_I, small_study

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
        ("time_ms;unit\n1,5;2\n", "separates its columns by semicolons: write commas"),
        ("time_ms\tunit\n1\t2\n", "separates its columns by tabs: write commas"),
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


def table_of(times: list[np.ndarray], **columns: list[Any]) -> pd.DataFrame:
    rows = [
        (t, k, *(values[k] for values in columns.values())) for k, train in enumerate(times) for t in train
    ]
    return pd.DataFrame(rows, columns=["time_ms", "unit", *columns])


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


QUALITY = ["good", "mua", "Good", "noise", "good", "good"]


def sorted_file(path: Path) -> Path:
    """Six units at 1 to 6 Hz, in which a sorter called one noise and one multi-unit activity."""
    found = [np.arange(0.5, 20, 1 / (k + 1)) for k in range(6)]
    if path.suffix == ".csv":
        table_of([1000 * train for train in found], KSLabel=QUALITY, depth=[*range(6)]).to_csv(
            path, index=False
        )
    elif path.suffix == ".npz":
        frame = table_of([1000 * train for train in found], KSLabel=QUALITY, depth=[*range(6)])
        np.savez(path, **{name: np.array(frame[name].to_list()) for name in frame})
    elif path.suffix == ".nwb":
        write_nwb(path, {"spike_times": found, "KSLabel": QUALITY, "depth": [*range(6)]})
    else:
        segment = neo.Segment()
        for train, label in zip(found, QUALITY, strict=True):
            segment.spiketrains.append(neo.SpikeTrain(train * pq.s, t_stop=20 * pq.s, KSLabel=label, depth=1))
        block = neo.Block()
        block.segments.append(segment)
        neo.io.NeoMatlabIO(str(path)).write_block(block)
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.npz", "a.nwb", "a.mat"])
def test_units_of_all_verdicts_are_counted_and_can_be_chosen(tmp_path, name):
    path = sorted_file(tmp_path / name)
    everything = read_recording(path)
    assert everything.units == 6
    assert everything.notes == (
        "units are used whatever their KSLabel: 4 good, 1 mua, 1 noise; choose some with units, such "
        "as KSLabel = good",
    )
    good = read_recording(path, units={"KSLabel": "good"})
    assert (good.units, good.notes) == (4, ())
    assert [train.size for train in good.trains["E"]] == [20, 59, 98, 117]
    assert read_recording(path, units={"KSLabel": ["good", "mua"]}).units == 5
    with pytest.raises(RecordingError, match="no unit has KSLabel = best: 4 good, 1 mua, 1 noise"):
        read_recording(path, units={"KSLabel": "best"})
    with pytest.raises(RecordingError, match=r"says nothing called verdict about .* it has KSLabel, depth"):
        read_recording(path, units={"verdict": "good"})


def test_a_study_chooses_units(tmp_path):
    sorted_file(tmp_path / "a.csv")
    of_recording = {"file": "a.csv", "duration_ms": 20_000}
    goal = RATE_E | {"target": "recording", "tolerance": 1.0}

    def study(**more: Any) -> Study:
        return small_study(tmp_path, {"recording": of_recording | more}, objectives=[goal, RATE_I])

    everything, good = study(), study(units={"KSLabel": "good"})
    assert everything.objectives[0].target.value == pytest.approx(3.40, abs=0.08)  # of 1, 2, 3, 4, 5, 6 Hz
    assert good.objectives[0].target.value == pytest.approx(3.67, abs=0.08)  # of 1, 3, 5, 6 Hz
    assert everything.warnings == (
        "[recording] units are used whatever their KSLabel: 4 good, 1 mua, 1 noise; choose some with "
        "units, such as KSLabel = good",
    )
    assert good.warnings == ()
    assert everything.digest != good.digest
    with pytest.raises(StudyError, match="no unit has KSLabel = best: 4 good"):
        study(units={"KSLabel": ["best"]})


def test_what_differs_between_spikes_does_not_choose_units(tmp_path):
    (tmp_path / "a.csv").write_text("time_ms,unit,amplitude\n1,0,3\n2,0,4\n3,1,4\n")
    with pytest.raises(RecordingError, match="amplitude differs between the spikes of a unit"):
        read_recording(tmp_path / "a.csv", units={"amplitude": 4})


def test_unsorted_waveforms_of_plexon_are_told_apart(tmp_path):
    path = write_plexon(
        tmp_path / "a.plx",
        {
            (1, 0): np.arange(1, 2000, 20.0),
            (1, 1): np.arange(5, 2000, 100.0),
            (2, 0): np.arange(1, 2000, 10.0),
            (2, 2): np.arange(5, 2000, 200.0),
        },
    )
    (note,) = read_recording(path).notes
    assert note.startswith("units are used whatever their quality: 2 unsorted, 2 sorted")
    found = read_recording(path, units={"quality": "sorted"})
    assert [train.size for train in found.trains["E"]] == [20, 10]


def test_progress_bars_of_neo_are_not_shown(tmp_path, capfd):
    read_recording(write_plexon(tmp_path / "a.plx", {(1, 1): np.arange(5, 2000, 100.0)}))
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_units_that_pynwb_wrote_are_read(tmp_path):
    from datetime import UTC, datetime

    import pynwb

    file = pynwb.NWBFile("a session", "identifier", datetime(2026, 1, 1, tzinfo=UTC))
    file.add_acquisition(pynwb.TimeSeries(name="raw", data=np.zeros((500, 4)), unit="V", rate=1000.0))
    file.add_unit_column("quality", "verdict of the sorter")
    file.add_unit_column("usable", "whether an expert accepts it")
    file.add_unit_column("snr", "signal to noise")
    file.add_unit_column("similar", "numbers of similar units", index=True)
    file.add_unit_column("population", "excitatory or inhibitory")
    found = trains(4, duration_ms=2000)
    for k, train in enumerate(found):
        file.add_unit(
            id=10 + k,
            spike_times=train / 1000,
            obs_intervals=[[0.0, 0.5], [1.0, 2.0]] if k == 3 else [[0.0, 2.0]],
            quality=["good", "noise"][k == 2],
            usable=k != 1,
            snr=0.5 * k,
            similar=[*range(k)],
            population="EEII"[k],
        )
    with pynwb.NWBHDF5IO(tmp_path / "a.nwb", "w") as io:
        io.write(file)
    table = read_table(tmp_path / "a.nwb")
    assert {unit: one.tolist() for unit, one in table.observed.items()} == {
        **{unit: [[0.0, 2000.0]] for unit in (10, 11, 12)},
        13: [[0.0, 500.0], [1000.0, 2000.0]],
    }
    recording = read_recording(tmp_path / "a.nwb")
    assert recording.notes[0].startswith("units are used whatever their quality: 3 good, 1 noise")
    assert [len(units) for units in recording.trains.values()] == [2, 2]
    for train, wanted in zip(recording.trains["E"], found[:2], strict=True):
        assert train == pytest.approx(wanted)
    for chosen in ({"quality": "good", "usable": True}, {"snr": [0, 1.5]}):
        assert [len(units) for units in read_recording(tmp_path / "a.nwb", units=chosen).trains.values()] == [
            1,
            1,
        ]
    with pytest.raises(RecordingError, match="it has quality, usable, snr, population"):
        read_recording(tmp_path / "a.nwb", units={"similar": 1})


def test_nwb_units_need_no_observation_intervals(tmp_path):
    found = read_recording(write_nwb(tmp_path / "a.nwb", {"spike_times": [[0.5, 1.5], [], [3.0]]}))
    assert [train.tolist() for train in found.trains["E"]] == [[500.0, 1500.0], [], [3000.0]]
    assert (found.start_ms, found.stop_ms) == (0.0, 3000.0)


def test_the_time_that_each_unit_was_observed_is_kept(tmp_path):
    observed = [[[10.0, 12.0], [0.0, 4.0], [4.0, 5.0]], [[0.0, 20.0]]]
    columns = {"spike_times": [[1.0, 4.5, 11.0, 19.0], [1.0]], "obs_intervals": observed}
    table = read_table(write_nwb(tmp_path / "a.nwb", columns))
    assert (table.start_ms, table.stop_ms) == (0.0, 20_000.0)
    assert {unit: one.tolist() for unit, one in table.observed.items()} == {
        0: [[0.0, 5000.0], [10_000.0, 12_000.0]],
        1: [[0.0, 20_000.0]],
    }
    assert table.time_ms.tolist() == [1000.0, 4500.0, 11_000.0, 1000.0]
    assert table.notes == ["spikes outside the intervals in which their units were observed are left out: 1"]
    same = write_nwb(tmp_path / "b.nwb", columns | {"obs_intervals": [[[0.0, 20.0]]] * 2})
    assert read_table(same).observed is None


def test_the_stop_of_each_spike_train_of_neo_is_kept(tmp_path):
    segment = neo.Segment()
    for stop in (10, 30):
        segment.spiketrains.append(neo.SpikeTrain([1.0, 9.0] * pq.s, t_stop=stop * pq.s))
    block = neo.Block()
    block.segments.append(segment)
    neo.io.NeoMatlabIO(str(tmp_path / "a.mat")).write_block(block)
    table = read_table(tmp_path / "a.mat")
    assert {unit: one.tolist() for unit, one in table.observed.items()} == {
        0: [[0, 10_000]],
        1: [[0, 30_000]],
    }


def test_segments_of_neo_that_follow_one_another_are_a_recording_with_gaps(tmp_path, monkeypatch):
    """neo's example of a format makes up segments of 10 s that begin at 0 and at 15 s."""

    def read_first(reader: neo.io.ExampleIO, *, lazy: bool) -> list[neo.Block]:
        return [reader.read_block(0, lazy=lazy)]

    monkeypatch.setattr(neo.io.ExampleIO, "read", read_first)
    monkeypatch.setitem(READERS, ".fake", ["ExampleIO"])
    (tmp_path / "a.fake").touch()
    table = read_neo(tmp_path / "a.fake", Wanted())
    assert (table.start_ms, table.stop_ms) == (0.0, 25_000.0)
    assert {unit: one.tolist() for unit, one in table.observed.items()} == {
        unit: [[0.0, 10_000.0], [15_000.0, 25_000.0]] for unit in range(3)
    }
    assert all((times > 15_000).any() for times in table.units("E")[1])


def test_traces_beside_the_units_are_not_loaded(tmp_path):
    """Traces of 8 TB, of which nothing is stored: whoever loads them runs out of memory."""
    path = write_nwb(tmp_path / "a.nwb", {"spike_times": [[1.0, 2.0]]})
    with h5py.File(path, "a") as file:
        file.create_dataset("acquisition/raw/data", shape=(10**9, 1000), dtype="f8", chunks=(1000, 1000))
    assert read_recording(path).units == 1


def test_units_elsewhere_in_the_file_are_found_if_there_is_one_table(tmp_path):
    with h5py.File(tmp_path / "a.nwb", "w") as file:
        write_units(file.create_group("processing/sorting/units"), {"spike_times": [[1.0, 2.0]]})
    assert read_recording(tmp_path / "a.nwb").units == 1
    with h5py.File(tmp_path / "a.nwb", "a") as file:
        write_units(file.create_group("processing/other/units"), {"spike_times": [[1.0, 2.0]]})
    with pytest.raises(
        RecordingError, match=r"has several tables of units .processing/other/units, processing/sor"
    ):
        read_recording(tmp_path / "a.nwb")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"spike_times_index": None}, "does not say which spike times are whose"),
        ({"spike_times": None}, "has a table of units without spike times"),
        (
            {"spike_times_index": [2, 1]},
            "is damaged: spike_times_index does not divide the 3",
        ),
        (
            {"spike_times_index": [1, 2]},
            "is damaged: spike_times_index does not divide the 3",
        ),
        ({"spike_times": [1.0, np.nan, 2.0]}, "unit 0 has a spike time that is not a number"),
        ({"obs_intervals": [[1.0, 0.0], [0.0, 9.0]]}, "unit 0 was observed in an interval that does not end"),
        ({"obs_intervals": [1.0, 2.0]}, "has obs_intervals that are not pairs"),
        ({"id": [], "spike_times": [], "spike_times_index": []}, "contains no units"),
    ],
)
def test_tables_of_units_that_are_damaged_are_refused(tmp_path, changes, message):
    columns = {"spike_times": [[1.0, 2.0], [3.0]], "obs_intervals": [[[0.0, 9.0]], [[0.0, 9.0]]]}
    path = write_nwb(tmp_path / "a.nwb", columns)
    with h5py.File(path, "a") as file:
        for name, value in changes.items():
            del file["units"][name]
            if value is not None:
                file["units"][name] = np.array(value)
    with pytest.raises(RecordingError, match=message) as caught:
        read_recording(path)
    assert "\n" not in str(caught.value)


def test_nwb_files_that_are_incomplete_or_without_units_are_refused(tmp_path):
    (tmp_path / "a.nwb").write_text("nonsense")
    with pytest.raises(RecordingError, match="is not an NWB file"):
        read_recording(tmp_path / "a.nwb")
    whole = write_nwb(tmp_path / "a.nwb", {"spike_times": [[1.0, 2.0]]}).read_bytes()
    (tmp_path / "a.nwb").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RecordingError, match="is incomplete, damaged, or open in another program"):
        read_recording(tmp_path / "a.nwb")
    with h5py.File(tmp_path / "a.nwb", "w") as file:
        file.create_group("acquisition")
    with pytest.raises(RecordingError, match="has no table of units: sort the spikes of its traces first"):
        read_recording(tmp_path / "a.nwb")


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
        ("a.txt", "is a text file, which programs fill in their own ways: save its spikes as CSV"),
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


@pytest.mark.parametrize(("name", "package"), [("a.nwb", "h5py"), ("a.plx", "neo"), ("a.mat", "neo")])
def test_formats_that_need_a_package_name_it(tmp_path, monkeypatch, name, package):
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / name).touch()
    with pytest.raises(RecordingError, match=f"needs the package {package}: pip install"):
        read_recording(tmp_path / name)


def test_a_matlab_file_of_ones_own_says_what_to_do(tmp_path):
    from scipy.io import savemat

    savemat(tmp_path / "a.mat", {"spikes": [1.0, 2.0]})
    with pytest.raises(
        RecordingError, match="is a MATLAB file that neo did not write: in MATLAB, writetable"
    ):
        read_recording(tmp_path / "a.mat")


def follow(message: str, folder: Path, **names: Any) -> Path:
    """Do in Python what a message says makes the file a recording, and return that."""
    (code,) = re.findall(r"in Python, (.*) makes it a recording", message)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(code, {"numpy": np, "pandas": pd, "h5py": h5py, **names})
    (made,) = folder.glob("recording.*")
    return made


def refusal(path: Path) -> str:
    with pytest.raises(RecordingError) as caught:
        read_recording(path)
    return str(caught.value)


def test_spike_files_of_nest_become_recordings_as_their_message_says(tmp_path):
    import nest

    nest.ResetKernel()
    nest.set(data_path=str(tmp_path), overwrite_files=True)
    neurons = nest.Create("iaf_psc_delta", 3, params={"I_e": [400.0, 500.0, 600.0]})
    file, memory = (nest.Create("spike_recorder", params={"record_to": to}) for to in ("ascii", "memory"))
    nest.Connect(neurons, file)
    nest.Connect(neurons, memory)
    nest.Simulate(500.0)
    events = memory.get("events")
    nest.ResetKernel()  # which also closes the file
    (written,) = tmp_path.glob("*.dat")
    found = read_recording(follow(refusal(written), tmp_path))
    for sender, train in zip((1, 2, 3), found.trains["E"], strict=True):
        assert train == pytest.approx(events["times"][events["senders"] == sender])
    old = tmp_path / "old" / "a.gdf"
    old.parent.mkdir()
    rows = zip(events["senders"], events["times"], strict=True)
    old.write_text("".join(f"{sender}\t{time:.3f}\t\n" for sender, time in rows))
    again = read_recording(follow(refusal(old), old.parent))
    assert [train.tolist() for train in again.trains["E"]] == [train.tolist() for train in found.trains["E"]]


@pytest.mark.parametrize(("unit", "factor"), [("milliseconds", 1), ("s", 1000)])
def test_sonata_files_become_recordings_as_their_message_says(tmp_path, unit, factor):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        group = file.create_group("spikes/cortex")
        group["timestamps"], group["node_ids"] = [5.0, 9.0, 7.0], np.array([0, 0, 1], dtype=np.uint64)
        group["timestamps"].attrs["units"] = unit
    found = read_recording(follow(refusal(tmp_path / "a.h5"), tmp_path))
    assert [train.tolist() for train in found.trains["E"]] == [[5.0 * factor, 9.0 * factor], [7.0 * factor]]


def test_folders_of_kilosort_become_recordings_as_their_message_says(tmp_path):
    np.save(tmp_path / "spike_times.npy", np.array([[300], [600], [900]], dtype=np.uint64))
    np.save(tmp_path / "spike_clusters.npy", np.array([4, 4, 7], dtype=np.int32))
    found = read_recording(follow(refusal(tmp_path), tmp_path, RATE=30_000.0))
    assert [train.tolist() for train in found.trains["E"]] == [[10.0, 20.0], [30.0]]
    shutil.rmtree(tmp_path / "none", ignore_errors=True)
    (tmp_path / "none").mkdir()
    assert "is a folder, but a recording is one file" in refusal(tmp_path / "none")


def test_a_table_of_names_alone_is_refused(tmp_path):
    (tmp_path / "none.csv").write_text("time_ms,unit\n")
    with pytest.raises(RecordingError, match="has a line of names, but no rows"):
        read_recording(tmp_path / "none.csv")
