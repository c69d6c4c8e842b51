"""Several recordings: each is measured by itself, and then pooled."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from calibrate import (
    Estimate,
    Needs,
    Recording,
    RecordingError,
    find_statistic,
    measure_recording,
    measure_recordings,
    statistic,
)
from calibrate.objective.random_effects import random_effects
from calibrate.objective.sessions import Pooled, differing, distribution, pooled_sample
from tests.helpers.recordings import trains

RATE, CORRELATION = find_statistic("rate_E"), find_statistic("correlation_E")


def session(rate_hz: float = 8.0, *, seed: int, units: int = 12, duration_ms: float = 6000.0) -> Recording:
    found = trains(units, rate_hz=rate_hz, duration_ms=duration_ms, seed=seed)
    return Recording(trains={"E": found}, start_ms=0.0, stop_ms=duration_ms)


def test_one_session_has_the_numbers_that_it_has_alone():
    one, names = session(seed=1), ("rate_E", "cv2_E", "fano_E")
    chosen = [find_statistic(name) for name in names]
    alone = measure_recording(one, chosen, piece_ms=2000.0, repeats=5)
    pooled = measure_recordings({"a": one}, chosen, piece_ms=2000.0, repeats=5)
    for row, other in zip(alone, pooled, strict=True):
        assert (row.estimate, row.error, row.defined, row.note) == (
            other.estimate,
            other.error,
            other.defined,
            other.note,
        )
        assert np.array_equal(row.estimate.sample, other.estimate.sample)
        assert other.prediction_error == row.error
        assert math.isnan(other.p_value)


def test_sessions_are_pooled_as_random_effects():
    rates = {"a": 5.0, "b": 8.0, "c": 14.0}
    sessions = {name: session(rate, seed=k) for k, (name, rate) in enumerate(rates.items())}
    (row,) = measure_recordings(sessions, [RATE], repeats=5)
    each = [measure_recording(one, [RATE], repeats=5)[0] for one in sessions.values()]
    expected = random_effects([one.estimate.value for one in each], [one.error for one in each])
    assert row.estimate.value == expected.value
    assert (row.error, row.between, row.p_value) == (expected.error, expected.between, expected.p_value)
    assert row.between == pytest.approx(np.std([5, 8, 14], ddof=1), rel=0.2)
    assert row.prediction_error == pytest.approx(math.hypot(row.error, row.between))
    assert row.estimate.support == 36
    assert differing([row]) == [row]


def test_pairs_are_units_of_one_session():
    # Each unit fires exactly with its namesake of the other session, and with no unit of its own.
    one = session(seed=3)
    (row,) = measure_recordings({"a": one, "copy": one}, [CORRELATION], repeats=5)
    (alone,) = measure_recording(one, [CORRELATION], repeats=5)
    assert row.estimate.value == pytest.approx(alone.estimate.value)
    assert row.estimate.support == 2 * alone.estimate.support  # not all pairs of 24 units


def test_a_session_without_the_population_is_left_out():
    both = Recording(trains={"E": trains(8, seed=1), "I": trains(8, seed=2)}, start_ms=0.0, stop_ms=20_000.0)
    sessions = {"both": both, "one": session(seed=3)}
    rows = measure_recordings(sessions, [RATE, find_statistic("rate_I")], repeats=5)
    assert [list(row.sessions) for row in rows] == [["both", "one"], ["both"]]
    assert rows[1].estimate == rows[1].sessions["both"].estimate
    (nowhere,) = measure_recordings({"one": session(seed=3)}, [find_statistic("rate_X")], repeats=5)
    assert not nowhere.estimate.defined
    assert nowhere.estimate.note == "no recording has units of population X"
    with pytest.raises(RecordingError, match="no recording"):
        measure_recordings({})


@statistic(needs=Needs())
def slow_only(observation, *, population="E"):
    "Spikes, undefined above 100."
    total = float(observation.totals(population).sum())
    return Estimate(total) if total <= 100 else Estimate(math.nan, note="too many spikes")


def test_a_session_that_has_no_value_is_left_out_unless_most_have_none():
    slow, other, fast = session(0.5, seed=1), session(0.5, seed=2), session(20.0, seed=3)
    (row,) = measure_recordings({"slow": slow, "other": other, "fast": fast}, [slow_only], repeats=2)
    assert row.estimate.defined
    assert row.estimate.note == "too many spikes (in fast)"
    assert "undefined in fast, which is left out" in row.note
    assert row.defined == pytest.approx(2 / 3)
    (row,) = measure_recordings({"slow": slow, "fast": fast, "faster": session(30.0, seed=4)}, [slow_only])
    assert not row.estimate.defined
    assert row.estimate.note == "too many spikes (in fast, faster)"


def test_a_moment_counts_as_much_as_others_if_its_error_is_unknown():
    moment = session(30.0, seed=1, duration_ms=1500.0)
    fano = find_statistic("fano_E")
    (row,) = measure_recordings({"moment": moment, "long": session(seed=2)}, [fano], repeats=5)
    values = [one.estimate.value for one in row.sessions.values()]
    assert row.estimate.value == pytest.approx(np.mean(values))
    assert row.note == "sessions count equally, since the standard error of moment is unknown or 0"


def test_a_neuron_has_the_same_weight_however_long_it_was_recorded():
    short, long = np.array([1.0, 1.0]), np.tile([2.0, 3.0, 4.0, 5.0], 10)
    assert list(pooled_sample([short, long[:4]], [1, 1])) == [1, 1, 2, 3, 4, 5]
    found = pooled_sample([short, long], [1, 10])  # two units, and four that were measured ten times
    assert found.size == 42
    shares = [np.mean(found == value) for value in range(1, 6)]
    assert shares == pytest.approx([1 / 3, 1 / 6, 1 / 6, 1 / 6, 1 / 6], abs=1 / 42)


def test_a_distribution_is_that_of_all_sessions():
    sessions = {"few": session(5.0, seed=1, units=5), "many": session(9.0, seed=2, units=15)}
    values = distribution(sessions, RATE, None)
    expected = [1000 * len(train) / 6000 for one in sessions.values() for train in one.trains["E"]]
    assert sorted(values) == pytest.approx(sorted(expected))


def test_what_differs_is_corrected_for_the_number_of_statistics():
    def row(p_value: float):
        return Pooled(
            statistic=replace(RATE, name=f"of {p_value}"),
            estimate=Estimate(1.0),
            error=0.1,
            defined=1.0,
            p_value=p_value,
        )

    rows = [row(p) for p in (0.02, 0.001, 0.04, math.nan, 0.03)]
    assert [one.p_value for one in differing(rows)] == [0.001]
    assert [one.p_value for one in differing([row(0.02), row(0.04)])] == [0.02, 0.04]
