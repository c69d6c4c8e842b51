"""NEST and GeNN in double precision on one graph: the same spikes, spike for spike, over 3 s."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from calibrate import simulators
from calibrate.models.ei_clustered import ei_clustered
from calibrate.network import wiring
from calibrate.observation import Observation
from calibrate.simulators.base import Member, RecordingPlan, simulate
from tests.helpers.networks import METASTABLE

pytestmark = [pytest.mark.genn, pytest.mark.slow]

REGIMES: dict[str, dict[str, Any]] = {
    "asynchronous": {"J_E+": 1.0},
    "metastable": {"J_E+": 3.0},
    "winner-take-all": {"J_E+": 4.5},
    "synchronous": {"I_th_E": 1.25, "I_th_I": 0.78, "J_E+": 6.0, "R_J": 0.85},
    "heterogeneous and stimulated": {
        "sd_V_th_E": 1.0,
        "sd_I_x_I": 0.05,
        "I_stim": 0.5,
        "stim_clusters": (1, 3),
        "stim_intervals": ((700.0, 1000.0), (1500.0, 1550.0)),
    },
    "other units, delays and time constants": {
        "E_L": -70.0,
        "V_r": -72.0,
        "V_th": -50.0,
        "C": 250.0,
        "tau_syn_E": 5.0,
        "tau_syn_I": 10.0,
        "tau_r": 2.04,
        "delay": 1.55,
        "initial": "phase",
    },
}


def observe(name: str, given: dict[str, Any], *, realisation: int = 0) -> Observation:
    network = ei_clustered.network(given)
    member = Member(values=ei_clustered.values(network, given), seed=5)
    simulator = simulators.create(name, dt_ms=0.1, precision="double")
    recording = RecordingPlan(spikes=True)
    with simulator.prepare(network, batch_size=1, recording=recording, wiring_seed=3) as prepared:
        found = simulate(prepared, [member], realisation=realisation, warmup_ms=0.0, duration_ms=3000.0)[0]
    assert isinstance(found, Observation)
    return found


@pytest.mark.parametrize("connectivity", ["bernoulli", "fixed_indegree"])
@pytest.mark.parametrize("regime", REGIMES)
def test_nest_and_genn_give_the_same_spikes(regime, connectivity):
    given = {**METASTABLE, **REGIMES[regime], "connectivity": connectivity}
    nest, genn = observe("nest", given), observe("genn", given)
    assert nest.spikes is not None
    assert genn.spikes is not None
    assert nest.spikes.step.size > 10_000
    assert np.array_equal(nest.spikes.step, genn.spikes.step)
    assert np.array_equal(nest.spikes.neuron, genn.spikes.neuron)
    np.testing.assert_allclose(nest.depolarisation, genn.depolarisation, rtol=1e-9)


@pytest.mark.parametrize("connectivity", ["bernoulli", "fixed_indegree"])
def test_genn_draws_the_graph_that_is_drawn_for_nest(connectivity):
    given = {**METASTABLE, "connectivity": connectivity}
    network = ei_clustered.network(given)
    member = Member(values=ei_clustered.values(network, given), seed=5)
    simulator = simulators.create("genn", dt_ms=0.1, precision="double")
    with simulator.prepare(
        network, batch_size=1, recording=RecordingPlan(spikes=True), wiring_seed=3
    ) as prepared:
        for realisation in (0, 7):
            prepared.load([member], realisation)
            for projection in network.projections:
                found = prepared.connections(projection.name)
                drawn = wiring.draw(network, projection, wiring_seed=3, realisation=realisation)
                assert np.array_equal(found.row_lengths, drawn.row_lengths), projection.name
                assert np.array_equal(found.targets, drawn.targets), projection.name


def test_single_precision_keeps_the_statistics():
    rates: dict[str, list[float]] = {"single": [], "double": []}
    network = ei_clustered.network(METASTABLE)
    for precision in rates:
        simulator = simulators.create("genn", dt_ms=0.1, precision=precision)  # type: ignore[arg-type]
        with simulator.prepare(network, batch_size=1, recording=RecordingPlan(), wiring_seed=3) as prepared:
            for seed in range(6):
                member = Member(values=ei_clustered.values(network, METASTABLE), seed=seed)
                found = simulate(prepared, [member], realisation=0, warmup_ms=500.0, duration_ms=4000.0)[0]
                assert isinstance(found, Observation)
                rates[precision].append(float(found.totals("E").mean() / 4))
    difference = np.mean(rates["single"]) - np.mean(rates["double"])
    error = np.hypot(*(np.std(rates[p], ddof=1) / np.sqrt(6) for p in rates))
    assert abs(difference) < 4 * error  # a false alarm once in some hundred seeds; these seeds are fixed
