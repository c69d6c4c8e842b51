"""Statistics of behaviour."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from calibrate.errors import ObjectiveError
from calibrate.objective import find_statistic
from calibrate.observation import Episode
from tests.helpers.closed_loop import behaved


def test_statistics_of_behaviour_are_means_over_episodes():
    shown = behaved(
        Episode(0.0, 100.0, 1.0, {"correct": 1.0, "reaction_time_ms": 80.0, "speed": 2.0}),
        Episode(100.0, 300.0, 0.0, {"correct": 0.0, "reaction_time_ms": 120.0, "speed": math.nan}),
        Episode(300.0, 700.0, 0.0, {"correct": 0.0, "reaction_time_ms": math.nan, "speed": 5.0}),
    )
    found = {name: find_statistic(name)(shown) for name in ("reward", "accuracy", "reaction_time")}
    assert [found[name].value for name in found] == pytest.approx([1 / 3, 1 / 3, 100.0])
    assert [found[name].support for name in found] == [3, 3, 2]
    assert find_statistic("behaviour").with_options(measure="speed")(shown).value == 3.5
    with pytest.raises(ObjectiveError, match="has no measure 'height'; its measures are correct"):
        find_statistic("behaviour").with_options(measure="height")(shown)


def test_no_decision_is_graded_by_how_far_it_was():
    def shortfall(*far: float) -> float:
        measures = [{"reaction_time_ms": math.nan, "reaction_time_ms_shortfall": one} for one in far]
        found = find_statistic("reaction_time")(
            behaved(*(Episode(0.0, 100.0, 0.0, measure) for measure in measures))
        )
        assert not found.defined
        return found.shortfall

    assert shortfall(0.2, 0.4) == pytest.approx(0.3)
    assert find_statistic("accuracy")(behaved()).shortfall == 1.0
    with pytest.raises(ObjectiveError, match="needs a closed loop"):
        find_statistic("accuracy")(replace(behaved(), episodes=None))
