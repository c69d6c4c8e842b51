"""Standard errors by the jackknife, against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from objectives import jackknife


def test_of_a_mean_it_is_the_standard_error_of_the_block_means():
    x = np.random.default_rng(1).normal(size=1000)
    means = x.reshape(10, 100).mean(axis=1)
    found = jackknife.over_time(lambda kept: float(x[kept].mean()), x.size)
    assert found == pytest.approx(means.std(ddof=1) / math.sqrt(10))


def test_of_a_standard_deviation_it_is_that_of_the_normal_distribution():
    random = np.random.default_rng(2)
    n = 2000
    found = []
    for _ in range(40):
        x = random.normal(size=n)
        found.append(jackknife.over_time(lambda kept, x=x: float(x[kept].std()), n))
    assert np.mean(found) == pytest.approx(1 / math.sqrt(2 * n), rel=0.1)


def test_it_sees_what_changes_slowly():
    slow = np.repeat(np.random.default_rng(3).normal(size=200), 50)  # 200 independent values
    found = jackknife.over_time(lambda kept: float(slow[kept].mean()), slow.size)
    assert found == pytest.approx(1 / math.sqrt(200), rel=0.5)


def test_a_short_measurement_and_an_undefined_value_have_none():
    assert math.isnan(jackknife.over_time(lambda kept: float(kept.sum()), 19))
    assert math.isnan(jackknife.over_time(lambda kept: math.nan if kept[0] else 1.0, 100))
