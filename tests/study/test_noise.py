"""Tolerances against noise, and what a study costs."""

from __future__ import annotations

import math

import pytest

from calibrate.calibration.resources.estimate import estimate
from calibrate.errors import StudyError
from calibrate.objective import Spread, find_statistic
from calibrate.tasks.run import run_study
from tests.helpers.studies import RATE_E, RATE_I, small_study


def test_a_standard_error_falls_with_the_root_of_time_and_graphs_but_for_what_differs_between_graphs():
    spread = Spread(within=0.1, between=0.3)
    assert spread.standard_error(5.0, duration_ms=10_000, graphs=1) == pytest.approx(5 * math.sqrt(0.1))
    assert spread.standard_error(5.0, duration_ms=2_500, graphs=1) == pytest.approx(5 * math.sqrt(0.13))
    assert spread.standard_error(-5.0, duration_ms=2_500, graphs=4) == pytest.approx(2.5 * math.sqrt(0.13))


def test_dwell_times_of_bernoulli_graphs_are_known_to_be_the_noisiest():
    dwell, rate = find_statistic("dwell_time").spread, find_statistic("rate_E").spread
    for rule in ("fixed_indegree", "bernoulli"):
        assert dwell[rule].within > rate[rule].within
    assert dwell["bernoulli"].between == 0.80


def test_a_tolerance_that_no_trial_can_resolve_is_refused_unless_the_error_is_known_better(tmp_path):
    tight = {"objectives": [RATE_E | {"tolerance": 0.2}, RATE_I]}
    with pytest.raises(StudyError, match=r"rate_E, which is estimated at 0\.23 for 2000 ms on 1 graph: 0\.2"):
        small_study(tmp_path, tight)
    small_study(tmp_path, tight, replicates={"graphs": 2})
    small_study(tmp_path, objectives=[RATE_E | {"tolerance": 0.2, "standard_error": 0.19}, RATE_I])
    with pytest.raises(StudyError, match=r"rate_E, which is given as 2 for 2000 ms"):
        small_study(tmp_path, objectives=[RATE_E | {"standard_error": 2.0}, RATE_I])


def test_an_interval_may_be_as_narrow_as_its_width_allows(tmp_path):
    # 9 to 11 Hz reach 1 Hz to either side of their middle, where the standard error is 0.46 Hz.
    small_study(tmp_path, objectives=[RATE_E, RATE_I | {"tolerance": 0.001}])


def test_the_cost_is_that_of_all_stages_and_graphs(tmp_path):
    one = estimate(small_study(tmp_path, parameters={"pause_s": 0.01}))
    assert one.neurons == 50
    assert one.trial_s is not None
    assert one.total_s is not None
    assert one.total_s >= one.trial_s * 8 / (one.slots * one.batch_size)
    plain = estimate(small_study(tmp_path), timed=False)
    assert (plain.trial_s, plain.total_s) == (None, None)


def test_the_cost_of_a_network_that_cannot_be_simulated_is_not_known_and_said_why(tmp_path):
    cost = estimate(small_study(tmp_path, parameters={"wrong_above": 0.05}))
    assert cost.trial_s is None
    assert "the plug-in is broken" in cost.note


def test_a_seed_of_the_simulation_leaves_the_search_as_it_is(tmp_path):
    one = run_study(small_study(tmp_path), slots=2, progress=False)
    study = small_study(tmp_path, simulation={"seed": 9}, name="other")
    other = run_study(study, progress=False, slots=2)
    assert study.simulation_seed == 9
    assert one.best is not None
    assert other.best is not None
    assert one.best.statistics != other.best.statistics
