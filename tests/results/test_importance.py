"""Importance of parameters: against closed forms, and nothing where there is nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from calibrate import make_report, read_results, run_study
from calibrate.calibration.emulator.cube import Cube
from calibrate.calibration.emulator.models import Trial
from calibrate.objective import Estimate
from calibrate.results.emulation import Emulation
from calibrate.results.importance import Importance, importance
from calibrate.study import Study
from tests.helpers.studies import small_study

Uniform = NDArray[np.float64]
Statistic = Callable[[Uniform], Uniform]


def found_in(
    study: Study, n: int, rate_e: Statistic, rate_i: Statistic, *, noise: float = 0.0, seed: int = 1
) -> Importance | None:
    """The importance where two rates, as deviations from their targets, are functions of two parameters."""
    random = np.random.default_rng(seed)
    points = random.random((n, 2))
    found = np.stack([rate_e(points), rate_i(points)], axis=1) + noise * random.normal(size=(n, 2))
    emulation = Emulation.__new__(Emulation)
    emulation.study, emulation.cube, emulation._models = study, Cube(study.space), {}
    targets = study.objectives
    emulation.trials = []
    for point, values in zip(points, found, strict=True):
        reached = [
            Estimate(float(one.target.centre + 3 * one.target.reach * value))
            for one, value in zip(targets, values, strict=True)
        ]
        estimates = {one.name: estimate for one, estimate in zip(targets, reached, strict=True)}
        loss = float(np.mean([one.loss(estimates[one.name]) for one in targets]))
        emulation.trials.append(Trial(point=point, estimates=estimates, loss=loss))
    return importance(emulation)


def nothing(points: Uniform) -> Uniform:
    return np.zeros(len(points))


@pytest.fixture
def study(tmp_path) -> Study:
    return small_study(tmp_path)


def test_the_loss_depends_on_what_its_statistics_depend_on(study):
    found = found_in(study, 60, lambda at: at[:, 0], nothing, noise=0.01)
    assert list(found.loss) == ["I_E", "I_I"]
    assert found.loss["I_E"] > 0.9
    assert found.single["I_E"] == pytest.approx(found.loss["I_E"], abs=0.05)
    assert found.loss["I_I"] < 0.05
    assert found.clear == {"rate_E": {"I_E"}, "rate_I": frozenset()}
    assert 0 < found.chance < 0.3


def test_what_parameters_explain_only_together_counts_for_both(study):
    """Of u v with both from -1 to 1, the first-order indices are 0 and the total ones 1."""
    found = found_in(study, 80, lambda at: (2 * at[:, 0] - 1) * (2 * at[:, 1] - 1), nothing, noise=0.01)
    assert [found.total["rate_E"][name].value for name in ("I_E", "I_I")] == pytest.approx([1, 1], abs=0.1)
    assert found.clear["rate_E"] == {"I_E", "I_I"}


def test_a_parameter_that_explains_a_fifth_of_a_statistic_is_told_from_chance(study):
    """Var(2 u) and Var(v) of uniform u and v are 4 : 1."""
    found = found_in(study, 60, lambda at: (2 * at[:, 0] + at[:, 1]) / 3, nothing, noise=0.02)
    assert found.total["rate_E"]["I_E"].value == pytest.approx(0.8, abs=0.07)
    assert found.total["rate_E"]["I_I"].value == pytest.approx(0.2, abs=0.07)
    assert found.clear["rate_E"] == {"I_E", "I_I"}


def test_noise_exceeds_chance_in_few_studies(study):
    """The rate is 1 in 20; 2 or more of 4 have a probability of .014."""
    above = 0
    for seed in range(4):
        found = found_in(study, 25, nothing, nothing, noise=1.0, seed=seed)
        above += max(found.loss.values()) > found.chance
    assert above < 2


def test_equal_losses_and_one_point_tell_nothing(study):
    assert found_in(study, 30, nothing, nothing) is None


def test_the_report_shows_importance_and_robustness_of_a_run_and_few_trials_tell_nothing(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    study = small_study(tmp_path, {"sampler": {"name": "qmc"}, "budget": {"trials": 30}})
    run_study(study, slots=1, progress=False)
    results = read_results(study)
    assert results.importances == results.importance.loss
    assert results.importance_by_chance == results.importance.chance
    (section,) = (one for one in make_report(results, simulate=False).sections if one.name == "parameters")
    assert any("keeps all targets" in text and "within 1%" in text for text in section.text)
    (picture,) = (one for one in section.pictures if one.name == "importance")
    assert "rate_E: I_E" in picture.alt
    results = read_results(study)
    results._trials = results._trials[:9]
    assert results.importance is None
    assert results.importances == {}
    assert np.isnan(results.importance_by_chance)
