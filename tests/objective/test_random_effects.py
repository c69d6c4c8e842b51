"""The mean over sessions against published values and independent implementations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from calibrate.objective.random_effects import random_effects

# Tuberculosis in vaccinated and other people, with and without the disease, in 13 trials of the BCG vaccine:
# Colditz et al. 1994, as dat.bcg in the R package metafor.
BCG = np.array(
    [
        [4, 119, 11, 128],
        [6, 300, 29, 274],
        [3, 228, 11, 209],
        [62, 13536, 248, 12619],
        [33, 5036, 47, 5761],
        [180, 1361, 372, 1079],
        [8, 2537, 10, 619],
        [505, 87886, 499, 87892],
        [29, 7470, 45, 7232],
        [17, 1699, 65, 1600],
        [186, 50448, 141, 27197],
        [5, 2493, 3, 2338],
        [27, 16886, 29, 17825],
    ]
)


def risk_ratios() -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of risk ratios, and their standard errors."""
    a, b, c, d = BCG.T
    errors = np.sqrt(1 / a - 1 / (a + b) + 1 / c - 1 / (c + d))
    return np.log(a / (a + b)) - np.log(c / (c + d)), errors


def test_a_published_meta_analysis_is_reproduced():
    found = random_effects(*risk_ratios())
    # Q = 152.2330 and I^2 = 92.12 % (Viechtbauer 2010); the rest by statsmodels 0.15,
    # combine_effects(..., method_re="iterated"), which is Paule and Mandel's method.
    assert found.q == pytest.approx(152.2330, abs=1e-4)
    assert found.i_squared == pytest.approx(0.9212, abs=1e-4)
    assert found.between**2 == pytest.approx(0.3180684522, abs=1e-8)
    assert (found.value, found.error) == pytest.approx((-0.7149681535, 0.1808921915), abs=1e-9)
    assert found.p_value == pytest.approx(2.0e-26, rel=0.01)


def test_ratios_are_pooled_as_logarithms():
    logs, errors = risk_ratios()
    ratios = random_effects(np.exp(logs), errors * np.exp(logs), scale="log")
    assert ratios.value == pytest.approx(math.exp(-0.7149681535))
    assert ratios.error / ratios.value == pytest.approx(0.1808921915)
    assert ratios.q == pytest.approx(152.2330, abs=1e-4)


@pytest.mark.parametrize("sessions", [2, 3, 7])
def test_the_variance_makes_squared_deviations_as_large_as_expected(sessions):
    random = np.random.default_rng(sessions)
    values, errors = random.normal(5, 3, sessions), random.uniform(0.1, 1, sessions)
    found = random_effects(values, errors)
    weight = 1 / (errors**2 + found.between**2)
    squares = (weight * (values - found.value) ** 2).sum()
    assert squares == pytest.approx(sessions - 1, rel=1e-9)
    # Hartung and Knapp's error, from these squares.
    assert found.error == pytest.approx(math.sqrt(squares / (sessions - 1) / weight.sum()))


def test_sessions_that_agree_have_no_variance_between_them_and_errors_that_average():
    found = random_effects([5.0, 5.1, 4.9, 5.0], [0.4, 0.4, 0.4, 0.4])
    assert (found.between, found.i_squared) == (0.0, 0.0)
    assert (found.value, found.error) == pytest.approx((5.0, 0.2))
    assert found.p_value == pytest.approx(stats.chi2.sf(0.02 / 0.16, 3))


def test_one_session_is_what_it_is():
    found = random_effects([4.2], [0.3])
    assert (found.value, found.error, found.between) == (4.2, 0.3, 0.0)
    assert math.isnan(found.p_value)


@pytest.mark.parametrize("unknown", [math.nan, 0.0])
def test_without_all_errors_sessions_count_equally(unknown):
    found = random_effects([4.0, 6.0, 11.0], [0.001, unknown, 2.0])
    assert not found.weighted
    assert (found.value, found.between) == pytest.approx((7.0, np.std([4, 6, 11], ddof=1)))
    assert found.error == pytest.approx(stats.sem([4, 6, 11]))
    assert math.isnan(found.q)


def test_its_interval_of_confidence_contains_the_truth():
    random = np.random.default_rng(1)
    sessions, inside, differ = 5, [], []
    for _ in range(400):
        errors = random.uniform(0.2, 1.5, sessions)
        values = 8 + random.normal(0, 3, sessions) + errors * random.normal(size=sessions)
        found = random_effects(values, errors)
        inside.append(abs(found.value - 8) < stats.t.ppf(0.975, sessions - 1) * found.error)
        equal = 8 + errors * random.normal(size=sessions)
        differ.append(random_effects(equal, errors).p_value < 0.05)
    assert 0.92 < np.mean(inside) < 0.98
    assert 0.03 < np.mean(differ) < 0.08
