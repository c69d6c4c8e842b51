"""Time constants that are equal, or nearly so: both simulators give the limit of the equations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.optimize import minimize_scalar

from calibrate import simulators
from calibrate.errors import ModelError
from calibrate.network import Bernoulli, Network, Population, Projection, Uniform, UniformPotential, Values
from calibrate.neurons import (
    beta_peak,
    beta_peak_per_charge,
    cascade_propagator,
    current_propagator,
    neuron_model,
)
from calibrate.observation import Observation
from calibrate.simulators.base import Member, Prepared, RecordingPlan

TAU_M, C_M, WEIGHT, DELAY = 10.0, 200.0, 300.0, 1.0
DT, STEP, TIMES = 0.1, 2.0, 30

BETA = {  # rise, decay
    "an alpha function": (2.0, 2.0),
    "all three equal": (TAU_M, TAU_M),
    "the decay equal to the membrane": (2.0, TAU_M),
    "the rise equal to the membrane": (TAU_M, 20.0),
    "rise and decay 1e-9 apart": (2.0 * (1 - 1e-9), 2.0),
    "rise and decay 1e-6 apart": (2.0, 2.0 * (1 + 1e-6)),
    "rise and decay 1e-4 apart": (2.0 * (1 - 1e-4), 2.0),
    "the decay 1e-9 below the membrane": (2.0, TAU_M * (1 - 1e-9)),
    "the decay 1e-15 above the membrane": (2.0, float(np.nextafter(TAU_M, 20))),
    "the rise 1e-7 above the membrane": (TAU_M * (1 + 1e-7), 12.0),
    "all three 1e-8 apart": (TAU_M * (1 - 1e-8), TAU_M * (1 + 1e-8)),
    "different": (0.5, 2.0),
}
EXPONENTIAL = {
    "equal": TAU_M,
    "1e-15 apart": float(np.nextafter(TAU_M, 20)),
    "1e-9 apart": TAU_M * (1 - 1e-9),
    "1e-6 apart": TAU_M * (1 + 1e-6),
    "different": 2.0,
}


def cascade(*taus: float) -> Any:
    """The response of exponential filters in series to a unit pulse, by the matrix exponential.

    In mirrored coordinates: of a triangular matrix with nearly equal diagonal, SciPy's is wrong by 4 %.
    """
    n = len(taus)
    axis = np.arange(1.0, n + 1)
    mirror = np.eye(n) - 2 * np.outer(axis, axis) / (axis @ axis)
    generator = mirror @ (np.diag([-1 / tau for tau in taus]) + np.eye(n, k=-1)) @ mirror
    return lambda t: (mirror @ expm(generator * t) @ mirror)[-1, 0]


def expected(kernel: tuple[float, ...], times: np.ndarray) -> np.ndarray:
    """Depolarisation (mV) at times after the arrival of one spike."""
    largest = 1.0
    if len(kernel) == 2:
        current = cascade(*kernel)
        found = minimize_scalar(lambda t: -current(t), bounds=(0.0, 60.0), options={"xatol": 1e-9})
        largest = current(found.x)
    potential = cascade(*kernel, TAU_M)
    return np.array([WEIGHT / C_M / largest * potential(t) for t in times])


def network(model: str) -> Network:
    """One neuron fires once, in the first step, and excites a cell; tau_m is an array, as if distributed."""
    return Network(
        populations=(
            Population(name="clock", size=1),
            Population(name="cells", size=2, neuron=model, distributed=frozenset({"tau_m"})),
        ),
        projections=(
            Projection(source="clock", target="cells", rule=Bernoulli(1.0), delay_ms=DELAY, receptor="ex"),
        ),
    )


def given(taus: Mapping[str, float]) -> Values:
    cells = {"C_m": C_M, "tau_m": Uniform(TAU_M, TAU_M), "E_L": 0.0, "V_reset": -1.0, "V_th": 100.0, **taus}
    return Values(
        neurons={"clock": {"t_ref": 1000.0}, "cells": cells},
        weights={"clock_to_cells_all": WEIGHT},
        initial={"clock": UniformPotential(-40.0, -40.0), "cells": UniformPotential(0.0, 0.0)},
    )


def course(prepared: Prepared, taus: Mapping[str, float]) -> np.ndarray:
    """Potentials (mV) of the cell every 2 ms."""
    prepared.load([Member(values=given(taus), seed=1)], 0)
    seen = []
    for _ in range(TIMES):
        prepared.advance(STEP)
        observation = prepared.observe()[0]
        assert isinstance(observation, Observation)
        seen.append(-1.0 + 101.0 * float(observation.group_depolarisation("cells")[0]))
    assert observation.totals("clock").tolist() == [1]
    return np.array(seen)


Simulators = Mapping[str, tuple[Prepared, float]]


def simulated(model: str) -> Iterator[Simulators]:
    """The network in every simulator, and its error relative to the largest depolarisation."""
    wanted = {("nest", "double"): 1e-8, ("genn", "double"): 1e-10, ("genn", "single"): 3e-6}
    with ExitStack() as stack:
        found = {}
        for (name, precision), error in wanted.items():
            simulator = simulators.create(name, dt_ms=DT, precision=precision)  # type: ignore[arg-type]
            built = simulator.prepare(network(model), batch_size=1, recording=RecordingPlan(), wiring_seed=1)
            found[f"{name}, {precision}"] = stack.enter_context(built), error
        yield found


@pytest.fixture(scope="module")
def beta() -> Iterator[Simulators]:
    yield from simulated("iaf_psc_beta")


@pytest.fixture(scope="module")
def exponential() -> Iterator[Simulators]:
    yield from simulated("iaf_psc_exp")


def agree(found: Simulators, taus: Mapping[str, float], kernel: tuple[float, ...]) -> None:
    # The spike of the first step is over at its end, and arrives after the delay.
    right = expected(kernel, STEP * np.arange(1, TIMES + 1) - DT - DELAY)
    for name, (prepared, error) in found.items():
        np.testing.assert_allclose(
            course(prepared, taus), right, rtol=0, atol=error * np.abs(right).max(), err_msg=name
        )


@pytest.mark.genn
@pytest.mark.parametrize("case", BETA)
def test_a_beta_current_has_its_limit_in_every_simulator(beta, case):
    rise, decay = BETA[case]
    taus = {"tau_rise_ex": rise, "tau_decay_ex": decay}
    agree(beta, taus, (rise, decay))


@pytest.mark.genn
@pytest.mark.parametrize("case", EXPONENTIAL)
def test_an_exponential_current_has_its_limit_in_every_simulator(exponential, case):
    tau = EXPONENTIAL[case]
    agree(exponential, {"tau_syn_ex": tau, "tau_syn_in": tau}, (tau,))


def test_a_current_may_rise_as_slowly_as_it_decays_but_not_more_slowly():
    model = neuron_model("iaf_psc_beta")
    model.check(model.complete({"tau_rise_ex": 2.0}))
    with pytest.raises(ModelError, match="tau_decay_ex must be at least tau_rise_ex"):
        model.check(model.complete({"tau_rise_ex": 2.1}))


# --- the propagators ----------------------------------------------------------------------------------

APART = [0.0, 1e-15, 1e-12, 1e-9, 1e-7, 1e-6, 1e-4, 1e-2, 0.3, 9.0]


@pytest.mark.parametrize("tau_m", [0.05, 1.0, 10.0])
def test_propagators_are_the_matrix_exponential_at_any_distance_of_the_time_constants(tau_m):
    for first in APART:
        decay = tau_m * (1 + first)
        # expm itself is accurate to some 1e-14
        assert current_propagator(tau_m, decay, 1.0, DT) == pytest.approx(
            cascade(decay, tau_m)(DT), rel=1e-12
        )
        for second in APART:
            rise = decay / (1 + second)
            found = cascade_propagator(tau_m, decay, rise, 1.0, DT)
            assert found == pytest.approx(cascade(rise, decay, tau_m)(DT), rel=1e-12), (first, second)


def test_propagators_take_one_value_per_neuron():
    taus = np.array([10.0, 10.0, 12.0])
    each = cascade_propagator(taus, 10.0, 2.0, 1.0, DT)
    assert each == pytest.approx([cascade_propagator(tau, 10.0, 2.0, 1.0, DT) for tau in taus], rel=1e-15)


@pytest.mark.parametrize("tau_syn", [1e-3, 1e-4, 1e-6])
def test_a_current_far_shorter_than_a_step_leaves_its_charge(tau_syn):
    left = tau_syn * TAU_M / (TAU_M - tau_syn) * np.exp(-DT / TAU_M)
    assert current_propagator(TAU_M, tau_syn, 1.0, DT) == pytest.approx(left, rel=1e-12)


@pytest.mark.parametrize("apart", [0.0, 1e-12, 1e-9, 1e-6, 1e-3, 1.0])
def test_the_peak_of_a_beta_current_is_its_largest_value(apart):
    rise, decay = 2.0, 2.0 * (1 + apart)
    current = cascade(rise, decay)
    largest = -minimize_scalar(lambda t: -current(t), bounds=(0.0, 60.0), options={"xatol": 1e-9}).fun
    per_charge = largest / (rise * decay)
    assert beta_peak_per_charge(rise, decay) == pytest.approx(per_charge, rel=1e-12)
    assert beta_peak(rise, decay) == pytest.approx((decay - rise) * per_charge, rel=1e-12)
