"""Tolerances against noise, and what a study costs."""

from __future__ import annotations

import pytest

from calibrate.calibration.resources.estimate import estimate
from calibrate.errors import StudyError
from calibrate.tasks.run import run_study
from tests.helpers.studies import RATE_E, RATE_I, small_study


def test_no_tolerance_is_refused_for_a_noise_that_nobody_measured(tmp_path):
    small_study(tmp_path, objectives=[RATE_E | {"tolerance": 0.001}, RATE_I])


def test_a_tolerance_below_the_error_that_the_study_itself_gives_is_refused(tmp_path):
    small_study(tmp_path, objectives=[RATE_E | {"tolerance": 0.2, "standard_error": 0.19}, RATE_I])
    with pytest.raises(
        StudyError, match=r"below the standard error that is given for rate_E, 2: 1\.0; raise"
    ):
        small_study(tmp_path, objectives=[RATE_E | {"standard_error": 2.0}, RATE_I])


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
