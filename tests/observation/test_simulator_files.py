"""Spikes that simulators and other tools saved: NEST, Brian 2, GeNN, PyNN, pynapple, neo."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import neo
import numpy as np
import pytest
import quantities as pq

from calibrate import RecordingError, read_recording
from calibrate.observation.recording_files import parts_of
from tests.helpers.recordings import trains


def refusal(path: Path, **how: Any) -> str:
    with pytest.raises(RecordingError) as caught:
        read_recording(path, **how)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def times(path: Path, **how: Any) -> list[list[float]]:
    return [train.tolist() for train in read_recording(path, **how).trains["E"]]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> tuple[Path, dict[str, dict[int, np.ndarray]]]:
    """Files of two recorders that NEST wrote with two threads, and what it kept in memory."""
    import nest

    folder = tmp_path_factory.mktemp("nest")
    nest.ResetKernel()
    nest.set(data_path=str(folder), overwrite_files=True, local_num_threads=2)
    kept = {}
    for label, model, current in (
        ("exc", "iaf_psc_delta", [400.0, 500.0, 0.0, 600.0]),
        ("inh", "iaf_psc_delta_ps", [700.0, 800.0]),
    ):
        neurons = nest.Create(model, len(current), params={"I_e": current})
        meter = nest.Create("multimeter", params={"record_to": "ascii", "record_from": ["V_m"]})
        recorders = [
            nest.Create("spike_recorder", params={"record_to": to, "label": label})
            for to in ("ascii", "memory")
        ]
        for recorder in recorders:
            nest.Connect(neurons, recorder)
        nest.Connect(meter, neurons)
        kept[label] = recorders[1], neurons
    steps = nest.Create(
        "spike_recorder", params={"record_to": "ascii", "time_in_steps": True, "label": "steps"}
    )
    nest.Connect(neurons, steps)
    nest.Simulate(300.0)
    events = {label: recorder.get("events") for label, (recorder, _) in kept.items()}
    nest.ResetKernel()  # which also closes the files
    return folder, {
        label: {n: np.sort(one["times"][one["senders"] == n]) for n in np.unique(one["senders"])}
        for label, one in events.items()
    }


def test_all_files_of_a_recorder_of_nest_are_read(recorded):
    folder, kept = recorded
    files = sorted(folder.glob("exc-*.dat"))
    assert len(files) == 2
    found = [read_recording(file) for file in files]
    assert found[0].understood.startswith("spikes of NEST, 2 files of recorder exc-")
    assert found[0].notes[-1] == "units that did not fire are not in the file: if there were any, say n_units"
    for recording in found:
        wanted = list(kept["exc"].values())
        assert len(wanted) == 3  # of four neurons
        for one, other in zip(recording.trains["E"], wanted, strict=True):
            assert one == pytest.approx(other)
    every = read_recording(files[0], n_units=4)
    assert (every.units, len(every.notes)) == (4, len(found[0].notes) - 1)


def test_a_study_is_identified_by_all_files_of_a_recorder(recorded):
    folder, _ = recorded
    files = sorted(folder.glob("exc-*.dat"))
    assert parts_of(files[1]) == {file.name: file for file in files}
    assert {name.partition("-")[0] for name in parts_of(folder)} == {"exc", "inh", "steps"}


def test_recorders_of_nest_in_a_folder_are_populations(recorded, tmp_path):
    folder, _ = recorded
    for file in [*folder.glob("exc-*"), *folder.glob("inh-*"), *folder.glob("multimeter-*")]:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    found = read_recording(tmp_path)
    assert {name: len(units) for name, units in found.trains.items()} == {"exc": 3, "inh": 2}
    assert "4 files of 2 recorders" in found.understood
    inh = next(tmp_path.glob("inh-*-0.dat"))
    for file in tmp_path.glob("inh-*"):
        (tmp_path / file.name.replace("inh", "again")).write_bytes(file.read_bytes())
    assert "has recorders of the same neurons, such as" in refusal(tmp_path)
    assert read_recording(inh).units == 2


def test_what_nest_files_do_not_say_is_explained(recorded):
    folder, _ = recorded
    assert "records V_m, not only spikes" in refusal(next(folder.glob("multimeter-*")))
    assert "gives its times in ms: leave out sampling_rate_hz" in refusal(
        next(folder.glob("exc-*")), sampling_rate_hz=10_000
    )


def test_times_in_steps_need_their_length(recorded):
    folder, kept = recorded
    path = next(folder.glob("steps-*"))
    assert "gives times in steps of the simulation, and not how long a step is: say" in refusal(path)
    found = read_recording(path, sampling_rate_hz=10_000)
    for one, other in zip(found.trains["E"], kept["inh"].values(), strict=True):
        assert one == pytest.approx(other, abs=2e-3)  # written with three decimals
        assert len(one) > 5


def test_files_of_nest_2_have_no_names_of_columns(tmp_path):
    for thread, rows in enumerate(("3\t0.500\t\n5\t1.500\t\n", "4\t0.700\t\n3\t2.100\t\n4\t0.700\t\n")):
        (tmp_path / f"spikes-12-{thread}.gdf").write_text(rows)
    (tmp_path / "spikes-13-0.gdf").write_text("3\t9.5\t\n")
    found = read_recording(tmp_path / "spikes-12-1.gdf")
    assert [train.tolist() for train in found.trains["E"]] == [[0.5, 2.1], [0.7], [1.5]]
    assert found.notes[0] == "1 of 5 spikes have the unit and the time of another, and are left out"


UNITS = trains(4, duration_ms=5000)
ROWS = sorted((time, unit) for unit, train in enumerate(UNITS) for time in train)
T, I = (np.array(column) for column in zip(*ROWS, strict=True))  # noqa: E741


def test_arrays_of_brian_are_seconds_and_count_silent_neurons(tmp_path):
    np.savez(tmp_path / "a.npz", i=I, t=T / 1000)
    found = read_recording(tmp_path / "a.npz")
    assert found.understood.startswith("NPZ of Brian 2, times in s")
    assert [train.size for train in found.trains["E"]] == [train.size for train in UNITS]
    np.savez(tmp_path / "b.npz", i=I, t=T / 1000, count=[*np.bincount(I), 0, 0], N=T.size)
    assert read_recording(tmp_path / "b.npz").units == 6
    np.savez(tmp_path / "c.npz", i=I, t=T)  # as t / ms gives them
    found = read_recording(tmp_path / "c.npz")
    assert "times in ms (in s, all would be multiples of 0.05 s)" in found.understood
    assert found.stop_ms == T[-1]


def test_arrays_of_times_and_ids_are_read(tmp_path):
    np.savez(tmp_path / "a.npz", times=T, ids=I)
    assert "NPZ, times, times in ms (in s, all would be" in read_recording(tmp_path / "a.npz").understood
    assert [train.tolist() for train in read_recording(tmp_path / "a.npz").trains["E"]] == [
        pytest.approx(train) for train in UNITS
    ]


def test_pairs_of_arrays_are_populations(tmp_path):
    both = {"E_t": T / 1000, "E_i": I, "I_t": T[I < 2] / 1000, "I_i": I[I < 2]}
    np.savez(tmp_path / "a.npz", **both)
    found = read_recording(tmp_path / "a.npz")
    assert {name: len(units) for name, units in found.trains.items()} == {"E": 4, "I": 2}
    assert found.trains["I"][1] == pytest.approx(UNITS[1])
    assert "populations E, I, times in s" in found.understood
    spikes = {"E": {"times": T.tolist(), "senders": I.tolist()}, "I": {"times": [5.5], "senders": [3]}}
    (tmp_path / "a.json").write_text(json.dumps(spikes))
    assert "times in ms" in read_recording(tmp_path / "a.json").understood


def test_an_array_per_unit_is_read(tmp_path):
    np.savez(tmp_path / "a.npz", *UNITS, np.zeros(0))
    assert [len(train) for train in times(tmp_path / "a.npz")] == [*(len(train) for train in UNITS), 0]
    np.savez(tmp_path / "b.npz", a=np.array([None, 1], dtype=object), b=UNITS[0])
    assert "the array a holds Python objects" in refusal(tmp_path / "b.npz")


def test_groups_of_pynapple_are_read_with_their_time_support(tmp_path):
    """The arrays that TsGroup.save of pynapple 0.11 writes."""
    np.savez(
        tmp_path / "a.npz",
        type=np.array(["TsGroup"]),
        _metadata=np.array([{}], dtype=object),
        t=[0.1, 0.2, 0.5, 6.5],
        index=[0, 3, 0, 3],
        keys=[0, 3, 7],
        start=[0.0, 5.0],
        end=[3.0, 9.0],
    )
    found = read_recording(tmp_path / "a.npz")
    assert [train.tolist() for train in found.trains["E"]] == [[100.0, 500.0], [200.0, 6500.0], []]
    assert [one.tolist() for one in found.observed["E"]] == [[[0, 3000], [5000, 9000]]] * 3


def test_old_files_of_pynn_are_read(tmp_path):
    """As StandardTextFile and NumpyBinaryFile of PyNN write them."""
    data = np.column_stack([I, T])
    facts = "# first_id = 0\n# n = 4\n# dt = 0.1\n# variable = 'spikes'\n"
    with (tmp_path / "a.txt").open("w") as file:
        file.write(facts)
        np.savetxt(file, data, delimiter="\t")
    found = read_recording(tmp_path / "a.txt")
    assert "times in ms (as in PyNN)" in found.understood
    assert [train.size for train in found.trains["E"]] == [train.size for train in UNITS]
    np.savez(tmp_path / "a.npz", data=data, metadata=np.array([("n", 4)], dtype=object))
    assert read_recording(tmp_path / "a.npz").stop_ms == T[-1]


def test_npy_holds_times_and_units_or_a_row_per_unit(tmp_path):
    np.save(tmp_path / "a.npy", np.column_stack([T, I]))
    assert [len(train) for train in times(tmp_path / "a.npy")] == [train.size for train in UNITS]
    np.save(tmp_path / "a.npy", UNITS[0])
    assert times(tmp_path / "a.npy") == [UNITS[0].tolist()]
    np.save(tmp_path / "a.npy", np.array([None]))
    assert "holds Python objects" in refusal(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", np.ones((4, 4, 3)))
    assert "has 3 dimensions of float64, which are no spike times" in refusal(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", np.array([[3, 1], [5, 2], [9, 2]]))
    assert "needs the number" in refusal(tmp_path / "a.npy", columns={"unit": "2"})


def test_json_holds_lists_by_unit_or_population(tmp_path):
    path, lists = tmp_path / "a.json", [train.tolist() for train in UNITS]
    for content in (
        lists,
        {str(k): one for k, one in enumerate(lists)},
        {"times": T.tolist(), "senders": I.tolist()},
    ):
        path.write_text(json.dumps(content))
        assert [len(train) for train in times(path)] == [train.size for train in UNITS]
    path.write_text(json.dumps({"E": lists[:3], "I": [*lists[3:], []]}))
    found = read_recording(path)
    assert {name: len(units) for name, units in found.trains.items()} == {"E": 3, "I": 2}
    path.write_text("{")
    assert "is not JSON" in refusal(path)
    path.write_text('{"rates": [3.5, 2.5]}')
    assert "has nothing that is known to be spike times, but rates" in refusal(path)


def train(values: list[float], stop: float = 2.0, start: float = 0.0, **more: Any) -> neo.SpikeTrain:
    return neo.SpikeTrain(values * pq.s, t_start=start * pq.s, t_stop=stop * pq.s, **more)


def block_of(*segments: neo.Segment) -> neo.Block:
    block = neo.Block()
    block.segments.extend(segments)
    return block


def segment(name: str, *found: neo.SpikeTrain) -> neo.Segment:
    made = neo.Segment(name=name)
    made.spiketrains.extend(found)
    return made


def test_segments_that_overlap_follow_one_another(tmp_path):
    """As PyNN writes the runs between resets, and as trials are kept."""
    first = segment("left", train([0.5, 1.0], channel_id=7), train([1.5], channel_id=9))
    first.epochs.append(neo.Epoch([0.5] * pq.s, durations=[1.0] * pq.s, labels=["stimulus"]))
    second = segment("right", train([0.25], stop=1.0, channel_id=9), train([], stop=1.0, channel_id=7))
    third = segment("left", train([0.75], channel_id=7))
    path = tmp_path / "a.mat"
    neo.io.NeoMatlabIO(str(path)).write_block(block_of(first, second, third))
    found = read_recording(path)
    assert [one.tolist() for one in found.trains["E"]] == [[500, 1000, 5750], [1500, 3250]]
    intervals = [[0, 2000], [3000, 4000], [5000, 7000]]
    assert [one.tolist() for one in found.observed["E"]] == [intervals, intervals[:2]]
    assert {name: one.tolist() for name, one in found.periods.items()} == {
        "left": [intervals[0], intervals[2]],
        "stimulus": [[500, 1500]],
        "right": [intervals[1]],
    }
    assert "3 segments of different lengths, one after another with gaps of 1 s" in found.understood


def test_segments_of_different_units_are_at_the_same_time(tmp_path):
    path = tmp_path / "a.mat"
    one = segment("exc", train([0.5, 1.0], channel_id=1, source_population="exc"))
    other = segment("inh", train([0.75], channel_id=1, source_population="inh"))
    neo.io.NeoMatlabIO(str(path)).write_block(block_of(one, other))
    assert times(path) == [[500, 1000], [750]]


def test_segments_without_names_need_the_same_units(tmp_path):
    path = tmp_path / "a.mat"
    one, other = segment("a", train([0.5])), segment("b", train([0.75]), train([1.0]))
    neo.io.NeoMatlabIO(str(path)).write_block(block_of(one, other))
    assert "contains 2 segments with different numbers of spike trains (1, 2)" in refusal(path)
