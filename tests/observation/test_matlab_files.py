"""MATLAB files of both kinds: cells, structs, matrices and vectors are the units they hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from scipy.io import savemat

from calibrate import RecordingError, read_recording
from calibrate.observation.recording_files import Wanted, read_table
from tests.helpers.matlab_files import write_v73
from tests.helpers.recordings import trains

S = {"time_unit": "s"}
TRAINS = [np.array([0.1, 0.5, 2.25]), np.zeros(0), np.array([1.5, 3.25])]
MS = [[100.0, 500.0, 2250.0], [], [1500.0, 3250.0]]


def cells(values: Any, shape: tuple[int, ...] | None = None) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array.reshape(shape or (1, -1))


def write_v5(path: Path, variables: dict[str, Any]) -> Path:
    """What scipy writes of the values that `write_v73` takes."""

    def convert(value: Any) -> Any:
        if isinstance(value, list) and value and isinstance(value[0], dict):
            kinds = [(field, object) for field in value[0]]
            return np.array([tuple(one.values()) for one in value], dtype=kinds)
        return cells(value) if isinstance(value, list) else value

    savemat(path, {name: convert(value) for name, value in variables.items()})
    return path


WRITERS = pytest.mark.parametrize("write", [write_v5, write_v73])


def refusal(path: Path, **how: Any) -> str:
    with pytest.raises(RecordingError) as caught:
        read_recording(path, **how)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def times(path: Path, **how: Any) -> list[list[float]]:
    found = read_recording(path, **how)
    return [train.tolist() for train in found.trains["E"]]


@WRITERS
def test_cells_are_units_and_what_is_beside_them_describes_them(tmp_path, write):
    more = {"spike_times_unit": "s", "quality": ["good", "mua", "good"], "depth": [100.0, 200.0, 300.0]}
    path = write(tmp_path / "a.mat", {"spike_times": TRAINS, **more, "duration": 4.0})
    found = read_recording(path)
    assert [train.tolist() for train in found.trains["E"]] == MS
    assert found.stop_ms == 4000.0
    assert (
        "cells spike_times, times in s (as spike_times_unit says): 3 units, 4 s from duration"
        in found.understood
    )
    assert times(path, units={"quality": "good"}) == [MS[0], MS[2]]
    assert times(path, units={"depth": 200}, duration_ms=4000.0) == [[]]


@WRITERS
def test_structs_are_units_with_their_fields(tmp_path, write):
    fields = zip(TRAINS, (3.0, 5.0, 9.0), ("good", "mua", "good"), strict=True)
    units = [{"spike_times": train, "id": number, "quality": label} for train, number, label in fields]
    path = write(tmp_path / "a.mat", {"units": units, "fs": 30_000.0})
    table = read_table(path, Wanted(**S))
    assert np.unique(table.unit).tolist() == [3, 5, 9]
    assert "the structs units, times in spike_times, times in s (as you say)" in table.understood
    assert times(path, units={"quality": "good"}, **S) == [MS[0], MS[2]]


@WRITERS
def test_a_struct_of_cells_is_looked_into(tmp_path, write):
    """As buzcode writes `spikes.cellinfo.mat`: times in seconds, and sample numbers in `ts`."""
    spikes = {
        "UID": [1.0, 2.0, 3.0],
        "times": cells(TRAINS),
        "ts": cells([30_000 * train for train in TRAINS]),
        "region": cells(["CA1", "CA3", "CA1"]),
    }
    path = write(tmp_path / "a.mat", {"spikes": spikes})
    assert times(path, **S) == MS
    assert times(path, units={"region": "CA1"}, **S) == [MS[0], MS[2]]
    assert times(path, columns={"time": "spikes.times"}, **S) == MS


@WRITERS
def test_whole_numbers_are_samples_if_the_file_gives_their_rate(tmp_path, write):
    samples = [np.round(30 * train) for train in trains(4)]
    found = read_recording(write(tmp_path / "a.mat", {"spikes": samples, "sampling_rate_hz": 30_000.0}))
    assert "times in samples at 30 kHz" in found.understood
    for one, wanted in zip(found.trains["E"], trains(4), strict=True):
        assert one == pytest.approx(wanted)
    text = refusal(write(tmp_path / "b.mat", {"spikes": samples}))
    assert "all whole numbers, are milliseconds or samples" in text


@WRITERS
def test_trials_follow_one_another_with_gaps_and_periods_by_condition(tmp_path, write):
    grid = cells(
        [
            np.array([-0.2, 0.1]),
            np.array([0.3]),
            np.zeros(0),
            np.array([0.5, 0.9]),
            np.array([0.2]),
            np.zeros(0),
        ],
        (2, 3),
    )
    said = {"trial_window": np.array([[-0.5, 1.0]]), "condition": ["left", "right", "left"]}
    path = write(tmp_path / "a.mat", {"spikes": grid, **said})
    found = read_recording(path, **S)
    assert [train.tolist() for train in found.trains["E"]] == [
        pytest.approx([300, 600, 3300]),
        pytest.approx([1000, 1400, 3200]),
    ]
    intervals = [[0, 1500], [2500, 4000], [5000, 6500]]
    assert [one.tolist() for one in found.observed["E"]] == [intervals] * 2
    assert {name: one.tolist() for name, one in found.periods.items()} == {
        "left": [intervals[0], intervals[2]],
        "right": [intervals[1]],
    }
    assert "3 trials of 1.5 s, one after another with gaps of 1 s" in found.understood


def test_cells_in_rows_and_columns_are_asked_about(tmp_path):
    grid = cells([np.array([0.1, 0.2, 0.4 + k]) for k in range(6)], (2, 3))
    path = write_v5(tmp_path / "a.mat", {"spikes": grid})
    assert (
        'holds 2 x 3 cells of spike times in spikes: say what is a unit with columns = { unit = "rows"'
        in (refusal(path, **S))
    )
    assert [
        read_recording(path, columns={"unit": unit}, **S).units for unit in ("rows", "columns", "cells")
    ] == [
        2,
        3,
        6,
    ]
    assert read_recording(path, columns={"unit": "cells"}, **S).stop_ms == 5400.0


@WRITERS
def test_trials_of_each_unit_may_differ_in_number(tmp_path, write):
    units = [
        {"name": "a", "spikes": cells([np.array([0.1, 0.4, 0.5]), np.array([0.2]), np.array([1.0])])},
        {"name": "b", "spikes": cells([np.array([0.3]), np.array([0.9])])},
    ]
    found = read_recording(write(tmp_path / "a.mat", {"units": units, "trial_duration": 1.0}), **S)
    assert [one.tolist() for one in found.observed["E"]] == [
        [[0, 1000], [2000, 3000], [4000, 5000]],
        [[0, 1000], [2000, 3000]],
    ]


@WRITERS
def test_a_vector_of_times_and_one_of_units_belong_together(tmp_path, write):
    arrays = {"spike_times": [0.1, 0.2, 0.3, 0.7], "cluster_id": [4.0, 9.0, 4.0, 9.0]}
    columns = {name: np.array([values]).T for name, values in arrays.items()}
    path = write(tmp_path / "a.mat", columns)
    assert times(path, **S) == [pytest.approx([100, 300]), pytest.approx([200, 700])]
    assert "units named by cluster_id" in read_recording(path, **S).understood
    twice = {name: np.concatenate([values, values[:1]]) for name, values in columns.items()}
    found = read_recording(write(tmp_path / "c.mat", twice), **S)
    assert found.notes[0] == "1 of 5 spikes have the unit and the time of another, and are left out"
    odd = write(tmp_path / "b.mat", {"x": columns["spike_times"], "y": columns["cluster_id"]})
    assert "nothing that is known to be spike times, but x, y" in refusal(odd, **S)
    assert len(times(odd, columns={"time": "x", "unit": "y"}, **S)) == 2
    assert "needs the times of y too" in refusal(odd, columns={"unit": "y"}, **S)


@WRITERS
def test_matrices_are_rows_of_times_and_units_or_padded_trains(tmp_path, write):
    pairs = np.array([[0.1, 1], [0.2, 2], [0.3, 1], [0.35, 2]])
    assert times(write(tmp_path / "a.mat", {"M": pairs}), **S) == [pytest.approx([100, 300]), [200.0, 350.0]]
    padded = np.array([[0.1, 0.5, 2.25], [np.nan] * 3, [1.5, 3.25, np.nan]])
    assert times(write(tmp_path / "b.mat", {"M": padded}), **S) == MS
    zeros = np.nan_to_num(padded).T
    assert times(write(tmp_path / "c.mat", {"spikes": zeros}), **S) == MS


def test_a_raster_needs_the_width_of_its_bins(tmp_path):
    raster = np.zeros((2, 20))
    raster[0, 2] = raster[1, 4] = raster[1, 8] = 1
    for number, matrix in enumerate([raster, sparse.csc_matrix(raster), raster.T.astype(bool)]):
        path = tmp_path / f"{number}.mat"
        savemat(path, {"raster": matrix, "bin_ms": 2.0})
        found = read_recording(path)
        assert [train.tolist() for train in found.trains["E"]] == [[6.0], [10.0, 18.0]]
        assert found.stop_ms == 40.0
        savemat(path, {"spikes": matrix})
        assert refusal(path)
    for matrix in (sparse.csc_matrix(raster), raster, 2 * raster):
        savemat(tmp_path / "a.mat", {"spikes": matrix})
        assert "save the width of a bin beside it, such as dt_ms = 1" in refusal(tmp_path / "a.mat")


def test_variables_of_one_unit_each_are_units(tmp_path):
    found = {f"sig00{k}a": train for k, train in enumerate(TRAINS[::2])}
    savemat(tmp_path / "a.mat", found | {"sig000a_wf": np.ones((32, 3)), "sig009a": np.arange(3.0)})
    assert times(tmp_path / "a.mat", **S)[:2] == [MS[0], MS[2]]


def test_several_lists_of_trains_are_asked_about_unless_they_are_all_of_the_file(tmp_path):
    both = {"spikes": cells(TRAINS), "trains": cells(TRAINS[:1] * 2), "date": "2026-01-01"}
    savemat(tmp_path / "a.mat", both)
    assert "several variables that can be spike trains: spikes, trains; say which" in refusal(
        tmp_path / "a.mat"
    )
    assert read_recording(tmp_path / "a.mat", columns={"time": "trains"}, **S).units == 2
    assert "has no train; it has spikes, trains, date" in refusal(
        tmp_path / "a.mat", columns={"time": "train"}, **S
    )
    savemat(tmp_path / "b.mat", {"E": cells(TRAINS), "I": cells(TRAINS[:1] * 2)})
    found = read_recording(tmp_path / "b.mat", **S)
    assert {name: len(units) for name, units in found.trains.items()} == {"E": 3, "I": 2}


@pytest.mark.parametrize(
    "variables",
    [
        {"image": np.random.default_rng(0).integers(0, 255, (64, 64))},
        {"rates": np.random.default_rng(0).uniform(0, 30, (20, 100))},
        {"rates": cells([np.random.default_rng(0).uniform(0, 30, 50)])},
        {"spikes": np.random.default_rng(0).uniform(0, 30, (20, 100))},
        {"text": "nothing"},
        {"W": np.eye(20), "dt_ms": 0.1},  # which neurons are connected
        {"windows": np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])},
    ],
)
def test_other_numbers_are_refused(tmp_path, variables):
    savemat(tmp_path / "a.mat", variables)
    assert refusal(tmp_path / "a.mat", **S)


def test_other_matrices_do_not_hide_the_spikes(tmp_path):
    sites = np.array([[0.0, 20.0], [0.0, 40.0], [32.0, 20.0], [32.0, 40.0]])
    savemat(tmp_path / "a.mat", {"sites": sites, "map": sites[:, ::-1], "spikes": cells(TRAINS)})
    assert times(tmp_path / "a.mat", **S) == MS


def test_objects_that_only_matlab_reads_are_named(tmp_path):
    import h5py

    path = write_v73(tmp_path / "a.mat", {"x": 1.0})
    with h5py.File(path, "a") as file:
        made = file.create_dataset("spikes", data=np.array([[0xDD000000, 2, 1, 1, 1, 1]], dtype=np.uint32))
        made.attrs["MATLAB_class"] = np.bytes_("table")
        made.attrs["MATLAB_object_decode"] = np.int32(3)
    assert "holds a table of MATLAB, which only MATLAB reads: save arrays, cells or structs" in refusal(path)


def test_files_of_octave_say_how_to_save_them(tmp_path):
    (tmp_path / "a.mat").write_text("# Created by Octave 7.3.0\n# name: spikes\n# type: cell\n")
    assert "is a file of Octave in a format of its own: save it there with save -v7" in refusal(
        tmp_path / "a.mat"
    )


def test_traces_that_do_not_fit_into_the_memory_are_named(tmp_path):
    import h5py

    path = write_v73(tmp_path / "a.mat", {"spikes": TRAINS})
    with h5py.File(path, "a") as file:
        made = file.create_dataset("raw", shape=(10**9, 1000), dtype="f8", chunks=(1000, 1000))
        made.attrs["MATLAB_class"] = np.bytes_("double")
    assert "has a variable raw that would need 8e+03 GB of memory" in refusal(path)
