"""Units in NWB files and those that neo reads: their times, what was observed of them, and damaged tables."""

from __future__ import annotations

import h5py
import neo
import numpy as np
import pytest
import quantities as pq

from calibrate import RecordingError, read_recording
from calibrate.observation.recording_files import Wanted, read_table
from calibrate.observation.recording_files.neo_files import READERS, read_neo
from tests.helpers.recorded_files import write_nwb, write_plexon, write_units
from tests.helpers.recordings import trains


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
