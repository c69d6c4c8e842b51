"""The rules that every statistic follows, as a test suite for the authors of statistics.

# test_mine.py, run with pytest
from calibrate.testing import StatisticContract
from mine import peak_rate

class TestPeakRate(StatisticContract):
    statistic = peak_rate
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from calibrate.objective import Estimate, Objective, Statistic, Value
from calibrate.observation import Episode, Layout, Observation, observe_spikes
from calibrate.observation.layout import BIN_MS, WINDOW_MS

CLUSTERS, SIZE, DURATION_MS = 4, 10, 2000
NEURONS = CLUSTERS * SIZE

Trains = Sequence[NDArray[np.int64]]

_NEVER = np.zeros(0, dtype=np.int64)


def _poisson(seed: int, rates_hz: NDArray[np.float64]) -> Trains:
    """Steps of 1 ms in which neurons fire at these rates, shape (neurons, steps)."""
    fires = np.random.default_rng(seed).random(rates_hz.shape) < rates_hz / 1000
    return [np.flatnonzero(row) for row in fires]


def _switching(seed: int, up_hz: float, down_hz: float) -> NDArray[np.float64]:
    """Rates of neurons whose clusters are up for 200 ms and down for 400 ms on average."""
    random = np.random.default_rng(seed)
    rates = np.full((CLUSTERS, DURATION_MS), down_hz)
    for row in rates:
        time = random.exponential(400.0)
        while time < DURATION_MS:
            stop = time + random.exponential(200.0)
            row[int(time) : int(stop)] = up_hz
            time = stop + random.exponential(400.0)
    return np.repeat(rates, SIZE, axis=0)


def _each(train: Callable[[int], NDArray[np.int64]]) -> Trains:
    return [train(i) for i in range(NEURONS)]


_HALF = np.repeat([30.0, 0.0], NEURONS // 2)[:, None] * np.ones(DURATION_MS)

REGIMES: Mapping[str, Trains] = {
    "silent": _each(lambda _: _NEVER),
    "one spike": _each(lambda i: np.array([900]) if i == 3 else _NEVER),
    "two spikes": _each(lambda i: np.array([900, 950]) if i == 3 else _NEVER),
    "a spike each": _each(lambda i: np.array([40 * i])),
    "half silent": _poisson(0, _HALF),
    "irregular": _poisson(1, np.full((NEURONS, DURATION_MS), 8.0)),
    "switching": _poisson(2, _switching(3, 60.0, 3.0)),
    "winner takes all": _each(lambda i: np.arange(i, DURATION_MS, 17) if i < SIZE else _NEVER),
    "locked": _each(lambda _: np.arange(10, DURATION_MS, 100)),
    "saturated": _each(lambda _: np.arange(DURATION_MS)),
}
"""Spikes of 40 neurons in four clusters in steps of 1 ms, from none to one in every step."""


def observed(
    trains: Trains,
    *,
    depolarisation: float = math.nan,
    bin_ms: float = BIN_MS,
    window_ms: float = WINDOW_MS,
    clusters: int = CLUSTERS,
) -> Observation:
    """Make the observation of a regime, as population "E".

    Parameters
    ----------
    trains : sequence of ndarray of int
        Steps of 1 ms in which each of the 40 neurons fires, such as an entry of `REGIMES`.
    depolarisation : float
        Mean relative depolarisation of all clusters at the end; nan by default.
    bin_ms : float, ms
        Width of the bins of group counts.
    window_ms : float, ms
        Width of the windows of neuron counts.
    clusters : int
        Number of clusters of equal size.

    Returns
    -------
    Observation
        2 s of the clusters, with two episodes of an environment.

    Raises
    ------
    ObservationError
        If a width is not a whole number of milliseconds.

    Examples
    --------
    >>> from calibrate.testing import REGIMES, observed
    >>> observed(REGIMES["a spike each"]).totals("E").sum()
    np.int64(40)
    """
    layout = Layout.of([("E", NEURONS, clusters)])
    observation = observe_spikes(
        np.concatenate(list(trains)),
        np.repeat(np.arange(NEURONS), [train.size for train in trains]),
        layout,
        dt_ms=1.0,
        duration_ms=DURATION_MS,
        bin_ms=bin_ms,
        window_ms=window_ms,
    )
    values = {field.name: getattr(observation, field.name) for field in fields(observation)}
    measures = {"correct": 1.0, "reaction_time_ms": 80.0}
    episodes = (Episode(0.0, 400.0, 1.0, measures), Episode(400.0, 900.0, 0.0, {**measures, "correct": 0.0}))
    values |= {"depolarisation": np.full(clusters, depolarisation), "episodes": episodes}
    return Observation(**values)


class StatisticContract:
    """The tests that every statistic must pass, whatever a sampler tries.

    Subclass it and set `statistic`; pytest then runs every method as a test.

    Attributes
    ----------
    statistic : Statistic
        The statistic to test.
    order_matters : bool
        Whether the order of the neurons in a cluster, and of the clusters, may change the value.

    Examples
    --------
    >>> from calibrate import find_statistic
    >>> from calibrate.testing import StatisticContract
    >>> class TestRate(StatisticContract):
    ...     statistic = find_statistic("rate_E")
    >>> TestRate().test_an_undefined_value_says_why()
    """

    statistic: Statistic
    order_matters = False

    def test_every_regime_has_a_finite_loss_of_at_least_zero(self) -> None:
        objective = Objective(statistic=self.statistic, target=Value(1.0, 0.01))
        for regime, trains in REGIMES.items():
            for depolarisation in (math.nan, 0.99, 0.0, -50.0):
                estimate = self.statistic(observed(trains, depolarisation=depolarisation))
                assert 0 <= estimate.shortfall <= 1, regime
                assert math.isnan(estimate.support) or estimate.support >= 0, regime
                assert math.isnan(estimate.error) or estimate.error >= 0, regime
                loss = objective.loss(estimate)
                assert math.isfinite(loss), regime
                assert loss >= 0, regime

    def test_an_undefined_value_says_why(self) -> None:
        for regime, trains in REGIMES.items():
            estimate = self.statistic(observed(trains))
            assert estimate.defined or estimate.note, regime

    def test_the_same_observation_gives_the_same_and_stays_as_it_is(self) -> None:
        for regime, trains in REGIMES.items():
            observation, untouched = (observed(trains, depolarisation=0.5) for _ in range(2))
            assert repr(self.statistic(observation)) == repr(self.statistic(observation)), regime
            for name in ("group_bins", "neuron_windows", "neuron_totals", "depolarisation"):
                assert np.array_equal(getattr(observation, name), getattr(untouched, name)), (regime, name)
            for field in fields(observation.intervals):
                one, other = (getattr(o.intervals, field.name) for o in (observation, untouched))
                assert np.array_equal(one, other), (regime, field.name)

    def test_the_order_of_neurons_and_clusters_does_not_matter(self) -> None:
        if self.order_matters:
            return
        random = np.random.default_rng(5)
        clusters = [random.permutation(SIZE) + SIZE * c for c in random.permutation(CLUSTERS)]
        order = np.concatenate(clusters)
        for regime, trains in REGIMES.items():
            shuffled = [trains[i] for i in order]
            self._assert_alike(regime, self.statistic(observed(trains)), self.statistic(observed(shuffled)))

    def test_clusters_matter_only_if_it_says_so(self) -> None:
        depends_on = self.statistic.depends_on
        if depends_on is None or "clusters" in depends_on:
            return
        for regime, trains in REGIMES.items():
            self._assert_alike(
                regime, self.statistic(observed(trains)), self.statistic(observed(trains, clusters=2))
            )

    def test_finer_bins_and_windows_give_the_same(self) -> None:
        needs = self.statistic.needs
        for regime, trains in REGIMES.items():
            as_needed = observed(
                trains, bin_ms=needs.bin_ms or 10.0, window_ms=needs.window_ms or float(DURATION_MS)
            )
            finer = observed(trains, bin_ms=1.0, window_ms=_divisor(needs.window_ms))
            self._assert_alike(regime, self.statistic(as_needed), self.statistic(finer))

    def test_what_other_populations_do_does_not_matter(self) -> None:
        if "population" not in self.statistic.options:
            return
        trains = REGIMES["switching"]
        layout = Layout.of([("I", 2, 1), ("E", NEURONS, CLUSTERS), ("X", 6, 3)])
        others = np.arange(0, DURATION_MS, 3)
        steps = [*trains, others, others]
        neurons = [*range(2, NEURONS + 2), 0, layout.n_neurons - 1]
        among_others = observe_spikes(
            np.concatenate(steps),
            np.repeat(neurons, [step.size for step in steps]),
            layout,
            dt_ms=1.0,
            duration_ms=DURATION_MS,
        )
        own = self.statistic.with_options(population="E")
        self._assert_alike("switching", own(among_others), own(observed(trains)))

    def test_the_loss_is_least_at_the_target(self) -> None:
        for regime, trains in REGIMES.items():
            estimate = self.statistic(observed(trains))
            if not estimate.defined or (self.statistic.scale == "log" and estimate.value <= 0):
                continue
            tolerance = 0.1 * abs(estimate.value) or 0.1
            losses = [
                Objective(statistic=self.statistic, target=Value(target, tolerance)).loss(estimate)
                for target in (estimate.value + shift * tolerance for shift in (-4, -2, -1, 0, 1, 2, 4))
            ]
            assert losses[3] == (1 if estimate.lower_bound else 0), regime
            assert losses == [*sorted(losses[:4], reverse=True), *sorted(losses[4:])], regime

    def test_it_says_what_it_is(self) -> None:
        assert self.statistic.summary, "the docstring is missing"
        assert self.statistic.name.isidentifier()

    def _assert_alike(self, regime: str, one: Estimate, other: Estimate) -> None:
        assert one.defined == other.defined, regime
        pairs = ((one.value, other.value), (one.support, other.support), (one.shortfall, other.shortfall))
        for a, b in pairs:
            assert math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9) or (math.isnan(a) and math.isnan(b)), regime
        assert one.note == other.note, regime


def _divisor(window_ms: float | None) -> float:
    """Return a width in whole steps that divides `window_ms`, and is shorter if possible."""
    if window_ms is None:
        return 40.0
    return next(float(n) for n in (40, 25, 10, 5, 2, 1) if window_ms % n == 0)
