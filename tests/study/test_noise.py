"""Tolerances against noise, and what a study costs."""

from __future__ import annotations

import math

import pytest

from calibrate.calibration.resources.estimate import estimate
from calibrate.calibration.resources.noise import Noise, noise_warnings
from calibrate.calibration.trials.summary import target_results
from calibrate.errors import StudyError
from calibrate.objective import Estimate, Objective, Value, find_statistic
from calibrate.objective.resampling import Measured
from calibrate.report.targets_in_words import origins
from calibrate.study.rules.recorded_targets import default_tolerance, why_no_tolerance
from calibrate.tasks.run import run_study
from tests.helpers.recordings import trains, written
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


def test_a_default_tolerance_is_never_below_the_error_of_a_trial(tmp_path):
    written(tmp_path / "units.csv", trains(30, rate_hz=6.0))
    aim = {"statistic": "rate_E", "target": "recording"}
    recorded = {"recording": {"file": "units.csv"}}
    alone = small_study(tmp_path, recorded, objectives=[aim, RATE_I]).objectives[0].target
    assert alone.note == "the tolerance is 2 standard errors of the recording"
    given = aim | {"standard_error": 4 * alone.tolerance}
    study = small_study(tmp_path, recorded, objectives=[given, RATE_I])
    noisy = study.objectives[0].target
    assert noisy.tolerance == pytest.approx(8 * alone.tolerance, rel=0.05)
    assert "2 standard errors of a trial, more than those of the recording, 0." in noisy.note
    assert "or of a trial where these are larger" in " ".join(origins(study))
    (shown,) = target_results(study.objectives, {"rate_E": Estimate(6.0)})[:1]
    assert shown.note == noisy.note


def test_noise_above_a_default_tolerance_is_said_with_the_key_that_raises_it(tmp_path):
    written(tmp_path / "units.csv", trains(30, rate_hz=6.0))
    aim = {"statistic": "rate_E", "target": "recording"}
    study = small_study(tmp_path, recording={"file": "units.csv"}, objectives=[aim, RATE_I])
    (warning,) = noise_warnings(study, [Noise(name="rate_E", mean=6.0, sd=3.0, graphs=8)])
    assert "rate_E: the default tolerance, 0." in warning
    assert "write standard_error = 3, from which it then follows, or raise duration_ms" in warning


@pytest.mark.parametrize(
    ("name", "value", "error", "reason"),
    [
        ("rate_E", 6.0, 0.5, ""),
        ("rate_E", 6.0, 60.0, ""),
        ("synchrony_E", 1.0, 2e-16, "it is the same in every part of the recording"),
        ("silent_fraction_E", 0.0, 0.0, "it is the same in every part of the recording"),
        ("cv_E", 1.0, math.nan, "its standard error is unknown"),
        ("dwell_time", 300.0, 160.0, "it is too uncertain to be compared by ratios: 300 ± 160"),
    ],
)
def test_a_default_tolerance_is_one_that_a_target_can_have(name, value, error, reason):
    statistic = find_statistic(name)
    measured = Measured(statistic=statistic, estimate=Estimate(value), error=error, defined=1.0)
    assert why_no_tolerance(measured) == reason
    if not reason:
        tolerance, _ = default_tolerance(measured, None)
        assert Objective(statistic=statistic, target=Value(value, tolerance)).target.tolerance == 2 * error


def test_a_value_that_never_changes_asks_for_a_tolerance(tmp_path):
    written(tmp_path / "units.csv", trains(30, rate_hz=40.0))
    aim = {"statistic": "silent_fraction_E", "target": "recording"}
    with pytest.raises(StudyError, match=r"has no default tolerance, since it is the same .*; write tol"):
        small_study(tmp_path, recording={"file": "units.csv"}, objectives=[aim, RATE_I])
