"""What every neuron model must do: its NEST and GeNN sides take the same spikes to the same voltage.

Where the equations are linear both make the same exact step, and agree to rounding. The others are integrated
differently, NEST with an absolute error of 1e-3 mV (iaf_cond_*) or 1e-6 mV (aeif_*) in a step.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import tests.helpers.own_network  # noqa: F401  registers a neuron model as a user does
from calibrate import simulators
from calibrate.network import (
    Bernoulli,
    Distributed,
    Network,
    Population,
    Projection,
    Uniform,
    UniformPotential,
    Values,
)
from calibrate.neurons import NeuronModel, neuron_model, neuron_models
from calibrate.observation import Observation
from calibrate.simulators.base import Member, Prepared, RecordingPlan

pytestmark = pytest.mark.genn

TOLERANCE_MV = {"iaf_cond_exp": 1e-3, "iaf_cond_exp_sfa": 1e-3, "aeif_cond_exp": 1e-4}
MODELS = [model.name for model in neuron_models()]
STEP_MS = 5.0


def network(model: NeuronModel, *, distributed: frozenset[str] = frozenset()) -> Network:
    """Twenty clocks, half of them exciting and half inhibiting six neurons of the model."""
    clocks = [
        Population(name=name, size=10, clusters=10, distributed=frozenset({"I_e"})) for name in ("ex", "in")
    ]
    cells = Population(name="cells", size=6, clusters=6, neuron=model.name, distributed=distributed)
    return Network(
        populations=(*clocks, cells),
        projections=tuple(
            Projection(
                source=receptor, target="cells", rule=Bernoulli(0.6), delay_ms=1.0 + k, receptor=receptor
            )
            for k, receptor in enumerate(model.receptors)
        ),
    )


def values(model: NeuronModel, *, drive: float, strength: float) -> Values:
    """Charges in parts of the gap between rest and threshold."""
    p = {parameter.name: parameter.default for parameter in model.parameters}
    gap = p["V_th"] - p["E_L"]
    charge = strength * gap * p["C_m"]  # fC: what moves the membrane by so much of the gap
    ex, inhibitory = charge / 2.0, -charge / 2.0  # pA over 2 ms
    if model.weight_unit == "nS":
        ex /= p["tau_syn_ex"] / 2.0 * (p["E_ex"] - p["E_L"])
        inhibitory /= p["tau_syn_in"] / 2.0 * abs(p["E_in"] - p["E_L"] - gap)
    rheobase = gap * p["C_m"] / float(model.tau_m(p))
    clock = {"C_m": 250.0, "I_e": Distributed(480.0, 40.0), "tau_syn_ex": 2.0}
    return Values(
        neurons={"ex": clock, "in": clock, "cells": {"I_e": drive * rheobase}},
        weights={"ex_to_cells_all": ex, "in_to_cells_all": inhibitory},
        initial={
            "ex": UniformPotential(-70.0, -56.0),
            "in": UniformPotential(-70.0, -56.0),
            "cells": UniformPotential(p["E_L"], p["E_L"] + 0.3 * gap),
        },
    )


def prepared(simulator: str, network: Network) -> Prepared:
    made = simulators.create(simulator, dt_ms=0.1, precision="double")
    return made.prepare(network, batch_size=1, recording=RecordingPlan(spikes=True), wiring_seed=2)


def course(
    simulator: str, network: Network, given: Values, duration_ms: float
) -> tuple[np.ndarray, Observation]:
    """Voltages every 5 ms (mV), shape (times, cells), and the observation at the end."""
    model = neuron_model(network.population("cells").neuron)
    p = {parameter.name: parameter.default for parameter in model.parameters}
    scale = p[model.threshold] - p["V_reset"]
    seen = []
    before = replace(given, weights=dict.fromkeys(given.weights, 0.0))
    with prepared(simulator, network) as running:
        for _ in range(2):  # the second time after another candidate, which must leave nothing behind
            running.load([Member(values=before, seed=9)], 0)
            running.advance(50.0)
        running.load([Member(values=given, seed=4)], 0)
        for _ in range(round(duration_ms / STEP_MS)):
            running.advance(STEP_MS)
            observation = running.observe()[0]
            assert isinstance(observation, Observation)
            seen.append(p["V_reset"] + scale * observation.group_depolarisation("cells"))
    return np.array(seen), observation


def rasters(observation: Observation) -> list[tuple[int, int]]:
    assert observation.spikes is not None
    spikes = observation.spikes
    return sorted(zip(spikes.neuron.tolist(), spikes.step.tolist(), strict=True))


@pytest.mark.parametrize("name", MODELS)
def test_the_same_input_spikes_give_the_same_voltage(name):
    model = neuron_model(name)
    given = values(model, drive=0.4, strength=0.06)
    nest, there = course("nest", network(model), given, 150.0)
    genn, here = course("genn", network(model), given, 150.0)
    assert here.totals("cells").sum() == there.totals("cells").sum() == 0
    assert here.totals("ex").sum() > 50
    assert np.ptp(nest, axis=0).min() > 1.0, "the input must move every cell"
    np.testing.assert_allclose(genn, nest, rtol=0, atol=TOLERANCE_MV.get(name, 1e-9))


@pytest.mark.parametrize("name", MODELS)
def test_the_same_input_spikes_give_the_same_spikes(name):
    model = neuron_model(name)
    given = values(model, drive=1.3, strength=0.25)
    nest = course("nest", network(model), given, 300.0)[1]
    genn = course("genn", network(model), given, 300.0)[1]
    assert (nest.totals("cells") > 2).all()
    if name != "aeif_cond_exp":
        assert rasters(genn) == rasters(nest)
        return
    ours, theirs = np.array(rasters(genn)), np.array(rasters(nest))
    assert np.array_equal(ours[:, 0], theirs[:, 0])
    late = np.abs(ours[:, 1] - theirs[:, 1])
    assert late.max() <= 1, "steps"
    assert late.mean() < 0.01


@pytest.mark.parametrize("name", MODELS)
def test_parameters_may_differ_between_neurons(name):
    model = neuron_model(name)
    built = network(model, distributed=frozenset({"V_th", "I_e", "C_m"}))
    given = values(model, drive=1.3, strength=0.25)
    p = {parameter.name: parameter.default for parameter in model.parameters}
    cells = {
        "V_th": Uniform(p["V_th"] - 2.0, p["V_th"] + 2.0),
        "C_m": Distributed(p["C_m"], 0.1 * p["C_m"]),
        "I_e": Distributed(float(given.neurons["cells"]["I_e"]), 5.0),  # type: ignore[arg-type]
    }
    given = replace(given, neurons={**given.neurons, "cells": cells})
    nest, genn = (course(simulator, built, given, 100.0)[1] for simulator in ("nest", "genn"))
    assert len(set(nest.totals("cells"))) > 1
    assert np.array_equal(genn.neuron_totals, nest.neuron_totals)
