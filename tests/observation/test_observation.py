"""Observations: counters of spikes, and the accumulator that fills them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibrate.errors import ObservationError
from calibrate.observation import (
    Accumulator,
    Group,
    Layout,
    Needs,
    Observation,
    observe_spikes,
    steps,
)
from calibrate.observation.packing import pack

LAYOUT = Layout.of([("E", 6, 3), ("I", 2, 1)])
N_STEPS = 1200  # of .5 ms


def random_spikes(seed: int, probability: float = 0.03) -> tuple[np.ndarray, np.ndarray]:
    fires = np.random.default_rng(seed).random((N_STEPS, LAYOUT.n_neurons)) < probability
    return np.nonzero(fires)


def accumulate(step: np.ndarray, neuron: np.ndarray, cuts: list[int], **options: bool) -> Observation:
    accumulator = Accumulator(LAYOUT, dt_ms=0.5, bin_ms=2.0, window_ms=50.0, **options)
    start = 0
    for stop in [*cuts, N_STEPS]:
        piece = (step >= start) & (step < stop)
        accumulator.add(step[piece], neuron[piece], stop)
        start = stop
    return accumulator.finish()


def assert_same(one: Observation, other: Observation) -> None:
    for name in ("group_bins", "neuron_windows", "neuron_totals", "depolarisation"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for field in dataclasses.fields(one.intervals):
        np.testing.assert_allclose(
            getattr(one.intervals, field.name), getattr(other.intervals, field.name), rtol=1e-12
        )
    assert (one.duration_ms, one.bin_ms, one.window_ms) == (other.duration_ms, other.bin_ms, other.window_ms)


def explicit(**changes: object) -> Observation:
    """A small observation from its arrays, with some of them changed."""
    step, neuron = random_spikes(0)
    whole = accumulate(step, neuron, [])
    return dataclasses.replace(whole, **changes)


# Accumulating


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 1000),
    probability=st.sampled_from([0.0, 0.0005, 0.01, 0.3, 1.0]),
    cuts=st.lists(st.integers(0, N_STEPS), max_size=6).map(sorted),
)
def test_spikes_in_pieces_give_what_they_give_in_one(seed: int, probability: float, cuts: list[int]) -> None:
    step, neuron = random_spikes(seed, probability)
    assert_same(accumulate(step, neuron, cuts), accumulate(step, neuron, []))


def test_the_order_of_the_spikes_of_a_piece_does_not_matter() -> None:
    step, neuron = random_spikes(1)
    order = np.random.default_rng(0).permutation(step.size)
    assert_same(accumulate(step[order], neuron[order], [333]), accumulate(step, neuron, [333]))


def test_counts_are_those_of_numpy_histograms() -> None:
    step, neuron = random_spikes(2)
    observation = accumulate(step, neuron, [100, 101, 700])
    for row, group in enumerate(LAYOUT.groups):
        mine = (neuron >= group.start) & (neuron < group.stop)
        expected = np.histogram(step[mine], bins=np.arange(0, N_STEPS + 1, 4))[0]
        np.testing.assert_array_equal(observation.group_bins[row], expected)
    for row in range(LAYOUT.n_neurons):
        expected = np.histogram(step[neuron == row], bins=np.arange(0, N_STEPS + 1, 100))[0]
        np.testing.assert_array_equal(observation.neuron_windows[row], expected)
        assert observation.neuron_totals[row] == (neuron == row).sum()


def test_interval_moments_are_those_of_the_differences_of_spike_times() -> None:
    step, neuron = random_spikes(3)
    moments = accumulate(step, neuron, [250, 251, 800]).intervals
    for row in range(LAYOUT.n_neurons):
        intervals = np.diff(step[neuron == row]) * 0.5
        change = np.diff(intervals) / (intervals[1:] + intervals[:-1])
        assert moments.n[row] == intervals.size
        assert moments.sum[row] == pytest.approx(intervals.sum())
        assert moments.sum_sq[row] == pytest.approx((intervals**2).sum())
        assert moments.cv2[row] == pytest.approx(2 * np.abs(change).sum())
        assert moments.lv[row] == pytest.approx(3 * (change**2).sum())
        pairs = intervals[1:] + intervals[:-1]
        assert moments.lvr[row] == pytest.approx(3 * (change**2 * 4 / pairs).sum())


def test_an_interval_that_spans_three_pieces_is_counted_once() -> None:
    accumulator = Accumulator(Layout.of([("E", 1, 1)]), dt_ms=1.0, bin_ms=1.0, window_ms=10.0)
    accumulator.add(np.array([2, 5]), np.array([0, 0]), 10)
    accumulator.add(np.array([], dtype=int), np.array([], dtype=int), 20)
    accumulator.add(np.array([24]), np.array([0]), 30)
    moments = accumulator.finish().intervals
    assert (moments.n[0], moments.sum[0], moments.sum_sq[0]) == (2, 22.0, 3.0**2 + 19.0**2)
    assert moments.cv2[0] == pytest.approx(2 * 16 / 22)
    assert moments.lv[0] == pytest.approx(3 * (16 / 22) ** 2)
    assert moments.lvr[0] == pytest.approx(moments.lv[0] * 4 / 22)


@pytest.mark.parametrize("spikes", [[], [7]])
def test_no_spike_and_one_spike_have_no_intervals(spikes: list[int]) -> None:
    layout = Layout.of([("E", 1, 1)])
    observation = observe_spikes(spikes, [0] * len(spikes), layout, dt_ms=1.0, duration_ms=100.0)
    assert observation.neuron_totals.tolist() == [len(spikes)]
    for name in ("n", "sum", "sum_sq", "cv2", "lv", "lvr"):
        assert getattr(observation.intervals, name).tolist() == [0]


def test_two_spikes_have_an_interval_and_no_pair() -> None:
    layout = Layout.of([("E", 1, 1)])
    moments = observe_spikes([3, 10], [0, 0], layout, dt_ms=1.0, duration_ms=100.0).intervals
    assert (moments.n[0], moments.sum[0], moments.cv2[0], moments.lv[0]) == (1, 7.0, 0.0, 0.0)


def test_an_incomplete_last_window_is_left_out_of_the_windows_only() -> None:
    layout = Layout.of([("E", 1, 1)])
    spikes = [5, 45, 95]
    observation = observe_spikes(
        spikes, [0] * 3, layout, dt_ms=1.0, duration_ms=100.0, bin_ms=10.0, window_ms=40.0
    )
    assert observation.neuron_windows.tolist() == [[1, 1]]
    assert observation.neuron_totals.tolist() == [3]
    assert observation.group_bins.sum() == 3


def test_spikes_are_kept_only_if_asked_for_and_then_in_order() -> None:
    step, neuron = random_spikes(4)
    assert accumulate(step, neuron, []).spikes is None
    order = np.random.default_rng(1).permutation(step.size)
    kept = accumulate(step[order], neuron[order], [600], keep_spikes=True).spikes
    assert kept is not None
    np.testing.assert_array_equal(kept.step, step)
    np.testing.assert_array_equal(kept.neuron, neuron)


def test_finishing_twice_gives_two_observations_of_their_own() -> None:
    accumulator = Accumulator(Layout.of([("E", 1, 1)]), dt_ms=1.0, bin_ms=1.0, window_ms=5.0)
    accumulator.add(np.array([2]), np.array([0]), 5)
    early = accumulator.finish()
    accumulator.add(np.array([7]), np.array([0]), 10)
    late = accumulator.finish()
    assert (early.duration_ms, early.neuron_totals[0]) == (5.0, 1)
    assert (late.duration_ms, late.neuron_totals[0]) == (10.0, 2)


def test_membranes_that_nobody_saw_are_nan() -> None:
    assert np.isnan(accumulate(*random_spikes(0), []).depolarisation).all()


@pytest.mark.parametrize(
    ("step", "neuron", "until", "message"),
    [
        ([10], [0], 10, "must lie in steps 5 to 9"),
        ([4], [0], 10, "must lie in steps 5 to 9"),
        ([6], [8], 10, "a neuron that the network does not have"),
        ([6], [-1], 10, "a neuron that the network does not have"),
        ([7, 6, 7], [1, 1, 1], 10, "neuron 1 fires twice in step 7"),
        ([], [], 4, "time runs backwards, from step 5 to 4"),
    ],
)
def test_spikes_that_cannot_be_are_refused_and_change_nothing(
    step: list[int], neuron: list[int], until: int, message: str
) -> None:
    accumulator = Accumulator(LAYOUT, dt_ms=1.0, bin_ms=1.0, window_ms=5.0)
    accumulator.add(np.array([1]), np.array([0]), 5)
    with pytest.raises(ObservationError, match=message):
        accumulator.add(np.array(step, dtype=int), np.array(neuron, dtype=int), until)
    observation = accumulator.finish()
    assert (observation.duration_ms, observation.neuron_totals.sum()) == (5.0, 1)


def test_two_neurons_may_fire_in_the_same_step() -> None:
    observation = observe_spikes([7, 7], [0, 1], LAYOUT, dt_ms=1.0, duration_ms=50.0)
    assert observation.group_bins[0, 7] == 2


# Reading


def test_each_population_has_its_own_rows() -> None:
    observation = accumulate(*random_spikes(5), [])
    assert (observation.size("E"), observation.size("I")) == (6, 2)
    assert observation.group_sizes("E").tolist() == [2, 2, 2]
    np.testing.assert_array_equal(observation.totals("I"), observation.neuron_totals[6:])
    np.testing.assert_array_equal(observation.group_counts("E", 2.0), observation.group_bins[:3])
    np.testing.assert_array_equal(observation.neuron_counts("I", 50.0), observation.neuron_windows[6:])
    np.testing.assert_array_equal(observation.interval_moments("I").sum, observation.intervals.sum[6:])


def test_a_population_that_is_not_there_is_refused_by_name() -> None:
    observation = accumulate(*random_spikes(5), [])
    with pytest.raises(ObservationError, match="no population 'X'; this network has E, I"):
        observation.totals("X")


def test_wider_bins_are_sums_of_the_stored_ones_without_an_incomplete_last_one() -> None:
    layout = Layout.of([("E", 1, 1)])
    observation = observe_spikes(
        [0, 1, 3, 5, 6, 9], [0] * 6, layout, dt_ms=1.0, duration_ms=10.0, bin_ms=1.0, window_ms=2.0
    )
    assert observation.group_counts("E", 4.0).tolist() == [[3, 2]]
    assert observation.group_counts("E", 10.0).tolist() == [[6]]
    assert observation.group_counts("E", 20.0).shape == (1, 0)
    assert observation.neuron_counts("E", 2.0).tolist() == [[2, 1, 1, 1, 1]]
    assert observation.neuron_counts("E", 4.0).tolist() == [[3, 2]]


@pytest.mark.parametrize("wanted_ms", [1.0, 3.0, 5.0, 0.1])
def test_bins_that_the_stored_ones_do_not_make_up_are_refused_with_both_widths(wanted_ms: float) -> None:
    observation = accumulate(*random_spikes(5), [])
    with pytest.raises(ObservationError, match=f"bins of {wanted_ms:g} ms are needed.*bins of 2 ms"):
        observation.group_counts("E", wanted_ms)


def test_windows_that_the_stored_ones_do_not_make_up_are_refused_with_both_widths() -> None:
    observation = accumulate(*random_spikes(5), [])
    with pytest.raises(ObservationError, match=r"windows of 75 ms are needed.*windows of 50 ms"):
        observation.neuron_counts("E", 75.0)


def test_bins_of_a_width_that_is_no_binary_fraction_add_up_too() -> None:
    layout = Layout.of([("E", 1, 1)])
    observation = observe_spikes([0], [0], layout, dt_ms=0.1, duration_ms=30.0, bin_ms=0.1, window_ms=0.3)
    assert observation.group_counts("E", 0.3).shape == (1, 100)
    assert observation.neuron_counts("E", 0.6).shape == (1, 50)


# Holding together


def test_arrays_are_read_only() -> None:
    observation = accumulate(*random_spikes(6), [], keep_spikes=True)
    assert observation.spikes is not None
    arrays = [
        observation.group_bins,
        observation.neuron_windows,
        observation.neuron_totals,
        observation.depolarisation,
        observation.intervals.n,
        observation.intervals.sum,
        observation.intervals.sum_sq,
        observation.intervals.cv2,
        observation.intervals.lv,
        observation.intervals.lvr,
        observation.spikes.step,
        observation.spikes.neuron,
        observation.totals("E"),
    ]
    for array in arrays:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    observation.group_counts("E", 2.0)[:] = 0  # a copy
    assert observation.group_counts("E", 2.0).sum() > 0


def test_the_membranes_that_a_simulator_hands_over_stay_its_own() -> None:
    accumulator = Accumulator(LAYOUT, dt_ms=1.0, bin_ms=1.0, window_ms=5.0)
    accumulator.add(np.array([], dtype=int), np.array([], dtype=int), 10)
    membranes = np.full(4, 0.5)
    observation = accumulator.finish(membranes)
    membranes[:] = 9.0
    assert observation.depolarisation.tolist() == [0.5] * 4
    assert observation.group_depolarisation("I").tolist() == [0.5]


def test_counts_of_groups_and_neurons_that_differ_are_refused() -> None:
    totals = explicit().neuron_totals.copy()
    totals[0] += 1
    with pytest.raises(ObservationError, match="of groups and of neurons disagree"):
        explicit(neuron_totals=totals)


@pytest.mark.parametrize("name", ["group_bins", "neuron_windows", "neuron_totals"])
def test_negative_counts_are_refused_by_name(name: str) -> None:
    counts = getattr(explicit(), name).astype(np.int64)
    counts.flat[0] = -1
    with pytest.raises(ObservationError, match=f"{name} contains a negative number of spikes"):
        explicit(**{name: counts})


@pytest.mark.parametrize("name", ["group_bins", "neuron_windows", "neuron_totals", "depolarisation"])
def test_arrays_of_another_shape_are_refused_by_name(name: str) -> None:
    with pytest.raises(ObservationError, match=f"{name} has shape"):
        explicit(**{name: getattr(explicit(), name)[1:]})


def test_interval_moments_of_another_shape_are_refused_by_name() -> None:
    intervals = dataclasses.replace(explicit().intervals, lv=np.zeros(3))
    with pytest.raises(ObservationError, match=r"intervals\.lv has shape \(3,\), expected \(8,\)"):
        explicit(intervals=intervals)


@pytest.mark.parametrize("duration_ms", [0.0, -5.0, float("nan")])
def test_a_measurement_needs_a_length(duration_ms: float) -> None:
    with pytest.raises(ObservationError, match="a measurement must be longer"):
        explicit(duration_ms=duration_ms)


def test_an_accumulator_without_a_step_has_nothing_to_show() -> None:
    with pytest.raises(ObservationError, match="a measurement must be longer"):
        Accumulator(LAYOUT, dt_ms=1.0, bin_ms=1.0, window_ms=5.0).finish()


def test_a_measurement_that_ends_within_a_bin_is_refused() -> None:
    with pytest.raises(ObservationError, match="the measurement of 7 ms is not a whole number of 2 ms steps"):
        observe_spikes([], [], LAYOUT, dt_ms=1.0, duration_ms=7.0, bin_ms=2.0)


@pytest.mark.parametrize(("bin_ms", "window_ms", "what"), [(0.25, 50.0, "a bin"), (1.0, 50.2, "a window")])
def test_widths_that_are_no_whole_number_of_steps_are_refused(
    bin_ms: float, window_ms: float, what: str
) -> None:
    with pytest.raises(ObservationError, match=f"{what} of .* ms is not a whole number of 0.5 ms steps"):
        Accumulator(LAYOUT, dt_ms=0.5, bin_ms=bin_ms, window_ms=window_ms)


def test_steps_forgive_the_rounding_of_decimal_fractions() -> None:
    assert steps(0.3, 0.1, "a bin") == 3
    assert steps(1_800_000.0, 0.1, "half an hour") == 18_000_000


# Layout


def test_populations_follow_one_another_and_clusters_lie_within_them() -> None:
    assert LAYOUT.populations == ("E", "I")
    assert LAYOUT.n_neurons == 8
    assert LAYOUT.boundaries.tolist() == [0, 2, 4, 6]
    assert LAYOUT.groups_of("E") == slice(0, 3)
    assert LAYOUT.neurons_of("I") == slice(6, 8)


@pytest.mark.parametrize(
    "groups",
    [
        (Group("E", 0, 1, 3),),
        (Group("E", 0, 0, 2), Group("E", 1, 3, 4)),
        (Group("E", 0, 0, 0),),
        (Group("E", 0, 0, 2), Group("I", 0, 2, 3), Group("E", 1, 3, 4)),
    ],
    ids=["starts late", "has a gap", "is empty", "is torn apart"],
)
def test_groups_that_do_not_tile_the_network_are_refused(groups: tuple[Group, ...]) -> None:
    with pytest.raises(ObservationError):
        Layout(groups)


def test_group_means_are_taken_along_the_last_axis() -> None:
    values = np.array([[1.0, 3.0, 0.0, 2.0, 5.0, 5.0, 7.0, 8.0], np.arange(8)])
    expected = [[2.0, 1.0, 5.0, 7.5], [0.5, 2.5, 4.5, 6.5]]
    np.testing.assert_array_equal(LAYOUT.group_means(values), expected)
    np.testing.assert_array_equal(LAYOUT.group_means(values[1]), expected[1])


def test_sizes_that_do_not_divide_into_clusters_are_refused() -> None:
    with pytest.raises(ObservationError, match="10 neurons of E do not divide into 3 clusters"):
        Layout.of([("E", 10, 3)])


# Needs


def test_merged_needs_are_the_widest_bins_that_make_up_all() -> None:
    merged = Needs.merge([Needs(bin_ms=5.0), Needs(bin_ms=2.0, isi=True), Needs(window_ms=400.0)])
    assert merged == Needs(bin_ms=1.0, window_ms=400.0, isi=True)
    assert Needs.merge([Needs(window_ms=400.0), Needs(window_ms=1000.0)]).window_ms == 200.0
    assert Needs.merge([Needs(bin_ms=0.3), Needs(bin_ms=0.2, spikes=True)]) == Needs(bin_ms=0.1, spikes=True)
    assert Needs.merge([]) == Needs()


@pytest.mark.parametrize("width", [0.0, -5.0, float("nan"), float("inf")])
def test_a_width_that_is_none_is_refused(width: float) -> None:
    with pytest.raises(ObservationError, match="bin_ms must be a width above 0 ms"):
        Needs(bin_ms=width)
    with pytest.raises(ObservationError, match="window_ms must be a width above 0 ms"):
        Needs(window_ms=width)


def test_counts_are_kept_narrow_and_returned_wide():
    layout = Layout.of([("E", 2, 1)])
    step = np.arange(1000)
    observation = observe_spikes(
        np.concatenate([step, step]),
        np.repeat([0, 1], 1000),
        layout,
        dt_ms=0.1,
        duration_ms=100.0,
        window_ms=25.0,
    )
    assert observation.group_bins.dtype == np.uint8
    assert observation.neuron_windows.dtype == np.uint8
    for counts, expected in (
        (observation.group_counts("E", 1.0), np.full((1, 100), 20)),
        (observation.group_counts("E", 50.0), np.full((1, 2), 1000)),
        (observation.neuron_counts("E", 25.0), np.full((2, 4), 250)),
        (observation.neuron_counts("E", 100.0), np.full((2, 1), 1000)),
    ):
        assert counts.dtype == np.int64
        np.testing.assert_array_equal(counts, expected)
    unpacked = pack(observation).unpack()
    assert unpacked.neuron_windows.dtype == np.uint8
    np.testing.assert_array_equal(unpacked.neuron_counts("E", 50.0), np.full((2, 2), 500))


@pytest.mark.parametrize("duration_ms", [100, 1250, 2499, 2500, 7300, 40_000])
def test_intervals_in_blocks_add_up_to_all_and_belong_to_the_block_in_which_they_end(duration_ms) -> None:
    random = np.random.default_rng(duration_ms)
    step, neuron = np.nonzero(random.random((duration_ms, LAYOUT.n_neurons)) < 0.02)
    one = observe_spikes(step, neuron, LAYOUT, dt_ms=1.0, duration_ms=duration_ms, window_ms=50.0)
    assert one.interval_blocks is not None
    blocks = one.interval_blocks.n.shape[1]
    assert blocks == -(-duration_ms // 125) or 10 <= blocks <= 20
    for field in dataclasses.fields(one.intervals):
        in_blocks, in_all = (getattr(m, field.name) for m in (one.interval_blocks, one.intervals))
        np.testing.assert_allclose(in_blocks.sum(axis=1, dtype=float), in_all, rtol=1e-6)
    width = 125
    while duration_ms >= 20 * width:
        width *= 2
    of_first = step[neuron == 0]
    ends = np.bincount(of_first[1:] // width, minlength=blocks)
    assert one.interval_blocks.n[0].tolist() == ends.tolist()
    assert one.block_moments("I").n.tolist() == one.interval_blocks.n[6:].tolist()


def test_intervals_in_blocks_do_not_depend_on_the_pieces() -> None:
    random = np.random.default_rng(0)
    step, neuron = np.nonzero(random.random((9000, LAYOUT.n_neurons)) < 0.02)
    whole = observe_spikes(step, neuron, LAYOUT, dt_ms=1.0, duration_ms=9000, bin_ms=2.0, window_ms=50.0)
    pieces = Accumulator(LAYOUT, dt_ms=1.0, bin_ms=2.0, window_ms=50.0)
    for start, stop in ((0, 130), (130, 2500), (2500, 2501), (2501, 9000)):
        inside = (step >= start) & (step < stop)
        pieces.add(step[inside], neuron[inside], stop)
    for field in dataclasses.fields(whole.intervals):
        one, other = (getattr(o.interval_blocks, field.name) for o in (whole, pieces.finish()))
        np.testing.assert_allclose(one, other, rtol=1e-12)
