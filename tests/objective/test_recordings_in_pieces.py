"""Recordings measured in pieces as long as a simulation: compared like with like."""

from __future__ import annotations

import numpy as np
import pytest
from rich.console import Console

from calibrate import (
    Recording,
    StudyError,
    find_statistic,
    measure_recording,
    observe_trains,
    read_recording,
)
from calibrate.cli.tables.study import print_check
from calibrate.objective.derived import distance_to
from calibrate.objective.resampling import estimate_recording
from tests.helpers.recordings import trains, written
from tests.helpers.studies import RATE_E, RATE_I, small_study

RATE, FANO, CV2, DWELL = (find_statistic(name) for name in ("rate_E", "fano_E", "cv2_E", "dwell_time_E"))


def slow(seconds: int, seed: int = 0, units: int = 20) -> Recording:
    """Poisson units whose common rate drifts over tens of seconds, from 2 to 14 Hz."""
    random = np.random.default_rng(seed)
    times = [1000 * np.sort(random.uniform(0, seconds, random.poisson(14 * seconds))) for _ in range(units)]
    share = (8 - 6 * np.cos(2 * np.pi * np.arange(seconds * 1000) / 20_000)) / 14
    kept = [np.unique(one[random.random(one.size) < share[one.astype(int)]].round(1)) for one in times]
    return Recording(trains={"E": kept}, start_ms=0.0, stop_ms=1000.0 * seconds)


def test_the_value_is_the_mean_over_pieces_of_the_length_of_a_simulation():
    recording = slow(40)
    of_pieces = [FANO(piece.observe()).value for piece in recording.pieces(4000)]
    assert len(of_pieces) == 10
    found = estimate_recording(recording, FANO, 4000)
    assert found.value == pytest.approx(np.mean(of_pieces))
    assert found.sample.size == found.support * 10
    assert found.value < 0.8 * estimate_recording(recording, FANO).value  # without the drift


def test_the_error_of_a_single_unit_is_that_of_independent_pieces():
    recording = slow(40, units=1)
    of_pieces = [RATE(piece.observe()).value for piece in recording.pieces(2000)]
    (found,) = measure_recording(recording, [RATE], piece_ms=2000, repeats=2)
    assert found.error == pytest.approx(np.std(of_pieces, ddof=1) / np.sqrt(20))
    # Blocks of three pieces, the last of two.
    (found,) = measure_recording(recording, [RATE], piece_ms=2000, block_ms=6000, repeats=2)
    of_threes = np.add.reduceat(of_pieces, range(0, 20, 3)) / [3, 3, 3, 3, 3, 3, 2]
    assert found.error == pytest.approx(np.std(of_threes, ddof=1) / np.sqrt(7), rel=0.1)


def test_units_that_differ_for_good_count_as_a_sample_of_units_in_pieces_too():
    """Rates of 2 to 12 Hz, evenly: the error of the mean is their SD over sqrt(n), and chance adds little."""
    rates = np.linspace(2, 12, 30)
    random = np.random.default_rng(0)
    units = [np.sort(random.uniform(0, 30_000, random.poisson(30 * rate))) for rate in rates]
    recording = Recording(trains={"E": units}, start_ms=0.0, stop_ms=30_000.0)
    for piece_ms in (None, 1000.0):
        (found,) = measure_recording(recording, [RATE], piece_ms=piece_ms, repeats=12)
        assert found.error == pytest.approx(rates.std(ddof=1) / np.sqrt(30), rel=0.3)


def test_a_process_has_no_distance_from_its_own_recording_in_pieces_of_its_length():
    rates = np.random.default_rng(1).gamma(4, 2, size=300)

    def spikes(seconds: int, seed: int) -> list[np.ndarray]:
        random = np.random.default_rng(seed)
        return [np.sort(random.uniform(0, 1000 * seconds, random.poisson(seconds * rate))) for rate in rates]

    recording = Recording(trains={"E": spikes(30, 2)}, start_ms=0.0, stop_ms=30_000.0)
    simulated = observe_trains(spikes(3, 3), duration_ms=3000)
    whole, pieces = (
        distance_to(RATE, estimate_recording(recording, RATE, length).sample)(simulated).value
        for length in (None, 3000.0)
    )
    rates_hz = simulated.totals("E") / 3
    assert pieces < 2 * rates_hz.std() / np.sqrt(rates_hz.size)
    assert whole > 2 * pieces


def test_pieces_in_which_a_statistic_is_undefined_are_left_out_and_counted():
    silent_at_last = Recording(trains={"E": [np.arange(50.0, 6000, 100)]}, start_ms=0.0, stop_ms=9000.0)
    found = estimate_recording(silent_at_last, CV2, 3000)
    assert found.value == pytest.approx(0, abs=1e-6)
    assert found.note.endswith("(in 1 of 3 pieces)")
    mostly_silent = Recording(trains={"E": [np.arange(50.0, 3000, 100)]}, start_ms=0.0, stop_ms=9000.0)
    assert not estimate_recording(mostly_silent, CV2, 3000).defined


def test_short_recordings_have_values_and_errors_where_blocks_fit():
    recording = Recording(trains={"E": trains(10, duration_ms=4000)}, start_ms=0.0, stop_ms=4000.0)
    for row, block in zip(measure_recording(recording, [RATE, FANO], repeats=3), (400, 800), strict=True):
        assert row.error > 0
        assert row.note == f"the standard error is from blocks of only {block} ms"  # in whole windows
    moment = Recording(trains={"E": trains(10, duration_ms=1500)}, start_ms=0.0, stop_ms=1500.0)
    rate, fano = measure_recording(moment, [RATE, FANO], repeats=3)
    assert rate.error > 0
    assert fano.estimate.defined
    assert np.isnan(fano.error)
    assert fano.note.startswith("no standard error: a recording of 1.5 s has 3 blocks of 0.4 s")


def test_studies_compare_with_pieces_as_long_as_their_simulations(tmp_path):
    written(tmp_path / "units.csv", slow(20).trains["E"])
    section = {"file": "units.csv", "duration_ms": 20_000}
    recording = read_recording(tmp_path / "units.csv", duration_ms=20_000)
    fano = RATE_E | {"statistic": "fano_E", "target": "recording", "tolerance": 1.0}
    study = small_study(tmp_path, recording=section, objectives=[fano, RATE_I])
    assert study.simulation.duration_ms == 2000
    assert study.objectives[0].target.value == estimate_recording(recording, FANO, 2000).value
    assert study.warnings == ()
    console = Console(width=120)
    with console.capture() as printed:
        print_check(console, study, None, database="")
    assert "recording   units.csv from 0 to 20 s, in 10 pieces of 2 s with 20 units" in printed.get()
    rates = RATE_E | {"target": None, "distribution": "recording"}
    study = small_study(tmp_path, recording=section, objectives=[rates, RATE_I])
    first = recording.pieces(2000)[0].observe()
    reference = estimate_recording(recording, RATE, 2000).sample
    assert study.objectives[0].statistic(first).value == distance_to(RATE, reference)(first).value
    # Distances that older versions stored are from the whole recording.
    assert study.content["recording"] == section | {"population": "E", "piece_ms": 2000}


def test_a_recording_that_is_shorter_than_a_simulation_is_said(tmp_path):
    written(tmp_path / "units.csv", trains(10, duration_ms=1500))
    section = {"file": "units.csv", "duration_ms": 1500}
    rate = RATE_E | {"target": "recording"}
    study = small_study(tmp_path, recording=section, objectives=[rate, RATE_I])
    (warning,) = study.warnings
    assert warning.startswith("the recording has at most 1.5 s without a gap, but simulations last 2 s")
    fano = RATE_E | {"statistic": "fano_E", "target": "recording", "tolerance": None}
    with pytest.raises(
        StudyError, match="fano_E has no default tolerance, since its standard error is unknown"
    ):
        small_study(tmp_path, recording=section, objectives=[fano, RATE_I])


def test_an_error_does_not_depend_on_what_else_is_measured():
    recording = slow(30)
    together = measure_recording(recording, [DWELL, RATE, FANO, CV2], piece_ms=3000, repeats=3)
    for row in together:
        (alone,) = measure_recording(recording, [row.statistic], piece_ms=3000, repeats=3)
        assert (alone.estimate.value, alone.error) == pytest.approx(
            (row.estimate.value, row.error), nan_ok=True
        )
