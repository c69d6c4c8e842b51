"""NWB files as labs write them: units, electrodes, trials and times, written with pynwb."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pynwb
import pytest
from pynwb.misc import Units

from calibrate import RecordingError, find_statistic, measure_recording, read_recording
from calibrate.observation.recording_files import Wanted, read_table
from tests.helpers.recorded_files import write_nwb, write_units


def session() -> pynwb.NWBFile:
    return pynwb.NWBFile("a session", "identifier", datetime(2026, 1, 1, tzinfo=UTC))


def write(path: Path, file: pynwb.NWBFile) -> Path:
    with pynwb.NWBHDF5IO(path, "w") as io:
        io.write(file)
    return path


def with_electrodes(file: pynwb.NWBFile, **more: Callable[[int], Any]) -> None:
    """Two probes with two electrodes each; CA1, CA1, V1, V1; `more` columns are functions of the number."""
    device = file.create_device("Neuropixels")
    for name in more:
        file.add_electrode_column(name, name)
    for probe in range(2):
        group = file.create_electrode_group(f"probe{'AB'[probe]}", "a probe", ["CA1", "V1"][probe], device)
        for row in (2 * probe, 2 * probe + 1):
            values = {name: of_row(row) for name, of_row in more.items()}
            file.add_electrode(
                location=["CA1", "V1"][probe], group=group, rel_x=0.0, rel_y=20.0 * row, rel_z=0.0, **values
            )


def column(path: Path, name: str) -> list[object]:
    """Who has which value, found by choosing units by it."""
    every = [train[0] for train in read_recording(path).trains["E"]]
    found: list[object] = [None] * len(every)
    with pytest.raises(RecordingError, match="no unit has") as caught:
        read_recording(path, units={name: "nothing of the kind"})
    for value in str(caught.value).rpartition(": ")[2].split(", "):
        word = value.partition(" ")[2]
        for train in read_recording(path, units={name: word}).trains["E"]:
            found[every.index(train[0])] = word
    return found


def test_the_electrodes_of_units_give_their_area_depth_and_probe(tmp_path):
    file = session()
    with_electrodes(file)
    for unit, electrodes in enumerate([[0], [1], [2, 3]]):
        file.add_unit(spike_times=[1.0 + unit], electrodes=electrodes)
    path = write(tmp_path / "a.nwb", file)
    assert column(path, "area") == ["CA1", "CA1", "V1"]
    assert column(path, "probe") == ["probeA", "probeA", "probeB"]
    # The last unit was recorded at two depths.
    assert [len(read_recording(path, units={"depth": deep}).trains["E"]) for deep in (0, 20)] == [1, 1]


def test_the_peak_channel_of_files_of_the_allen_institute_is_the_electrode(tmp_path):
    file = session()
    with_electrodes(file, probe_vertical_position=lambda row: 100 + row)
    file.electrodes.id.data[:] = [850_126, 850_128, 850_130, 850_132]
    for name in ("peak_channel_id", "quality", "isi_violations"):
        file.add_unit_column(name, name)
    for unit, channel in enumerate([850_132, 850_126]):
        quality = ["good", "noise"][unit]
        file.add_unit(
            spike_times=[1.0 + unit], peak_channel_id=channel, quality=quality, isi_violations=0.1 * unit
        )
    path = write(tmp_path / "a.nwb", file)
    assert column(path, "area") == ["V1", "CA1"]
    assert column(path, "depth") == ["103", "100"]
    assert column(path, "quality") == ["good", "noise"]


def test_groups_of_electrodes_give_the_probe_and_area_of_units_without_electrodes(tmp_path):
    file = session()
    with_electrodes(file)
    file.add_unit_column("cell_type", "putative type")
    for unit, name in enumerate(["probeB", "probeA"]):
        file.add_unit(
            spike_times=[1.0 + unit],
            electrode_group=file.electrode_groups[name],
            cell_type=["pyramidal", "interneuron"][unit],
        )
    path = write(tmp_path / "a.nwb", file)
    assert column(path, "probe") == ["probeB", "probeA"]
    assert column(path, "area") == ["V1", "CA1"]
    assert column(path, "type") == column(path, "cell_type") == ["pyramidal", "interneuron"]


@pytest.mark.parametrize(
    ("name", "agreed"), [("brain_region", "area"), ("location", "area"), ("KSLabel", "quality")]
)
def test_what_files_call_by_other_names_has_the_usual_name_too(tmp_path, name, agreed):
    file = session()
    file.add_unit_column(name, name)
    for unit in range(2):
        file.add_unit(spike_times=[1.0 + unit], **{name: ["this", "that"][unit]})
    path = write(tmp_path / "a.nwb", file)
    assert column(path, agreed) == column(path, name) == ["this", "that"]


def test_trials_and_epochs_are_periods(tmp_path):
    file = session()
    file.add_trial_column("stimulus", "what was shown")
    file.add_trial_column("contrast", "of it")
    file.add_trial_column("note", "different each time")
    for trial in range(6):
        file.add_trial(
            start_time=10.0 * trial,
            stop_time=10.0 * trial + 2,
            stimulus=["left", "right"][trial % 2],
            contrast=[0.25, 1.0][trial // 3],
            note=f"no. {trial}",
        )
    file.add_epoch(0.0, 30.0, tags=["baseline"])
    file.add_epoch(30.0, 60.0, tags=["drug", "dark"])
    file.add_unit(spike_times=[1.0, 2.0])
    periods = read_recording(write(tmp_path / "a.nwb", file)).periods
    assert sorted(periods) == [
        "baseline",
        "dark",
        "drug",
        "epochs",
        "epochs/tags=baseline",
        "epochs/tags=dark",
        "epochs/tags=drug",
        "trials",
        "trials/contrast=0.25",
        "trials/contrast=1",
        "trials/stimulus=left",
        "trials/stimulus=right",
    ]
    assert periods["trials"].shape == (6, 2)
    assert periods["trials/stimulus=right"].tolist() == [
        [10_000.0, 12_000.0],
        [30_000.0, 32_000.0],
        [50_000.0, 52_000.0],
    ]
    assert periods["drug"].tolist() == [[30_000.0, 60_000.0]]


def test_invalid_times_are_not_recorded_in_any_unit(tmp_path):
    file = session()
    file.add_unit(spike_times=[1.0, 9.0, 11.0], obs_intervals=[[0.0, 20.0]])
    file.add_unit(spike_times=[2.0, 19.0], obs_intervals=[[0.0, 9.5], [9.75, 20.0]])
    file.add_invalid_time_interval(start_time=8.0, stop_time=10.0)
    recording = read_recording(write(tmp_path / "a.nwb", file))
    assert [one.tolist() for one in recording.observed["E"]] == [
        [[0.0, 8000.0], [10_000.0, 20_000.0]],
        [[0.0, 8000.0], [10_000.0, 20_000.0]],
    ]
    assert [train.tolist() for train in recording.trains["E"]] == [[1000.0, 11_000.0], [2000.0, 19_000.0]]
    assert "invalid_times: 2 s count as not recorded, in all units" in recording.notes
    (rate,) = measure_recording(recording, [find_statistic("rate_E")])
    assert rate.estimate.value == pytest.approx(4 / 36)


def test_without_observed_intervals_the_traces_say_when_units_were_recorded(tmp_path):
    file = session()
    with_electrodes(file)
    region = file.create_electrode_table_region([0, 1], "all")
    traces = pynwb.ecephys.ElectricalSeries(
        name="raw",
        data=np.zeros((500, 2)),
        electrodes=region,
        starting_time=2.0,
        rate=50.0,
        description="traces",
    )
    file.add_acquisition(traces)
    file.add_unit(spike_times=[3.0, 7.0])
    recording = read_recording(write(tmp_path / "a.nwb", file))
    assert (recording.start_ms, recording.stop_ms) == (2000.0, 12_000.0)
    assert recording.understood.endswith(": 1 unit, 10 s from the raw traces")


def test_one_of_several_tables_of_units_is_chosen_by_its_place(tmp_path):
    file = session()
    module = file.create_processing_module("ecephys", "sorted twice")
    for name, spikes in (("kilosort", [1.0]), ("mountainsort", [1.0, 2.0])):
        table = Units(name=name, description=name)
        table.add_unit(spike_times=spikes)
        module.add(table)
    path = write(tmp_path / "a.nwb", file)
    with pytest.raises(RecordingError, match="choose one with units, such as table = processing/ecephys/mou"):
        read_recording(path)
    recording = read_recording(path, units={"table": "processing/ecephys/kilosort"})
    assert [train.tolist() for train in recording.trains["E"]] == [[1000.0]]
    assert "(processing/ecephys/kilosort), times in s: 1 unit" in recording.understood


def test_the_table_of_the_schema_is_read_if_there_are_others(tmp_path):
    file = session()
    file.add_unit(spike_times=[1.0])
    table = Units(name="multiunits", description="not sorted")
    table.add_unit(spike_times=[1.0, 2.0])
    file.create_processing_module("ecephys", "more").add(table)
    path = write(tmp_path / "a.nwb", file)
    recording = read_recording(path)
    assert [train.size for train in recording.trains["E"]] == [1]
    assert recording.notes[0].endswith("(units, processing/ecephys/multiunits): units is read")


def test_units_without_numbers_are_numbered(tmp_path):
    with h5py.File(tmp_path / "a.nwb", "w") as file:
        write_units(file.create_group("units"), {"spike_times": [[1.0, 2.0], [3.0]]})
        del file["units/id"]
    assert read_recording(tmp_path / "a.nwb").units == 2


def test_references_of_trial_versions_are_refused_in_one_line(tmp_path):
    with h5py.File(tmp_path / "a.nwb", "w") as file:
        write_units(file.create_group("units"), {"spike_times": [[1.0, 2.0], [3.0]]})
        del file["units/spike_times_index"]
        regions = file["units"].create_dataset("spike_times_index", (2,), dtype=h5py.regionref_dtype)
        regions[0] = file["units/spike_times"].regionref[:2]
    with pytest.raises(RecordingError, match="is of a trial version of NWB 2, whose spike_times_index"):
        read_recording(tmp_path / "a.nwb")


def test_units_of_nwb_1_are_read(tmp_path):
    """The layout of NWB 1.0.6: a group for each unit, and one for each epoch."""
    with h5py.File(tmp_path / "a.nwb", "w") as file:
        file["nwb_version"] = "NWB-1.0.6"
        for unit, times in (("unit_00", [0.5, 1.5]), ("unit_01", [])):
            file[f"processing/shank_0/UnitTimes/{unit}/times"] = np.array(times)
        file["processing/shank_0/UnitTimes/unit_list"] = [b"unit_00", b"unit_01"]
        file["epochs/trial_1/start_time"], file["epochs/trial_1/stop_time"] = 0.25, 1.0
    recording = read_recording(tmp_path / "a.nwb")
    assert [train.tolist() for train in recording.trains["E"]] == [[500.0, 1500.0], []]
    assert recording.periods["trial_1"].tolist() == [[250.0, 1000.0]]
    assert recording.understood == (
        "NWB 1.0.6 (processing/shank_0/UnitTimes), times in s: 2 units, 1.5 s up to the last spike"
    )


def test_the_version_of_the_schema_is_said(tmp_path):
    file = session()
    file.add_unit(spike_times=[1.0])
    table = read_table(write(tmp_path / "a.nwb", file), Wanted())
    with h5py.File(tmp_path / "a.nwb") as content:
        assert table.understood == f"NWB {content.attrs['nwb_version']}, times in s"


def test_one_line_says_what_was_read_and_what_was_not(tmp_path):
    columns = {"spike_times": [[1.0], [2.0], [3.0]], "quality": ["good", "mua", "good"]}
    path = write_nwb(tmp_path / "a.nwb", columns | {"obs_intervals": [[[0.0, 3600.0]]] * 3})
    good = read_recording(path, units={"quality": "good"})
    assert good.understood == (
        "NWB 2.8.0, times in s: 2 of 3 units (1 left out: quality), 3,600 s from obs_intervals"
    )
    assert read_recording(path, duration_ms=5000.0).understood.endswith(": 3 units, 5 s as asked")
