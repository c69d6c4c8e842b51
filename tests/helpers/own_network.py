"""A network as a user writes it: neurons that inhibit one another, of a model that is not built in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from calibrate.network import (
    Bernoulli,
    Model,
    Network,
    Parameter,
    Parameters,
    Population,
    Projection,
    UniformPotential,
    Values,
)
from calibrate.neurons import (
    IAF_PSC_EXP,
    NeuronModel,
    NeuronParameter,
    Number,
    refractory_steps,
    register,
)


def constants(p: Mapping[str, Number], dt_ms: float) -> dict[str, Number]:
    shared = dict(IAF_PSC_EXP.genn.constants({**p, "t_ref": p["t_ref_abs"]}, dt_ms))
    return {**shared, "total_steps": np.vectorize(refractory_steps)(p["t_ref_tot"], dt_ms)}


# NEST's model with an absolute and a longer total refractory time: between them it integrates only.
IAF_PSC_EXP_HTUM: NeuronModel = register(
    NeuronModel(
        exact=True,
        name="iaf_psc_exp_htum",
        doc="iaf_psc_exp with absolute and total refractory times",
        parameters=(
            *(p for p in IAF_PSC_EXP.parameters if p.name != "t_ref"),
            NeuronParameter("t_ref_abs", "ms", 2.0, "time during which the potential is clamped", low=0.0),
            NeuronParameter("t_ref_tot", "ms", 2.0, "time during which no spike is fired", low=0.0),
        ),
        nest=replace(IAF_PSC_EXP.nest, model="iaf_psc_exp_htum"),
        refractory="t_ref_tot",
        genn=replace(
            IAF_PSC_EXP.genn,
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
                const unsigned int may_fire = (silent == 0) ? 1u : 0u;
                if (silent > 0) {
                    silent--;
                }
            """,
            threshold="may_fire == 1u && V >= threshold",
            reset_code="""
                V = reset;
                refractory = refractory_steps;
                silent = total_steps;
            """,
            state={**IAF_PSC_EXP.genn.state, "silent": "unsigned int"},
            constants=constants,
            integers=frozenset({"refractory_steps", "total_steps"}),
        ),
    )
)


def network(p: Parameters) -> Network:
    return Network(
        populations=(Population(name="cells", size=p["N"], neuron="iaf_psc_exp_htum"),),
        projections=(
            Projection(source="cells", target="cells", rule=Bernoulli(0.1), delay_ms=1.0, receptor="in"),
        ),
    )


def values(network: Network, p: Parameters) -> Values:
    del network
    neuron = {
        "C_m": 200.0,
        "tau_m": 20.0,
        "E_L": -65.0,
        "V_reset": -70.0,
        "V_th": -50.0,
        "I_e": p["drive"],
        "t_ref_abs": 1.0,
        "t_ref_tot": p["rest"],
    }
    return Values(
        neurons={"cells": neuron},
        weights={"cells_to_cells_all": -p["feedback"]},
        initial={"cells": UniformPotential(-70.0, -50.0)},
    )


inhibited = Model(
    name="inhibited",
    parameters=(
        Parameter(name="N", default=200, unit="", doc="neurons", kind=int, tier="code", low=1),
        Parameter(name="drive", default=250.0, unit="pA", doc="constant current"),
        Parameter(name="feedback", default=20.0, unit="pA", doc="strength of the inhibition", low=0.0),
        Parameter(name="rest", default=10.0, unit="ms", doc="time without spikes after a spike", low=1.0),
    ),
    make_network=network,
    make_values=values,
    doc="Neurons that inhibit one another",
)
