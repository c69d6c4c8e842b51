"""dwell_time, active_clusters and switching_rate: up-states of clusters."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from calibrate.errors import ObjectiveError
from calibrate.objective import Objective, Statistic, Value
from calibrate.observation import Layout, Observation, observe_spikes, up_states
from objectives.metastability import (
    active_clusters,
    active_sd,
    dwell_time,
    multiple_active,
    occupancy_entropy,
    switching_rate,
    up_gap,
)
from tests.helpers.spike_trains import episodes_ms, observe_trains, switching_trains

ALL = [dwell_time, active_clusters, switching_rate]


def cluster_rates(*rates_hz: list[float], bin_ms: float = 5.0) -> Observation:
    """Clusters of 10 neurons with these rates, multiples of 20 Hz, in successive bins."""
    step, neuron = [], []
    per_bin = round(bin_ms)
    for cluster, rates in enumerate(rates_hz):
        for position, rate in enumerate(rates):
            for spike in range(round(rate * bin_ms / 1000 * 10)):
                step.append(position * per_bin + spike // 10)
                neuron.append(cluster * 10 + spike % 10)
    layout = Layout.of([("E", 10 * len(rates_hz), len(rates_hz))])
    duration_ms = per_bin * len(rates_hz[0])
    return observe_spikes(step, neuron, layout, dt_ms=1.0, duration_ms=float(duration_ms), window_ms=5.0)


def plain(statistic: Statistic, **options: float) -> Statistic:
    """Without smoothing, in bins of 5 ms, with thresholds of 50 and 30 Hz and no minimum."""
    return statistic.with_options(
        **{"sigma_ms": 0.0, "theta_hi_hz": 50.0, "theta_lo_hz": 30.0, "min_ms": 0.0, **options}
    )


# Worked out by hand


def test_an_up_state_lasts_from_above_the_upper_to_below_the_lower_threshold() -> None:
    observation = cluster_rates([0, 40, 60, 40, 40, 20, 40, 0])
    #                                    [--------)  40 Hz alone neither begins nor ends one
    assert plain(dwell_time)(observation).value == pytest.approx(15.0)
    assert plain(active_clusters)(observation).value == pytest.approx(15 / 40)
    assert plain(switching_rate)(observation).value == pytest.approx(1 / 0.040)


def test_a_measurement_that_starts_between_the_thresholds_starts_down() -> None:
    for rates in ([40, 40, 60, 20], [40, 60, 20, 20]):
        observation = cluster_rates(rates)
        assert plain(dwell_time)(observation).value == pytest.approx(5.0)
        assert plain(switching_rate)(observation).support == 1


def test_several_clusters_are_pooled() -> None:
    observation = cluster_rates([0, 60, 60, 0, 60, 0], [0, 60, 60, 60, 0, 0], [0, 0, 0, 0, 0, 0])
    estimate = plain(dwell_time)(observation)
    assert estimate.value == pytest.approx((10 + 5 + 15) / 3)
    assert estimate.support == 3
    assert plain(active_clusters)(observation).value == pytest.approx(30 / 30)
    assert plain(switching_rate)(observation).value == pytest.approx(3 / (3 * 0.030))


def test_episodes_of_neighbouring_clusters_do_not_run_into_one_another() -> None:
    observation = cluster_rates([0, 0, 60], [60, 0, 0])
    estimate = plain(dwell_time)(observation)
    assert estimate.value == pytest.approx(10.0)  # two cut off, one of them ends
    assert estimate.support == 1


def test_time_in_cut_off_up_states_counts_and_only_terminations_divide_it() -> None:
    observation = cluster_rates([60, 60, 0, 60, 0, 60, 60, 60])
    estimate = plain(dwell_time)(observation)
    assert estimate.value == pytest.approx((10 + 5 + 15) / 2)
    assert estimate.support == 2
    assert estimate.note == ""


def test_an_up_state_that_goes_on_at_the_start_did_not_begin() -> None:
    observation = cluster_rates([60, 60, 0, 60, 0, 60, 60, 60])
    estimate = plain(switching_rate)(observation)
    assert estimate.value == pytest.approx(2 / 0.040)
    assert estimate.support == 2


def test_episodes_below_the_minimum_are_dropped_and_those_of_the_minimum_are_kept() -> None:
    observation = cluster_rates([0, 60, 60, 0, 60, 60, 60, 0, 0, 60])
    assert plain(dwell_time, min_ms=15.0)(observation).value == pytest.approx(15.0)
    assert plain(active_clusters, min_ms=15.0)(observation).value == pytest.approx(15 / 50)
    assert plain(switching_rate, min_ms=15.0)(observation).value == pytest.approx(1 / 0.050)
    assert not plain(dwell_time, min_ms=20.0)(observation).defined


def test_the_rate_of_a_cluster_is_per_neuron() -> None:
    layout = Layout.of([("E", 8, 2)])
    step = np.arange(0, 1000, 5)  # one neuron of four at 200 Hz: 50 Hz
    observation = observe_spikes(step, np.zeros_like(step), layout, dt_ms=1.0, duration_ms=1000.0)
    assert active_clusters.with_options(theta_hi_hz=49.0)(observation).value == pytest.approx(1.0)
    assert active_clusters.with_options(theta_hi_hz=51.0)(observation).value == 0.0


# Against activity of known dwell times; the seeds are fixed


def test_the_dwell_time_of_switching_clusters_is_found() -> None:
    trains, up = switching_trains(
        np.random.default_rng(0),
        clusters=6,
        size=40,
        up_hz=60.0,
        down_hz=3.0,
        dwell_ms=300.0,
        gap_ms=1000.0,
        duration_ms=60_000.0,
    )
    observation = observe_trains(trains, duration_ms=60_000.0, dt_ms=1.0, clusters=6)
    middle = {"theta_hi_hz": 36.0, "theta_lo_hz": 27.0}
    seen = episodes_ms(up)
    seen = seen[seen >= 50]
    estimate = dwell_time.with_options(**middle)(observation)
    # What is left is the shortest gaps, which smoothing closes.
    assert estimate.value == pytest.approx(seen.mean(), rel=0.08)
    # Exponential, so tau + min_ms, with a standard error of tau / sqrt(n) = 6 %
    assert estimate.value == pytest.approx(350.0, abs=3 * 300 / math.sqrt(estimate.support))
    assert active_clusters.with_options(**middle)(observation).value == pytest.approx(
        up.sum() / 60_000, rel=0.04
    )
    assert switching_rate.with_options(**middle)(observation).value == pytest.approx(
        seen.size / (6 * 60), rel=0.08
    )


def test_censoring_does_not_shorten_the_dwell_time() -> None:
    """Measurements of two dwell times: dropping what they cut off would report half."""
    total, ended, complete = 0.0, 0, []
    for seed in range(60):
        trains, up = switching_trains(
            np.random.default_rng(seed),
            clusters=4,
            size=20,
            up_hz=500.0,
            down_hz=0.0,
            dwell_ms=200.0,
            gap_ms=200.0,
            duration_ms=400.0,
        )
        observation = observe_trains(trains, duration_ms=400.0, dt_ms=1.0, clusters=4)
        estimate = plain(dwell_time, theta_hi_hz=200.0, theta_lo_hz=200.0)(observation)
        if estimate.defined and estimate.support:
            total += estimate.value * estimate.support
            ended += int(estimate.support)
        elif estimate.defined:
            total += estimate.value
        inside = up.copy()
        for row in inside:
            if row[0]:
                row[: np.argmin(row)] = False
            if row[-1]:
                row[-np.argmin(row[::-1]) :] = False
        complete.extend(episodes_ms(inside))
    assert total / ended == pytest.approx(200.0, abs=3 * 200 / math.sqrt(ended))
    assert np.mean(complete) < 120


def test_an_up_state_goes_on_to_both_ends_of_the_measurement() -> None:
    """Smoothing does not end an up-state where the measurement does."""
    steady = [np.arange(start, 2000, 30) for start in range(30)]  # 33 Hz each, together even
    observation = observe_trains(steady, duration_ms=2000.0, dt_ms=1.0)
    assert active_clusters(observation).value == 1.0
    assert switching_rate(observation).value == 0.0
    assert dwell_time(observation).note == "lower bound: no up-state ended"


def test_smoothing_keeps_the_number_of_spikes() -> None:
    random = np.random.default_rng(3)
    observation = cluster_rates(list(20.0 * random.integers(0, 4, size=60)))
    options = {"population": "E", "theta_hi_hz": 20.0, "theta_lo_hz": 15.0, "min_ms": 0.0, "bin_ms": 5.0}
    smooth = up_states(observation, sigma_ms=25.0, **options)
    rough = up_states(observation, sigma_ms=0.0, **options)
    mean = observation.totals("E").sum() / (10 * 0.3)
    assert rough.peak_hz == 60.0
    assert mean < smooth.peak_hz < 60.0


# Where nothing switches


def test_winner_take_all_reports_the_whole_time_as_a_lower_bound() -> None:
    winner = [60.0] * 100
    observation = cluster_rates(winner, [0.0] * 100)
    estimate = dwell_time(observation)
    assert estimate.value == pytest.approx(500.0)
    assert estimate.support == 0
    assert estimate.note == "lower bound: no up-state ended"
    assert active_clusters(observation).value == pytest.approx(1.0)
    assert switching_rate(observation).value == 0.0


@pytest.mark.parametrize("spikes", [0, 1])
def test_without_an_up_state_the_dwell_time_is_undefined_and_the_others_are_zero(spikes: int) -> None:
    observation = observe_trains([np.arange(spikes) + 7] + [np.array([])] * 9, duration_ms=500.0)
    assert not dwell_time(observation).defined
    assert active_clusters(observation).value == 0.0
    assert switching_rate(observation).value == 0.0


def test_the_shortfall_falls_as_the_highest_rate_of_a_cluster_nears_the_threshold() -> None:
    def shortfall(rate_hz: float) -> float:
        observation = cluster_rates([0.0] * 40 + [rate_hz] * 20 + [0.0] * 40, [0.0] * 100)
        estimate = dwell_time.with_options(theta_hi_hz=90.0)(observation)
        assert not estimate.defined
        return estimate.shortfall

    found = [shortfall(rate) for rate in (20, 40, 60, 80)]
    assert found == sorted(set(found), reverse=True)
    assert all(0 < value < 0.5 for value in found)


def test_the_shortfall_falls_further_as_up_states_near_the_minimum() -> None:
    def shortfall(bins: int) -> float:
        observation = cluster_rates([0.0] * 10 + [60.0] * bins + [0.0] * 10)
        estimate = plain(dwell_time, min_ms=50.0)(observation)
        assert not estimate.defined
        return estimate.shortfall

    found = [shortfall(bins) for bins in range(10)]
    assert found == sorted(set(found), reverse=True)
    assert found[-1] == pytest.approx(0.025)
    assert found[0] == 1.0  # silent, and no membrane was seen


def test_any_dwell_time_loses_less_than_none() -> None:
    objective = Objective(statistic=dwell_time, target=Value(100.0, 1.0))
    silent = cluster_rates([0.0] * 100)
    almost = cluster_rates([0.0] * 10 + [60.0] * 9 + [0.0] * 10)
    winner = cluster_rates([60.0] * 5000)
    losses = [
        objective.loss(dwell_time(winner)),
        objective.loss(plain(dwell_time, min_ms=50.0)(almost)),
        objective.loss(dwell_time(silent)),
    ]
    assert losses == sorted(set(losses))


def test_the_note_of_an_undefined_dwell_time_names_the_highest_rate() -> None:
    observation = cluster_rates([0.0, 20.0, 0.0, 40.0, 0.0])
    assert (
        plain(dwell_time)(observation).note == "no up-state; the highest smoothed rate of a cluster is 40 Hz"
    )


def test_a_measurement_shorter_than_a_bin_has_no_up_states() -> None:
    observation = cluster_rates([60.0])
    for statistic in ALL:
        estimate = statistic.with_options(bin_ms=10.0)(observation)
        assert not estimate.defined or estimate.value == 0.0


# Options


@pytest.mark.parametrize("statistic", ALL, ids=lambda s: s.name)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"theta_lo_hz": 25.0}, "0 < theta_lo_hz <= theta_hi_hz, not 25 and 20"),
        ({"theta_lo_hz": 0.0}, "0 < theta_lo_hz"),
        ({"theta_hi_hz": math.nan}, "0 < theta_lo_hz"),
        ({"min_ms": -1.0}, "min_ms must be 0 ms or more, not -1"),
        ({"sigma_ms": math.inf}, "sigma_ms must be 0 ms or more, not inf"),
    ],
)
def test_thresholds_that_cannot_be_are_refused(
    statistic: Statistic, options: dict[str, float], message: str
) -> None:
    with pytest.raises(ObjectiveError, match=message):
        statistic.with_options(**options)


@pytest.mark.parametrize("statistic", ALL, ids=lambda s: s.name)
def test_the_bins_are_the_need(statistic: Statistic) -> None:
    assert statistic.needs.bin_ms == 5.0
    assert statistic.with_options(bin_ms=10.0).needs.bin_ms == 10.0


def test_dwell_times_are_compared_by_ratios() -> None:
    assert (dwell_time.scale, active_clusters.scale, switching_rate.scale) == ("log", "linear", "linear")


# Gaps, how many at once, who is up, and thresholds


@pytest.fixture(scope="module")
def independent() -> Observation:
    """Ten clusters that are up for a third of the time, each by itself, for 200 s."""
    trains, _ = switching_trains(
        np.random.default_rng(21),
        clusters=10,
        size=40,
        up_hz=80.0,
        down_hz=2.0,
        dwell_ms=400.0,
        gap_ms=800.0,
        duration_ms=200_000.0,
    )
    return observe_trains(trains, duration_ms=200_000.0, dt_ms=1.0, clusters=10)


def test_dwell_times_and_gaps_are_those_of_the_process(independent) -> None:
    middle = {"theta_hi_hz": 45.0, "theta_lo_hz": 37.0}
    dwell, gap, switching = (
        one.with_options(**middle)(independent) for one in (dwell_time, up_gap, switching_rate)
    )
    # Up-states of less than 50 ms are not seen: dwell times are exponential beyond, and cycles longer.
    seen = np.exp(-50 / 400)
    assert dwell.value == pytest.approx(400 + 50, rel=0.1)
    assert gap.value == pytest.approx(1200 / seen - 450, rel=0.1)
    # Beyond 50 ms they are exponential, with an SD of 400 ms.
    assert dwell.error == pytest.approx(400 / np.sqrt(dwell.support), rel=0.5)
    assert dwell.sample.mean() == pytest.approx(dwell.value, rel=0.05)
    assert switching.value == pytest.approx(seen / 1.2, rel=0.1)


def test_independent_clusters_are_up_together_as_the_binomial_distribution_says(independent) -> None:
    mean = active_clusters(independent)
    p = mean.value / 10
    assert p == pytest.approx(1 / 3, rel=0.12)
    assert active_sd(independent).value == pytest.approx(np.sqrt(10 * p * (1 - p)), rel=0.05)
    at_most_one = (1 - p) ** 10 + 10 * p * (1 - p) ** 9
    assert multiple_active(independent).value == pytest.approx(1 - at_most_one, rel=0.05)
    # A telegraph process has an autocorrelation time of 267 ms: 200 s are 375 independent looks.
    assert mean.error == pytest.approx(np.sqrt(10 * p * (1 - p) * 2 * 267 / 200_000), rel=0.6)


def test_the_occupancy_is_even_among_equals_and_none_for_one_winner(independent) -> None:
    assert occupancy_entropy(independent).value > 0.99
    always = np.arange(0, 5000, 10)
    never = np.zeros(0, dtype=int)
    winner = observe_trains([always] * 10 + [never] * 10, duration_ms=5000.0, dt_ms=1.0, clusters=2)
    assert occupancy_entropy(winner).value == 0
    assert active_sd(winner).value == 0
    assert up_gap(winner).lower_bound
    half = np.arange(0, 2500, 10)
    shared = observe_trains([half] * 10 + [half + 2500] * 10, duration_ms=5000.0, dt_ms=1.0, clusters=2)
    assert occupancy_entropy(shared).value == pytest.approx(1.0)
    one = observe_trains([always] * 10, duration_ms=5000.0, dt_ms=1.0)
    assert occupancy_entropy(one).note == "there is only one cluster"
    assert up_gap(one).note == "every cluster is up all the time"


def test_over_a_busy_background_relative_thresholds_and_a_mixture_find_what_absolute_ones_do_not() -> None:
    trains, up = switching_trains(
        np.random.default_rng(22),
        clusters=6,
        size=60,
        up_hz=70.0,
        down_hz=25.0,
        dwell_ms=300.0,
        gap_ms=900.0,
        duration_ms=60_000.0,
    )
    busy = observe_trains(trains, duration_ms=60_000.0, dt_ms=1.0, clusters=6)
    share = 6 * up.mean()
    assert active_clusters(busy).value > 5.5  # the background alone is above 20 Hz
    for kind in ("relative", "mixture"):
        found = active_clusters.with_options(thresholds=kind)(busy)
        assert found.value == pytest.approx(share, rel=0.12), kind
    flat, _ = switching_trains(
        np.random.default_rng(23),
        clusters=3,
        size=60,
        up_hz=10.0,
        down_hz=10.0,
        dwell_ms=300.0,
        gap_ms=900.0,
        duration_ms=20_000.0,
    )
    alone = observe_trains(flat, duration_ms=20_000.0, dt_ms=1.0, clusters=3)
    found = active_clusters.with_options(thresholds="mixture")(alone)
    assert found.value == 0.0
    assert found.note == "the rates do not have two separate levels; thresholds are used as given"
    with pytest.raises(ObjectiveError, match="thresholds must be one of absolute, relative, mixture"):
        dwell_time.with_options(thresholds="none")


def test_the_bias_of_switching_and_gaps_by_smoothing_is_as_their_docstrings_say() -> None:
    trains, _ = switching_trains(
        np.random.default_rng(1),
        clusters=10,
        size=60,
        up_hz=60.0,
        down_hz=5.0,
        dwell_ms=150.0,
        gap_ms=500.0,
        duration_ms=60_000.0,
    )
    observation = observe_trains(trains, duration_ms=60_000.0, dt_ms=1.0, clusters=10)
    fine = {"min_ms": 0.0, "sigma_ms": 5.0, "theta_hi_hz": 35.0, "theta_lo_hz": 30.0}
    assert switching_rate(observation).value == pytest.approx(1.17, abs=0.08)
    assert switching_rate.with_options(**fine)(observation).value == pytest.approx(1.43, abs=0.08)
    assert up_gap(observation).value == pytest.approx(620.0, rel=0.07)
    assert up_gap.with_options(**fine)(observation).value == pytest.approx(544.0, rel=0.07)


@pytest.mark.parametrize("seed", [7, 13, 19, 91])
def test_a_mixture_finds_the_levels_where_one_start_of_its_fit_does_not(seed: int) -> None:
    random = np.random.default_rng(seed)
    n, share = random.integers(400, 4000), random.uniform(0.03, 0.9)
    low = random.uniform(1, 8)
    high = low + random.uniform(15, 50)
    low_sd, high_sd = random.uniform(0.5, 3), random.uniform(1, 8)
    is_up = random.random(n) < share
    rates = np.where(is_up, random.normal(high, high_sd, n), random.normal(low, low_sd, n))
    # Twenty neurons in bins of 50 s: counts of thousands, so that rounding does not matter.
    counts = np.maximum(np.round(rates * 50 * 20), 0).astype(np.int64)[None]
    seen = SimpleNamespace(group_counts=lambda *_: counts, group_sizes=lambda _: np.array([20]))
    found = up_states(
        cast(Observation, seen),
        population="E",
        theta_hi_hz=1.0,
        theta_lo_hz=1.0,
        min_ms=0.0,
        bin_ms=50_000.0,
        sigma_ms=0.0,
        thresholds="mixture",
    )
    assert found.theta_hz == pytest.approx(low + 2 / 3 * (high - low), rel=0.08)
