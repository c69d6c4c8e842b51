"""Rounding to levels, against closed forms and exact arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from calibrate.hardware import rounding


def exact(value: float, unit: Fraction) -> Fraction:
    """The nearest multiple of a unit, halves to the even one, in rational arithmetic."""
    return round(Fraction(value) / unit) * unit


@pytest.mark.parametrize("places", [0, 4, 12, 15, 31])
def test_fixed_point_is_the_nearest_multiple_in_exact_arithmetic(places):
    values = np.random.default_rng(places).uniform(-100, 100, 200)
    values = np.append(values, [0.5, 1.5, -0.5, 2.0**-places, 1.5 * 2.0**-places])
    unit = Fraction(1, 2**places)
    assert [Fraction(v) for v in rounding.fixed_point(values, places)] == [exact(v, unit) for v in values]


@pytest.mark.parametrize("bits", [2, 5, 12])
def test_a_mantissa_keeps_its_bits_and_any_power_of_two(bits):
    for value in np.random.default_rng(bits).lognormal(0, 5, 100):
        unit = Fraction(2) ** (math.frexp(value)[1] - bits)
        assert Fraction(float(rounding.mantissa(value, bits))) == exact(value, unit)
        assert float(rounding.mantissa(-value, bits)) == -float(rounding.mantissa(value, bits))
    assert float(rounding.mantissa(0.0, bits)) == 0.0


def test_time_constants_leave_a_multiple_of_the_unit_after_a_step():
    taus = np.array([0.3, 2.0, 3.0, 10.0, 20.0, 1e5])
    found = np.exp(-1.0 / rounding.time_constant(taus, 1.0, 12)) * 2**12
    np.testing.assert_allclose(found, np.rint(found), atol=1e-6)
    np.testing.assert_allclose(found, np.clip(np.exp(-1.0 / taus) * 2**12, 1, 2**12 - 1), atol=0.5001)


def test_nearest_levels_do_not_exceed_the_highest_one():
    weights = np.array([0.0, 0.24, 0.26, -0.74, 7.6, -9.0])
    assert rounding.nearest(weights, 0.5, 15).tolist() == [0, 0, 1, 1, 15, 15]


def test_random_rounding_has_no_bias_and_only_the_two_neighbours():
    uniform = (np.arange(10_000) + 0.5) / 10_000
    for weight in (0.13, 0.4, -1.9, 3.0):
        levels = rounding.at_random(np.full(uniform.size, weight), 0.4, 15, uniform)
        assert set(np.unique(levels)) <= {math.floor(abs(weight) / 0.4 + 1e-9), math.ceil(abs(weight) / 0.4)}
        assert levels.mean() * 0.4 == pytest.approx(abs(weight), abs=0.4 / 10_000)


def test_a_weight_on_a_level_is_not_rounded_whatever_is_drawn():
    for n in range(1, 128):
        step = 0.7 / n  # 0.7 / step is not n in floating point for some of them
        levels = rounding.at_random(np.full(2, 0.7), step, 127, np.array([0.0, 0.999_999_9]))
        assert levels.tolist() == [n, n]


def test_full_range_gives_the_largest_weight_the_highest_level():
    step = rounding.full_range_step([0.3, -6.2, 1.0], 31)
    assert rounding.nearest(6.2, step, 31) == 31
    assert rounding.full_range_step([0.0], 31) == 1.0


def test_the_optimal_unit_is_as_good_as_the_best_of_all_crossings():
    """Independent: the largest error is smallest where two weights have opposite errors of the same size."""
    weights, highest = [6.1, 4.0, 1.7, 1.1], 15
    finest = rounding.full_range_step(weights, highest)
    crossings = [
        2 / (n / one + m / other)
        for one in weights
        for other in weights
        for n in range(1, highest + 1)
        for m in range(1, highest + 1)
    ]
    best = min(
        rounding.relative_error(weights, step, highest)
        for step in [*crossings, *(one / n for one in weights for n in range(1, highest + 1))]
        if step >= finest
    )
    unit = rounding.optimal_unit([weights], finest, highest)
    found = rounding.relative_error(weights, unit, highest)
    assert finest <= unit < 2 * finest
    assert best <= found <= best + 1.1e-5
    assert found < rounding.relative_error(weights, finest, highest)


def test_steps_of_powers_of_two_are_the_finest_that_reach_the_largest_weight():
    for largest in (0.1, 0.99, 1.0, 1.01, 5.0, 200.0):
        step = float(rounding.power_of_two_step(largest, 1 / 64, 127))
        assert math.log2(step * 64) == round(math.log2(step * 64)) >= 0
        assert largest <= 127 * step * (1 + 1e-12)
        assert step == 1 / 64 or largest > 127 * step / 2
