"""Neuron models against closed forms, numerical integration and NEST itself."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from calibrate.errors import ModelError
from calibrate.neurons import (
    IAF_PSC_EXP,
    current_propagator,
    delay_steps,
    neuron_model,
    psp_peak,
    refractory_steps,
    register,
)


def response(t_ms: float, tau_m: float, tau_syn: float, C_m: float) -> float:
    """Depolarisation at `t_ms` after 1 pA of exponential current, integrated numerically."""
    solution = solve_ivp(
        lambda t, v: -v / tau_m + np.exp(-t / tau_syn) / C_m, (0, t_ms), [0.0], rtol=1e-11, atol=1e-14
    )
    return float(solution.y[0, -1])


@pytest.mark.parametrize(("tau_m", "tau_syn"), [(20.0, 3.0), (10.0, 2.0), (10.0, 10.0), (5.0, 20.0)])
def test_the_propagator_is_the_response_to_a_current_after_one_step(tau_m, tau_syn):
    assert current_propagator(tau_m, tau_syn, 2.0, 0.1) == pytest.approx(
        response(0.1, tau_m, tau_syn, 2.0), rel=1e-8
    )


@pytest.mark.parametrize("nearly", [1e-3, 1e-6, 1e-9, 1e-12, 0.0])
def test_the_propagator_stays_accurate_where_the_time_constants_meet(nearly):
    # Series of the closed form in the difference of the time constants, to first order.
    tau, dt = 10.0, 0.1
    expected = dt * np.exp(-dt / tau) * (1 + dt * (nearly * tau) / (2 * tau**2))
    assert current_propagator(tau, tau * (1 + nearly), 1.0, dt) == pytest.approx(
        expected, rel=2e-5 * nearly + 1e-14
    )


@pytest.mark.parametrize(
    ("tau_m", "tau_syn"), [(20.0, 3.0), (10.0, 2.0), (10.0, 10.0), (10.0, 10.0000001), (3.0, 9.0)]
)
def test_the_psp_peak_is_the_largest_depolarisation(tau_m, tau_syn):
    times = np.linspace(0, 8 * max(tau_m, tau_syn), 200_001)
    numeric = response_curve(times, tau_m, tau_syn).max()
    assert psp_peak(tau_m, tau_syn, 1.0) == pytest.approx(numeric, rel=1e-6)


def response_curve(times: np.ndarray, tau_m: float, tau_syn: float) -> np.ndarray:
    solution = solve_ivp(
        lambda t, v: -v / tau_m + np.exp(-t / tau_syn),
        (0, times[-1]),
        [0.0],
        t_eval=times,
        rtol=1e-9,
        atol=1e-12,
        method="DOP853",
    )
    return np.asarray(solution.y[0])


@pytest.mark.parametrize("t_ref_ms", [2.0, 2.04, 5.0, 0.31, 1.999])
def test_refractoriness_is_rounded_as_nest_rounds_it(t_ref_ms):
    nest = pytest.importorskip("nest")
    nest.ResetKernel()
    nest.resolution = 0.1
    # Driven so hard that it fires in every step in which it may.
    neuron = nest.Create("iaf_psc_exp", params={"t_ref": t_ref_ms, "I_e": 1e9})
    recorder = nest.Create("spike_recorder")
    nest.Connect(neuron, recorder)
    nest.Simulate(50.0)
    interval = np.diff(np.rint(recorder.events["times"] / 0.1))
    assert set(interval) == {refractory_steps(t_ref_ms, 0.1) + 1}


@pytest.mark.parametrize("delay_ms", [0.1, 0.14, 0.15, 0.26, 1.5])
def test_delays_are_rounded_as_nest_rounds_them(delay_ms):
    nest = pytest.importorskip("nest")
    nest.ResetKernel()
    nest.resolution = 0.1
    neurons = nest.Create("iaf_psc_exp", 2)
    nest.Connect(neurons[0], neurons[1], syn_spec={"delay": delay_ms})
    assert nest.GetConnections(neurons[0]).delay == pytest.approx(delay_steps(delay_ms, 0.1) * 0.1)


def test_an_unknown_neuron_parameter_is_refused_with_the_nearest_name():
    with pytest.raises(ModelError, match=r"no parameter 'tau_membrane'|did you mean"):
        IAF_PSC_EXP.complete({"tau_mm": 10.0})


def test_an_unknown_neuron_model_is_refused_with_the_nearest_name():
    with pytest.raises(ModelError, match="did you mean 'iaf_psc_exp'"):
        neuron_model("iaf_psc_expo")


def test_a_name_cannot_be_registered_for_two_neuron_models():
    assert register(IAF_PSC_EXP) is IAF_PSC_EXP
    other = type(IAF_PSC_EXP)(**{**vars(IAF_PSC_EXP), "doc": "another"})
    with pytest.raises(ModelError, match="a different neuron model"):
        register(other)


def test_a_neuron_model_may_be_defined_again_where_it_was_defined_before():
    first, again = (
        type(IAF_PSC_EXP)(**{**vars(IAF_PSC_EXP), "name": "of_a_notebook", "doc": doc}) for doc in "ab"
    )
    assert register(first) is neuron_model("of_a_notebook")
    assert register(again) is neuron_model("of_a_notebook")
