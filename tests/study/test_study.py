"""Study files: what they say, what they refuse and how, and what makes two of them the same study."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calibrate.errors import StudyError
from calibrate.objective import Interval, Value
from calibrate.study import Bo, Grid, Random, Tpe, differences, read_study
from calibrate.study.file.problems import key_lines
from calibrate.study.space import Choice, Range
from tests.helpers.broken_studies import BROKEN
from tests.helpers.studies import RATE_E, RATE_I, STUDY, edited, small_study, write_study, write_text

STUDIES = Path(__file__).parents[2] / "studies"


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
    study = small_study(tmp_path, study=None, sampler=None, simulation={"warmup_ms": None})
    assert study.seed == 0
    assert study.sampler == Bo()
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
    study = read_study(write_text(tmp_path, edited(("I_E = { low = 0.1, high = 4.0 }", written))))
    found = next(domain for name, domain in study.space.items() if name != "I_I")
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
    study = small_study(
        tmp_path,
        sampler={"name": "grid"},
        parameters={
            "I_E": {"low": 0.5, "high": 2.5, "step": 0.5},
            "I_I": {"low": 0.1, "high": 4.0, "points": 7},
        },
        budget={"trials": None},
    )
    assert study.sampler == Grid()
    assert study.trials == 35


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_study_file_gives_one_line_with_file_line_place_rule_and_value(tmp_path, what):
    old, new, pattern = BROKEN[what]
    path = write_text(tmp_path, edited((old, new)))
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
        read_study(write_text(tmp_path, edited(("seed = 3", f"seed = {value}"))))


def test_files_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(StudyError, match="the study file does not exist"):
        read_study(tmp_path / "none.toml")
    with pytest.raises(StudyError, match="is a folder, not a TOML file"):
        read_study(tmp_path)
    (tmp_path / "latin.toml").write_bytes("# Größe".encode("latin-1"))
    with pytest.raises(StudyError, match="is not UTF-8 text"):
        read_study(tmp_path / "latin.toml")


def test_every_range_of_a_grid_needs_points(tmp_path):
    path = write_study(tmp_path, sampler={"name": "grid"})
    with pytest.raises(
        StudyError, match=r":8: \[parameters\] I_E: a grid needs step or points; add"
    ) as error:
        read_study(path)
    assert re.search(r"\n.*:10: \[parameters\] I_I: a grid needs", str(error.value))


def test_all_problems_of_a_file_are_shown_at_once(tmp_path):
    mistakes = [("seed = 3", "sed = 3"), ("dt_ms = 1.0", "dt_ms = 0"), ("tolerance = 1.0", "tolerance = 0")]
    path = write_text(tmp_path, edited(*mistakes))
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
    own = {"statistic": "statistics.py:peak", "name": "burst", "options": {"population": "I"}}
    study = small_study(tmp_path, objectives=[RATE_E | own, RATE_I])
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
    changed = read_study(write_text(tmp_path, edited(change)))
    assert changed.digest == small_study(tmp_path).digest


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"study": {"seed": 4}}, "[study] seed was 3, is 4"),
        ({"parameters": {"J+": 3}}, "[parameters] J+ was 2.0, is 3.0"),
        ({"parameters": {"J+": None}}, "[parameters] J+ = 2.0 was removed"),
        ({"parameters": {"N_Q": 4}}, "[parameters] N_Q = 4 was added"),
        ({"parameters": {"I_E": {"low": 0.2, "high": 4.0}}}, "[parameters] I_E.low was 0.1, is 0.2"),
        ({"simulation": {"dt_ms": 0.5}}, "[simulation] dt_ms was 1.0, is 0.5"),
        ({"objectives": [RATE_E | {"target": 6.0}, RATE_I]}, "[objectives] rate_E.target was 5.0, is 6.0"),
        ({"sampler": {"name": "tpe"}}, '[sampler] name was "random", is "tpe"'),
    ],
)
def test_changes_that_matter_are_named(tmp_path, change, difference):
    before, after = small_study(tmp_path), small_study(tmp_path, change)
    assert before.digest != after.digest
    assert difference in differences(before.content, after.content)


def test_a_study_that_began_before_imported_files_were_listed_goes_on(tmp_path):
    path = write_study(tmp_path)
    (tmp_path / "tiny.py").write_text("import sizes\n" + (tmp_path / "tiny.py").read_text())
    (tmp_path / "sizes.py").write_text("MOST = 11")
    now = read_study(path).content
    assert set(now["files"]) == {"tiny.py", "sizes.py"}
    before = now | {"files": {"tiny.py": now["files"]["tiny.py"]}}
    assert differences(before, now) == []
    (tmp_path / "sizes.py").write_text("MOST = 12")
    assert differences(now, read_study(path).content) == ["the code of sizes.py was changed"]


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
    path = write_text(tmp_path, "\n".join(lines))
    try:
        read_study(path)
    except StudyError as error:
        for line in str(error).splitlines():
            assert line.startswith(str(path))


def test_a_front_cannot_be_sought_by_a_sampler_of_one_loss(tmp_path):
    with pytest.raises(StudyError, match=r"\[sampler\] name minimises one loss, but the study seeks a front"):
        small_study(tmp_path, study={"pareto": True}, sampler={"name": "cmaes"})


def test_a_study_that_names_no_sampler_gets_bo_unless_it_seeks_a_front(tmp_path):
    assert small_study(tmp_path, sampler=None).sampler == Bo()
    choices = {"J+": None, "rule": {"choices": ["a", "b"]}}
    assert small_study(tmp_path, sampler=None, parameters=choices).sampler == Bo()
    assert small_study(tmp_path, sampler=None, study={"pareto": True}).sampler == Tpe()
    with pytest.raises(StudyError, match=r":29: \[sampler\] name is missing; add name = \.\.\., one of tpe"):
        small_study(tmp_path, sampler={"name": None, "startup": 3})
