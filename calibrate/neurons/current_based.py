"""Leaky integrate-and-fire neurons with synaptic currents: linear, so that their steps are exact.

C_m dV/dt = -(C_m / tau_m)(V - E_L) + I_syn + I_e,    V -> V_reset at V >= V_th, and stays there for t_ref
"""

from __future__ import annotations

from functools import partial

import numpy as np

from calibrate.neurons.model import (
    GennNeuron,
    NestNeuron,
    NeuronModel,
    NeuronParameter,
    Parameters,
    Port,
)
from calibrate.neurons.propagators import (
    Number,
    beta_peak,
    beta_peak_per_charge,
    cascade_propagator,
    current_propagator,
    decay,
    refractory_steps,
)
from calibrate.neurons.registry import register

_MEMBRANE = (
    NeuronParameter("C_m", "pF", 250.0, "membrane capacitance", above=0.0),
    NeuronParameter("tau_m", "ms", 10.0, "membrane time constant", above=0.0),
    NeuronParameter("E_L", "mV", -70.0, "resting potential"),
    NeuronParameter("V_th", "mV", -55.0, "threshold"),
    NeuronParameter("V_reset", "mV", -70.0, "potential after a spike"),
    NeuronParameter("t_ref", "ms", 2.0, "refractory time", low=0.0),
    NeuronParameter("I_e", "pA", 0.0, "constant input current"),
)

_RESET = """
    V = reset;
    refractory = refractory_steps;
"""


def _membrane_constants(p: Parameters, dt_ms: float) -> dict[str, Number]:
    # V is relative to E_L, as in NEST's models, so that both round in the same way.
    return {
        "P22": decay(p["tau_m"], dt_ms),
        "P20": -np.expm1(-dt_ms / np.asarray(p["tau_m"], dtype=float)) * p["tau_m"] / p["C_m"],
        "threshold": np.asarray(p["V_th"]) - p["E_L"],
        "reset": np.asarray(p["V_reset"]) - p["E_L"],
        "refractory_steps": np.vectorize(refractory_steps)(p["t_ref"], dt_ms),
    }


def _exp_constants(p: Parameters, dt_ms: float) -> dict[str, Number]:
    return {
        **_membrane_constants(p, dt_ms),
        "P21_ex": current_propagator(p["tau_m"], p["tau_syn_ex"], p["C_m"], dt_ms),
        "P21_in": current_propagator(p["tau_m"], p["tau_syn_in"], p["C_m"], dt_ms),
        "P11_ex": decay(p["tau_syn_ex"], dt_ms),
        "P11_in": decay(p["tau_syn_in"], dt_ms),
    }


IAF_PSC_EXP = register(
    NeuronModel(
        name="iaf_psc_exp",
        doc="Leaky integrate-and-fire neuron with exponential synaptic currents",
        exact=True,
        parameters=(
            *_MEMBRANE,
            NeuronParameter("tau_syn_ex", "ms", 2.0, "decay time of excitatory currents", above=0.0),
            NeuronParameter("tau_syn_in", "ms", 2.0, "decay time of inhibitory currents", above=0.0),
        ),
        nest=NestNeuron(model="iaf_psc_exp", fading=("tau_syn_ex", "tau_syn_in")),
        genn=GennNeuron(
            sim_code="""
                I_ex += in_ex;
                I_in += in_in;
                if (refractory == 0) {
                    V = P22 * V + P21_ex * I_ex + P21_in * I_in + P20 * I_e;
                }
                else {
                    refractory--;
                }
                I_ex *= P11_ex;
                I_in *= P11_in;
            """,
            threshold="V >= threshold",
            reset_code=_RESET,
            state={"V": "scalar", "I_ex": "scalar", "I_in": "scalar", "refractory": "unsigned int"},
            constants=_exp_constants,
            threshold_constant="threshold",
            potential_offset="E_L",
        ),
    )
)


_RECEPTORS = ("ex", "in")
_KERNELS = tuple((receptor, part) for receptor in _RECEPTORS for part in ("decay", "rise"))

_APART = 1e-5
"""Relative distance from their mean that the rates of rise and decay need in NEST.

NEST's difference of two exponentials cancels where they are closer. As it depends on their distance only to
second order, this distance and the rounding errors both cost some 1e-10 of a current.
"""


def _beta_constants(p: Parameters, dt_ms: float) -> dict[str, Number]:
    # A spike sets off a signal that decays with tau_rise and drives the current: unlike a difference of two
    # exponentials, this is accurate for time constants that are equal or nearly so, in single precision too.
    constants = _membrane_constants(p, dt_ms)
    for receptor in _RECEPTORS:
        rise, fall = (np.asarray(p[f"tau_{part}_{receptor}"], dtype=float) for part in ("rise", "decay"))
        drive = 1 / (rise * fall * beta_peak_per_charge(rise, fall))
        constants[f"P11_{receptor}"] = decay(rise, dt_ms)
        constants[f"P22_{receptor}"] = decay(fall, dt_ms)
        constants[f"P21_{receptor}"] = drive * current_propagator(fall, rise, 1.0, dt_ms)
        constants[f"P32_{receptor}"] = current_propagator(p["tau_m"], fall, p["C_m"], dt_ms)
        constants[f"P31_{receptor}"] = drive * cascade_propagator(p["tau_m"], fall, rise, p["C_m"], dt_ms)
    return constants


def _apart(p: Parameters, receptor: str) -> dict[str, float]:
    """Return the time constants of rise and decay of a receptor, as far apart as NEST needs them."""
    taus = {part: float(p[f"tau_{part}_{receptor}"]) for part in ("rise", "decay")}
    rates = {part: 1 / tau for part, tau in taus.items()}
    mean = (rates["rise"] + rates["decay"]) / 2
    if rates["rise"] - rates["decay"] >= 2 * _APART * mean:
        return taus
    return {"rise": 1 / (mean * (1 + _APART)), "decay": 1 / (mean * (1 - _APART))}


def _beta_scale(p: Parameters, receptor: str, sign: float = 1.0) -> Number:
    apart = _apart(p, receptor)
    return sign / beta_peak(apart["rise"], apart["decay"])


def _other_than(tau: float, tau_m: Number) -> float:
    """Return the time constant, or the next number that no membrane time constant is equal to.

    NEST refuses equality, but its propagator is exact at the smallest difference.
    """
    while np.any(tau == np.asarray(tau_m)):
        tau = float(np.nextafter(tau, np.inf))
    return tau


def _beta_settings(p: Parameters) -> dict[str, object]:
    others = {name: value for name, value in p.items() if not name.startswith(("tau_rise", "tau_decay"))}
    taus = {receptor: _apart(p, receptor) for receptor in _RECEPTORS}
    ports = [_other_than(taus[receptor][part], p["tau_m"]) for receptor, part in _KERNELS]
    return {**others, "tau_syn": ports}


IAF_PSC_BETA = register(
    NeuronModel(
        name="iaf_psc_beta",
        exact=True,
        doc=(
            "Leaky integrate-and-fire neuron whose synaptic currents rise and decay as exp(-t / tau_decay) - "
            "exp(-t / tau_rise), or as t exp(-t / tau) if both are equal; a weight is their peak"
        ),
        parameters=(
            *_MEMBRANE,
            NeuronParameter("tau_rise_ex", "ms", 0.5, "rise time of excitatory currents", above=0.0),
            NeuronParameter("tau_decay_ex", "ms", 2.0, "decay time of excitatory currents", above=0.0),
            NeuronParameter("tau_rise_in", "ms", 0.5, "rise time of inhibitory currents", above=0.0),
            NeuronParameter("tau_decay_in", "ms", 2.0, "decay time of inhibitory currents", above=0.0),
        ),
        not_above=(("tau_rise_ex", "tau_decay_ex"), ("tau_rise_in", "tau_decay_in")),
        # Two synapses of opposite sign for each one: NEST's model sums exponentials, each with its own port.
        nest=NestNeuron(
            model="iaf_psc_exp_multisynapse",
            settings=_beta_settings,
            ports={
                receptor: (
                    Port(2 * k + 1, partial(_beta_scale, receptor=receptor)),
                    Port(2 * k + 2, partial(_beta_scale, receptor=receptor, sign=-1.0)),
                )
                for k, receptor in enumerate(_RECEPTORS)
            },
            fading=tuple(f"tau_{part}_{receptor}" for receptor, part in _KERNELS),
        ),
        genn=GennNeuron(
            sim_code="""
                R_ex += in_ex;
                R_in += in_in;
                if (refractory == 0) {
                    V = P22 * V + P32_ex * I_ex + P31_ex * R_ex + P32_in * I_in + P31_in * R_in + P20 * I_e;
                }
                else {
                    refractory--;
                }
                I_ex = P22_ex * I_ex + P21_ex * R_ex;
                I_in = P22_in * I_in + P21_in * R_in;
                R_ex *= P11_ex;
                R_in *= P11_in;
            """,
            threshold="V >= threshold",
            reset_code=_RESET,
            state={
                **dict.fromkeys(("V", "I_ex", "R_ex", "I_in", "R_in"), "scalar"),
                "refractory": "unsigned int",
            },
            constants=_beta_constants,
            threshold_constant="threshold",
            potential_offset="E_L",
        ),
    )
)
