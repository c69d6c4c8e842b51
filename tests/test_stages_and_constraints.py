"""What a study file says of constraints, stages, replicates, priors and fronts, and what it makes of that."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from calibrate.cli.commands import execute
from calibrate.errors import StudyError
from calibrate.simulation.jobs import Timing
from calibrate.study import Study, differences
from tests.helpers.broken_studies import BROKEN
from tests.helpers.studies import small_study, write_study

CONSTRAINT = '[[constraints]]\nstatistic = "rate_E"\nmax = 60.0\n'
BUDGET = "[budget]\ntrials = 8"
GRID = (
    ('name = "random"', 'name = "grid"'),
    ("I_E = { low = 0.1, high = 4.0 }", "I_E = { low = 1, high = 2, step = 1 }"),
    ("I_I = { low = 0.1, high = 4.0 }", "I_I = { low = 1, high = 2, step = 1 }"),
)


def with_(folder: Path, more: str, *changes: tuple[str, str], budget: str = BUDGET) -> Study:
    return small_study(folder, (BUDGET, f"{more}\n{budget}"), *changes)


NEW = [
    what
    for what in BROKEN
    if what.split()[0] in ("constraint", "stage", "stages", "prior", "expression", "expressions", "pareto")
]


@pytest.mark.parametrize("what", [*NEW, "tolerance within the noise", "plateau of no trials", "one choice"])
def test_a_broken_new_section_ends_a_run_with_code_2_and_no_database(tmp_path, capfd, what):
    old, new, _ = BROKEN[what]
    path = write_study(tmp_path, (old, new))
    assert execute(["run", str(path)]) == 2
    assert execute(["check", str(path)]) == 2
    out, err = capfd.readouterr()
    said = ("models may print", "This study runs code: ")  # by plug-ins, and of them
    lines = [line for line in (out + err).splitlines() if not line.startswith(said)]
    assert len(lines) == 2
    assert all(line.startswith(f"error: {path}:") for line in lines)
    assert not list(tmp_path.glob("*.db*"))


def test_a_constraint_without_one_bound_is_open_on_that_side(tmp_path):
    (constraint,) = with_(tmp_path, CONSTRAINT).constraints
    assert (constraint.name, constraint.low, constraint.high) == ("rate_E", -math.inf, 60.0)


def test_an_objective_and_a_constraint_may_share_a_statistic_which_is_computed_once(tmp_path):
    names = [statistic.name for statistic in with_(tmp_path, CONSTRAINT).statistics]
    assert names.count("rate_E") == 1


def test_a_statistic_may_be_constrained_twice_under_two_names(tmp_path):
    again = '[[constraints]]\nstatistic = "rate_E"\nname = "awake"\nmin = 1.0\n'
    study = with_(tmp_path, CONSTRAINT + again)
    assert [constraint.name for constraint in study.constraints] == ["rate_E", "awake"]
    assert [judged.name for judged in study.judged] == ["rate_E", "rate_I", "rate_E", "awake"]


def test_bounds_may_meet(tmp_path):
    (constraint,) = with_(tmp_path, CONSTRAINT + "min = 60.0\n").constraints
    assert constraint.low == constraint.high == 60.0


def test_the_last_stage_is_the_full_simulation_and_stages_take_its_warm_up(tmp_path):
    stages = "[[stages]]\nduration_ms = 200\n[[stages]]\nduration_ms = 500\nwarmup_ms = 50\n"
    study = with_(tmp_path, CONSTRAINT + stages, ("warmup_ms = 0.0", "warmup_ms = 100.0"))
    assert study.stages == (
        Timing(warmup_ms=100.0, duration_ms=200.0),
        Timing(warmup_ms=50.0, duration_ms=500.0),
        Timing(warmup_ms=100.0, duration_ms=2000.0),
    )


@pytest.mark.parametrize("statistic", ["dwell_time", "statistics.py:peak"])
def test_stages_need_a_constraint_that_a_short_simulation_can_judge(tmp_path, statistic):
    more = f'[[constraints]]\nstatistic = "{statistic}"\nmax = 900\n'
    assert len(with_(tmp_path, more).constraints) == 1
    with pytest.raises(StudyError, match=r"\[stages\] judge nothing"):
        with_(tmp_path, f"{more}[[stages]]\nduration_ms = 500\n")


def test_a_plateau_alone_ends_a_study(tmp_path):
    assert with_(tmp_path, "", budget="[budget]\nplateau = 5").budget.plateau == 5


def test_a_grid_takes_no_prior(tmp_path):
    assert with_(tmp_path, "", *GRID).trials == 4
    with pytest.raises(StudyError, match=r"\[prior\] is of no use to a grid"):
        with_(tmp_path, "[prior]\npoints = [{ I_E = 1.0 }]\n", *GRID)


def test_a_prior_point_may_write_a_choice_as_a_whole_number_but_not_as_a_truth(tmp_path):
    choices = ('"J+" = 2', '"J+" = { choices = [1, 2.5] }')
    point = '[prior]\npoints = [{{ "J+" = {} }}]\n'
    assert with_(tmp_path, point.format("1"), choices).prior.points == [{"J+": 1}]
    with pytest.raises(StudyError, match=r"point 1 has J\+ outside its range: true"):
        with_(tmp_path, point.format("true"), choices)


def test_a_prior_point_at_the_end_of_a_range_is_inside(tmp_path):
    assert with_(tmp_path, "[prior]\npoints = [{ I_E = 4.0, I_I = 0.1 }]\n").prior.points


@pytest.mark.parametrize(
    ("more", "same"),
    [
        ("[prior]\npoints = [{ I_E = 1.0 }]\n", True),
        ('[prior]\nstudy = "earlier"\n', True),
        (CONSTRAINT, False),
        (CONSTRAINT + "[[stages]]\nduration_ms = 500\n", False),
    ],
)
def test_what_a_trial_is_worth_makes_the_study_and_what_is_tried_first_does_not(tmp_path, more, same):
    assert (with_(tmp_path, more).digest == small_study(tmp_path).digest) is same


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (("seed = 3", "seed = 3\npareto = true"), "[study] pareto = true was added"),
        (("confirm = 0", "confirm = 0\ngraphs = 2"), "[replicates] graphs = 2 was added"),
        (("duration_ms = 2000", "duration_ms = 2000\nseed = 9"), "[simulation] seed = 9 was added"),
        (('"J+" = 2', '"J+" = { expression = "2" }'), '[parameters] J+.expression = "2" was added'),
    ],
)
def test_new_keys_that_matter_are_named(tmp_path, change, difference):
    before, after = small_study(tmp_path), small_study(tmp_path, change)
    assert difference in differences(before.content, after.content)


@pytest.mark.parametrize(
    "change",
    [
        ("tolerance = 1.0", "tolerance = 1.0\nstandard_error = 0.1"),
        ("fresh = 0", "fresh = 3"),
        ("trials = 8", "trials = 8\nplateau = 5"),
    ],
)
def test_new_keys_that_change_no_trial_leave_the_study_the_same(tmp_path, change):
    assert small_study(tmp_path, change).digest == small_study(tmp_path).digest
