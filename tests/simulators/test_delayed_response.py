"""The delayed-response task: its course, its decisions, and what it refuses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from calibrate.errors import CalibrateError
from calibrate.simulators.closed_loop.delayed_response import DelayedResponse


def task(**changes: Any) -> tuple[DelayedResponse, int]:
    """A task in intervals of 10 ms, reset; and the choice that it stimulates first."""
    made = DelayedResponse(
        **{"pause_ms": 20, "stimulus_ms": 30, "delay_ms": 10, "response_ms": 40, "cue_pA": 0.25, **changes}
    )
    currents, _ = made.reset(seed=5, options={"interval_ms": 10.0, "n_inputs": 4, "n_outputs": 4})
    assert not currents.any()
    return made, made._stimulated


def test_a_trial_is_pause_stimulus_delay_and_response():
    made, stimulated = task(choices=((0, 2), (1,)), current_pA=2.0)
    shown = [made.step(np.zeros(4))[0].tolist() for _ in range(9)]
    stimulus = [2.0, 0.0, 2.0, 0.0] if stimulated == 0 else [0.0, 2.0, 0.0, 0.0]
    silence, cue = [0.0] * 4, [0.25, 0.25, 0.25, 0.0]
    assert shown == [silence, *[stimulus] * 3, silence, *[cue] * 4]


def test_the_first_race_to_the_threshold_decides():
    made, stimulated = task(threshold_hz=20.0, tau_ms=50.0)
    for _ in range(6):
        assert made.step(np.full(4, 100.0))[2] is False  # whatever happens before the response
    rates = np.zeros(4)
    rates[stimulated] = 60.0
    # 60 (1 - exp(-t / 50)) passes 20 after 20.3 ms.
    assert made.step(rates)[2] is False
    assert made.step(rates)[2] is False
    _, reward, terminated, truncated, info = made.step(rates)
    assert (reward, terminated, truncated) == (1.0, True, False)
    assert (info["correct"], info["decided"], info["choice"]) == (1.0, 1.0, stimulated)
    assert info["reaction_time_ms"] == pytest.approx(30.0)
    assert info["reaction_time_ms_shortfall"] == 0.0


def test_the_other_choice_is_wrong_and_none_is_late():
    made, stimulated = task()
    for _ in range(6):
        made.step(np.zeros(4))
    _, reward, terminated, _, info = made.step(np.where(np.arange(4) == 1 - stimulated, 1000.0, 0.0))
    assert (reward, terminated, info["correct"], info["choice"]) == (0.0, True, 0.0, 1 - stimulated)
    made.reset(options={"interval_ms": 10.0, "n_inputs": 4, "n_outputs": 4})
    ended = [made.step(np.full(4, 10.0)) for _ in range(10)]
    assert [step[2] for step in ended] == [False] * 9 + [True]
    info = ended[-1][4]
    assert (info["correct"], info["decided"], info["choice"]) == (0.0, 0.0, -1)
    assert math.isnan(info["reaction_time_ms"])
    assert info["reaction_time_ms_shortfall"] == pytest.approx(1 - 10 * (1 - math.exp(-40 / 50)) / 20)


def test_the_task_draws_the_same_trials_from_the_same_seed():
    def drawn(seed: int) -> list[int]:
        made = DelayedResponse()
        options = {"interval_ms": 10.0, "n_inputs": 2, "n_outputs": 2}
        made.reset(seed=seed, options=options)
        found = []
        for _ in range(40):
            found.append(made._stimulated)
            made.reset(options=options)
        return found

    assert drawn(1) == drawn(1) != drawn(2)
    assert 10 < sum(drawn(1)) < 30


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"choices": [[0]]}, "two or more"),
        ({"choices": [[0], [0, 1]]}, "one choice only"),
        ({"stimulus_ms": 0.0}, "stimulus_ms must be positive"),
        ({"threshold_hz": 0.0}, "threshold_hz must be positive"),
        ({"delay_ms": -1.0}, "must not be negative"),
    ],
)
def test_tasks_that_make_no_sense_are_refused(options, message):
    with pytest.raises(CalibrateError, match=message):
        DelayedResponse(**options)


def test_a_task_on_clusters_that_are_not_there_is_refused():
    with pytest.raises(CalibrateError, match="choices refer to cluster 5, but there are 4"):
        DelayedResponse(choices=((0,), (5,))).reset(
            seed=1, options={"interval_ms": 10.0, "n_inputs": 4, "n_outputs": 4}
        )
