"""How loose parameters are, against a linear model whose ellipsoid is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calibrate import Study, read_results, run_study
from calibrate.results.looseness import looseness
from tests.helpers.studies import RATE_E, RATE_I, small_study

TOL = {"objectives": [RATE_E, RATE_I | {"interval": None, "target": 10.0}]}


def found(study: Study, jacobian: np.ndarray, *, n: int = 60, noise: float = 0.0):
    """Trials of a linear model z = J (u - 1/2) near its optimum, u from 0 to 1 through the ranges."""
    random = np.random.default_rng(2)
    u = 0.5 + 0.05 * random.standard_normal((n, 2))
    u[0] = 0.5
    z = (u - 0.5) @ jacobian.T + noise * random.standard_normal((n, 2))
    z[0] = 0.0
    points = [
        {name: domain.at(v) for (name, domain), v in zip(study.space.items(), row, strict=True)} for row in u
    ]
    return looseness(study, points, z, (z**2).mean(axis=1))


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return small_study(tmp_path, TOL)


def test_independent_parameters_are_as_loose_as_the_closed_form(study):
    result = found(study, np.diag([4.0, 10.0]))
    assert result is not None
    width = 3.9  # of both ranges; the loss is the mean over two objectives
    for name, slope in (("I_E", 4.0), ("I_I", 10.0)):
        low, high = result.parameters[name]
        assert (high - low) / 2 == pytest.approx(width * np.sqrt(2) / slope)
        assert (high + low) / 2 == pytest.approx(2.05)
    assert result.explained == pytest.approx(1.0)
    assert result.trials == 30
    assert abs(np.subtract(*result.loosest["I_E"])) == pytest.approx(2 * width * np.sqrt(2) / 4)
    assert np.subtract(*result.loosest["I_I"]) == pytest.approx(0, abs=1e-9)


def test_parameters_that_make_up_for_each_other_are_loose_along_their_difference(study):
    result = found(study, np.array([[20.0, 20.0], [2.0, -2.0]]))
    assert result is not None
    (e_one, e_other), (i_one, i_other) = result.loosest["I_E"], result.loosest["I_I"]
    assert (e_other - e_one) == pytest.approx(-(i_other - i_one))
    # Along u = (1, -1) / sqrt(2) the loss grows by (2 sqrt(2) s)^2 / 2.
    assert abs(e_other - e_one) == pytest.approx(3.9 * 0.5 * np.sqrt(2), rel=1e-6)


def test_noise_leaves_the_fit_near_the_truth_and_is_said(study):
    result = found(study, np.diag([8.0, 8.0]), n=400, noise=0.3)
    assert result is not None
    low, high = result.parameters["I_E"]
    assert (high - low) / 2 == pytest.approx(3.9 * np.sqrt(2) / 8, rel=0.25)
    assert result.explained < 0.9


def test_an_axis_ends_where_the_range_ends(study):
    result = found(study, np.array([[1e-6, 0.0], [0.0, 10.0]]))
    assert result is not None
    assert result.parameters["I_E"] == pytest.approx((0.1, 4.0))


def test_with_few_trials_nothing_is_said(study):
    assert found(study, np.eye(2), n=11) is None


def test_a_finished_study_says_how_loose_its_parameters_are(tmp_path):
    study = small_study(tmp_path, TOL, sampler={"name": "cmaes"}, budget={"trials": 80})
    run_study(study, slots=2, progress=False)
    result = read_results(study).looseness
    assert result is not None
    # A rate of 5 I Hz: one tolerance is 0.2 in I_E, and the loss is the mean over two objectives.
    low, high = result.parameters["I_E"]
    assert (high - low) / 2 == pytest.approx(0.2 * np.sqrt(2), rel=0.5)
