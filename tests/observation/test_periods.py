"""Named times of a recording: only in them, and stimuli in them."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from pynwb import NWBHDF5IO, NWBFile

from calibrate import Recording, RecordingError, find_statistic, measure_recording, read_recording
from calibrate.observation.periods import intersection, list_periods, presented, restricted

RATE, EVOKED = find_statistic("rate_E"), find_statistic("evoked_rate_E")
ONSETS = np.arange(1000.0, 20_000.0, 2000.0)  # of ten trials, in which units fire every 10 ms for 500 ms
TRIALS = np.stack([ONSETS, ONSETS + 500.0], axis=1)


def recorded(units: int = 4, **more: object) -> Recording:
    """Units that fire every 100 ms, and every 10 ms in trials."""
    background = np.arange(50.0, 20_000.0, 100.0)
    within = (background[:, None] > TRIALS[:, 0]) & (background[:, None] < TRIALS[:, 1])
    outside = background[~within.any(axis=1)]
    inside = (ONSETS[:, None] + np.arange(5.0, 500.0, 10.0)).ravel()
    train = np.sort(np.concatenate([outside, inside]))
    periods = {"trials": TRIALS, "evokes": TRIALS[:1], "first half": np.array([[0.0, 10_000.0]])}
    given = {"periods": periods, "start_ms": 0.0, "stop_ms": 20_000.0, **more}
    return Recording(trains={"E": [train] * units}, **given)


def test_only_the_time_in_the_period_counts():
    trials = restricted(recorded(), "trials")
    (rate,) = measure_recording(trials, [RATE], repeats=2)
    assert rate.estimate.value == pytest.approx(100.0)
    assert trials.observed_ms == 4 * 10 * 500
    assert (trials.start_ms, trials.stop_ms) == (1000.0, 19_500.0)
    assert len(trials.pieces(500.0)) == 10


def test_gaps_of_a_unit_stay_gaps():
    gap = np.array([[0.0, 1200.0], [3300.0, 20_000.0]])
    whole = np.array([[0.0, 20_000.0]])
    found = restricted(recorded(2, observed={"E": [whole, gap]}), "trials").observed["E"]
    assert np.array_equal(found[0], TRIALS)
    assert np.array_equal(found[1][:2], [[1000.0, 1200.0], [3300.0, 3500.0]])


def test_the_common_time_is_that_of_every_moment():
    random = np.random.default_rng(1)
    for _ in range(30):
        one, other = (np.unique(random.integers(0, 60, 12)).astype(float) for _ in range(2))
        one, other = (edges[: edges.size // 2 * 2].reshape(-1, 2) for edges in (one, other))
        common = intersection(one, other)
        moments = np.arange(60) + 0.5

        def inside(intervals: np.ndarray, moments: np.ndarray = moments) -> np.ndarray:
            return ((moments[:, None] > intervals[:, 0]) & (moments[:, None] < intervals[:, 1])).any(axis=1)

        assert np.array_equal(inside(common), inside(one) & inside(other))


def test_trials_that_follow_one_another_are_pieces_of_their_own():
    edges = np.array([0.0, 2300.0, 4400.0, 7000.0, 9100.0])
    periods = {"trials": np.stack([edges[:-1], edges[1:]], axis=1)}
    pieces = restricted(recorded(periods=periods), "trials").pieces(2000.0)
    assert [piece.start_ms for piece in pieces] == list(edges[:-1])
    assert [piece.stop_ms for piece in pieces] == list(edges[:-1] + 2000)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "trails",
            "has no period 'trails' (did you mean 'trials'?); it has trials (10, 5 s in total), evokes",
        ),
        ("gone", "has no period 'gone'; it has trials (10"),
        ("late", "no unit was observed during 'late'"),
    ],
)
def test_what_is_no_period_is_said(name, message):
    periods = {"trials": TRIALS, "evokes": TRIALS[:1], "late": np.array([[3e4, 4e4]])}
    with pytest.raises(RecordingError) as caught:
        restricted(recorded(periods=periods), name)
    assert message in str(caught.value)


def test_a_file_without_periods_says_so():
    assert list_periods(recorded(periods={})) == "no named periods"


def test_the_response_to_a_stimulus_is_that_of_its_intervals():
    recording = presented(recorded(), "trials")
    assert [one.start_ms for one in recording.presentations] == list(ONSETS)
    assert {one.clusters for one in recording.presentations} == {(0,)}
    (evoked,) = measure_recording(recording, [EVOKED], repeats=2)
    assert evoked.estimate.value == pytest.approx(90.0, abs=0.1)
    assert evoked.estimate.support == 10


def test_pieces_begin_before_a_presentation_by_as_much_as_asked():
    recording = presented(recorded(), "trials", lead_ms=300.0)
    assert [piece.start_ms for piece in recording.pieces(1000.0)] == list(ONSETS - 300)
    assert all(piece.presentations for piece in recording.pieces(1000.0))
    (evoked,) = measure_recording(recording, [EVOKED], piece_ms=1000.0, repeats=2)
    assert evoked.estimate.value == pytest.approx(90.0, abs=0.1)
    # Longer than the time between presentations: every second one begins a piece.
    assert [piece.start_ms for piece in recording.pieces(3000.0)] == list(ONSETS[::2] - 300)


def test_each_stimulus_has_its_clusters():
    two = {"left": TRIALS[::2], "right": TRIALS[1::2]}
    recording = recorded(periods=two, clusters={"E": [2, 2]})
    shown = presented(recording, {"left": [0], "right": [1]}).presentations
    assert [one.clusters for one in shown] == [(0,), (1,)] * 5
    with pytest.raises(RecordingError, match="the stimulus 'left' has the cluster 2, but there are 0 to 1"):
        presented(recording, {"left": [2]})


def test_stimuli_are_decoded_from_a_recording():
    left, right = TRIALS[::2], TRIALS[1::2]
    background, burst = np.arange(50.0, 20_000.0, 100.0), np.arange(3.0, 500.0, 7.0)
    trains = [
        np.sort(np.concatenate([background, (mine[:, :1] + burst).ravel()]))
        for mine in (left, left, right, right)
    ]
    recording = Recording(
        trains={"E": trains},
        clusters={"E": [2, 2]},
        periods={"left": left, "right": right},
        start_ms=0.0,
        stop_ms=20_000.0,
    )
    decoding = find_statistic("decoding_E")
    shown = presented(recording, {"left": [0], "right": [1]})
    (row,) = measure_recording(shown, [decoding], repeats=2)
    assert (row.estimate.value, row.estimate.support) == (1.0, 10)
    assert not measure_recording(recording, [decoding], repeats=2)[0].estimate.defined


def test_a_presentation_goes_with_the_time_that_is_left_out():
    recording = presented(recorded(), "trials")
    (row,) = measure_recording(recording, [EVOKED], block_ms=2000.0, repeats=2)
    assert row.defined == 1.0
    assert row.error < 1.0  # all presentations are alike


def test_periods_and_stimuli_come_from_the_file(tmp_path):
    content = NWBFile(
        session_description="two epochs", identifier="a", session_start_time=datetime(2026, 5, 2, tzinfo=UTC)
    )
    for unit in range(3):
        times = np.concatenate([np.arange(0.05, 10, 0.1), np.arange(10.05, 20, 0.05)])
        content.add_unit(spike_times=times, obs_intervals=[[0.0, 20.0]], id=unit)
    content.add_epoch(0.0, 10.0, ["spontaneous"])
    content.add_epoch(10.0, 20.0, ["evoked"])
    path = tmp_path / "mouse.nwb"
    with NWBHDF5IO(path, "w") as file:
        file.write(content)
    rates = {
        name: measure_recording(read_recording(path, period=name), [RATE], repeats=2)[0].estimate.value
        for name in ("spontaneous", "evoked")
    }
    assert rates == pytest.approx({"spontaneous": 10.0, "evoked": 20.0}, rel=0.02)
    (evoked,) = measure_recording(read_recording(path, stimuli="evoked"), [EVOKED], repeats=2)
    assert evoked.estimate.value == pytest.approx(10.0, rel=0.05)
    with pytest.raises(RecordingError, match=r"nwb: has no period 'evokd' \(did you mean 'evoked'\?\)"):
        read_recording(path, period="evokd")
