"""Statistics of learning, by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from calibrate.errors import ObjectiveError
from calibrate.objective import find_statistic
from calibrate.observation import Layout, Observation, Presentation, observe_spikes

LAYOUT = Layout.of([("ORN", 2, 2), ("KC", 10, 1), ("MBON", 2, 2)])
PLUS, MINUS = 12, 13
TRAINING = Presentation("ORN", (0,), 0.0, 40_000.0)
TEST = Presentation("ORN", (0,), 60_000.0, 160_000.0)
REWARD = Presentation("MBIN", (0,), 0.0, 40_000.0)


def spikes(neuron: int, rate_hz: float, start_ms: float, stop_ms: float) -> list[tuple[int, int]]:
    """Evenly spaced spikes, in steps of a millisecond."""
    n = round(rate_hz * (stop_ms - start_ms) / 1000)
    return [(int(start_ms + (k + 0.5) * (stop_ms - start_ms) / n), neuron) for k in range(n)]


def observed(*trains: list[tuple[int, int]], shown: tuple[Presentation, ...] = ()) -> Observation:
    events = sorted(event for train in trains for event in train)
    steps, neurons = np.array(events).reshape(-1, 2).T
    found = observe_spikes(
        steps, neurons, LAYOUT, dt_ms=1.0, duration_ms=180_000.0, bin_ms=500.0, window_ms=500.0
    )
    return replace(found, presentations=shown)


BOTH = (TRAINING, REWARD, TEST)


def test_preference_is_the_bias_between_the_valences_in_the_test():
    seen = observed(
        spikes(PLUS, 30.0, 60_000, 160_000),
        spikes(MINUS, 10.0, 60_000, 160_000),
        spikes(MINUS, 50.0, 0, 50_000),
        shown=BOTH,
    )
    found = find_statistic("preference_MBON")(seen)
    assert found.value == pytest.approx(0.5)
    assert found.support == 4000
    assert found.error == pytest.approx(0.0, abs=1e-9)


def test_preference_may_be_of_a_part_of_the_test():
    seen = observed(
        spikes(PLUS, 30.0, 60_000, 90_000),
        spikes(MINUS, 10.0, 60_000, 90_000),
        spikes(PLUS, 10.0, 90_000, 160_000),
        spikes(MINUS, 30.0, 90_000, 160_000),
        shown=BOTH,
    )
    early = find_statistic("preference_MBON").with_options(to_ms=30_000.0)
    late = find_statistic("preference_MBON").with_options(from_ms=30_000.0)
    assert early(seen).value == pytest.approx(0.5)
    assert late(seen).value == pytest.approx(-0.5)


def test_learning_is_the_change_from_the_onset_of_training_to_that_of_the_test():
    seen = observed(
        spikes(PLUS, 40.0, 0, 10_000),
        spikes(MINUS, 60.0, 0, 10_000),
        spikes(PLUS, 50.0, 60_000, 70_000),
        spikes(MINUS, 25.0, 60_000, 70_000),
        shown=BOTH,
    )
    assert find_statistic("learning_index_MBON")(seen).value == pytest.approx(1 / 3 + 0.2)


def test_decay_is_the_share_of_the_preference_that_the_test_takes():
    seen = observed(
        spikes(PLUS, 60.0, 60_000, 90_000),
        spikes(MINUS, 20.0, 60_000, 90_000),
        spikes(PLUS, 45.0, 130_000, 160_000),
        spikes(MINUS, 35.0, 130_000, 160_000),
        shown=BOTH,
    )
    assert find_statistic("preference_decay_MBON")(seen).value == pytest.approx(1 - 0.125 / 0.5)


def test_without_a_preference_there_is_none_to_lose():
    seen = observed(spikes(PLUS, 30.0, 60_000, 160_000), spikes(MINUS, 29.8, 60_000, 160_000), shown=BOTH)
    found = find_statistic("preference_decay_MBON")(seen)
    assert not found.defined
    assert 0 < found.shortfall < 0.5
    assert found.note == "there is no preference to lose"


def test_the_active_fraction_counts_neurons_that_fire_when_the_stimulus_begins():
    shown = (TRAINING, TEST)
    first = [(500, 2), (600, 2), (700, 3), (2000, 4)]  # the third neuron is late
    second = [(60_100, 5)]
    seen = observed(first, second, shown=shown)
    assert find_statistic("active_fraction_KC")(seen).value == pytest.approx((0.2 + 0.1) / 2)
    twice = find_statistic("active_fraction_KC").with_options(min_spikes=2)
    assert twice(seen).value == pytest.approx((0.1 + 0.0) / 2)
    long = find_statistic("active_fraction_KC").with_options(window_ms=10_000.0)
    assert long(seen).value == pytest.approx((0.3 + 0.1) / 2)
    assert long(seen).support == 20


@pytest.mark.parametrize("onset_ms", [300.0, 1010.0])
def test_the_window_of_the_active_fraction_lies_within_the_stimulus(onset_ms):
    """A stimulus of 1100 ms that does not begin with a window of 1000 ms."""
    steps = np.array([onset_ms + 500, onset_ms + 1200]).astype(int)
    found = observe_spikes(
        steps, np.array([2, 3]), LAYOUT, dt_ms=1.0, duration_ms=4000.0, bin_ms=50.0, window_ms=50.0
    )
    seen = replace(found, presentations=(Presentation("ORN", (0,), onset_ms, onset_ms + 1100.0),))
    statistic = find_statistic("active_fraction_KC")
    assert statistic.needs.window_ms == 50.0
    assert statistic(seen).value == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("name", "shown", "note"),
    [
        ("preference_MBON", (), "no stimulus was presented"),
        ("learning_index_MBON", (TEST,), "there is no training before a test"),
        ("preference_decay_MBON", (replace(TEST, stop_ms=70_000.0),), "the test is shorter than two windows"),
        ("active_fraction_KC", (REWARD,), "no presentation to ORN contains a window"),
        ("preference_MBON", (TEST,), "no spike in the test"),
        ("learning_index_MBON", BOTH, "no spike in an onset"),
    ],
)
def test_what_cannot_be_said_is_undefined_with_a_reason(name, shown, note):
    found = find_statistic(name)(observed([(0, 2)], shown=shown))
    assert math.isnan(found.value)
    assert found.note == note
    assert 0 < found.shortfall <= 1


def test_two_valences_are_needed():
    with pytest.raises(ObjectiveError, match="population KC needs two clusters"):
        find_statistic("preference_KC")(observed([(0, 2)], shown=BOTH))
