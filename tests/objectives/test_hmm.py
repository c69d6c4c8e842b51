"""The hidden Markov model against planted states."""

from __future__ import annotations

import numpy as np
import pytest

from calibrate.errors import ObjectiveError
from calibrate.observation import Observation
from objectives.hmm import hmm_dwell, hmm_states, hmm_switching
from tests.helpers.spike_trains import observe_trains, poisson_trains

RATES_HZ = np.array([[40.0, 5.0, 5.0], [5.0, 40.0, 5.0], [5.0, 5.0, 40.0]])
DWELL_MS, DURATION_MS = 400.0, 60_000


@pytest.fixture(scope="module")
def planted() -> tuple[Observation, int]:
    """Three clusters, one of which is up at any time for 400 ms on average; and the number of changes."""
    random = np.random.default_rng(4)
    state, now = np.zeros(DURATION_MS, dtype=int), 0.0
    current, changes = 0, 0
    while now < DURATION_MS:
        then = now + random.exponential(DWELL_MS)
        state[round(now) : round(then)] = current
        current = (current + random.integers(1, 3)) % 3
        now, changes = then, changes + 1
    rates = np.repeat(RATES_HZ[state].T, 20, axis=0) / 1000
    trains = [np.flatnonzero(row) for row in random.random(rates.shape) < rates]
    return observe_trains(trains, duration_ms=DURATION_MS, dt_ms=1.0, clusters=3), changes - 1


def test_the_planted_states_their_duration_and_their_changes_are_found(planted):
    observation, changes = planted
    found = hmm_states(observation)
    assert (found.value, found.note) == (3.0, "a model with 3 states")
    # States of less than 50 ms are not seen, and none is certain just when it changes.
    assert hmm_dwell(observation).value == pytest.approx(DWELL_MS + 50, rel=0.15)
    seen = changes * np.exp(-50 / DWELL_MS)
    assert hmm_switching(observation).value == pytest.approx(seen / 60, rel=0.12)
    assert hmm_states.with_options(states=3)(observation).value == 3


def test_it_is_deterministic_and_silent(planted, capfd):
    observation, _ = planted
    assert repr(hmm_dwell(observation)) == repr(hmm_dwell(observation))
    assert capfd.readouterr() == ("", "")


def test_constant_rates_are_one_state():
    trains = poisson_trains(np.random.default_rng(5), 40, rate_hz=10, duration_ms=10_000, dt_ms=1.0)
    steady = observe_trains(trains, duration_ms=10_000, dt_ms=1.0, clusters=4)
    assert hmm_states(steady).value == 1
    assert hmm_switching(steady).value == 0
    assert hmm_dwell(steady).lower_bound


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"states": 1}, "states must be 0"),
        ({"most_states": 1}, "most_states must be at least 2"),
        ({"posterior": 0.3}, "posterior must be a probability"),
        ({"min_ms": -1.0}, "min_ms must be 0 ms or more"),
    ],
)
def test_options_that_cannot_be_are_refused(options, message):
    with pytest.raises(ObjectiveError, match=message):
        hmm_states.with_options(**options)
