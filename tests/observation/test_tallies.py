"""Tallies against the observation of the same spikes, counted anew."""

from __future__ import annotations

import numpy as np
import pytest

from calibrate.observation import Layout, Needs
from calibrate.observation.tallies import Tally, tally
from calibrate.observation.trains import observe_times

LENGTH = 10_000.0
SPANS = [(500.0 + 2000.0 * k, 500.0 + min(2000.0 * (k + 1), LENGTH)) for k in range(5)]
NEEDS = Needs(bin_ms=2.0, window_ms=40.0, isi=True)
LAYOUT = Layout.of([("E", 6, 2), ("I", 2, 1)])


def trains() -> list[np.ndarray]:
    """Eight units from 500 ms on: one silent, one with a single spike, some silent in a whole span."""
    random = np.random.default_rng(0)
    found = [np.sort(random.uniform(500.0, 500.0 + LENGTH, n)) for n in (400, 0, 1, 30, 5, 200, 60, 3)]
    found[5] = found[5][(found[5] < 2500.0) | (found[5] > 4500.0)]
    return found


def counted(units: list[np.ndarray], layout: Layout = LAYOUT) -> Tally:
    found = tally(units, layout, start_ms=500.0, duration_ms=LENGTH, needs=NEEDS, spans_ms=SPANS)
    assert found is not None
    return found


def check(found: Tally, units: list[np.ndarray], layout: Layout, without: int | None) -> None:
    length = LENGTH
    if without is not None:
        start, stop = SPANS[without]
        length -= stop - start
        units = [np.concatenate([one[one <= start], one[one > stop] - (stop - start)]) for one in units]
    anew = observe_times(
        units, layout, start_ms=500.0, duration_ms=length, dt_ms=1e-6, bin_ms=2.0, window_ms=40.0
    )
    observed = found.observation(without)
    assert observed.layout == anew.layout
    assert observed.duration_ms == anew.duration_ms
    for name in ("group_bins", "neuron_windows", "neuron_totals"):
        assert np.array_equal(getattr(observed, name), getattr(anew, name)), name
    assert np.array_equal(observed.intervals.n, anew.intervals.n)
    for name in ("sum", "sum_sq", "cv2", "lv", "lvr"):
        expected = getattr(anew.intervals, name)
        assert getattr(observed.intervals, name) == pytest.approx(expected, rel=1e-6, abs=1e-9), name


@pytest.mark.parametrize("without", [None, *range(len(SPANS))])
def test_what_is_counted_once_is_what_is_counted_anew(without):
    check(counted(trains()), trains(), LAYOUT, without)


@pytest.mark.parametrize("without", [None, 0, 2, 4])
def test_some_of_the_units_need_no_counting(without):
    rows = np.array([0, 3, 4, 5, 7])
    layout = LAYOUT.of_neurons(rows)
    assert [(group.population, group.cluster, group.size) for group in layout.groups] == [
        ("E", 0, 1),
        ("E", 1, 3),
        ("I", 0, 1),
    ]
    check(counted(trains()).of_units(rows, layout), [trains()[row] for row in rows], layout, without)


def test_trains_that_are_counted_apart_give_the_same(monkeypatch):
    together = counted(trains()).observation(1)
    monkeypatch.setattr("calibrate.observation.tallies._AT_ONCE", 100)
    apart = counted(trains()).observation(1)
    assert np.array_equal(together.intervals.lvr, apart.intervals.lvr)
    assert np.array_equal(together.group_bins, apart.group_bins)


def test_a_bin_of_more_spikes_than_a_byte_counts_is_counted():
    burst = [np.linspace(501.0, 501.9, 40_000)] * 2
    found = tally(
        burst, Layout.of([("E", 2, 1)]), start_ms=500.0, duration_ms=LENGTH, needs=NEEDS, spans_ms=SPANS
    )
    assert found is not None
    assert found.observation().group_bins[0, 0] == 80_000


def test_spans_that_cut_a_bin_cannot_be_left_out():
    spans = [(500.0, 1001.0), (1001.0, 500.0 + LENGTH)]
    found = tally(trains(), LAYOUT, start_ms=500.0, duration_ms=LENGTH, needs=NEEDS, spans_ms=spans)
    assert found is None
