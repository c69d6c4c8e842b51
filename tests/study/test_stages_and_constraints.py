"""What a study file says of constraints, stages, replicates, priors and fronts, and what it makes of that."""

from __future__ import annotations

import math

import pytest

from calibrate.cli.commands import execute
from calibrate.errors import StudyError
from calibrate.simulation.jobs import Timing
from calibrate.study import differences
from tests.helpers.broken_studies import BROKEN
from tests.helpers.studies import RATE_E, RATE_I, edited, small_study, write_text

CONSTRAINT = {"statistic": "rate_E", "max": 60.0}
CONSTRAINED = {"constraints": [CONSTRAINT]}
GRID = {
    "parameters": {"I_E": {"low": 1, "high": 2, "step": 1}, "I_I": {"low": 1, "high": 2, "step": 1}},
    "sampler": {"name": "grid"},
}


NEW = [
    what
    for what in BROKEN
    if what.split()[0] in ("constraint", "stage", "stages", "prior", "expression", "expressions", "pareto")
]


@pytest.mark.parametrize(
    "what", [*NEW, "tolerance below the standard error", "plateau of no trials", "one choice"]
)
def test_a_broken_new_section_ends_a_run_with_code_2_and_no_database(tmp_path, capfd, what):
    old, new, _ = BROKEN[what]
    path = write_text(tmp_path, edited((old, new)))
    assert execute(["run", str(path)]) == 2
    assert execute(["check", str(path)]) == 2
    out, err = capfd.readouterr()
    said = ("models may print", "This study runs code: ")  # by plug-ins, and of them
    lines = [line for line in (out + err).splitlines() if not line.startswith(said)]
    assert len(lines) == 2
    assert all(line.startswith(f"error: {path}:") for line in lines)
    assert not list(tmp_path.glob("*.db*"))


def test_a_constraint_without_one_bound_is_open_on_that_side(tmp_path):
    (constraint,) = small_study(tmp_path, CONSTRAINED).constraints
    assert (constraint.name, constraint.low, constraint.high) == ("rate_E", -math.inf, 60.0)


def test_an_objective_and_a_constraint_may_share_a_statistic_which_is_computed_once(tmp_path):
    names = [statistic.name for statistic in small_study(tmp_path, CONSTRAINED).statistics]
    assert names.count("rate_E") == 1


def test_a_statistic_may_be_constrained_twice_under_two_names(tmp_path):
    again = {"statistic": "rate_E", "name": "awake", "min": 1.0}
    study = small_study(tmp_path, constraints=[CONSTRAINT, again])
    assert [constraint.name for constraint in study.constraints] == ["rate_E", "awake"]
    assert [judged.name for judged in study.judged] == ["rate_E", "rate_I", "rate_E", "awake"]


def test_bounds_may_meet(tmp_path):
    (constraint,) = small_study(tmp_path, constraints=[CONSTRAINT | {"min": 60.0}]).constraints
    assert constraint.low == constraint.high == 60.0


def test_the_last_stage_is_the_full_simulation_and_stages_take_its_warm_up(tmp_path):
    stages = [{"duration_ms": 200}, {"duration_ms": 500, "warmup_ms": 50}]
    study = small_study(tmp_path, CONSTRAINED, stages=stages, simulation={"warmup_ms": 100.0})
    assert study.stages == (
        Timing(warmup_ms=100.0, duration_ms=200.0),
        Timing(warmup_ms=50.0, duration_ms=500.0),
        Timing(warmup_ms=100.0, duration_ms=2000.0),
    )


@pytest.mark.parametrize("statistic", ["dwell_time", "statistics.py:peak"])
def test_stages_need_a_constraint_that_a_short_simulation_can_judge(tmp_path, statistic):
    constrained = {"constraints": [{"statistic": statistic, "max": 900}]}
    assert len(small_study(tmp_path, constrained).constraints) == 1
    with pytest.raises(StudyError, match=r"\[stages\] have no effect"):
        small_study(tmp_path, constrained, stages=[{"duration_ms": 500}])


def test_a_plateau_alone_ends_a_study(tmp_path):
    assert small_study(tmp_path, budget={"trials": None, "plateau": 5}).budget.plateau == 5


def test_a_grid_takes_no_prior(tmp_path):
    assert small_study(tmp_path, GRID).trials == 4
    with pytest.raises(StudyError, match=r"\[prior\] has no effect on a grid"):
        small_study(tmp_path, GRID, prior={"points": [{"I_E": 1.0}]})


def test_a_prior_point_may_write_a_choice_as_a_whole_number_but_not_as_a_truth(tmp_path):
    choices = {"parameters": {"J+": {"choices": [1, 2.5]}}}
    assert small_study(tmp_path, choices, prior={"points": [{"J+": 1}]}).prior.points == [{"J+": 1}]
    with pytest.raises(StudyError, match=r"point 1 has J\+ outside its range: true"):
        small_study(tmp_path, choices, prior={"points": [{"J+": True}]})


def test_a_prior_point_at_the_end_of_a_range_is_inside(tmp_path):
    assert small_study(tmp_path, prior={"points": [{"I_E": 4.0, "I_I": 0.1}]}).prior.points


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"prior": {"points": [{"I_E": 1.0}]}}, True),
        ({"prior": {"study": "earlier"}}, True),
        (CONSTRAINED, False),
        (CONSTRAINED | {"stages": [{"duration_ms": 500}]}, False),
    ],
)
def test_what_a_trial_is_worth_makes_the_study_and_what_is_tried_first_does_not(tmp_path, change, same):
    assert (small_study(tmp_path, change).digest == small_study(tmp_path).digest) is same


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"study": {"pareto": True}}, "[study] pareto = true was added"),
        ({"replicates": {"graphs": 2}}, "[replicates] graphs = 2 was added"),
        ({"simulation": {"seed": 9}}, "[simulation] seed = 9 was added"),
        ({"parameters": {"J+": {"expression": "2"}}}, '[parameters] J+.expression = "2" was added'),
    ],
)
def test_new_keys_that_matter_are_named(tmp_path, change, difference):
    before, after = small_study(tmp_path), small_study(tmp_path, change)
    assert difference in differences(before.content, after.content)


@pytest.mark.parametrize(
    "change",
    [
        {"objectives": [RATE_E | {"standard_error": 0.1}, RATE_I]},
        {"replicates": {"fresh": 3}},
        {"budget": {"plateau": 5}},
    ],
)
def test_new_keys_that_change_no_trial_leave_the_study_the_same(tmp_path, change):
    assert small_study(tmp_path, change).digest == small_study(tmp_path).digest
