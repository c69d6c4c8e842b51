"""Study files: what they say, what they refuse and how, and what makes two of them the same study."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calibrate.errors import StudyError
from calibrate.objective import Interval, Value
from calibrate.study import Cmaes, Grid, Random, Tpe, differences, read_study
from calibrate.study.file.problems import key_lines
from calibrate.study.space import Choice, Range
from small_study import STUDY, small_study, write_study

STUDIES = Path(__file__).parent.parent / "studies"


def test_a_study_holds_what_its_file_says(tmp_path):
    study = small_study(tmp_path)
    assert study.name == "small"
    assert study.seed == 3
    assert study.fixed == {"J+": 2.0}
    assert study.space == {"I_E": Range(low=0.1, high=4.0), "I_I": Range(low=0.1, high=4.0)}
    assert [objective.name for objective in study.objectives] == ["rate_E", "rate_I"]
    assert study.objectives[0].target == Value(5.0, 1.0, "a recording")
    assert study.objectives[1].target == Interval(9.0, 11.0, 2.0)
    assert study.sampler == Random()
    assert study.trials == 8


def test_what_a_file_leaves_out_has_defaults(tmp_path):
    study = small_study(
        tmp_path, ("[study]\nseed = 3\n", ""), ('[sampler]\nname = "random"\n', ""), ("warmup_ms = 0.0\n", "")
    )
    assert study.seed == 0
    assert study.sampler == Cmaes()
    assert study.simulation.warmup_ms == 1000.0


@pytest.mark.parametrize(
    ("written", "domain"),
    [
        ("I_E = { low = 1, high = 2 }", Range(low=1.0, high=2.0)),
        ("I_E = { low = 1, high = 2, step = 0.25 }", Range(low=1.0, high=2.0, step=0.25)),
        ("I_E = { low = 0.1, high = 2, log = true }", Range(low=0.1, high=2.0, log=True)),
        ('I_E = { low = 1, high = 4, type = "int" }', Range(low=1, high=4, integer=True)),
        ("I_E.low = 1\nI_E.high = 2", Range(low=1.0, high=2.0)),
        ("N_E = { low = 20, high = 80, step = 20 }", Range(low=20, high=80, step=20, integer=True)),
        ('rule = { choices = ["b", "a"] }', Choice(values=("b", "a"))),
        ("flag = { choices = [true, false] }", Choice(values=(True, False))),
        ("I_E = { choices = [1, 2.5] }", Choice(values=(1.0, 2.5))),
    ],
)
def test_free_parameters_are_ranges_or_choices_of_the_models_type(tmp_path, written, domain):
    study = small_study(tmp_path, ("I_E = { low = 0.1, high = 4.0 }", written))
    found = next(iter(study.space.values()))
    assert found == domain
    assert isinstance(found, Choice) or type(found.low) is type(domain.low)


def test_free_parameters_that_are_not_set_are_in_the_middle_of_their_ranges(tmp_path):
    study = small_study(tmp_path)
    assert study.parameters({"I_I": 1.0}) == pytest.approx({"J+": 2.0, "I_E": 2.05, "I_I": 1.0})


def test_every_simulation_has_the_objectives_statistics_and_the_panel(tmp_path):
    names = [statistic.name for statistic in small_study(tmp_path).statistics]
    assert names[:2] == ["rate_E", "rate_I"]
    assert len(names) == len(set(names))
    assert {"cv_E", "cv2_I", "lv_E", "fano_I", "synchrony_E", "locking_I"} < set(names)
    assert {"dwell_time", "active_clusters", "switching_rate"} < set(names)
    assert not any(name.startswith("dwell_time_") for name in names)  # I has no clusters


def test_a_grid_ends_when_it_is_complete(tmp_path):
    grid = ('name = "random"', 'name = "grid"')
    steps = ("I_E = { low = 0.1, high = 4.0 }", "I_E = { low = 0.5, high = 2.5, step = 0.5 }")
    points = ("I_I = { low = 0.1, high = 4.0 }", "I_I = { low = 0.1, high = 4.0, points = 7 }")
    study = small_study(tmp_path, grid, steps, points, ("trials = 8", ""))
    assert study.sampler == Grid()
    assert study.trials == 35


BROKEN: dict[str, tuple[str, str, str]] = {
    # what it is: (old text, new text, pattern of the one line)
    "syntax": ("seed = 3", "seed 3", r":2: \[TOML\] not valid: Expected '='"),
    "unquoted plus": ('"J+" = 2', "J+ = 2", r":9: \[TOML\] .*quotes"),
    "key twice": ("seed = 3", "seed = 3\nseed = 4", r":3: \[TOML\] .*overwrite"),
    "unknown table": ("[budget]", "[budgets]", r":32: \[budgets\] unknown table.*'budget'"),
    "unknown key": (
        "duration_ms",
        "duration",
        r":16: \[simulation\] duration is not a valid key.*'duration_ms'",
    ),
    "text for a number": ("dt_ms = 1.0", 'dt_ms = "1"', r':14: \[simulation\] dt_ms must be a number: "1"'),
    "number for a text": ('statistic = "rate_E"', "statistic = 3", r":19: .*statistic must be a string"),
    "broken whole number": (
        "trials = 8",
        "trials = 8.5",
        r":33: \[budget\] trials must be a whole number: 8.5",
    ),
    "no trials": ("trials = 8", "trials = 0", r":33: \[budget\] trials must be at least 1: 0"),
    "infinite": ("trials = 8", "wall_s = inf", r":33: \[budget\] wall_s must be a finite number: inf"),
    "no end": ("trials = 8", "loss = 1.0", r":32: \[budget\] sets no limit; add trials"),
    "negative duration": ("duration_ms = 2000", "duration_ms = -1", r":16: .*must be above 0: -1"),
    "not whole steps": (
        "warmup_ms = 0.0",
        "warmup_ms = 0.5",
        r":15: \[simulation\] warmup_ms: .*whole number",
    ),
    "unknown backend": ('"poisson"', '"nets"', r":13: .*one of auto, genn, nest, poisson .*'nest'.*\"nets\""),
    "unknown model": (
        '"tiny.py:tiny"',
        '"ei_clusterd"',
        r":5: \[model\] name: .*did you mean 'ei_clustered'",
    ),
    "no such file": (
        '"tiny.py:tiny"',
        '"tin.py:tiny"',
        r":5: \[model\] name: the file .*tin.py does not exist",
    ),
    "not a model": ('"tiny.py:tiny"', '"statistics.py:thirteen"', r":5: \[model\] name: .* of type int"),
    "unknown parameter": ('"J+" = 2', '"J++" = 2', r":9: \[parameters\] J\+\+ is not a parameter .*'J\+'"),
    "value of a wrong type": ('"J+" = 2', '"J+" = "2"', r":9: \[parameters\] J\+: .*takes a number, not '2'"),
    "value out of bounds": ('"J+" = 2', '"J+" = -2', r":9: \[parameters\] J\+: .*at least 0 ?, not -2"),
    "empty range": (
        "I_E = { low = 0.1",
        "I_E = { low = 5",
        r":8: \[parameters\] I_E has an empty range, low = 5",
    ),
    "range out of bounds": ("I_E = { low = 0.1", "I_E = { low = -1", r":8: \[parameters\] I_E: .*at least 0"),
    "range without an end": ('"J+" = 2', '"J+" = {low = 1}', r":9: \[parameters\] J\+ needs high"),
    "unknown key of a range": (
        '"J+" = 2',
        '"J+" = {lo = 1, high = 2}',
        r":9: .* J\+.lo is not a valid key .*'low'",
    ),
    "log from 0": (
        '"J+" = 2',
        '"J+" = {low = 0, high = 1, log = true}',
        r":9: .*needs low above 0 on a log scale: 0",
    ),
    "log and step": ('"J+" = 2', '"J+" = {low = 1, high = 3, log = true, step = 1}', r":9: .*log and step"),
    "range of texts": (
        '"J+" = 2',
        "rule = {low = 1, high = 2}",
        r':9: .*choices, not a range; .*\["a", "b"\]',
    ),
    "unknown choice": (
        '"J+" = 2',
        'rule = {choices = ["a", "c"]}',
        r":9: .*rule must be one of a, b, not 'c'",
    ),
    "choice twice": ('"J+" = 2', 'rule = {choices = ["a", "a"]}', r":9: .*contains a choice twice"),
    "choices and range": ('"J+" = 2', '"J+" = {choices = [1, 2], low = 1}', r":9: .*has choices and low"),
    "broken whole range": ('"J+" = 2', "N_E = {low = 2, high = 4.5}", r":9: \[parameters\] N_E needs whole"),
    "points without grid": ('"J+" = 2', '"J+" = {low = 1, high = 2, points = 3}', r":9: .*grid sampler"),
    "rule of the model": (
        '"J+" = 2',
        "N_Q = 3",
        r":9: \[parameters\] N_Q breaks a rule of tiny: .*divisible",
    ),
    "unknown statistic": (
        '"rate_E"',
        '"rat_E"',
        r":19: \[objectives 1\] statistic: there is no 'rat_E'.*'rate_E'",
    ),
    "unknown population": (
        '"rate_E"',
        '"rate_X"',
        r":19: \[objectives 1\] .*an unknown population: \"X\"",
    ),
    "unknown option": ('source = "a recording"', "options = {bin = 3}", r":19: .*rate has no option 'bin'"),
    "not a statistic": ('"rate_E"', '"statistics.py:thirteen"', r":19: .*is a int; decorate it"),
    "no target": ("target = 5.0", "", r":18: \[objectives 1\] needs a target"),
    "two targets": ("target = 5.0", "target = 5.0\ninterval = [1, 2]", r":18: .*a target and an interval"),
    "no tolerance": ("tolerance = 1.0", "", r":18: \[objectives 1\] tolerance is missing; add"),
    "interval of one": ("[9, 11]", "[9]", r":26: .*must be a list of 2 values: \[9\]"),
    "interval upside down": ("[9, 11]", "[11, 9]", r":24: \[objectives 2\]: .*the lower one first"),
    "objective twice": (
        '"rate_I"',
        '"rate_E"',
        r":24: \[objectives 2\] has the same name as an earlier one: \"rate_E\"",
    ),
    "unknown sampler": (
        '"random"',
        '"randon"',
        r":30: \[sampler\] name must be one of .*'random'.*: \"randon\"",
    ),
    "constraint without bounds": (
        "[budget]",
        '[[constraints]]\nstatistic = "rate_E"\n\n[budget]',
        r":32: \[constraints 1\] ?: a constraint needs min or max",
    ),
    "constraint upside down": (
        "[budget]",
        '[[constraints]]\nstatistic = "rate_E"\nmin = 9.0\nmax = 3.0\n\n[budget]',
        r":32: \[constraints 1\].*min must not be above max",
    ),
    "constraint on an unknown statistic": (
        "[budget]",
        '[[constraints]]\nstatistic = "rat_E"\nmax = 3.0\n\n[budget]',
        r":33: \[constraints 1\] statistic.*rat_E.*'rate",
    ),
    "constraint with a target": (
        "[budget]",
        '[[constraints]]\nstatistic = "rate_E"\ntarget = 3.0\n\n[budget]',
        r":34: \[constraints 1\] target is not a valid key; valid keys are statistic, name, .*min, max",
    ),
    "stage without a constraint": (
        "[budget]",
        "[[stages]]\nduration_ms = 500\n\n[budget]",
        r":32: \[stages\] have no effect: .*add \[\[constraints\]\]",
    ),
    "stage as long as the simulation": (
        "[budget]",
        '[[constraints]]\nstatistic = "rate_E"\nmax = 9.0\n[[stages]]\nduration_ms = 2000\n\n[budget]',
        r":36: \[stages 1\] duration_ms must be shorter than \[simulation\] duration_ms, 2000 ms: 2000",
    ),
    "stages as a table": (
        "[budget]",
        "[stages]\nduration_ms = 500\n\n[budget]",
        r":32: \[stages\] must be a list of tables",
    ),
    "graphs that are none": (
        "confirm = 0",
        "graphs = 0",
        r":36: \[replicates\] graphs must be at least 1: 0",
    ),
    "plateau of no trials": ("trials = 8", "plateau = 0", r":33: \[budget\] plateau must be at least 1: 0"),
    "prior point outside": (
        "[budget]",
        "[prior]\npoints = [{ I_E = 5.0 }]\n\n[budget]",
        r":33: \[prior\] points point 1 has I_E outside its range: 5.0",
    ),
    "prior point of a fixed parameter": (
        "[budget]",
        '[prior]\npoints = [{ "J+" = 1.0 }]\n\n[budget]',
        r":33: \[prior\] points point 1 names J\+, which is not free",
    ),
    "expression that is none": (
        '"J+" = 2',
        '"J+" = { expression = "I_E +" }',
        r":9: \[parameters\] J\+: 'I_E \+' is not an expression",
    ),
    "expression of an unknown parameter": (
        '"J+" = 2',
        '"J+" = { expression = "I_X / 2" }',
        r":9: \[parameters\] J\+ expression uses I_X, not a parameter of tiny.*I_E",
    ),
    "expressions in a circle": (
        '"J+" = 2',
        '"J+" = { expression = "N_E" }\nN_E = { expression = "2 * \'J+\'" }',
        r"\[parameters\].*the expressions depend on each other in a circle: ",
    ),
    "expression without a value": (
        '"J+" = 2',
        '"J+" = { expression = "1 / (I_E - I_E)" }',
        r":9: \[parameters\] J\+ .*1 / \(I_E - I_E\): it cannot be evaluated: float division by zero",
    ),
    "expression for a text": (
        '"J+" = 2',
        'rule = { expression = "I_E" }',
        r":9: \[parameters\] rule is not a number and cannot have an expression",
    ),
    "tolerance within the noise": (
        "tolerance = 1.0",
        "tolerance = 0.01",
        r":21: \[objectives 1\] tolerance is below the standard error of rate_E, which is estimated at 0.23 "
        r"for 2000 ms on 1 graph: 0.01; raise it",
    ),
    "seed of the simulation below 0": (
        "duration_ms = 2000",
        "duration_ms = 2000\nseed = -1",
        r":17: \[simulation\] seed must be at least 0: -1; seed is",
    ),
    "seed of the simulation too large": (
        "duration_ms = 2000",
        "duration_ms = 2000\nseed = 4294967296",
        r":17: \[simulation\] seed must be below 4294967296: 4294967296",
    ),
    "pareto as a text": (
        "seed = 3",
        'seed = 3\npareto = "yes"',
        r':3: \[study\] pareto must be true or false: "yes"',
    ),
    "negative standard error": (
        "tolerance = 1.0",
        "tolerance = 1.0\nstandard_error = -1",
        r":22: \[objectives 1\] standard_error must be at least 0: -1",
    ),
    "constraint with the name of another statistic": (
        "[budget]",
        '[[constraints]]\nstatistic = "rate_I"\nname = "rate_E"\nmax = 60.0\n\n[budget]',
        r':32: \[constraints 1\] has the name of an objective, .*: "rate_E"; rename one of them',
    ),
    "constraint twice": (
        "[budget]",
        '[[constraints]]\nstatistic = "rate_E"\nmax = 60\n'
        '[[constraints]]\nstatistic = "rate_E"\nmin = 1\n\n[budget]',
        r':35: \[constraints 2\] has the same name as an earlier one: "rate_E"; rename one',
    ),
    "constraint without end": (
        "[budget]",
        '[[constraints]]\nstatistic = "rate_E"\nmax = inf\n\n[budget]',
        r":34: \[constraints 1\] max must be a finite number: inf; max is: highest",
    ),
    "constraint on an unknown population": (
        "[budget]",
        '[[constraints]]\nstatistic = "rate_X"\nmax = 60\n\n[budget]',
        r':33: \[constraints 1\] statistic refers to an unknown population: "X"; populations are E, I',
    ),
    "stage of broken steps": (
        "[budget]",
        '[[constraints]]\nstatistic = "rate_E"\nmax = 9\n[[stages]]\nduration_ms = 500\nwarmup_ms = 0.5\n\n'
        "[budget]",
        r":37: \[stages 1\] warmup_ms: a time of 0.5 ms is not a whole number of 1 ms steps",
    ),
    "stages that do not grow": (
        "[budget]",
        '[[constraints]]\nstatistic = "rate_E"\nmax = 9\n[[stages]]\nduration_ms = 500\n'
        "[[stages]]\nduration_ms = 500\n\n[budget]",
        r":36: \[stages 1\] duration_ms must be shorter than the next stage, 500 ms: 500.0; shorten it",
    ),
    "further graphs below 0": (
        "confirm = 0",
        "confirm = -1",
        r":36: \[replicates\] confirm must be at least 0: -1",
    ),
    "broken number of fresh graphs": (
        "fresh = 0",
        "fresh = 1.5",
        r":37: \[replicates\] fresh must be a whole number: 1.5",
    ),
    "prior point of a broken whole number": (
        "I_I = { low = 0.1, high = 4.0 }",
        "N_E = { low = 20, high = 80, step = 20 }\n[prior]\npoints = [{ N_E = 40.0 }]",
        r":12: \[prior\] points point 1 has N_E, which must be a whole number: 40.0; write 40",
    ),
    "prior point of nothing": (
        "[budget]",
        "[prior]\npoints = [{}]\n\n[budget]",
        r":33: \[prior\] points point 1 names no parameter; free parameters are I_E, I_I",
    ),
    "prior point that is none": (
        "[budget]",
        "[prior]\npoints = [3]\n\n[budget]",
        r":33: \[prior\] points.0 must be a table \{...\}: 3",
    ),
    "prior study with a path": (
        "[budget]",
        '[prior]\nstudy = "a/b"\n\n[budget]',
        r':33: \[prior\] study may contain only letters.*: "a/b"',
    ),
    "expression and a range": (
        '"J+" = 2',
        '"J+" = { expression = "I_E", low = 1 }',
        r":9: \[parameters\] J\+.low is not a valid key; valid keys are expression",
    ),
    "expression that breaks a bound": (
        '"J+" = 2',
        '"J+" = { expression = "I_E - 1" }',
        r":9: \[parameters\] J\+ .*at least 0 ?, not -0.9; at I_E = 0.1, I_I = 0.1; narrow the ranges",
    ),
    "expression of a text": (
        '"J+" = 2',
        '"J+" = { expression = "rule * 2" }',
        r":9: \[parameters\] J\+ .*rule \* 2: rule is 'a', not a number",
    ),
    "one choice": (
        '"J+" = 2',
        'rule = { choices = ["a"] }',
        r":9: \[parameters\] rule.choices must be a list of at least 2 values: \['a'\]",
    ),
    "a number beyond floats": (
        '"J+" = 2',
        '"J+" = 0x' + "f" * 5000,
        r":9: \[parameters\] J\+ is too large for a number: a number with thousands of digits; it is",
    ),
    "unknown option of the sampler": (
        '"random"',
        '"random"\nstartup = 3',
        r":31: \[sampler\] startup is not a valid key",
    ),
    "name of a study": (
        "seed = 3",
        'name = "a/b"',
        r":2: \[study\] name may contain only letters.*: \"a/b\"",
    ),
    "rule at a corner": (
        "I_I = { low = 0.1, high = 4.0 }",
        "I_I = { low = 0.1, high = 8.0 }",
        r"\[parameters\] I_E breaks a rule of tiny: .*above 11; at I_E = 4.0, I_I = 8.0; narrow",
    ),
    "not whole bins": (
        "dt_ms = 1.0\nwarmup_ms = 0.0\nduration_ms = 2000",
        "dt_ms = 0.5\nwarmup_ms = 0.0\nduration_ms = 2000.5",
        r":16: \[simulation\] duration_ms must be a multiple of the 1 ms bins .*: 2000.5",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_study_file_gives_one_line_with_file_line_place_rule_and_value(tmp_path, what):
    old, new, pattern = BROKEN[what]
    path = write_study(tmp_path, (old, new))
    with pytest.raises(StudyError) as error:
        read_study(path)
    message = str(error.value)
    assert "\n" not in message
    assert re.match(rf"{re.escape(str(path))}:\d+: \[", message)
    assert re.search(pattern, message), message


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("", r"\[model\] is missing; add the table with name\n.*\[objectives\] are missing; add"),
        (
            "model = 3\nobjectives = 4",
            r"x.toml:1: \[model\] must be a table: 3.*\n.*:2: \[objectives\] must be",
        ),
        ("\x00", r"not valid"),
    ],
)
def test_files_that_are_hardly_studies_are_refused(tmp_path, text, pattern):
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(StudyError, match=pattern):
        read_study(tmp_path / "x.toml")


@pytest.mark.parametrize("value", ["9" * 5000, "[" * 3000 + "]" * 3000], ids=["digits", "lists"])
def test_what_pythons_parser_cannot_take_is_refused_in_one_line(tmp_path, value):
    with pytest.raises(StudyError, match=r"small.toml: \[TOML\] not valid: [^\n]*; shorten it$"):
        small_study(tmp_path, ("seed = 3", f"seed = {value}"))


def test_files_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(StudyError, match="the study file does not exist"):
        read_study(tmp_path / "none.toml")
    with pytest.raises(StudyError, match="is a folder, not a TOML file"):
        read_study(tmp_path)
    (tmp_path / "latin.toml").write_bytes("# Größe".encode("latin-1"))
    with pytest.raises(StudyError, match="is not UTF-8 text"):
        read_study(tmp_path / "latin.toml")


def test_every_range_of_a_grid_needs_points(tmp_path):
    path = write_study(tmp_path, ('name = "random"', 'name = "grid"'))
    with pytest.raises(
        StudyError, match=r":8: \[parameters\] I_E: a grid needs step or points; add"
    ) as error:
        read_study(path)
    assert re.search(r"\n.*:10: \[parameters\] I_I: a grid needs", str(error.value))


def test_all_problems_of_a_file_are_shown_at_once(tmp_path):
    path = write_study(
        tmp_path, ("seed = 3", "sed = 3"), ("dt_ms = 1.0", "dt_ms = 0"), ("tolerance = 1.0", "tolerance = 0")
    )
    with pytest.raises(StudyError) as error:
        read_study(path)
    assert [int(line.split(":")[1]) for line in str(error.value).splitlines()] == [2, 14, 21]


def test_an_error_in_a_models_own_code_is_a_problem_of_the_study(tmp_path):
    path = write_study(tmp_path)
    model = (tmp_path / "tiny.py").read_text()
    (tmp_path / "tiny.py").write_text(model.replace('print("models may print")', "1 / 0"))
    with pytest.raises(StudyError, match="its code raised ZeroDivisionError"):
        read_study(path)


def test_changes_from_elsewhere_obey_the_same_rules(tmp_path):
    path = write_study(tmp_path)
    study = read_study(path, changes={"simulation.duration_ms": 500.0, "budget.trials": 3})
    assert study.simulation.duration_ms == 500.0
    assert study.trials == 3
    with pytest.raises(StudyError, match=r"small.toml:32: \[budget\] trials must be at least 1: -3"):
        read_study(path, changes={"budget.trials": -3})


def test_an_objective_may_have_a_name_and_a_statistic_of_ones_own(tmp_path):
    own = (
        'statistic = "rate_E"',
        'statistic = "statistics.py:peak"\nname = "burst"\noptions = {population = "I"}',
    )
    study = small_study(tmp_path, own)
    assert study.objectives[0].name == "burst"
    assert study.objectives[0].statistic.options["population"] == "I"


@pytest.mark.parametrize(
    "change",
    [
        ("trials = 8", "trials = 80\nwall_s = 10.0"),
        ('source = "a recording"', 'source = "another"'),
        ("[budget]", "# a comment\n[storage]\nobservations = false\n[budget]"),
        ("dt_ms = 1.0", "dt_ms = 1\nbatch_size = 4\ntimeout_s = 10.0"),
        ('"J+" = 2', '"J+" = 2.0'),
    ],
)
def test_changes_that_cannot_matter_leave_the_study_the_same(tmp_path, change):
    assert small_study(tmp_path, change).digest == small_study(tmp_path).digest


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (("seed = 3", "seed = 4"), "[study] seed was 3, is 4"),
        (('"J+" = 2', '"J+" = 3'), "[parameters] J+ was 2.0, is 3.0"),
        (('"J+" = 2', ""), "[parameters] J+ = 2.0 was removed"),
        (('"J+" = 2', '"J+" = 2\nN_Q = 4'), "[parameters] N_Q = 4 was added"),
        (("I_E = { low = 0.1", "I_E = { low = 0.2"), "[parameters] I_E.low was 0.1, is 0.2"),
        (("dt_ms = 1.0", "dt_ms = 0.5"), "[simulation] dt_ms was 1.0, is 0.5"),
        (("target = 5.0", "target = 6.0"), "[objectives] rate_E.target was 5.0, is 6.0"),
        (('"random"', '"tpe"'), '[sampler] name was "random", is "tpe"'),
    ],
)
def test_changes_that_matter_are_named(tmp_path, change, difference):
    before, after = small_study(tmp_path), small_study(tmp_path, change)
    assert before.digest != after.digest
    assert difference in differences(before.content, after.content)


def test_the_code_of_a_model_is_part_of_the_study_but_not_its_comments(tmp_path):
    before = small_study(tmp_path)
    code = (tmp_path / "tiny.py").read_text()
    (tmp_path / "tiny.py").write_text("# a comment\n" + code)
    assert before.digest == before.digest
    same = before.content
    (tmp_path / "tiny.py").write_text(code.replace('"C_m": 1.0', '"C_m": 2.0'))
    assert differences(same, before.content) == ["the code of tiny.py was changed"]


@pytest.mark.parametrize("path", sorted(STUDIES.glob("*.toml")), ids=lambda path: path.name)
def test_the_studies_that_come_along_are_valid(path):
    assert read_study(path).name == path.stem


def test_keys_are_found_where_they_stand():
    text = '''
top = 1
[a]        # [b]
x = [      # [[c]]
  { y = 1 },
]
"q+r" . s = 2
text = """
z = 3
[d]
"""
'lit' = "a\\"[" # {
[[c]]
k = 1
[[ c ]]
k = 2
[c.sub]
m = {n = 1}
'''
    lines = key_lines(text)
    assert lines == {
        ("top",): 2, ("a",): 3, ("a", "x"): 4, ("a", "q+r"): 7, ("a", "q+r", "s"): 7, ("a", "text"): 8,
        ("a", "lit"): 12, ("c",): 13, ("c", 0): 13, ("c", 0, "k"): 14, ("c", 1): 15, ("c", 1, "k"): 16,
        ("c", 1, "sub"): 17, ("c", 1, "sub", "m"): 18,
    }  # fmt: skip


VALUES = [
    "-1",
    "0",
    "1e400",
    "nan",
    "0x" + "f" * 5000,
    "9" * 5000,
    '{ expression = "I_I / (I_E - I_E)" }',
    '{ expression = "9 ** 9 ** 9" }',
    '""',
    '"x"',
    "[]",
    "{}",
    "true",
    "1979-05-27",
    "[[1]]",
    "{low = 1}",
    "[1, 2, 3]",
]


MORE = """
[[constraints]]
statistic = "rate_E"
max = 60.0

[[stages]]
warmup_ms = 0.0
duration_ms = 500.0

[parameters.pause_s]
expression = "0 * I_E"

[prior]
points = [{ I_E = 1.0 }]
study = "earlier"
"""


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_study_file_gives_a_traceback(tmp_path, data):
    lines = (STUDY + MORE).splitlines()
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        kind = data.draw(st.sampled_from(["value", "drop", "double", "cut"]))
        key, equals, _ = lines[at].partition("=")
        if kind == "value" and equals:
            lines[at] = f"{key}= {data.draw(st.sampled_from(VALUES))}"
        elif kind == "drop":
            lines[at] = ""
        elif kind == "double":
            lines.insert(at, lines[at])
        else:
            lines[at] = lines[at][: data.draw(st.integers(0, len(lines[at])))]
    path = write_study(tmp_path)
    path.write_text("\n".join(lines))
    try:
        read_study(path)
    except StudyError as error:
        for line in str(error).splitlines():
            assert line.startswith(str(path))


def test_a_front_cannot_be_sought_by_a_sampler_of_one_loss(tmp_path):
    with pytest.raises(StudyError, match=r"\[sampler\] name minimises one loss, but the study seeks a front"):
        small_study(tmp_path, ("seed = 3", "seed = 3\npareto = true"), ('name = "random"', 'name = "cmaes"'))


def test_a_study_that_names_no_sampler_gets_cmaes_where_that_can_search_and_else_tpe(tmp_path):
    without = ('[sampler]\nname = "random"\n\n', "")
    assert small_study(tmp_path, without).sampler == Cmaes()
    choices = ('"J+" = 2', 'rule = { choices = ["a", "b"] }')
    assert small_study(tmp_path, without, choices).sampler == Tpe()
    assert small_study(tmp_path, without, ("seed = 3", "seed = 3\npareto = true")).sampler == Tpe()
    with pytest.raises(StudyError, match=r":29: \[sampler\] name is missing; add name = \.\.\., one of tpe"):
        small_study(tmp_path, ('name = "random"', "startup = 3"))
