"""Recordings in which units were not observed all the time: what was not recorded is not silence."""

from __future__ import annotations

from itertools import pairwise

import neo
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from calibrate import Recording, RecordingError, find_statistic, measure_recording, read_recording
from calibrate.observation.recorded_file import _recording
from calibrate.observation.recording import division, part_of
from calibrate.observation.recording_files import Table
from tests.helpers.recorded_files import write_nwb

NAMES = ["rate_E", "fano_E", "cv_E"]
STATISTICS = [find_statistic(name) for name in NAMES]

Windows = list[list[tuple[float, float]]]


def regular(windows_s: Windows, stop_s: float, *, start_s: float = 0.0) -> Recording:
    """Units that fire at 10 Hz while they are observed, in the middle of every 100 ms."""
    windows = [1000 * np.array(unit, dtype=float).reshape(-1, 2) for unit in windows_s]
    trains = [np.array([t for a, b in unit for t in np.arange(a + 50, b, 100.0)]) for unit in windows]
    return Recording(
        trains={"E": trains}, observed={"E": windows}, start_ms=1000 * start_s, stop_ms=1000 * stop_s
    )


@pytest.mark.parametrize("piece_ms", [None, 3000.0])
@pytest.mark.parametrize(
    ("windows_s", "stop_s"),
    [
        ([[(0, 30)], [(0, 10)]], 30),
        ([[(0, 100)]] * 10 + [[(80, 100)]] * 10, 100),
        ([[(0, 10), (17, 40)]] * 3, 40),  # a pause
        ([[(0, 20), (30.3, 50)], [(5, 42)], [(41, 50)]], 50),
    ],
)
def test_every_unit_counts_for_the_time_in_which_it_was_observed(windows_s, stop_s, piece_ms):
    found = measure_recording(regular(windows_s, stop_s), STATISTICS, piece_ms=piece_ms, repeats=3)
    assert [row.estimate.value for row in found] == pytest.approx([10.0, 0.0, 0.0], abs=1e-5)
    assert [row.error for row in found] == pytest.approx([0.0, 0.0, 0.0], abs=1e-5)


def test_pieces_hold_as_much_of_the_observed_time_as_they_can():
    def of(windows_s: Windows, length_s: float | None) -> list[tuple[float, float, int]]:
        pieces = regular(windows_s, 30).pieces(1000 * length_s if length_s else None)
        return [(one.start_ms / 1000, one.stop_ms / 1000, one.units) for one in pieces]

    assert of([[(0, 30)]] * 2, None) == [(0, 30, 2)]
    assert of([[(0, 30)], [(0, 10)]], None) == [(0, 10, 2), (10, 30, 1)]
    late = [[(0.1, 29.5)]] * 3 + [[(0.3, 30)], [(0, 29.8)]]  # a few units that come and go
    assert of(late, None) == [(0.3, 29.5, 5)]
    assert of(late, 14.5) == [(0.3, 14.8, 5), (14.8, 29.3, 5)]
    assert of([[(1, 8)], [(10, 30)]], 6) == [(1, 7, 1), (10, 16, 1), (16, 22, 1), (22, 28, 1)]
    assert of([[(1, 8)], [(10, 30)]], 25) == [(1, 8, 1), (10, 30, 1)]  # none is so long


times_s = some.lists(some.integers(0, 60), min_size=0, max_size=6, unique=True).map(sorted)
windows_of_units = some.lists(times_s.map(lambda t: list(zip(t[::2], t[1::2], strict=False))), min_size=1)


@settings(max_examples=25, deadline=None)
@given(windows_s=windows_of_units, length_s=some.sampled_from([None, 0.5, 3.0, 7.0]))
def test_pieces_do_not_overlap_and_hold_only_what_was_observed(windows_s, length_s):
    if not any(windows_s):
        with pytest.raises(RecordingError, match="no unit was observed between 0 and 60 s"):
            regular(windows_s, 60)
        return
    recording = regular(windows_s, 60)
    pieces = division(recording, 1000 * length_s if length_s else None)
    assert all(one.stop_ms <= other.start_ms + 1e-6 for one, other in pairwise(pieces))
    for piece in pieces:
        span = piece.start_ms / 1000, piece.stop_ms / 1000
        inside = [any(a <= span[0] and span[1] <= b for a, b in unit) for unit in windows_s]
        assert piece.units["E"].tolist() == np.flatnonzero(inside).tolist()
        assert piece.n_units
        part_of(recording, piece).observe()
    longest_s = max(b - a for unit in windows_s for a, b in unit)
    assert recording.longest_ms >= 1000 * longest_s
    if length_s and recording.longest_ms >= 1000 * length_s:
        assert {piece.duration_ms for piece in pieces} == {1000 * length_s}


def test_a_cluster_that_was_not_observed_leaves_the_others_their_numbers():
    windows = [np.array([[0.0, 100.0]]), np.array([[100.0, 200.0]]), np.array([[0.0, 200.0]])]
    recording = Recording(
        trains={"E": [np.array([5.0]), np.array([150.0]), np.array([6.0, 160.0])]},
        clusters={"E": [1, 1, 1]},
        observed={"E": windows},
        start_ms=0.0,
        stop_ms=200.0,
    )
    first, second = recording.pieces()
    assert [group.cluster for group in first.layout.groups] == [0, 2]
    assert [group.cluster for group in second.layout.groups] == [1, 2]
    assert second.observe().totals("E").tolist() == [1, 1]


def test_a_recording_with_gaps_is_not_observed_as_a_whole():
    with pytest.raises(RecordingError, match="observe each of its pieces"):
        regular([[(0, 30)], [(0, 10)]], 30).observe()


@pytest.mark.parametrize(
    ("observed", "message"),
    [
        ([np.array([[0.0, 10.0]])], "has 2 units of E, but observed intervals of 1"),
        ([np.array([[10.0, 0.0]])] * 2, "an observed interval ends before it begins"),
        ([np.array([0.0, 10.0])] * 2, r"need a start and a stop each, in ms: shape \(k, 2\)"),
    ],
)
def test_observed_intervals_that_make_no_sense_are_one_line(observed, message):
    with pytest.raises(RecordingError, match=message):
        Recording(trains={"E": [np.array([1.0])] * 2}, observed={"E": observed}, start_ms=0, stop_ms=10)


def test_a_file_that_says_when_units_were_observed_is_measured_so():
    table = Table(
        time_ms=np.array([1050.0, 1150.0, 2050.0]),
        unit=np.array(["a", "a", "b"]),
        observed={"a": np.array([[1000.0, 1200.0]]), "b": np.array([[1000.0, 1200.0], [2000.0, 2100.0]])},
    )
    recording = _recording(table, "E", None, None)
    assert (recording.start_ms, recording.stop_ms, recording.observed_ms) == (1000, 2100, 500)
    (rate,) = measure_recording(recording, STATISTICS[:1])
    assert rate.estimate.value == pytest.approx(3 / 0.5)
    part = _recording(table, "E", 1100.0, 950.0)
    assert [one.tolist() for one in part.observed["E"]] == [[[1100, 1200]], [[1100, 1200], [2000, 2050]]]


@pytest.mark.parametrize("suffix", [".nwb", ".mat"])
def test_files_that_say_how_long_each_unit_was_observed_give_its_rate(tmp_path, suffix):
    stops_s = [30.0, 10.0]
    times_s = [np.arange(0.05, stop, 0.1) for stop in stops_s]
    path = tmp_path / f"units{suffix}"
    if suffix == ".nwb":
        write_nwb(path, {"spike_times": times_s, "obs_intervals": [[[0.0, stop]] for stop in stops_s]})
    else:
        segment = neo.Segment()
        for times, stop in zip(times_s, stops_s, strict=True):
            segment.spiketrains.append(neo.SpikeTrain(times, units="s", t_stop=stop))
        block = neo.Block()
        block.segments.append(segment)
        neo.io.NeoMatlabIO(str(path)).write_block(block)
    recording = read_recording(path)
    for piece_ms in (None, 3000.0):
        rate, fano, _ = measure_recording(recording, STATISTICS, piece_ms=piece_ms, repeats=2)
        assert (rate.estimate.value, fano.estimate.value) == (pytest.approx(10.0), pytest.approx(0.0))


@pytest.mark.parametrize(
    ("first_ms", "start_ms"),
    [(3_600_000, 3_600_000), (-500, -500), (100, 0), (0, 0), (70, 0)],
)
def test_a_clock_that_did_not_start_with_the_recording_makes_no_silence(tmp_path, first_ms, start_ms):
    path = tmp_path / "units.csv"
    times = first_ms + np.arange(0, 20_001, 100)
    path.write_text("time_ms,unit\n" + "".join(f"{time},{unit}\n" for time in times for unit in range(3)))
    recording = read_recording(path)
    assert (recording.start_ms, recording.stop_ms) == (start_ms, first_ms + 20_000)
    (rate,) = measure_recording(recording, STATISTICS[:1], repeats=2)
    assert rate.estimate.value == pytest.approx(10.0, rel=0.01)
    assert read_recording(path, start_ms=first_ms - 1000).duration_ms == 21_000


def test_a_long_silence_of_all_units_is_said_unless_the_file_says_what_was_observed(tmp_path):
    spikes = regular([[(0, 20), (25, 40), (47, 60)]] * 4, 60).trains["E"]
    rows = [f"{time:g},{unit}" for unit, train in enumerate(spikes) for time in train]
    path = tmp_path / "pauses.csv"
    path.write_text("\n".join(["time_ms,unit", *rows]))
    (note,) = read_recording(path).notes
    assert note.startswith("no unit fires from 19.95 to 25.05 s (and 1 times more), which counts as silence;")
    assert read_recording(path, duration_ms=20_000).notes == ()
    (note,) = read_recording(path, start_ms=50_000, duration_ms=30_000).notes
    assert note.startswith("no unit fires from 59.95 to 80 s")


def test_what_lies_beyond_the_end_of_a_recording_is_not_recorded(tmp_path):
    spikes = regular([[(0, 40)]], 40).trains["E"][0]
    path = tmp_path / "whole.npz"
    np.savez(path, time_ms=spikes, unit=np.zeros(spikes.size, int), start_ms=0.0, stop_ms=40_000.0)
    recording = read_recording(path, start_ms=35_000, duration_ms=10_000)
    (note,) = recording.notes
    assert note.startswith("the recording ends at 40 s, before the analysed interval does at 45 s")
    (rate,) = measure_recording(recording, STATISTICS[:1], repeats=3)
    assert rate.estimate.value == pytest.approx(10.0)
