"""Exact mode catches every planted error, each time, and says when and where spike trains part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from calibrate import Observation, ObservationError, simulators
from calibrate.calibration.validation.spike_trains import compare_spikes
from calibrate.models.ei_clustered import ei_clustered
from calibrate.network import wiring
from calibrate.network.wiring import Connections
from calibrate.observation import Accumulator, Layout, Spikes
from calibrate.simulators.base import Member, RecordingPlan, simulate
from tests.helpers.networks import SMALL
from tests.helpers.simulators import both

NAMES = ("NEST", "GeNN")
GRAPHS = range(5)

ERRORS: dict[str, dict[str, Any]] = {
    "a delay one step off": {"delay": 0.2},
    "swapped time constants": {"tau_syn_E": 2.0, "tau_syn_I": 3.0},
    "a refractory step too few": {"tau_r": 4.9},
}


def shown(backend: str, given: dict[str, Any], graph: int, *, seed: int = 5) -> Observation:
    parameters = {**SMALL, **given}
    network = ei_clustered.network(parameters)
    member = Member(values=ei_clustered.values(network, parameters), seed=seed)
    simulator = simulators.create(backend, dt_ms=0.1, precision="double")
    recording = RecordingPlan(spikes=True)
    with simulator.prepare(network, batch_size=1, recording=recording, wiring_seed=3) as prepared:
        found = simulate(prepared, [member], realisation=graph, warmup_ms=0.0, duration_ms=400.0)[0]
    assert isinstance(found, Observation)
    return found


@pytest.fixture(scope="module")
def correct() -> list[Observation]:
    return [shown("nest", {}, graph) for graph in GRAPHS]


@pytest.mark.parametrize("backend", both("genn", "nest"))
def test_the_same_network_is_identical_to_the_end(correct, backend):
    for graph in GRAPHS:
        found = compare_spikes(correct[graph], shown(backend, {}, graph), graph=graph, names=NAMES)
        assert found.first is None
        assert (found.graph, found.identical_ms, found.duration_ms) == (graph, 400.0, 400.0)
        assert found.spikes == correct[graph].spikes.step.size > 100


@pytest.mark.parametrize("backend", both("genn", "nest"))
@pytest.mark.parametrize("error", ERRORS)
def test_a_wrong_parameter_is_caught_on_every_graph(correct, backend, error):
    for graph in GRAPHS:
        wrong = shown(backend, ERRORS[error], graph)
        found = compare_spikes(correct[graph], wrong, graph=graph, names=NAMES)
        assert found.first is not None
        assert found.identical_ms < 100


def test_autapses_are_caught_on_every_graph(correct, monkeypatch):
    draw: Callable[..., Connections] = wiring.draw

    def with_autapses(network, projection, **more):
        drawn = draw(network, projection, **more)
        if projection.source != projection.target or projection.part == "between":
            return drawn
        # Each neuron onto itself with the probability of any other pair.
        n = drawn.row_lengths.size
        random = np.random.default_rng(more["realisation"])
        own = np.flatnonzero(random.random(n) < drawn.targets.size / n / (n / 3))
        sources = np.concatenate([drawn.sources, own]).astype(np.int32)
        targets = np.concatenate([drawn.targets, own]).astype(np.int32)
        order = np.lexsort((targets, sources))
        return Connections(np.bincount(sources, minlength=n).astype(np.int64), targets[order])

    monkeypatch.setattr(wiring, "draw", with_autapses)
    for graph in GRAPHS:
        found = compare_spikes(correct[graph], shown("nest", {}, graph), graph=graph, names=NAMES)
        assert found.first is not None


def test_other_initial_states_are_caught(correct):
    found = compare_spikes(correct[0], shown("nest", {}, 0, seed=6), graph=0, names=NAMES)
    assert found.identical_ms < 20


def spikes(*trains: tuple[int, int], steps: int = 100) -> Observation:
    """4 neurons of E and 2 of I, for 100 steps of 1 ms, with these spikes (step, neuron)."""
    layout = Layout.of([("E", 4, 1), ("I", 2, 1)])
    accumulator = Accumulator(layout, dt_ms=1.0, bin_ms=1.0, window_ms=50.0, keep_spikes=True)
    step, neuron = np.array(trains, dtype=np.int64).reshape(-1, 2).T
    accumulator.add(step, neuron, steps)
    return replace(accumulator.finish(), spikes=Spikes(step, neuron))


@pytest.mark.parametrize(
    ("one", "other", "identical_ms", "first"),
    [
        ([(3, 0), (7, 5)], [(3, 0), (7, 5)], 100.0, None),
        ([(7, 5), (3, 0)], [(3, 0), (7, 5)], 100.0, None),  # in any order
        ([], [], 100.0, None),
        ([(3, 0), (7, 5)], [(3, 0), (8, 5)], 7.0, "a spike of I neuron 1 at 8 ms in NEST only"),
        ([(3, 0), (8, 5)], [(3, 0), (7, 1)], 7.0, "a spike of E neuron 1 at 8 ms in GeNN only"),
        ([(3, 0)], [(3, 0), (7, 1)], 7.0, "a spike of E neuron 1 at 8 ms in GeNN only"),
        ([(3, 0), (9, 2)], [(3, 0)], 9.0, "a spike of E neuron 2 at 10 ms in NEST only"),
        ([(3, 1)], [(3, 2)], 3.0, "a spike of E neuron 1 at 4 ms in NEST only"),
    ],
)
def test_the_first_difference_is_said(one, other, identical_ms, first):
    found = compare_spikes(spikes(*one), spikes(*other), graph=0, names=NAMES)
    assert (found.identical_ms, found.first) == (identical_ms, first)


def test_what_cannot_be_compared_is_refused():
    one = spikes((3, 0))
    with pytest.raises(ObservationError, match="must contain all spikes"):
        compare_spikes(one, replace(one, spikes=None), graph=0, names=NAMES)
    longer = spikes((3, 0), steps=200)
    with pytest.raises(ObservationError, match="different lengths"):
        compare_spikes(one, longer, graph=0, names=NAMES)
