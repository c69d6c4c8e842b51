"""Standard errors by the jackknife, against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from calibrate.objective import jackknife


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
    assert math.isnan(jackknife.over_time(lambda kept: float(kept.sum()), 9))
    assert math.isnan(jackknife.over_time(lambda kept: math.nan if kept[0] else 1.0, 100))


def test_blocks_of_unequal_length_count_by_their_length():
    """104 bins are blocks of 10 and 11: on average over data, the variance is still that of the mean."""
    random = np.random.default_rng(4)
    variances = []
    for _ in range(300):
        x = random.normal(size=25)  # blocks of 2 and 3
        variances.append(jackknife.over_time(lambda kept, x=x: float(x[kept].mean()), x.size) ** 2)
    assert np.mean(variances) == pytest.approx(1 / 25, rel=0.1)


def crossed(seed: int, *, lasting: float, common: float, own: float, n: int = 40, bins: int = 50):
    """Values of neurons (rows) in bins: a lasting level, a change that all share, and chance of their own."""
    random = np.random.default_rng(seed)
    levels, changes = lasting * random.normal(size=(n, 1)), common * random.normal(size=bins)
    return levels + changes + own * random.normal(size=(n, bins))


@pytest.mark.parametrize(
    ("lasting", "common", "own"), [(0.0, 0.0, 1.0), (1.0, 0.0, 1.0), (0.0, 1.0, 1.0), (1.0, 1.0, 1.0)]
)
def test_over_neurons_and_time_the_components_of_variance_add_up(lasting, common, own):
    n, bins = 40, 50
    found = []
    for seed in range(60):
        x = crossed(seed, lasting=lasting, common=common, own=own)
        found.append(jackknife.over_neurons(lambda kept, x=x: x[:, kept].mean(axis=1), bins) ** 2)
    truth = lasting**2 / n + common**2 / bins + own**2 / (n * bins)
    assert np.mean(found) == pytest.approx(truth, rel=0.25)


def test_lasting_differences_between_clusters_are_no_sample_of_neurons():
    x = crossed(1, lasting=0.0, common=0.0, own=0.1)
    of_clusters = x + np.repeat([0.0, 100.0], 20)[:, None]
    found, alone = (
        jackknife.over_neurons(lambda kept, x=x: x[:, kept].mean(axis=1), 50, [20, 20])
        for x in (of_clusters, x)
    )
    assert found == pytest.approx(alone)
    # Clusters of one neuron each say nothing about samples of neurons, unless they are taken as one.
    single = jackknife.over_neurons(lambda kept: of_clusters[:, kept].mean(axis=1), 50, [1] * 40)
    assert single == pytest.approx(100 / 2 / math.sqrt(40), rel=0.1)


def test_neurons_that_do_not_count_are_left_out_and_a_short_measurement_has_the_error_of_a_sample():
    x = crossed(2, lasting=1.0, common=0.0, own=0.0)
    some = np.where(np.arange(40)[:, None] < 10, x, np.nan)
    found = jackknife.over_neurons(lambda kept: some[:, kept].mean(axis=1), 50)
    assert found == pytest.approx(x[:10, 0].std(ddof=1) / math.sqrt(10))
    short = jackknife.over_neurons(lambda kept: x[:, :3][:, kept].mean(axis=1), 3)
    assert short == pytest.approx(x[:, 0].std(ddof=1) / math.sqrt(40))
    assert math.isnan(jackknife.over_neurons(lambda _: np.full(5, np.nan), 50))
