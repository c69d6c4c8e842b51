"""Units are chosen by what their sorter said of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import neo
import numpy as np
import pytest
import quantities as pq

from calibrate import RecordingError, Study, StudyError, read_recording
from tests.helpers.recorded_files import table_of, write_nwb, write_plexon
from tests.helpers.studies import RATE_E, RATE_I, small_study

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
