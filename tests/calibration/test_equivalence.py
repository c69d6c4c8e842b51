"""Paired tests against scipy's, closed forms and simulation; powers against counting."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from calibrate.calibration.validation.paired_tests import (
    alpha_of,
    compare_pairs,
    distance,
    holm,
    power,
    power_beyond,
    replicates_needed,
    sign_test,
)

D = np.array([0.3, -0.1, 0.4, 0.2, 0.0, 0.1, -0.2, 0.5])


def test_the_tests_are_students():
    found = compare_pairs(D, margin=0.5)
    low, high = stats.ttest_1samp(D, 0).confidence_interval(0.9)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.p_zero == pytest.approx(stats.ttest_1samp(D, 0).pvalue)
    above = stats.ttest_1samp(D, -0.5, alternative="greater").pvalue
    below = stats.ttest_1samp(D, 0.5, alternative="less").pvalue
    assert found.p_equivalent == pytest.approx(max(above, below))
    beyond = stats.ttest_1samp(D, 0.1, alternative="greater").pvalue
    assert compare_pairs(D, margin=0.1).p_beyond == pytest.approx(beyond)
    assert compare_pairs(-D, margin=0.1).p_beyond == pytest.approx(beyond)


def test_equivalent_means_that_the_interval_lies_within_the_margin():
    found = compare_pairs(D)
    farther = max(-found.low, found.high)
    assert compare_pairs(D, margin=farther * 1.001).p_equivalent < 0.05
    assert compare_pairs(D, margin=farther * 0.999).p_equivalent > 0.05


def test_without_spread_the_difference_is_known():
    same, apart = compare_pairs(np.zeros(5), margin=0.1), compare_pairs(np.full(5, 0.25), margin=0.1)
    assert (same.p_equivalent, same.p_beyond, same.p_zero) == (0.0, 1.0, 1.0)
    assert (apart.p_equivalent, apart.p_beyond, apart.p_zero) == (1.0, 0.0, 0.0)


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_pairs_decide_nothing(n):
    found = compare_pairs(np.ones(n), margin=0.1)
    assert (found.p_zero, found.p_equivalent, found.p_beyond) == (1.0, 1.0, 1.0)
    assert math.isnan(found.sd)
    assert math.isnan(found.low)
    assert math.isnan(found.mean) == (n == 0)


def test_a_difference_at_the_margin_is_called_equivalent_in_a_twentieth_of_cases_at_most():
    random = np.random.default_rng(1)
    samples = random.normal(0.5, 0.5, size=(4000, 20))
    called = np.mean([compare_pairs(d, margin=0.5).p_equivalent < 0.05 for d in samples])
    assert abs(called - 0.05) < 4 * math.sqrt(0.05 * 0.95 / 4000)
    beyond = np.mean([compare_pairs(d, margin=0.5).p_beyond < 0.05 for d in samples])
    assert abs(beyond - 0.05) < 4 * math.sqrt(0.05 * 0.95 / 4000)


@pytest.mark.parametrize(
    ("margin", "n", "difference"), [(1.0, 24, 0.0), (1.0, 12, 0.0), (0.8, 10, 0.2), (0.3, 6, 0.0)]
)
def test_power_is_how_often_it_is_found(margin, n, difference):
    random = np.random.default_rng(2)
    samples = random.normal(difference, 1.0, size=(4000, n))
    found = np.mean([compare_pairs(d, margin=margin).p_equivalent < 0.05 for d in samples])
    stated = power(margin, 1.0, n, difference=difference)
    assert abs(found - stated) < 4 * math.sqrt(0.25 / 4000)


def test_power_to_show_a_difference_is_how_often_it_is_shown():
    random = np.random.default_rng(3)
    found = np.mean(
        [compare_pairs(d, margin=0.5).p_beyond < 0.05 for d in random.normal(1.0, 1.0, size=(4000, 15))]
    )
    assert abs(found - power_beyond(0.5, 1.0, 15, difference=1.0)) < 4 * math.sqrt(0.25 / 4000)


def test_24_replicates_show_equivalence_within_one_standard_deviation_in_nine_of_ten_cases():
    # Of either side: differences of two independent ones have a standard deviation of sqrt(2).
    assert power(1.0, math.sqrt(2), 24) > 0.9 > power(1.0, math.sqrt(2), 22)
    # The normal approximation, 2 (1.645 + 1.645)^2 = 21.6, is near.
    z = stats.norm.ppf(0.95)
    assert replicates_needed(1.0, math.sqrt(2), 0.0) == 24 == math.ceil(2 * (2 * z) ** 2) + 2


def test_without_spread_two_pairs_do():
    assert (power(1.0, 0.0, 2), power(1.0, 0.0, 2, difference=2.0)) == (1.0, 0.0)
    assert power_beyond(1.0, 0.0, 2, difference=2.0) == 1.0
    assert power(1.0, 1.0, 1) == power_beyond(1.0, 1.0, 1, difference=5.0) == 0.0
    assert replicates_needed(1.0, 0.0, 0.3) == 2


@pytest.mark.parametrize("difference", [0.0, 0.5, -0.5, 1.5])
def test_replicates_needed_are_the_fewest(difference):
    n = replicates_needed(1.0, 1.0, difference)
    decides = power if abs(difference) < 1 else power_beyond
    assert n is not None
    assert decides(1.0, 1.0, n, difference=difference) >= 0.9
    assert decides(1.0, 1.0, n - 1, difference=difference) < 0.9


def test_no_number_of_replicates_decides_a_difference_at_the_margin():
    assert replicates_needed(1.0, 1.0, 1.0) is None
    assert replicates_needed(1.0, math.nan, 0.5) is None


def test_holms_adjustment():
    # By hand: 3 x .01, 2 x .02 (not below its predecessor), 1 x .03 likewise.
    assert holm([0.02, 0.01, 0.03]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_sign_test():
    assert sign_test(0, 0) == 1.0
    assert sign_test(8, 0) == pytest.approx(2 * 0.5**8)
    assert sign_test(3, 3) == 1.0


def test_distances_are_scipys_of_all_values_together():
    random = np.random.default_rng(4)
    a = [random.normal(size=n) for n in (30, 50, 1)]
    b = [random.normal(0.5, 1, size=n) for n in (40, 20, 10)]
    found = distance(a, b)
    pooled = np.concatenate(a), np.concatenate(b)
    assert found is not None
    assert found.wasserstein == pytest.approx(stats.wasserstein_distance(*pooled))
    assert found.ks == pytest.approx(stats.ks_2samp(*pooled).statistic)
    assert distance(a, [np.array([])] * 3) is None


def test_graphs_that_differ_among_themselves_are_no_difference_between_simulators():
    random = np.random.default_rng(5)
    p = []
    for _ in range(200):
        shifts = random.normal(size=12)  # of each graph, in both
        a, b = ([random.normal(shift, 1, size=40) for shift in shifts] for _ in range(2))
        found = distance(a, b, permutations=99)
        assert found is not None
        p.append(found.p)
    false_alarms = np.mean(np.array(p) <= 0.05)
    assert false_alarms < 0.05 + 4 * math.sqrt(0.05 * 0.95 / 200)
    assert 0.35 < np.mean(p) < 0.65


def test_a_shift_of_every_graph_is_seen():
    random = np.random.default_rng(6)
    shifts = random.normal(size=12)
    a = [random.normal(shift, 1, size=40) for shift in shifts]
    b = [random.normal(shift + 0.5, 1, size=40) for shift in shifts]
    found = distance(a, b)
    assert found is not None
    assert found.p < 0.01
    one = distance(a[:1], b[:1])
    assert one is not None
    assert math.isnan(one.p)  # a single graph tells nothing about chance


@pytest.mark.slow
def test_the_looks_together_err_in_a_twentieth_of_cases_whatever_the_advice():
    assert sum(alpha_of(look) for look in range(1, 30)) == pytest.approx(0.05)
    random, repeats, confirmed, at_once = np.random.default_rng(7), 1000, 0, 0
    for _ in range(repeats):
        d, look = random.normal(1.0, 1.0, size=24), 1  # the true difference is the margin
        at_once += compare_pairs(d, margin=1.0).p_equivalent < 0.05
        while look <= 4 and len(d) < 1000:
            found = compare_pairs(d, margin=1.0)
            if found.p_equivalent < alpha_of(look) or found.p_beyond < alpha_of(look):
                confirmed += found.p_equivalent < alpha_of(look)
                break
            look += 1
            needed = replicates_needed(1.0, found.sd, found.mean, alpha=alpha_of(look)) or 1000
            n = min(max(needed, len(d) + 1), 1000)
            d = np.append(d, random.normal(1.0, 1.0, size=n - len(d)))
    chance = 3 * math.sqrt(0.05 * 0.95 / repeats)
    assert at_once / repeats == pytest.approx(0.05, abs=chance)
    assert 0.03 < confirmed / repeats < 0.05 + chance
