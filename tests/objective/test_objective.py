"""Statistics, targets and losses."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibrate import plugins
from calibrate.errors import CalibrateError, ObjectiveError, PluginError
from calibrate.objective import (
    CAP,
    UNDEFINED,
    Estimate,
    Interval,
    Needs,
    Objective,
    Spread,
    Statistic,
    Value,
    find_statistic,
    statistic,
)
from calibrate.observation import Observation
from objectives.rate import rate
from tests.helpers.spike_trains import observe_trains


@statistic(unit="Hz", needs=lambda bin_ms: Needs(bin_ms=bin_ms))
def peak(
    observation: Observation,
    *,
    population: str = "E",
    bin_ms: float = 5.0,
    order: int = 1,
    sharp: bool = False,
    pattern: object = None,
) -> float:
    """Highest count.

    More about it.
    """
    del order, sharp, pattern
    return float(observation.group_counts(population, bin_ms).max())


@statistic(needs=Needs(), scale="log")
def duration(observation: Observation) -> float:
    """Length of the measurement."""
    return observation.duration_ms


def loss_of(value: float, target: Value | Interval, scale: Statistic = rate) -> float:
    return Objective(statistic=scale, target=target).loss(Estimate(value))


# The decorator


def test_a_decorated_function_is_a_statistic_with_its_defaults_and_summary() -> None:
    assert peak.name == "peak"
    assert peak.unit == "Hz"
    assert peak.scale == "linear"
    assert peak.summary == "Highest count."
    assert dict(peak.options) == {
        "population": "E",
        "bin_ms": 5.0,
        "order": 1,
        "sharp": False,
        "pattern": None,
    }


def test_a_plain_number_becomes_an_estimate() -> None:
    observation = observe_trains([np.array([2, 3])], duration_ms=50.0)
    estimate = peak(observation)
    assert estimate.value == 2.0
    assert estimate.defined
    assert math.isnan(estimate.support)


def test_a_statistic_may_have_another_name_than_its_function() -> None:
    renamed = statistic(needs=Needs(), name="length")(duration.function)
    assert renamed.name == "length"


def test_an_option_without_a_default_is_refused() -> None:
    def limit(observation: Observation, *, theta: float) -> float:
        return observation.duration_ms - theta

    with pytest.raises(ObjectiveError, match="option theta of limit needs a default"):
        statistic(needs=Needs())(limit)


def test_options_cannot_be_changed_in_place() -> None:
    with pytest.raises(TypeError):
        peak.options["bin_ms"] = 1.0  # type: ignore[index]


# Options


def test_needs_follow_the_options() -> None:
    assert peak.needs == Needs(bin_ms=5.0)
    assert peak.with_options(bin_ms=2.0).needs == Needs(bin_ms=2.0)
    assert peak.needs == Needs(bin_ms=5.0)


def test_options_that_are_not_given_keep_their_value() -> None:
    bound = peak.with_options(population="I").with_options(bin_ms=2.0)
    assert (bound.options["population"], bound.options["bin_ms"], bound.options["order"]) == ("I", 2.0, 1)


def test_an_unknown_option_is_refused_with_the_nearest_and_all_there_are() -> None:
    with pytest.raises(ObjectiveError) as caught:
        peak.with_options(bin_s=2.0)
    message = str(caught.value)
    assert message.startswith("peak has no option 'bin_s' (did you mean 'bin_ms'?)")
    assert message.endswith("it has population, bin_ms, order, sharp, pattern")


def test_an_option_of_a_statistic_without_any_is_refused() -> None:
    with pytest.raises(ObjectiveError, match="duration has no option 'bin_ms'; it has none"):
        duration.with_options(bin_ms=1.0)


@pytest.mark.parametrize(
    ("option", "value", "kind"),
    [
        ("bin_ms", "5", "float"),
        ("bin_ms", True, "float"),
        ("order", 1.5, "int"),
        ("order", True, "int"),
        ("sharp", 1, "bool"),
        ("population", 3, "str"),
        ("bin_ms", None, "float"),
    ],
)
def test_an_option_of_another_type_is_refused(option: str, value: object, kind: str) -> None:
    with pytest.raises(ObjectiveError, match=f"option {option} of peak takes {kind}, not {value!r}"):
        peak.with_options(**{option: value})


@pytest.mark.parametrize(
    ("option", "value"), [("bin_ms", 5), ("sharp", True), ("order", 3), ("pattern", [1, 2]), ("pattern", 0)]
)
def test_an_option_of_a_fitting_type_is_bound(option: str, value: object) -> None:
    assert peak.with_options(**{option: value}).options[option] == value


# Finding statistics


@pytest.fixture
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    where = {
        "cv2": "objectives.variability:cv2",
        "active_clusters": "objectives.metastability:active_clusters",
    }
    entries = {name: EntryPoint(name, value, plugins.STATISTICS) for name, value in where.items()}
    entries["duration"] = EntryPoint("duration", f"{__name__}:duration", plugins.STATISTICS)
    monkeypatch.setattr(plugins, "installed", lambda kind: entries if kind == plugins.STATISTICS else {})


installed = pytest.mark.usefixtures("_installed")


@installed
@pytest.mark.parametrize(
    ("reference", "population"),
    [("cv2", "E"), ("cv2_I", "I"), ("active_clusters", "E"), ("active_clusters_I", "I")],
)
def test_an_installed_statistic_may_carry_its_population(reference: str, population: str) -> None:
    found = find_statistic(reference)
    assert found.name == reference
    assert found.options["population"] == population


@installed
def test_options_are_bound_to_what_is_found() -> None:
    assert find_statistic("cv2_I", {"min_intervals": 5}).options["min_intervals"] == 5
    assert find_statistic("cv2", {"population": "I"}).options["population"] == "I"
    assert find_statistic("cv2_I", {"population": "I"}).options["population"] == "I"


def test_names_of_populations_may_have_underscores() -> None:
    for reference, name, population in (
        ("rate_MBON_LN", "rate", "MBON_LN"),
        ("rate_sd_MBON_LN", "rate_sd", "MBON_LN"),
        ("rate_sd_E", "rate_sd", "E"),
    ):
        found = find_statistic(reference)
        assert found.name == reference
        assert found.options["population"] == population
        assert found.function is find_statistic(name).function


@installed
def test_two_different_populations_are_refused() -> None:
    with pytest.raises(ObjectiveError, match="cv2_I already names population I"):
        find_statistic("cv2_I", {"population": "E"})


@installed
def test_a_population_of_a_statistic_without_one_is_refused() -> None:
    with pytest.raises(ObjectiveError, match="duration has no option 'population'"):
        find_statistic("duration_E")


@installed
def test_an_unknown_statistic_is_refused_with_the_nearest() -> None:
    with pytest.raises(PluginError, match=r"no 'cv3'.*did you mean 'cv2'"):
        find_statistic("cv3")


@installed
def test_the_options_handed_in_stay_as_they_are() -> None:
    options: dict[str, object] = {"min_intervals": 3}
    find_statistic("cv2_I", options)
    assert options == {"min_intervals": 3}


def test_a_statistic_is_found_in_a_module() -> None:
    found = find_statistic("objectives.variability:fano", {"window_ms": 200.0})
    assert found.name == "fano"
    assert found.needs.window_ms == 200.0


OWN = """
from calibrate.objective import Needs, statistic

@statistic(unit="Hz", needs=Needs(bin_ms=5.0))
def peak_rate(observation, *, population="E"):
    "Highest rate of any cluster in a 5 ms bin (Hz); 0 for a silent network."
    counts = observation.group_counts(population, 5.0)
    return (counts / observation.group_sizes(population)[:, None]).max() / 0.005

def undecorated(observation):
    return 1.0
"""


def test_a_statistic_is_found_in_a_file_beside_the_study(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    found = find_statistic("mine.py:peak_rate", {"population": "E"}, folder=tmp_path)
    observation = observe_trains([np.array([2, 3, 60]), np.array([2])], duration_ms=50.0)
    assert found.name == "peak_rate"
    assert found(observation).value == pytest.approx(4 / 2 / 0.005 - 1 / 2 / 0.005)
    assert found.summary.startswith("Highest rate")


@pytest.mark.parametrize(
    ("reference", "error", "message"),
    [
        ("mine.py:undecorated", ObjectiveError, "is a function; decorate it with @statistic"),
        ("mine.py:peak_rat", PluginError, "mine.py has no 'peak_rat' .did you mean 'peak_rate'"),
        ("yours.py:peak_rate", PluginError, "yours.py does not exist"),
        ("mine.py:peak_rate", ObjectiveError, "peak_rate has no option 'width'"),
        ("nowhere.at_all:x", PluginError, "cannot import nowhere.at_all"),
    ],
)
def test_what_is_no_statistic_is_refused(
    tmp_path: Path, reference: str, error: type[CalibrateError], message: str
) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    options = {"width": 1} if reference == "mine.py:peak_rate" else {}
    with pytest.raises(error, match=message):
        find_statistic(reference, options, folder=tmp_path)


# Targets


def test_a_deviation_is_counted_in_tolerances() -> None:
    assert Value(10.0, 2.0).deviation(13.0, "linear") == pytest.approx(1.5)
    assert Value(10.0, 2.0).deviation(4.0, "linear") == pytest.approx(-3.0)
    assert Value(10.0, 2.0).deviation(10.0, "log") == 0.0


def test_on_the_log_scale_equal_ratios_are_equal_deviations() -> None:
    target = Value(100.0, 20.0)
    double, fourfold = target.deviation(200.0, "log"), target.deviation(400.0, "log")
    assert fourfold == pytest.approx(2 * double)
    half, quarter = target.deviation(50.0, "log"), target.deviation(25.0, "log")
    assert quarter == pytest.approx(2 * half)
    assert target.deviation(0.0, "log") == -math.inf


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_the_deviation_is_one_where_the_tolerance_ends(scale: str) -> None:
    target = Value(100.0, 30.0)
    assert target.deviation(130.0, scale) == pytest.approx(1.0)
    assert target.deviation(70.0, scale) == pytest.approx(-1.0)


def test_inside_an_interval_there_is_no_deviation_and_outside_it_is_that_from_the_nearer_end() -> None:
    target = Interval(10.0, 20.0, 2.0)
    assert [target.deviation(x, "linear") for x in (10.0, 15.0, 20.0)] == [0.0, 0.0, 0.0]
    assert target.deviation(24.0, "linear") == pytest.approx(2.0)
    assert target.deviation(7.0, "linear") == pytest.approx(-1.5)
    assert [target.deviation(x, "log") for x in (10.0, 20.0)] == [0.0, 0.0]
    assert target.deviation(40.0, "log") == pytest.approx(math.log(2) / math.log(22 / 20))
    assert target.deviation(5.0, "log") == pytest.approx(-math.log(2) / math.log(10 / 8))
    assert target.deviation(0.0, "log") == -math.inf


def test_a_target_is_met_within_its_tolerance_or_interval_ends_included() -> None:
    assert [Value(10.0, 2.0).met(x) for x in (7.9, 8.0, 12.0, 12.1)] == [False, True, True, False]
    assert [Interval(8.0, 12.0, 1.0).met(x) for x in (7.9, 8.0, 12.0, 12.1)] == [False, True, True, False]
    assert not Value(10.0, 2.0).met(math.nan)
    assert not Interval(8.0, 12.0, 1.0).met(math.nan)


def test_a_lower_bound_meets_no_target_that_it_lies_in() -> None:
    objective = Objective(statistic=rate, target=Value(5.0, 1.0))
    assert objective.met(Estimate(5.0))
    assert not objective.met(Estimate(5.0, lower_bound=True))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Value(math.nan, 1.0),
        lambda: Value(1.0, 0.0),
        lambda: Value(1.0, -1.0),
        lambda: Value(1.0, math.inf),
        lambda: Interval(2.0, 1.0, 1.0),
        lambda: Interval(1.0, 1.0, 1.0),
        lambda: Interval(1.0, math.inf, 1.0),
        lambda: Interval(1.0, 2.0, 0.0),
        lambda: Objective(statistic=rate, target=Value(1.0, 1.0), weight=0.0),
        lambda: Objective(statistic=rate, target=Value(1.0, 1.0), weight=math.nan),
        lambda: Objective(statistic=duration, target=Value(-1.0, 1.0)),
        lambda: Objective(statistic=duration, target=Value(100.0, 100.0)),
        lambda: Objective(statistic=duration, target=Interval(0.0, 1.0, 1.0)),
    ],
)
def test_targets_and_weights_that_cannot_be_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(ObjectiveError):
        make()


def test_on_the_linear_scale_a_target_may_be_zero_or_less() -> None:
    assert loss_of(0.0, Value(0.0, 1.0)) == 0.0
    assert loss_of(-3.0, Value(-1.0, 1.0)) == pytest.approx(4.0)


# Losses


finite = st.floats(-1e300, 1e300)
positive = st.floats(1e-3, 1e3)


@settings(max_examples=200, deadline=None)
@given(value=finite | st.just(math.inf) | st.just(math.nan), shortfall=st.floats(), centre=positive)
def test_a_loss_is_finite_and_not_negative_whatever_was_found(
    value: float, shortfall: float, centre: float
) -> None:
    estimate = Estimate(value, shortfall=shortfall)
    for scale in (rate, duration):
        for target in (Value(centre, centre / 4), Interval(centre, 2 * centre, centre / 4)):
            loss = Objective(statistic=scale, target=target).loss(estimate)
            assert 0 <= loss <= 2 * UNDEFINED


@settings(max_examples=200, deadline=None)
@given(one=st.floats(1e-6, 1e6), other=st.floats(1e-6, 1e6), share=st.floats(0.01, 0.9))
def test_the_larger_deviation_has_the_larger_loss(one: float, other: float, share: float) -> None:
    target = Value(10.0, 10.0 * share)
    for scale in (rate, duration):
        deviations = [abs(target.deviation(x, scale.scale)) for x in (one, other)]
        losses = [loss_of(x, target, scale) for x in (one, other)]
        near, far = sorted(zip(deviations, losses, strict=True))
        assert near[1] <= far[1] < UNDEFINED
        if far[0] > near[0] * 1.01:
            assert near[1] < far[1]


@settings(max_examples=200, deadline=None)
@given(value=st.floats(1e-6, 1e6), share=st.floats(0.01, 0.9))
def test_a_loss_is_at_most_one_just_where_the_target_is_met(value: float, share: float) -> None:
    target = Value(10.0, 10.0 * share)
    for scale in (rate, duration):
        objective = Objective(statistic=scale, target=target)
        loss = objective.loss(Estimate(value))
        if abs(loss - 1) > 1e-9:
            assert objective.met(Estimate(value)) == (loss < 1)


@pytest.mark.parametrize("scale", [rate, duration], ids=["linear", "log"])
@pytest.mark.parametrize("target", [Value(10.0, 4.0), Interval(6.0, 14.0, 4.0)], ids=["value", "interval"])
def test_met_comes_before_defined_and_defined_before_undefined(
    scale: Statistic, target: Value | Interval
) -> None:
    objective = Objective(statistic=scale, target=target)
    met = [objective.loss(Estimate(x)) for x in (6.0, 8.0, 10.0, 13.0, 14.0)]
    unmet = [objective.loss(Estimate(x)) for x in (1e-9, 0.1, 5.8, 14.3, 100.0, 1e9, 1e200)]
    undefined = [objective.loss(Estimate(math.nan, shortfall=x)) for x in (0.0, 0.3, 0.6, 1.0)]
    assert max(met) < min(unmet) <= max(unmet) < min(undefined)
    assert undefined == sorted(set(undefined))


def test_a_loss_is_the_squared_deviation_up_to_the_cap_and_goes_on_with_the_same_slope() -> None:
    target = Value(0.0, 1.0)
    assert loss_of(3.0, target) == pytest.approx(9.0)
    assert loss_of(10.0, target) == pytest.approx(CAP)
    below, above = (loss_of(10.0 + step, target) for step in (-1e-6, 1e-6))
    assert (above - CAP) / (CAP - below) == pytest.approx(1.0, abs=1e-3)
    assert loss_of(10.0 * math.exp(4.5), target) == pytest.approx(550.0)  # x = 9: halfway


def test_far_from_the_target_losses_are_still_graded() -> None:
    losses = [loss_of(x, Value(5.0, 0.01)) for x in (50.0, 100.0, 200.0, 1000.0)]
    assert losses == sorted(set(losses))
    assert losses[-1] < UNDEFINED


@pytest.mark.parametrize("shortfall", [-1.0, 2.0, math.inf, math.nan])
def test_a_shortfall_outside_its_range_is_taken_to_be_at_its_end(shortfall: float) -> None:
    loss = Objective(statistic=rate, target=Value(1.0, 1.0)).loss(Estimate(math.nan, shortfall=shortfall))
    assert loss == (UNDEFINED if shortfall < 0 else 2 * UNDEFINED)


def test_an_undefined_statistic_never_meets_its_target() -> None:
    assert not Objective(statistic=rate, target=Value(1.0, 1.0)).met(Estimate(math.nan, shortfall=0.0))


def test_losses_do_not_contain_weights() -> None:
    light = Objective(statistic=rate, target=Value(1.0, 1.0))
    heavy = dataclasses.replace(light, weight=10.0)
    assert light.loss(Estimate(3.0)) == heavy.loss(Estimate(3.0))


def test_what_comes_of_numpy_numbers_can_be_written_as_json() -> None:
    objective = Objective(statistic=rate, target=Interval(1.0, 2.0, 1.0))
    estimate = Estimate(np.float64(1.5))
    assert json.loads(json.dumps([objective.loss(estimate), objective.met(estimate)])) == [0.0, True]


def test_one_tolerance_beyond_an_interval_is_one_on_either_scale():
    target = Interval(80.0, 120.0, 20.0)
    for scale in ("linear", "log"):
        ends = [target.deviation(x, scale) for x in (60.0, 80.0, 100.0, 120.0, 140.0)]
        assert ends == pytest.approx([-1, 0, 0, 0, 1])
    # Without a positive value one tolerance below, the same factor as above counts.
    wide = Interval(10.0, 50.0, 10.0)
    assert wide.deviation(5.0, "log") == pytest.approx(-1)
    assert wide.deviation(60.0, "log") == pytest.approx(1)


@pytest.mark.parametrize(
    ("target", "ends"),
    [
        (Value(6.5, 0.4), (6.1, 6.9)),
        (Value(0.3, 0.1), (0.2, 0.4)),
        (Value(0.0, 0.3), (-(0.1 + 0.2), 0.1 + 0.2)),
        (Interval(6.1, 6.9, 0.4), (6.5 - 0.4, 6.5 + 0.4)),
    ],
)
def test_the_ends_of_a_target_meet_it_whatever_the_rounding(target, ends):
    assert all(target.met(value) for value in ends)
    assert not target.met(target.ends[1] + 1e-9)
    assert not target.met(target.ends[0] - 1e-9)


def test_a_statistic_written_for_version_0_1_with_its_spread_still_loads():
    @statistic(needs=Needs(), spread={"bernoulli": Spread(within=0.01, between=0.04)})
    def one(_: Observation) -> float:
        """One."""
        return 1.0

    assert one.name == "one"
