"""The emulator: processes against closed forms and scikit-learn, scales and losses against objectives."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from calibrate.calibration.emulator.cube import Cube
from calibrate.calibration.emulator.emulator import Emulator
from calibrate.calibration.emulator.losses import losses, violations
from calibrate.calibration.emulator.models import Drawn, Trial
from calibrate.calibration.emulator.process import Data, Process, fit
from calibrate.calibration.emulator.scales import Scale
from calibrate.objective import Constraint, Estimate, Interval, Objective, Value, find_statistic
from calibrate.study.space import Choice, Range

RATE, DWELL = find_statistic("rate_E"), find_statistic("dwell_time")
OBJECTIVES = [
    Objective(statistic=RATE, target=Value(5.0, tolerance=0.5)),
    Objective(statistic=RATE, target=Value(5.0, tolerance=0.5), robust=True),
    Objective(statistic=RATE, target=Interval(2.0, 4.0, tolerance=0.5)),
    Objective(statistic=DWELL, target=Value(126.0, tolerance=45.0)),
    Objective(statistic=DWELL, target=Interval(100.0, 200.0, tolerance=45.0)),
    Objective(statistic=DWELL, target=Interval(30.0, 200.0, tolerance=45.0)),
]


def data_of(n: int, d: int, *, seed: int = 0, noise: float = 0.1) -> Data:
    random = np.random.default_rng(seed)
    points = random.random((n, d))
    values = np.sin(3 * points[:, 0]) + points[:, 1] ** 2 + noise * random.standard_normal(n)
    return Data(points=points, values=values, known=np.zeros(n), share=np.ones(n))


def drawn_at(values: list[float]) -> Drawn:
    return Drawn(
        values=np.array(values), defined=np.ones(len(values), dtype=bool), depth=np.zeros(len(values))
    )


def test_a_process_predicts_what_scikit_learn_does():
    data, theta = data_of(40, 3), np.log([0.5, 0.7, 2.0, 1.5, 0.1])
    kernel = ConstantKernel(1.5) * Matern(length_scale=[0.5, 0.7, 2.0], nu=2.5) + WhiteKernel(0.1)
    other = GaussianProcessRegressor(kernel, optimizer=None, normalize_y=True).fit(data.points, data.values)
    new = np.random.default_rng(1).random((20, 3))
    mean, sd = Process(data, theta).predict(new)
    expected, with_noise = other.predict(new, return_std=True)
    assert mean == pytest.approx(expected, abs=1e-6)
    assert sd**2 == pytest.approx(with_noise**2 - 0.1 * data.values.var(), abs=1e-6)


def test_a_fit_finds_the_noise_and_the_dimension_without_effect():
    data = data_of(150, 3, noise=0.2)
    theta = fit(data)
    process = Process(data, theta)
    assert process.noise == pytest.approx(0.04, rel=0.35)
    assert theta[2] > theta[0] + 1  # the third length scale is at least e times the first


def test_values_that_were_measured_on_more_graphs_count_more():
    point = np.full((2, 1), 0.5)
    for share, expected in (([1.0, 1.0], 0.0), ([0.25, 1.0], -0.6), ([1.0, 0.25], 0.6)):
        data = Data(points=point, values=np.array([-1.0, 1.0]), known=np.zeros(2), share=np.array(share))
        mean, _ = Process(data, np.log([1.0, 1e3, 1.0])).predict(point[:1])
        assert mean[0] == pytest.approx(expected, abs=1e-3)  # weights 1 / variance


def test_functions_that_are_drawn_have_the_mean_and_the_spread_of_the_process():
    data = data_of(12, 1 + 1)
    process, new = Process(data, np.log([0.4, 0.6, 1.0, 0.02])), np.random.default_rng(2).random((5, 2))
    random = np.random.default_rng(3)
    draws = np.array([process.draw(random)(new) for _ in range(2000)])
    mean, sd = process.predict(new)
    assert draws.mean(axis=0) == pytest.approx(mean, abs=5 * float(sd.max()) / math.sqrt(2000))
    assert draws.std(axis=0) == pytest.approx(sd, rel=0.1)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda one: f"{one.name} {one.aim} {one.robust}")
@given(value=st.floats(1e-3, 1e5))
def test_losses_of_many_points_are_those_of_the_objective(objective, value):
    assert losses(objective, drawn_at([value]))[0] == pytest.approx(objective.loss(Estimate(value)), rel=1e-9)


@pytest.mark.parametrize("low_high", [(0.0, 10.0), (2.0, math.inf), (-math.inf, 60.0), (-5.0, -1.0)])
@given(value=st.floats(-1e3, 1e3), shortfall=st.floats(0, 1))
def test_violations_of_many_points_are_those_of_the_constraint(low_high, value, shortfall):
    constraint = Constraint(statistic=RATE, low=low_high[0], high=low_high[1])
    assert violations(constraint, drawn_at([value]))[0] == pytest.approx(
        constraint.violation(Estimate(value)), rel=1e-9
    )
    nowhere = Drawn(values=np.full(1, np.nan), defined=np.zeros(1, dtype=bool), depth=np.array([shortfall]))
    undefined = Estimate(math.nan, shortfall=shortfall)
    assert violations(constraint, nowhere)[0] == pytest.approx(constraint.violation(undefined))
    assert losses(OBJECTIVES[0], nowhere)[0] == pytest.approx(OBJECTIVES[0].loss(undefined))


@pytest.mark.parametrize("judged", [*OBJECTIVES, Constraint(statistic=RATE, low=0.5, high=60.0)])
@given(value=st.floats(0.5, 1e4))
def test_a_scale_leads_back_to_the_value_and_its_slope_is_the_derivative(judged, value):
    scale, values = Scale.of(judged), np.array([value])
    assert scale.inverse(scale.forward(values)) == pytest.approx(values, rel=1e-6)
    step = 1e-5 * value
    measured = (scale.forward(values + step) - scale.forward(values - step)) / (2 * step)
    assert scale.slope(values) == pytest.approx(measured, rel=1e-4)


def test_points_of_steps_whole_numbers_and_choices_are_those_of_parameter_sets():
    cube = Cube({
        "x": Range(low=1.0, high=100.0, log=True),
        "n": Range(low=1, high=4, integer=True),
        "s": Range(low=0.0, high=1.0, step=0.5),
        "c": Choice(values=("a", "b", "c")),
    })  # fmt: skip
    points = cube.snapped(np.random.default_rng(0).normal(0.5, 1, (50, cube.dimensions)))
    for point in points:
        parameters = cube.parameters(point)
        assert cube.point(parameters) == pytest.approx(point)
    assert {cube.parameters(point)["c"] for point in points} == {"a", "b", "c"}


def trials_of(n: int) -> list[Trial]:
    """A rate that grows with the first dimension, and a dwell time that is defined for half of the points."""
    points = np.random.default_rng(5).random((n, 2))
    return [
        Trial(
            point=point,
            estimates={
                "rate_E": Estimate(10 * point[0], error=0.1),
                "dwell_time": Estimate(200 * point[1])
                if point[1] > 0.5
                else Estimate(math.nan, shortfall=0.4),
            },
            loss=float(point[0]),
        )
        for point in points
    ]


def test_a_model_knows_where_its_statistic_is_defined():
    models = Emulator((OBJECTIVES[0], OBJECTIVES[3]), most=100).models(trials_of(60))
    new = np.array([[0.3, 0.1], [0.3, 0.9]])
    random = np.random.default_rng(0)
    draws = [models["dwell_time"].draw(random)(new) for _ in range(40)]
    assert np.mean([one.defined for one in draws], axis=0) == pytest.approx([0, 1], abs=0.1)
    assert np.mean([one.depth[0] for one in draws]) == pytest.approx(0.4, abs=0.1)
    assert np.mean([one.values[1] for one in draws]) == pytest.approx(180, rel=0.1)
    rates = [models["rate_E"].draw(random)(new) for _ in range(20)]
    assert all(one.defined.all() for one in rates)
    assert np.mean([one.values for one in rates]) == pytest.approx(3.0, abs=0.2)


def test_models_depend_on_the_trials_alone_not_on_when_they_were_asked_for():
    trials, random = trials_of(50), np.random.default_rng
    new = random(1).random((3, 2))
    step_by_step = Emulator(OBJECTIVES[:1], most=30)
    for n in range(5, 51, 3):
        step_by_step.models(trials[:n])
    at_once = Emulator(OBJECTIVES[:1], most=30).models(trials)["rate_E"].draw(random(7))(new)
    assert step_by_step.models(trials)["rate_E"].draw(random(7))(new).values == pytest.approx(at_once.values)


def test_a_statistic_that_was_never_defined_has_no_values_but_a_depth():
    nowhere = [
        Trial(point=np.array([k / 10]), estimates={"rate_E": Estimate(math.nan, shortfall=k / 10)})
        for k in range(10)
    ]
    model = Emulator(OBJECTIVES[:1], most=30).models(nowhere)["rate_E"]
    drawn = model.draw(np.random.default_rng(0))(np.array([[0.1], [0.9]]))
    assert not drawn.defined.any()
    assert drawn.depth[0] < drawn.depth[1]
