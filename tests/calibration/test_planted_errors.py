"""Planted errors are caught by the statistics alone, with the default number of replicates.

How often, over twenty validations of each: benchmarks/RESULTS.md.
"""

from __future__ import annotations

import pytest

from benchmarks.validation import ERRORS, TRUTH, simulated, study_of
from calibrate import TrialSummary
from calibrate.calibration.trials.averages import combine
from calibrate.calibration.trials.simulation import Simulation
from calibrate.calibration.trials.summary import target_results
from calibrate.calibration.validation.verdict import Verdict, judge
from calibrate.study.file.sections import ValidationSection

pytestmark = [pytest.mark.genn, pytest.mark.slow]

REPLICATES = ValidationSection().replicates


@pytest.fixture(scope="module")
def correct() -> list[Simulation]:
    return simulated(study_of(ERRORS["none"]), REPLICATES, index=0, what="correct")


def verdict(correct: list[Simulation], error: str) -> Verdict:
    study = study_of(ERRORS["none"])
    targets = target_results(study.objectives, combine([found.estimates for found in correct]))
    best = TrialSummary(
        number=0, params=TRUTH, parameters={}, loss=0.0, graphs=1, statistics={}, targets=targets
    )
    other = simulated(study_of(ERRORS[error]), REPLICATES, index=1, what=error)
    return judge(study, best, other, correct, simulators=("wrong", "correct"), finished="")


def test_the_same_network_is_confirmed(correct):
    assert verdict(correct, "none").verdict == "confirmed"


@pytest.mark.parametrize(
    ("error", "statistic"),
    [
        ("weight E to E, within clusters, 10 % more", "rate_E"),
        ("decay of inhibition 20 % more", "rate_E"),
    ],
)
def test_a_wrong_weight_or_time_constant_is_caught_and_named(correct, error, statistic):
    found = verdict(correct, error)
    assert found.verdict == "not_confirmed"
    assert any(reason.startswith(f"{statistic} differs by") for reason in found.reasons)


def test_an_error_that_changes_less_than_the_tolerances_is_still_seen(correct):
    found = verdict(correct, "membrane time constant 20 % more")
    assert found.verdict == "confirmed"  # it shows what the targets ask for
    assert "rate_E" in found.differing
