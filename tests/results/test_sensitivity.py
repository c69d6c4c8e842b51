"""Sobol' indices against functions whose indices are known, and the robustness of a known solution."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from calibrate import read_results, run_study, sensitivity
from calibrate.calibration.emulator.models import Model, Trial
from calibrate.calibration.emulator.scales import Scale
from calibrate.cli.commands import execute
from calibrate.objective import Estimate
from calibrate.results.sensitivity import Index, sobol_indices
from calibrate.study.space import Choice, Domain, Range
from tests.helpers.studies import small_study

pytestmark = pytest.mark.usefixtures("in_tmp_path")

UNIT: dict[str, Domain] = {f"x{k}": Range(low=0.0, high=1.0) for k in (1, 2, 3)}


def model_of(function, points) -> Model:
    trials = [Trial(point=point, estimates={"y": Estimate(float(function(point)))}) for point in points]
    # So wide a scale is linear: the indices are those of the function itself.
    return Model.of("y", Scale(centre=0.0, unit=1e3), trials)


def test_the_ishigami_function_has_its_published_indices():
    """With a = 7 and b = 0.1: Ishigami & Homma 1990; values in closed form."""

    def ishigami(point):
        x, y, z = math.pi * (2 * point - 1)
        return math.sin(x) + 7 * math.sin(y) ** 2 + 0.1 * z**4 * math.sin(x)

    points = np.random.default_rng(0).random((400, 3))
    first, total = sobol_indices(model_of(ishigami, points), UNIT)
    assert [first[name].value for name in UNIT] == pytest.approx([0.314, 0.442, 0.0], abs=0.04)
    assert [total[name].value for name in UNIT] == pytest.approx([0.558, 0.442, 0.244], abs=0.04)
    assert all(index.error < 0.04 for index in (*first.values(), *total.values()))


def test_a_choice_counts_as_one_parameter():
    space: dict[str, Domain] = {"x": Range(low=0.0, high=1.0), "c": Choice(values=("a", "b"))}
    random = np.random.default_rng(0)
    chosen = random.integers(0, 2, 60)
    points = np.stack([random.random(60), 1 - chosen, chosen], axis=1)
    # Variances of x and of c: 1 / 12 and 1 / 4 of the squared coefficients.
    first, total = sobol_indices(model_of(lambda point: 3 * point[0] + point[2], points), space)
    assert [first["x"].value, first["c"].value] == pytest.approx([0.75, 0.25], abs=0.03)
    assert [total["x"].value, total["c"].value] == pytest.approx([0.75, 0.25], abs=0.03)


def test_one_parameter_explains_everything():
    points = np.linspace(0, 1, 20)[:, None]
    first, total = sobol_indices(model_of(lambda point: 3 * point[0], points), {"x": UNIT["x1"]})
    assert [first["x"].value, total["x"].value] == pytest.approx([1.0, 1.0], abs=0.01)


def test_robustness_is_judged_by_the_same_functions_at_every_distance(study, monkeypatch):
    # All distances equal: shares differ only by the networks that happen to be drawn.
    monkeypatch.setattr("calibrate.results.sensitivity.WITHIN", (0.02, 0.0200001, 0.0200002, 0.0200003))
    shares = list(sensitivity(read_results(study)).robust.values())
    assert max(shares) - min(shares) < 0.03


@pytest.fixture
def study(tmp_path):
    study = small_study(tmp_path, {"sampler": {"name": "qmc"}, "budget": {"trials": 40}})
    run_study(study, slots=1, progress=False)
    return study


def test_rates_of_independent_populations_depend_on_their_own_input_only(study):
    found = sensitivity(read_results(study))
    for name, own, other in (("rate_E", "I_E", "I_I"), ("rate_I", "I_I", "I_E")):
        assert found.first[name][own].value > 0.95
        assert found.total[name][other].value < 0.05
        assert found.defined[name] == 1.0
    # rate_E of 5 +- 1 Hz is I_E within 20 % of 1, and rate_I of 9 to 11 Hz is I_I within 10 % of 2.
    shares = list(found.robust.values())
    assert list(found.robust) == [0.01, 0.02, 0.05, 0.1]
    assert all(0 <= share <= 1 for share in shares)
    assert shares[0] >= shares[-1]


def test_the_command_prints_a_table_and_json_and_says_why_there_is_no_index(study, capfd, monkeypatch):
    assert execute(["sensitivity", str(study.path)]) == 0
    out = capfd.readouterr().out
    assert "rate_E" in out
    assert "within 1 %" in out
    assert execute(["sensitivity", str(study.path), "--statistic", "cv_E", "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert list(found["total"]) == ["cv_E"]
    assert set(found["first"]["cv_E"]["I_E"]) == {"value", "error"}
    assert set(found["robust"]) == {"0.01", "0.02", "0.05", "0.1"}
    nothing = dict.fromkeys(study.space, Index(value=math.nan, error=math.nan))
    monkeypatch.setattr("calibrate.results.sensitivity.sobol_indices", lambda *_: (nothing, nothing))
    assert execute(["sensitivity", str(study.path)]) == 0
    out = capfd.readouterr().out
    assert "nan" not in out
    assert "rate_E has no indices: it is the same in all trials" in out


@pytest.mark.parametrize("value", [0.0, 0.1, 10.0, 1e6 / 3])
def test_a_statistic_that_is_the_same_in_all_trials_has_no_indices(value):
    points = np.random.default_rng(0).random((40, 3))
    trials = [Trial(point=point, estimates={"y": Estimate(value)}) for point in points]
    model = Model.of("y", Scale(centre=8.0, unit=1.0), trials)
    assert all(math.isnan(index.value) for found in sobol_indices(model, UNIT) for index in found.values())
