"""Integrate-and-fire neurons with synaptic conductances.

The equations are not linear. NEST integrates them with an adaptive Runge-Kutta-Fehlberg method (absolute
errors of 1e-3 per step, 1e-6 for the adaptive exponential neuron). In GeNN, the leaky neurons take the exact
solution, whose integrals over the step are computed by Gauss-Lobatto quadrature of eighth order; it is stable
for conductances of any size. The adaptive exponential neuron takes adaptive Runge-Kutta steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from calibrate.neurons.model import (
    GennNeuron,
    NestNeuron,
    NeuronModel,
    NeuronParameter,
    Parameters,
)
from calibrate.neurons.propagators import Number, decay, refractory_steps, step_mean
from calibrate.neurons.registry import register

_IN_NEST = "an adaptive Runge-Kutta-Fehlberg method"
_LEAKY_IN_GENN = "the exact solution, with its integrals over a step by Gauss-Lobatto quadrature"


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


_SPREAD = math.sqrt(3 / 7)
_NODES = ((0.0, 1 / 20), ((1 - _SPREAD) / 2, 49 / 180), (0.5, 16 / 45), ((1 + _SPREAD) / 2, 49 / 180))
"""Nodes and weights of Gauss-Lobatto quadrature over a step, except for its end, which weighs 1/20."""


def _leaky_constants(p: Parameters, dt_ms: float, kinds: Sequence[str] = ("ex", "in")) -> dict[str, Number]:
    names = ("g_L", "E_L", "V_th", "V_reset", *(f"E_{kind}" for kind in kinds))
    constants: dict[str, Number] = {
        **{name: p[name] for name in names},
        "dt_C": dt_ms / np.asarray(p["C_m"]),
        "refractory_steps": _refractory(p, dt_ms),
    }
    for kind in kinds:
        tau = p["tau_sfa" if kind == "sfa" else f"tau_syn_{kind}"]
        constants[f"P11_{kind}"] = decay(tau, dt_ms)
        for node, (at, _) in enumerate(_NODES):
            left = decay(tau, at * dt_ms)
            if at > 0:
                constants[f"left{node}_{kind}"] = left
            constants[f"mean{node}_{kind}"] = left * (1 - at) * step_mean(tau, (1 - at) * dt_ms)
    return constants


def _leaky_code(kinds: Sequence[str] = ("ex", "in")) -> str:
    """Return the code for one step of a leaky neuron with conductances of these kinds.

    In C dV/dt = J(t) - G(t) V, with K_t the integral of G/C from t to the end of the step,

        V_end = V_inf + (V - V_inf) exp(-K_0),    V_inf = <exp(-K_t) J(t)> / <exp(-K_t) G(t)>

    is exact for means <> over the step, and they are taken at the nodes of Gauss-Lobatto quadrature.
    """
    nodes = ""
    for node, (at, weight) in enumerate(_NODES):
        g = [f"left{node}_{kind} * g_{kind}" if at > 0 else f"g_{kind}" for kind in kinds]
        to_come = " + ".join(f"mean{node}_{kind} * g_{kind}" for kind in kinds)
        nodes += f"""
            const scalar e{node} = exp(-dt_C * ((scalar){1 - at!r} * g_L + {to_come}));
            const scalar G{node} = (scalar){weight!r} * e{node} * (g_L + {" + ".join(g)});
            const scalar J{node} = (scalar){weight!r} * e{node} * (leak + {_driven(g, kinds)});
        """
    decays = "".join(f"g_{kind} *= P11_{kind};\n" for kind in kinds)
    end = [f"g_{kind}" for kind in kinds]
    last = len(_NODES)
    return f"""
        g_ex += in_ex;
        g_in -= in_in;
        if (refractory == 0) {{
            const scalar leak = g_L * E_L + I_e;
            {nodes}
            {decays}
            const scalar G{last} = (scalar)0.05 * (g_L + {" + ".join(end)});
            const scalar J{last} = (scalar)0.05 * (leak + {_driven(end, kinds)});
            const scalar V_inf = ({" + ".join(f"J{node}" for node in range(last + 1))})
                / ({" + ".join(f"G{node}" for node in range(last + 1))});
            V = V_inf + (V - V_inf) * e0;
        }}
        else {{
            {decays}
            refractory--;
        }}
    """


def _driven(conductances: Sequence[str], kinds: Sequence[str]) -> str:
    return " + ".join(f"{g} * E_{kind}" for g, kind in zip(conductances, kinds, strict=True))


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
            sim_code=_leaky_code(),
            threshold="V >= V_th",
            reset_code="V = V_reset; refractory = refractory_steps;",
            state=_LEAKY_STATE,
            constants=_leaky_constants,
        ),
    )
)


_ADAPTING = ("ex", "in", "sfa")


def _sfa_constants(p: Parameters, dt_ms: float) -> dict[str, Number]:
    return {**_leaky_constants(p, dt_ms, _ADAPTING), "q_sfa": p["q_sfa"]}


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
            sim_code=_leaky_code(_ADAPTING),
            threshold="V >= V_th",
            reset_code="V = V_reset; refractory = refractory_steps; g_sfa += q_sfa;",
            state={**_LEAKY_STATE, "g_sfa": "scalar"},
            constants=_sfa_constants,
        ),
    )
)


AEIF_TOLERANCE_MV = (1e-6, 1e-5)
"""Local error of the adaptive exponential neuron in GeNN in double precision, as in NEST, and in single."""

AEIF_SHORTEST = 1e-5
"""Part of a time step below which GeNN neither divides it nor places a spike more exactly."""

AEIF_MOST_STEPS = 100
"""Runge-Kutta steps in a time step after which GeNN takes what is left of it in one."""


def _aeif_constants(p: Parameters, dt_ms: float) -> dict[str, Number]:
    names = ("C_m", "g_L", "E_L", "E_ex", "E_in", "V_th", "V_reset", "Delta_T", "a", "b", "tau_w", "V_peak")
    height = (np.asarray(p["V_peak"]) - p["V_th"]) / p["Delta_T"]
    return {
        **{name: p[name] for name in names},
        # Not so small that single precision would round it to 0.
        "q_peak": np.maximum(np.exp(-height), 1e-30),
        "rate_ex": dt_ms / np.asarray(p["tau_syn_ex"]),
        "rate_in": dt_ms / np.asarray(p["tau_syn_in"]),
        "refractory_steps": _refractory(p, dt_ms),
    }


def _slopes(number: int, y: str, w: str, g_ex: str, g_in: str) -> str:
    """Return code for the derivatives `dy<number>` and `dw<number>`."""
    n = number
    return f"""
        const scalar y{n} = {y};
        const scalar w{n} = {w};
        const scalar q{n} = fmin((scalar)1.0, fmax(q_peak, (scalar)1.0 - (y{n} - V_th) / Delta_T));
        const scalar u{n} = (y{n} < V_th) ? y{n} : V_th - Delta_T * log(q{n});
        const scalar s{n} = (y{n} < V_th) ? exp((y{n} - V_th) / Delta_T) : (scalar)1.0;
        const scalar dy{n} = (q{n} * (g_L * (E_L - u{n}) + {g_ex} * (E_ex - u{n}) + {g_in} * (E_in - u{n})
            - w{n} + I_e) + g_L * Delta_T * s{n}) / C_m;
        const scalar dw{n} = (a * (u{n} - E_L) - w{n}) / tau_w;
    """


def _stretched(V: str) -> str:
    return f"(({V} < V_th) ? {V} : V_th + Delta_T * ((scalar)1.0 - exp((V_th - {V}) / Delta_T)))"


# Above V_th, y = V_th + Delta_T (1 - exp(-(V - V_th) / Delta_T)) takes the place of V: the divergence of V at
# a spike is a straight line in y, whose end is found to a small part of a step. q = dy/dV. The steps are
# Merson's (1957), of fourth order with an estimate of their error; conductances decay exactly.
_AEIF_CODE = f"""
    g_ex += in_ex;
    g_in -= in_in;
    fired = 0;
    const scalar tolerance = ((scalar)1.0 + (scalar)1e-9 > (scalar)1.0) ? (scalar){AEIF_TOLERANCE_MV[0]}
        : (scalar){AEIF_TOLERANCE_MV[1]};
    const scalar y_peak = V_th + Delta_T * ((scalar)1.0 - q_peak);
    scalar y = {_stretched("V")};
    scalar left = 1.0;
    scalar next = 1.0;
    for (unsigned int k = 0; left > 0 && refractory == 0; k++) {{
        {_slopes(1, "y", "w", "g_ex", "g_in")}
        const scalar gap = y_peak - y;
        scalar part = fmin(next, left);
        if (y > V_th && dy1 * (scalar)dt * part > gap) {{
            part = fmax((scalar){AEIF_SHORTEST}, gap / (dy1 * (scalar)dt));
        }}
        if (k >= {AEIF_MOST_STEPS}u || part > left) {{
            part = left;
        }}
        const scalar h = part * (scalar)dt;
        const scalar ex_6 = exp(-part * rate_ex / 6);
        const scalar in_6 = exp(-part * rate_in / 6);
        const scalar ex_3 = g_ex * ex_6 * ex_6;
        const scalar in_3 = g_in * in_6 * in_6;
        const scalar ex_2 = ex_3 * ex_6;
        const scalar in_2 = in_3 * in_6;
        const scalar ex_1 = ex_2 * ex_6 * ex_6 * ex_6;
        const scalar in_1 = in_2 * in_6 * in_6 * in_6;
        {_slopes(2, "y + h / 3 * dy1", "w + h / 3 * dw1", "ex_3", "in_3")}
        {_slopes(3, "y + h / 6 * (dy1 + dy2)", "w + h / 6 * (dw1 + dw2)", "ex_3", "in_3")}
        {_slopes(4, "y + h / 8 * (dy1 + 3 * dy3)", "w + h / 8 * (dw1 + 3 * dw3)", "ex_2", "in_2")}
        {
    _slopes(
        5, "y + h / 2 * (dy1 - 3 * dy3 + 4 * dy4)", "w + h / 2 * (dw1 - 3 * dw3 + 4 * dw4)", "ex_1", "in_1"
    )
}
        const scalar rise = h / 6 * (dy1 + 4 * dy4 + dy5);
        const scalar error = fabs(h / 30 * (2 * dy1 - 9 * dy3 + 8 * dy4 - dy5))
            / (tolerance * ((scalar)1.0 + fabs(rise)));
        const bool late = (rise - gap) * part > (scalar){AEIF_SHORTEST} * rise && rise > gap;
        const bool divisible = k < {AEIF_MOST_STEPS}u && part > (scalar){AEIF_SHORTEST};
        scalar change = (scalar)0.9 * pow(fmax(error, (scalar)1e-4), (scalar)-0.2);
        if (divisible && (error > (scalar)1.0 || late)) {{
            next = part * ((late) ? fmin(change, gap / rise) : change);
            next = fmax(next, (scalar)0.5 * (scalar){AEIF_SHORTEST});
        }}
        else {{
            y += rise;
            w += h / 6 * (dw1 + 4 * dw4 + dw5);
            g_ex = ex_1;
            g_in = in_1;
            left = (part < left) ? left - part : (scalar)0.0;
            next = part * change;
            if (y >= y_peak) {{
                y = {_stretched("V_reset")};
                w += b;
                repeated = (fired == 1) ? 1 : repeated;
                fired = 1;
                refractory = (refractory_steps > 0) ? refractory_steps + 1 : 0;
            }}
        }}
    }}
    if (refractory > 0) {{
        const scalar rest = a * (V_reset - E_L);
        w = rest + (w - rest) * exp(-left * (scalar)dt / tau_w);
        g_ex *= exp(-left * rate_ex);
        g_in *= exp(-left * rate_in);
        V = V_reset;
        refractory--;
    }}
    else {{
        V = (y < V_th) ? y : V_th - Delta_T * log(fmax(q_peak, (scalar)1.0 - (y - V_th) / Delta_T));
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
            integration="an adaptive Runge-Kutta-Merson method",
            sim_code=_AEIF_CODE,
            threshold="fired == 1",
            reset_code="",
            state={
                **dict.fromkeys(("V", "w", "g_ex", "g_in"), "scalar"),
                "refractory": "unsigned int",
                "fired": "unsigned int",
                "repeated": "unsigned int",
            },
            constants=_aeif_constants,
            threshold_constant="V_peak",
            repeated="repeated",
        ),
    )
)
