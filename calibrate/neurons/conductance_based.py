"""Integrate-and-fire neurons with synaptic conductances.

The equations are not linear. NEST integrates them with an adaptive Runge-Kutta-Fehlberg method (absolute
errors of 1e-3 per step, 1e-6 for the adaptive exponential neuron). GeNN uses fixed steps. Its leaky neurons
step exactly for conductances held at their mean over the step, which is accurate to second order, and stable
for conductances of any size.
"""

from __future__ import annotations

import numpy as np

from calibrate.neurons.model import (
    GennNeuron,
    NestNeuron,
    NeuronModel,
    NeuronParameter,
    Parameters,
    register,
)
from calibrate.neurons.propagators import Number, decay, refractory_steps, step_mean

_IN_NEST = "an adaptive Runge-Kutta-Fehlberg method"
_LEAKY_IN_GENN = "steps that are exact for conductances held at their mean over the step"


def _refractory(p: Parameters, dt_ms: float) -> Number:
    steps: Number = np.vectorize(refractory_steps)(p["t_ref"], dt_ms)
    return steps


def _membrane(**defaults: float) -> tuple[NeuronParameter, ...]:
    return (
        NeuronParameter("C_m", "pF", defaults["C_m"], "membrane capacitance", above=0.0),
        NeuronParameter("g_L", "nS", defaults["g_L"], "leak conductance", above=0.0),
        NeuronParameter("E_L", "mV", defaults["E_L"], "leak reversal potential"),
        NeuronParameter("E_ex", "mV", 0.0, "excitatory reversal potential"),
        NeuronParameter("E_in", "mV", -85.0, "inhibitory reversal potential"),
        NeuronParameter("V_th", "mV", defaults["V_th"], "threshold"),
        NeuronParameter("V_reset", "mV", defaults["V_reset"], "potential after a spike"),
        NeuronParameter("t_ref", "ms", defaults["t_ref"], "refractory time", low=0.0),
        NeuronParameter("I_e", "pA", 0.0, "constant input current"),
        NeuronParameter("tau_syn_ex", "ms", 0.2, "decay time of excitatory conductances", above=0.0),
        NeuronParameter("tau_syn_in", "ms", 2.0, "decay time of inhibitory conductances", above=0.0),
    )


_LEAKY = _membrane(C_m=250.0, g_L=16.6667, E_L=-70.0, V_th=-55.0, V_reset=-60.0, t_ref=2.0)


def _leaky_constants(p: Parameters, dt_ms: float) -> dict[str, Number]:
    names = ("g_L", "E_L", "E_ex", "E_in", "V_th", "V_reset")
    return {
        **{name: p[name] for name in names},
        "dt_C": dt_ms / np.asarray(p["C_m"]),
        "P11_ex": decay(p["tau_syn_ex"], dt_ms),
        "P11_in": decay(p["tau_syn_in"], dt_ms),
        "mean_ex": step_mean(p["tau_syn_ex"], dt_ms),
        "mean_in": step_mean(p["tau_syn_in"], dt_ms),
        "refractory_steps": _refractory(p, dt_ms),
    }


def _leaky_code(adaptation: bool) -> str:
    """Return the code for one step of a leaky neuron, with or without an adaptation conductance."""
    total, driven = ("+ mean_sfa * g_sfa", "+ mean_sfa * g_sfa * E_sfa") if adaptation else ("", "")
    return f"""
        g_ex += in_ex;
        g_in -= in_in;
        if (refractory == 0) {{
            const scalar g = g_L + mean_ex * g_ex + mean_in * g_in {total};
            const scalar pull = mean_ex * g_ex * E_ex + mean_in * g_in * E_in {driven};
            const scalar V_inf = (g_L * E_L + pull + I_e) / g;
            V = V_inf + (V - V_inf) * exp(-g * dt_C);
        }}
        else {{
            refractory--;
        }}
        g_ex *= P11_ex;
        g_in *= P11_in;
        {"g_sfa *= P11_sfa;" if adaptation else ""}
    """


_LEAKY_STATE = {**dict.fromkeys(("V", "g_ex", "g_in"), "scalar"), "refractory": "unsigned int"}

IAF_COND_EXP = register(
    NeuronModel(
        name="iaf_cond_exp",
        doc="Leaky integrate-and-fire neuron with exponential synaptic conductances",
        parameters=_LEAKY,
        weight_unit="nS",
        nest=NestNeuron(model="iaf_cond_exp", state=("g_ex", "g_in"), integration=_IN_NEST),
        genn=GennNeuron(
            integration=_LEAKY_IN_GENN,
            sim_code=_leaky_code(adaptation=False),
            threshold="V >= V_th",
            reset_code="V = V_reset; refractory = refractory_steps;",
            state=_LEAKY_STATE,
            constants=_leaky_constants,
        ),
    )
)


def _sfa_constants(p: Parameters, dt_ms: float) -> dict[str, Number]:
    return {
        **_leaky_constants(p, dt_ms),
        "E_sfa": p["E_sfa"],
        "q_sfa": p["q_sfa"],
        "P11_sfa": decay(p["tau_sfa"], dt_ms),
        "mean_sfa": step_mean(p["tau_sfa"], dt_ms),
    }


IAF_COND_EXP_SFA = register(
    NeuronModel(
        name="iaf_cond_exp_sfa",
        doc=(
            "iaf_cond_exp with spike-frequency adaptation: a conductance that grows by q_sfa with every "
            "spike (NEST's iaf_cond_exp_sfa_rr without its relative refractory mechanism)"
        ),
        parameters=(
            *_LEAKY,
            NeuronParameter("q_sfa", "nS", 14.48, "adaptation conductance added by a spike", low=0.0),
            NeuronParameter("tau_sfa", "ms", 110.0, "decay time of the adaptation", above=0.0),
            NeuronParameter("E_sfa", "mV", -70.0, "reversal potential of the adaptation"),
        ),
        weight_unit="nS",
        nest=NestNeuron(
            model="iaf_cond_exp_sfa_rr",
            settings=lambda p: {**p, "q_rr": 0.0},
            state=("g_ex", "g_in", "g_sfa", "g_rr"),
            integration=_IN_NEST,
        ),
        genn=GennNeuron(
            integration=_LEAKY_IN_GENN,
            sim_code=_leaky_code(adaptation=True),
            threshold="V >= V_th",
            reset_code="V = V_reset; refractory = refractory_steps; g_sfa += q_sfa;",
            state={**_LEAKY_STATE, "g_sfa": "scalar"},
            constants=_sfa_constants,
        ),
    )
)


AEIF_SUBSTEPS = 10
"""Runge-Kutta steps of the adaptive exponential neuron per simulation step, in GeNN."""


def _aeif_constants(p: Parameters, dt_ms: float) -> dict[str, Number]:
    names = ("C_m", "g_L", "E_L", "E_ex", "E_in", "V_th", "V_peak", "V_reset", "Delta_T", "a", "b", "tau_w")
    h = dt_ms / AEIF_SUBSTEPS
    return {
        **{name: p[name] for name in names},
        "half_ex": decay(p["tau_syn_ex"], h / 2),
        "half_in": decay(p["tau_syn_in"], h / 2),
        "refractory_steps": _refractory(p, dt_ms),
    }


def _slopes(number: int, V: str, w: str, g_ex: str, g_in: str) -> str:
    """Return code for the derivatives `dV<number>` and `dw<number>`; V is bounded by V_peak, as in NEST."""
    return f"""
        const scalar u{number} = (refractory > 0) ? V_reset : fmin({V}, V_peak);
        const scalar dV{number} = (refractory > 0) ? (scalar)0.0 : (g_L * (E_L - u{number})
            + g_L * Delta_T * exp((u{number} - V_th) / Delta_T) + {g_ex} * (E_ex - u{number})
            + {g_in} * (E_in - u{number}) - ({w}) + I_e) / C_m;
        const scalar dw{number} = (a * (u{number} - E_L) - ({w})) / tau_w;
    """


_AEIF_CODE = f"""
    g_ex += in_ex;
    g_in -= in_in;
    fired = 0;
    const scalar h = (scalar)(dt / {AEIF_SUBSTEPS}.0);
    for (int k = 0; k < {AEIF_SUBSTEPS}; k++) {{
        const scalar ex_half = g_ex * half_ex;
        const scalar in_half = g_in * half_in;
        const scalar ex_end = ex_half * half_ex;
        const scalar in_end = in_half * half_in;
        {_slopes(1, "V", "w", "g_ex", "g_in")}
        {_slopes(2, "V + h / 2 * dV1", "w + h / 2 * dw1", "ex_half", "in_half")}
        {_slopes(3, "V + h / 2 * dV2", "w + h / 2 * dw2", "ex_half", "in_half")}
        {_slopes(4, "V + h * dV3", "w + h * dw3", "ex_end", "in_end")}
        V += h / 6 * (dV1 + 2 * dV2 + 2 * dV3 + dV4);
        w += h / 6 * (dw1 + 2 * dw2 + 2 * dw3 + dw4);
        g_ex = ex_end;
        g_in = in_end;
        if (refractory > 0) {{
            V = V_reset;
        }}
        else if (V >= V_peak) {{
            V = V_reset;
            w += b;
            refractory = (refractory_steps > 0) ? refractory_steps + 1 : 0;
            fired = 1;
        }}
    }}
    if (refractory > 0) {{
        refractory--;
    }}
"""

AEIF_COND_EXP = register(
    NeuronModel(
        name="aeif_cond_exp",
        doc=(
            "Adaptive exponential integrate-and-fire neuron with exponential synaptic conductances "
            "(Brette & Gerstner 2005)"
        ),
        parameters=(
            *_membrane(C_m=281.0, g_L=30.0, E_L=-70.6, V_th=-50.4, V_reset=-60.0, t_ref=0.0),
            NeuronParameter("V_peak", "mV", 0.0, "potential at which a spike is registered"),
            NeuronParameter("Delta_T", "mV", 2.0, "slope factor of the spike's rise", above=0.0),
            NeuronParameter("a", "nS", 4.0, "subthreshold adaptation"),
            NeuronParameter("b", "pA", 80.5, "adaptation current added by a spike"),
            NeuronParameter("tau_w", "ms", 144.0, "time constant of the adaptation", above=0.0),
        ),
        weight_unit="nS",
        threshold="V_peak",
        ordered=(("V_reset", "V_peak"), ("V_th", "V_peak")),
        nest=NestNeuron(model="aeif_cond_exp", state=("g_ex", "g_in", "w"), integration=_IN_NEST),
        genn=GennNeuron(
            integration=f"the fourth-order Runge-Kutta method with {AEIF_SUBSTEPS} steps per time step",
            sim_code=_AEIF_CODE,
            threshold="fired == 1",
            reset_code="",
            state={
                **dict.fromkeys(("V", "w", "g_ex", "g_in"), "scalar"),
                "refractory": "unsigned int",
                "fired": "unsigned int",
            },
            constants=_aeif_constants,
            threshold_constant="V_peak",
        ),
    )
)
