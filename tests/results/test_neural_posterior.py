"""The engines of the posterior against closed forms, and what npe does with undefined statistics."""

from __future__ import annotations

import importlib.util
import math

import numpy as np
import pytest

from calibrate.calibration.emulator.cube import Cube
from calibrate.calibration.emulator.models import Model, Trial
from calibrate.calibration.emulator.scales import Scale
from calibrate.errors import StudyError
from calibrate.objective import Estimate
from calibrate.results.posterior.engine import Datum
from calibrate.results.posterior.engines import engine_of
from calibrate.results.posterior.gaussians import Gaussians
from calibrate.study.space import Domain, Range

SBI = importlib.util.find_spec("sbi") is not None
needs_sbi = pytest.mark.skipif(not SBI, reason="needs sbi: pip install .[posterior]")
ENGINES = ["gp", pytest.param("npe", marks=needs_sbi)]

SPACE: dict[str, Domain] = {name: Range(low=0.0, high=1.0) for name in ("a", "b")}
# Two statistics are linear in two parameters, with normal errors.
SLOPES, ERRORS = np.array([[1.0, 0.5], [-0.3, 1.0]]), np.array([0.08, 0.1])
# So wide a scale is linear.
SCALE = Scale(centre=0.0, unit=1e3)


def toy(n: int, *, defined=lambda _: True, crowded: bool = False) -> list[Trial]:
    """Trials of the two statistics, of which the second one is not defined everywhere."""
    random = np.random.default_rng(0)
    points = random.random((n, 2))
    if crowded:  # as a search, after points that fill the ranges
        points[n // 2 :] = random.beta(8, 8, size=(n - n // 2, 2))
    values = points @ SLOPES.T + ERRORS * random.normal(size=(n, 2))
    return [
        Trial(
            point=point,
            estimates={
                "x": Estimate(float(value[0])),
                "y": Estimate(float(value[1]) if defined(point) else math.nan),
            },
        )
        for point, value in zip(points, values, strict=True)
    ]


def data_of(values, error: float) -> list[Datum]:
    forward = SCALE.forward(np.asarray(values, dtype=float))
    slope = float(SCALE.slope(np.zeros(1))[0])
    return [
        Datum(name=name, value=float(value), error=error * slope)
        for name, value in zip("xy", forward, strict=True)
    ]


def fitted(engine: str, trials: list[Trial]):
    models = {name: Model.of(name, SCALE, trials) for name in "xy"}
    return engine_of(engine, Cube(SPACE), models).fit(trials, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("crowded", [False, True], ids=["from the prior", "crowded like a search"])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_linear_normal_problem_has_its_posterior_in_closed_form(engine, crowded):
    """Means within a third of a standard deviation, standard deviations within 20 %.

    The density of crowded trials must not be taken for the prior.
    """
    truth, error = np.array([0.5, 0.5]), 0.05
    noise = np.diag(1 / (ERRORS**2 + error**2))
    covariance = np.linalg.inv(SLOPES.T @ noise @ SLOPES)
    drawn = np.random.default_rng(1).multivariate_normal(truth, covariance, 100_000)
    inside = drawn[((drawn > 0) & (drawn < 1)).all(axis=1)]
    samples = fitted(engine, toy(150, crowded=crowded)).sample(data_of(SLOPES @ truth, error), n=2000, seed=0)
    sd = inside.std(axis=0)
    assert np.abs(samples.mean(axis=0) - inside.mean(axis=0)).max() < 0.33 * sd.min()
    assert samples.std(axis=0) == pytest.approx(sd, rel=0.2)


@pytest.mark.slow
@needs_sbi
def test_where_a_statistic_is_undefined_no_network_is_compatible_with_a_value_of_it():
    trials = toy(120, defined=lambda point: point[0] < 0.5)
    # The values are those of a = 0.6. Without the boundary at 0.5, half of the samples would lie above 0.6.
    engine = fitted("npe", trials)
    samples = engine.sample(data_of(SLOPES @ [0.6, 0.5], 0.05), n=1000, seed=0)
    assert (samples[:, 0] > 0.6).mean() < 0.2
    again = engine.sample(data_of(SLOPES @ [0.6, 0.5], 0.05), n=1000, seed=0)
    np.testing.assert_array_equal(samples, again)


@needs_sbi
def test_it_is_silent_leaves_pytorch_as_it_was_and_says_when_trials_are_too_few(tmp_path, monkeypatch, capfd):
    import torch

    monkeypatch.chdir(tmp_path)
    trials = toy(24)
    torch.manual_seed(3)
    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    first, second = (fitted("npe", trials).sample(data_of([0.7, 0.3], 0.05), n=50, seed=1) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    assert capfd.readouterr() == ("", "")
    assert not list(tmp_path.iterdir())
    with pytest.raises(StudyError, match="defined in 15 trials; engine 'npe' needs at least 20"):
        fitted("npe", toy(15))


@pytest.mark.skipif(SBI, reason="sbi is installed")
def test_without_sbi_it_says_how_to_install_it():
    with pytest.raises(StudyError, match=r"needs sbi: pip install 'calibrate-snn\[posterior\]'"):
        engine_of("npe", Cube(SPACE), {})


def test_normal_values_have_their_density_and_intervals_their_probability():
    from scipy.stats import multivariate_normal

    covariance = np.array([[1.0, 0.6, 0.2], [0.6, 2.0, -0.3], [0.2, -0.3, 0.5]])
    mean = np.array([0.1, -0.4, 0.3])
    one = Gaussians(log_weights=np.zeros((1, 1)), means=mean[None, None], covariances=covariance[None, None])
    values = [0.5, 0.2, -0.1]
    data = [Datum(name=name, value=value, error=0.3) for name, value in zip("xyz", values, strict=True)]
    own = covariance + 0.09 * np.eye(3)
    assert one.log(data, [0, 1, 2])[0] == pytest.approx(multivariate_normal(mean, own).logpdf(values))
    # x has a value; y lies above 0, and z between -0.5 and 0.5.
    data[1] = Datum(name="y", value=1.0, error=0.3, ends=(0.0, math.inf))
    data[2] = Datum(name="z", value=0.0, error=0.3, ends=(-0.5, 0.5))
    gain = own[1:, 0] / own[0, 0]
    rest = multivariate_normal(mean[1:] + gain * (0.5 - mean[0]), own[1:, 1:] - np.outer(gain, own[0, 1:]))
    exact = multivariate_normal(mean[0], own[0, 0]).logpdf(0.5) + math.log(
        rest.cdf([20.0, 0.5], lower_limit=[0.0, -0.5])
    )
    assert one.log(data, [0, 1, 2])[0] == pytest.approx(exact, abs=0.02)


def test_a_mixture_is_the_mean_of_its_parts():
    covariance = np.ones((1, 2, 1, 1))
    both = Gaussians(
        log_weights=np.log([[0.25, 0.75]]), means=np.array([[[0.0], [2.0]]]), covariances=covariance
    )
    expected = (0.25 * math.exp(-0.5) + 0.75 * math.exp(-0.5)) / math.sqrt(2 * math.pi)
    assert both.log([Datum(name="x", value=1.0)], [0])[0] == pytest.approx(math.log(expected))


def test_a_variable_can_have_a_value_and_bounds():
    """The value was measured with an error of 0.5; the variable itself lies above 0."""
    from scipy.stats import norm

    one = Gaussians(
        log_weights=np.zeros((1, 1)), means=np.zeros((1, 1, 1)), covariances=np.ones((1, 1, 1, 1))
    )
    data = [
        Datum(name="x", value=0.4, error=0.5),
        Datum(name="x", value=1.0, ends=(0.0, math.inf)),
    ]
    variance = 1 + 0.25
    centre, sd = 0.4 / variance, math.sqrt(0.25 / variance)
    exact = norm(0, math.sqrt(variance)).logpdf(0.4) + norm(centre, sd).logsf(0.0)
    assert one.log(data, [0, 0])[0] == pytest.approx(exact, abs=1e-6)
