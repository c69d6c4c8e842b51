"""The hidden Markov model against planted states."""

from __future__ import annotations

import numpy as np
import pytest
from hmmlearn.hmm import PoissonHMM

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


def one_state_at_a_time(states: int, *, seed: int, duration_ms: int, dwell_ms: float) -> Observation:
    """One of the clusters of 30 neurons fires at 60 Hz, the others at 6 Hz."""
    random = np.random.default_rng(seed)
    state, now, current = np.zeros(duration_ms, dtype=int), 0.0, 0
    while now < duration_ms:
        then = now + random.exponential(dwell_ms)
        state[round(now) : round(then)] = current
        current = (current + random.integers(1, states)) % states
        now = then
    up = np.repeat(state == np.arange(states)[:, None], 30, axis=0)
    fires = random.random(up.shape) < np.where(up, 0.06, 0.006)
    trains = [np.flatnonzero(row) for row in fires]
    return observe_trains(trains, duration_ms=duration_ms, dt_ms=1.0, clusters=states)


def test_the_planted_states_their_duration_and_their_changes_are_found(planted):
    observation, changes = planted
    found = hmm_states(observation)
    assert (found.value, found.note) == (3.0, "a model with 3 states")
    # States of less than 50 ms are not seen, and none is certain just when it changes.
    assert hmm_dwell(observation).value == pytest.approx(DWELL_MS + 50, rel=0.15)
    seen = changes * np.exp(-50 / DWELL_MS)
    assert hmm_switching(observation).value == pytest.approx(seen / 60, rel=0.12)
    assert hmm_states.with_options(states=3)(observation).value == 3


def test_states_are_not_merged_and_there_is_no_silent_cap():
    """Eight states of 30 neurons a cluster at 60 Hz, the others at 6 Hz, for 10 s."""
    observation = one_state_at_a_time(8, seed=0, duration_ms=10_000, dwell_ms=250.0)
    assert hmm_states(observation).value == 8
    capped = hmm_states.with_options(most_states=4)(observation)
    assert (capped.value, capped.lower_bound) == (4, True)
    assert capped.note == "a model with 4 states, the most that were tried: there may be more"


@pytest.mark.slow
def test_fourteen_states_are_found():
    assert hmm_states(one_state_at_a_time(14, seed=1, duration_ms=10_000, dwell_ms=250.0)).value >= 13


def test_the_dwell_time_is_the_maximum_likelihood_of_durations_that_the_measurement_cuts_off():
    """In 16 mean durations, total time / ends is 17/16 of the mean on average: E[1/n] of a Poisson number."""
    exact = hmm_dwell.with_options(states=3, min_ms=0.0, posterior=0.5)
    found = [
        exact(one_state_at_a_time(3, seed=seed, duration_ms=4000, dwell_ms=250.0)).value for seed in range(30)
    ]
    assert np.mean(found) / 250.0 == pytest.approx(17 / 16, abs=3 * np.std(found) / 250 / np.sqrt(30))


def test_three_statistics_fit_the_model_once(monkeypatch):
    fits = []
    fit = PoissonHMM.fit
    monkeypatch.setattr(PoissonHMM, "fit", lambda self, counts: fits.append(1) or fit(self, counts))
    observation = one_state_at_a_time(3, seed=99, duration_ms=3000, dwell_ms=250.0)
    assert hmm_states(observation).defined
    once = len(fits)
    assert once > 0
    assert hmm_dwell(observation).defined
    assert hmm_switching(observation).defined
    assert len(fits) == once


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
