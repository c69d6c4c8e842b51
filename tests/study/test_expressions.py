"""Expressions: parameters that follow from others."""

from __future__ import annotations

import pytest

from calibrate.cli.commands import execute
from calibrate.errors import StudyError
from calibrate.study.expressions import Expression, ordered
from tests.helpers.studies import small_study


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + R_J * ('J_E+' - 1)", 2.5),
        ("N_E // 4 + 3 % 2", 301),
        ("-N_E / 4", -300.0),
        ("2 ** 3 ** 2", 512.0),
        ("max(sqrt(16), log(1), abs(-5), min(1, 2))", 5),
        ("floor(2.7) + ceil(2.2) + round(2.6)", 8),
    ],
)
def test_an_expression_is_worth_what_it_says(text, value):
    assert Expression(text)({"R_J": 0.75, "J_E+": 3.0, "N_E": 1200}) == value


def test_an_expression_knows_its_parameters():
    assert Expression("'J_E+' + sqrt(N_E)").names == {"J_E+", "N_E"}


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "N_E.real",
        "[1][0]",
        "(lambda: 1)()",
        "1 if N_E else 2",
        "True",
        "1j",
        "sqrt()",
        "max(*N_E)",
        "open",
        "(",
        "a = 1",
        "x" * 600,
    ],
)
def test_an_expression_holds_arithmetic_only(text):
    if text == "open":  # a name like any other: that of a parameter
        assert Expression(text).names == {"open"}
        return
    with pytest.raises(StudyError):
        Expression(text)


@pytest.mark.parametrize(
    "text", ["9 ** 9 ** 9", "1 / (x - x)", "sqrt(-1)", "log(0)", "1e308 * 10", "(-8) ** 0.5"]
)
def test_an_expression_without_a_value_says_so_at_once(text):
    with pytest.raises(StudyError, match="cannot be evaluated"):
        Expression(text)({"x": 1})


def test_expressions_come_after_those_they_depend_on_and_not_in_a_circle():
    found = ordered({"a": Expression("b + c"), "b": Expression("2 * c"), "c": Expression("d")})
    assert list(found).index("c") < list(found).index("b") < list(found).index("a")
    with pytest.raises(StudyError, match="depend on each other in a circle"):
        ordered({"a": Expression("b"), "b": Expression("a")})


def test_derived_parameters_follow_the_free_ones(tmp_path):
    study = small_study(tmp_path, parameters={"J+": {"expression": "2 * I_E + I_I"}})
    assert study.parameters({"I_E": 1.0, "I_I": 0.5}) == {"I_E": 1.0, "I_I": 0.5, "J+": 2.5}
    assert study.parameters({"I_E": 1.0, "J+": 7.0})["J+"] == 7.0
    assert list(study.space) == ["I_E", "I_I"]


def test_a_derived_whole_number_must_be_whole_at_the_ends_of_the_ranges_too(tmp_path):
    study = small_study(tmp_path, parameters={"J+": None, "N_E": {"expression": "20 * N_Q"}})
    assert study.network.population("E").size == 40
    with pytest.raises(StudyError, match=r"N_E takes a whole number, not"):
        small_study(tmp_path, parameters={"J+": None, "N_E": {"expression": "10 * I_E"}})


def test_another_expression_is_another_study(tmp_path):
    one = small_study(tmp_path, parameters={"J+": {"expression": "2 * I_E"}})
    other = small_study(tmp_path, parameters={"J+": {"expression": "3 * I_E"}})
    assert one.digest != other.digest


def test_a_derived_parameter_may_be_set_in_a_simulation(tmp_path, capfd):
    study = small_study(tmp_path, parameters={"J+": {"expression": "2 * I_E"}})
    assert execute(["simulate", str(study.path), "--set", "J+=9", "--json", "--quiet"]) == 0
    assert '"J+": 9.0' in capfd.readouterr().out
