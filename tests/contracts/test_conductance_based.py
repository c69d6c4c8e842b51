"""Conductance-based neurons of both simulators against integrations of their equations.

Drives reach from weak to far stronger than in any network; conductances change the time constant of the
membrane to less than a step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from calibrate import simulators
from calibrate.errors import SimulatorError
from calibrate.network import (
    Bernoulli,
    Distributed,
    Network,
    Population,
    Projection,
    UniformPotential,
    Values,
    wiring,
)
from calibrate.neurons import neuron_model
from calibrate.observation import Observation, SimulationFailure
from calibrate.simulators.base import Member, Precision, RecordingPlan, simulate

pytestmark = pytest.mark.genn

DT, SOURCES, CELLS, DELAYS = 0.1, 40, 4, {"ex": 1.0, "in": 2.0}
WIRING = {"wiring_seed": 2, "realisation": 0}
DRIVES = {  # current in rheobases, charge of an excitatory and of an inhibitory spike in parts of the gap
    "weak": (0.9, 0.06, 0.02),
    "moderate": (1.3, 0.25, 0.1),
    "strong": (1.6, 1.0, 0.3),
    "very strong": (1.3, 4.0, 1.0),
    "inhibited": (1.5, 1.0, 3.0),
    "driven by fluctuations": (0.5, 0.2, 0.2),
}
Trains = list[list[int]]


def network(model: str) -> Network:
    """Sources of spikes at irregular intervals, and cells without connections among themselves."""
    sources = [
        Population(name=name, size=SOURCES, clusters=SOURCES, distributed=frozenset({"I_e"}))
        for name in DELAYS
    ]
    cells = Population(name="cells", size=CELLS, clusters=CELLS, neuron=model)
    projections = tuple(
        Projection(source=name, target="cells", rule=Bernoulli(0.5), delay_ms=delay, receptor=name)
        for name, delay in DELAYS.items()
    )
    return Network(populations=(*sources, cells), projections=projections)


def driven(model: str, drive: str, **given: float) -> tuple[Values, dict[str, float]]:
    """Values of the network, and all parameters of its cells."""
    neuron = neuron_model(model)
    p: dict[str, Any] = dict(neuron.complete(given))
    current, ex, inhibitory = DRIVES[drive]
    gap = p["V_th"] - p["E_L"]
    weights = {
        "ex_to_cells_all": ex * gap * p["C_m"] / (p["tau_syn_ex"] * (p["E_ex"] - p["E_L"])),
        "in_to_cells_all": -inhibitory * gap * p["C_m"] / (p["tau_syn_in"] * (p["V_th"] - p["E_in"])),
    }
    given = {**given, "I_e": current * gap * p["C_m"] / float(neuron.tau_m(p))}
    source = {"C_m": 250.0, "I_e": Distributed(480.0, 40.0)}
    values = Values(
        neurons={"ex": source, "in": source, "cells": given},
        weights=weights,
        initial={
            **dict.fromkeys(("ex", "in"), UniformPotential(-70.0, -56.0)),
            "cells": UniformPotential(p["E_L"], p["E_L"] + 0.3 * gap),
        },
    )
    return values, {**p, **given}


def observed(
    name: str, model: str, values: Mapping[str, Values], duration: float, precision: Precision = "double"
) -> dict[str, Observation]:
    found = {}
    simulator = simulators.create(name, dt_ms=DT, precision=precision)
    with simulator.prepare(
        network(model), batch_size=1, recording=RecordingPlan(spikes=True), wiring_seed=2
    ) as prepared:
        for drive, given in values.items():
            (one,) = simulate(
                prepared, [Member(values=given, seed=4)], realisation=0, warmup_ms=0.0, duration_ms=duration
            )
            assert isinstance(one, Observation)
            found[drive] = one
    return found


def trains(observation: Observation) -> Trains:
    assert observation.spikes is not None
    spikes = observation.spikes
    return [spikes.step[spikes.neuron == 2 * SOURCES + cell].tolist() for cell in range(CELLS)]


def arrivals(observation: Observation, values: Values, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Conductances (nS) that arrive at the start of each step, shape (2, steps, cells), and potentials."""
    assert observation.spikes is not None
    built, spikes = network("iaf_cond_exp"), observation.spikes
    arriving = np.zeros((2, steps + 100, CELLS))
    for number, projection in enumerate(built.projections):
        drawn = wiring.draw(built, projection, **WIRING)
        weights = np.zeros((SOURCES, CELLS))
        weights[drawn.sources, drawn.targets] = abs(values.weights[projection.name])
        own = spikes.neuron // SOURCES == number
        at = spikes.step[own] + 1 + round(DELAYS[projection.source] / DT)
        np.add.at(arriving[number], at, weights[spikes.neuron[own] - SOURCES * number])
    cells = built.population("cells")
    parameters = wiring.neuron_parameters(cells, values, **WIRING)
    return arriving[:, :steps], np.array(wiring.initial_potential(cells, values, parameters, seed=4))


def leaky(p: Mapping[str, Any], arriving: np.ndarray, V: np.ndarray) -> Trains:
    """Spike trains of leaky neurons by 40 Runge-Kutta steps of fourth order in each step.

    Any of the parameters may be an array of shape (cells,).
    """
    cells = V.size
    reversal = np.array([[p["E_ex"]], [p["E_in"]], [p.get("E_sfa", 0.0)]])
    taus = np.array([[p["tau_syn_ex"]], [p["tau_syn_in"]], [p.get("tau_sfa", 1.0)]])
    g, rest, found = np.zeros((3, cells)), np.zeros(cells, int), [[] for _ in range(cells)]  # type: ignore[var-annotated]
    h = DT / 40
    half = np.exp(-h / 2 / taus)

    def slope(U: np.ndarray, g: np.ndarray) -> np.ndarray:
        total = p["g_L"] * (p["E_L"] - U) + p["I_e"] + (g * (reversal - U)).sum(axis=0)
        return np.asarray(total / p["C_m"])

    for step in range(arriving.shape[1]):
        g[:2] += arriving[:, step]
        U = V
        for _ in range(40):
            middle, end = g * half, g * half**2
            first = slope(U, g)
            second = slope(U + h / 2 * first, middle)
            third = slope(U + h / 2 * second, middle)
            U = U + h / 6 * (first + 2 * second + 2 * third + slope(U + h * third, end))
            g = end
        V, rest = np.where(rest == 0, U, V), np.maximum(rest - 1, 0)
        fired = p["V_th"] <= V
        for cell in np.flatnonzero(fired):
            found[cell].append(step)
        V, rest = np.where(fired, p["V_reset"], V), np.where(fired, round(p["t_ref"] / DT), rest)
        g[2] += fired * p.get("q_sfa", 0.0)
    return found


def adaptive_exponential(p: Mapping[str, Any], arriving: np.ndarray, V: float) -> list[int]:
    """The spike train of one neuron, by an adaptive method of eighth order that stops at each spike.

    From 15 Delta_T above V_th, the potential reaches infinity within 3e-6 ms.
    """
    top = p["V_th"] + 15 * p["Delta_T"]
    refractory = round(p["t_ref"] / DT)
    steps = arriving.shape[1]
    starts = [*np.flatnonzero(arriving.sum(axis=0) > 0), steps]
    y, now, rest, found = np.array([V, 0.0, 0.0, 0.0]), 0.0, 0.0, []

    def slopes(t: float, y: np.ndarray) -> list[float]:
        resting = t < rest
        U = p["V_reset"] if resting else min(y[0], top)
        rise = p["g_L"] * p["Delta_T"] * np.exp((U - p["V_th"]) / p["Delta_T"])
        synaptic = y[2] * (p["E_ex"] - U) + y[3] * (p["E_in"] - U)
        current = p["g_L"] * (p["E_L"] - U) + rise + synaptic - y[1] + p["I_e"]
        w = (p["a"] * (U - p["E_L"]) - y[1]) / p["tau_w"]
        return [0.0 if resting else current / p["C_m"], w, -y[2] / p["tau_syn_ex"], -y[3] / p["tau_syn_in"]]

    def spike(_: float, y: np.ndarray) -> float:
        return float(y[0] - top + 1e-3)

    spike.terminal, spike.direction = True, 1  # type: ignore[attr-defined]
    for start in starts:
        while now < start * DT - 1e-12:
            stop = rest if now < rest < start * DT else start * DT
            how = {"rtol": 1e-9, "atol": 1e-9, "first_step": stop - now}  # which it shortens if it must
            piece = solve_ivp(slopes, (now, stop), y, "DOP853", events=spike, **how)
            now, y = float(piece.t[-1]), piece.y[:, -1].copy()
            if piece.status == 1:
                found.append(int(now / DT + 1e-9))
                y[0] = p["V_reset"]
                y[1] += p["b"]
                rest = (found[-1] + 1 + refractory) * DT if refractory else 0.0
        if start < steps:
            y[2:] += arriving[:, start]
    return found


def late(found: Trains, right: Trains) -> np.ndarray:
    """Steps from each spike to the right one; they must be as many."""
    assert [len(train) for train in found] == [len(train) for train in right]
    return np.abs(np.concatenate(found) - np.concatenate(right))


@pytest.mark.slow
@pytest.mark.parametrize("model", ["iaf_cond_exp", "iaf_cond_exp_sfa"])
def test_leaky_neurons_spike_when_their_equations_say(model):
    values = {drive: driven(model, drive)[0] for drive in DRIVES}
    nest, double = (observed(name, model, values, 100.0) for name in ("nest", "genn"))
    single = observed("genn", model, values, 100.0, "single")
    currents = np.repeat([driven(model, drive)[1]["I_e"] for drive in DRIVES], CELLS)
    inputs, starts = zip(*(arrivals(nest[drive], values[drive], 1000) for drive in DRIVES), strict=True)
    p = {**driven(model, "weak")[1], "I_e": currents}
    expected = leaky(p, np.concatenate(inputs, axis=-1), np.concatenate(starts))
    for number, drive in enumerate(DRIVES):
        right = expected[number * CELLS : (number + 1) * CELLS]
        assert sum(map(len, right)) >= CELLS, drive
        assert trains(double[drive]) == trains(nest[drive]) == right, drive
        assert late(trains(single[drive]), right).max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize("t_ref", [0.0, 0.1, 2.0])
def test_adaptive_exponential_neurons_spike_when_their_equations_say(t_ref):
    name = "aeif_cond_exp"
    drives = [drive for drive in DRIVES if t_ref or drive != "very strong"]  # which needs a refractory time
    values = {drive: driven(name, drive, t_ref=t_ref)[0] for drive in drives}
    nest, double = (observed(simulator, name, values, 100.0) for simulator in ("nest", "genn"))
    single = observed("genn", name, values, 100.0, "single")
    for drive in drives:
        arriving, start = arrivals(nest[drive], values[drive], 1000)
        p = driven(name, drive, t_ref=t_ref)[1]
        right = [adaptive_exponential(p, arriving[..., cell], start[cell]) for cell in range(CELLS)]
        assert trains(double[drive]) == trains(nest[drive]), drive
        if drive != "driven by fluctuations":
            assert late(trains(double[drive]), right).mean() < 0.01, drive
            assert late(trains(single[drive]), right).mean() < 0.1, drive


# --- spikes in the same step --------------------------------------------------------------------------


def excited(weight: float, **given: float) -> tuple[Network, Values]:
    """One hundred adaptive exponential neurons that excite one another."""
    cells = Population(name="cells", size=100, neuron="aeif_cond_exp")
    mutual = Projection(source="cells", target="cells", rule=Bernoulli(0.2), delay_ms=1.0, receptor="ex")
    values = Values(
        neurons={"cells": {"I_e": 800.0, **given}},
        weights={"cells_to_cells_all": weight},
        initial={"cells": UniformPotential(-70.0, -52.0)},
    )
    return Network(populations=(cells,), projections=(mutual,)), values


def results(name: str, given: Mapping[str, Values], built: Network) -> dict[str, Any]:
    simulator = simulators.create(name, dt_ms=DT, precision="double")
    with simulator.prepare(built, batch_size=1, recording=RecordingPlan(), wiring_seed=1) as prepared:
        return {
            what: simulate(
                prepared, [Member(values=values, seed=1)], realisation=0, warmup_ms=0.0, duration_ms=300.0
            )[0]
            for what, values in given.items()
        }


@pytest.fixture(scope="module")
def excitable() -> dict[str, dict[str, Any]]:
    built, calm = excited(35.0)
    # At a weight of 44, NEST's integration fails before its spikes can be read.
    wild = replace(calm, weights={"cells_to_cells_all": 40.0})
    rested = replace(wild, neurons={"cells": {"I_e": 800.0, "t_ref": 0.1}})
    given = {"calm": calm, "wild": wild, "rested": rested, "calm again": calm}
    return {name: results(name, given, built) for name in ("nest", "genn")}


@pytest.mark.slow
def test_networks_without_refractory_time_have_the_same_rates(excitable):
    rates = {name: found["calm"].totals("cells").sum() / 100 / 0.3 for name, found in excitable.items()}
    assert rates["nest"] > 100
    assert rates["genn"] == pytest.approx(rates["nest"], rel=0.02)


@pytest.mark.slow
def test_a_neuron_that_fires_twice_in_a_step_is_a_failure_that_names_the_remedy(excitable):
    for found in excitable.values():
        assert found["wild"] == SimulationFailure(
            "a neuron of cells fired more than once in a step of 0.1 ms: set its t_ref to 0.1 ms or more"
        )
        assert isinstance(found["rested"], Observation)
        assert isinstance(found["calm again"], Observation), "a failure leaves nothing behind"
    rates = [found["rested"].totals("cells").sum() / 100 / 0.3 for found in excitable.values()]
    assert rates[0] == pytest.approx(rates[1], rel=0.02)


@pytest.mark.slow
def test_a_network_that_runs_away_in_nest_is_an_error_that_names_the_remedy():
    built, values = excited(44.0)
    with pytest.raises(
        SimulatorError, match=r"instability.* cells has no refractory time: set its t_ref to 0.1 ms"
    ):
        results("nest", {"wild": values}, built)
