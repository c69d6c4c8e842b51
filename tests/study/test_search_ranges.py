"""Ranges that are suggested for parameters: around defaults, within limits, as the model takes them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibrate.errors import ModelError
from calibrate.network import FirstStudy, Model, Parameter, find_model
from calibrate.study import search_ranges
from calibrate.study.python_objects import digest


def with_(parameter: Parameter, broken=lambda _: False) -> Model:
    """A model of one parameter, which refuses the values that are `broken`."""
    base = find_model("balanced")

    def make_network(p):
        if broken(p[parameter.name]):
            raise ModelError("no")
        return base.network({})

    return Model(
        name="one",
        parameters=(parameter,),
        make_network=make_network,
        make_values=lambda network, _: base.values(network, {}),
    )


def number(default, **more) -> Parameter:
    return Parameter(name="x", default=default, unit="", doc="", **more)


@settings(deadline=None)
@given(st.floats(0.01, 1e6), st.floats(0, 1), st.floats(1, 2))
def test_a_suggestion_is_half_to_one_and_a_half_within_the_limits(default, low, high):
    low, high = default * low, default * high
    found = search_ranges.suggestion(with_(p := number(default, low=low, high=high)), p)
    if found is None:
        assert high - low < default / 1000
        return
    assert found["low"] == pytest.approx(max(default / 2, low), rel=0.001)
    assert found["high"] == pytest.approx(min(default * 1.5, high), rel=0.001)
    assert low <= found["low"] < found["high"] <= high


@settings(deadline=None)
@given(st.integers(1, 300))
def test_a_suggestion_for_a_whole_number_is_of_whole_numbers(default):
    found = search_ranges.suggestion(with_(p := number(default, kind=int, low=1)), p)
    assert isinstance(found["low"], int)
    assert isinstance(found["high"], int)
    assert 1 <= found["low"] <= default <= found["high"]


def test_whole_numbers_that_the_model_refuses_are_left_out():
    even = with_(p := number(10, kind=int), lambda x: x % 2)
    assert search_ranges.suggestion(even, p) == {"low": 6, "high": 14, "step": 2}
    divisors = with_(p := number(6, kind=int, low=1), lambda x: 12 % x)
    assert search_ranges.between(divisors, p, 1, 12) == {"choices": [1, 2, 3, 4, 6, 12]}


def test_a_range_shrinks_to_what_the_model_takes():
    found = search_ranges.suggestion(with_(p := number(1.0), lambda x: x > 1.2), p)
    assert found["low"] == 0.5
    assert 1.0 < found["high"] <= 1.2


@pytest.mark.parametrize(
    "parameter",
    [number(None), number(0.0), number(0, kind=int), number("", kind=str), number((), kind=tuple)],
)
def test_nothing_is_suggested_without_a_telling_default(parameter):
    assert search_ranges.suggestion(with_(parameter), parameter) is None


def test_negative_defaults_have_their_range_in_order():
    found = search_ranges.suggestion(with_(p := number(-65.0, high=-50.0)), p)
    assert found == {"low": -97.5, "high": -50.0}


@pytest.mark.parametrize(
    ("name", "handful"),
    [
        ("ei_clustered", ("I_th_E", "I_th_I", "J_E+")),
        ("balanced", ("I_th_E", "I_th_I", "g_EI")),
        ("larva", ("reinforcement_rate", "w_PN_KC", "w_KC_MBON")),
        ("litwin_kumar_doiron", ("R_EE", "J_plus")),
    ],
)
def test_the_handful_is_that_of_the_first_study(name, handful):
    assert search_ranges.handful(find_model(name)) == handful


def test_the_handful_of_a_model_that_suggests_none_is_its_first_numbers():
    names = ("a", "b", "c", "d", "e")
    parameters = (number(None), *(replace(number(1.0), name=name) for name in names))
    model = replace(with_(number(1.0)), parameters=parameters)
    assert search_ranges.handful(model) == names[:4]
    assert search_ranges.handful(replace(model, first_study=FirstStudy(ranges={"e": {"low": 0.0}}))) == ("e",)


def test_a_first_study_does_not_change_what_identifies_a_model_in_a_stored_study():
    model = with_(number(1.0))
    other = replace(model, first_study=FirstStudy(ranges={"x": {"low": 0.0, "high": 1.0}}))
    assert digest(other) == digest(model)
    assert (other, repr(other), hash(other)) == (model, repr(model), hash(model))
