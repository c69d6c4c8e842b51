"""Neurons of a model that only NEST has, as a user brings it: alpha-shaped synaptic currents."""

from __future__ import annotations

from calibrate.network import (
    FixedIndegree,
    Model,
    Network,
    Parameter,
    Parameters,
    Population,
    Projection,
    UniformPotential,
    Values,
)
from calibrate.neurons import NestNeuron, NeuronModel, NeuronParameter, register

IAF_PSC_ALPHA: NeuronModel = register(
    NeuronModel(
        name="iaf_psc_alpha",
        doc="Leaky integrate-and-fire neuron with alpha-shaped synaptic currents",
        parameters=(
            NeuronParameter("C_m", "pF", 250.0, "capacitance of the membrane", above=0.0),
            NeuronParameter("tau_m", "ms", 10.0, "membrane time constant", above=0.0),
            NeuronParameter("E_L", "mV", -70.0, "resting potential"),
            NeuronParameter("V_th", "mV", -55.0, "threshold"),
            NeuronParameter("V_reset", "mV", -70.0, "reset potential"),
            NeuronParameter("t_ref", "ms", 2.0, "refractory time", low=0.0),
            NeuronParameter("tau_syn_ex", "ms", 2.0, "rise time of excitatory currents", above=0.0),
            NeuronParameter("tau_syn_in", "ms", 2.0, "rise time of inhibitory currents", above=0.0),
            NeuronParameter("I_e", "pA", 0.0, "constant current"),
        ),
        nest=NestNeuron(model="iaf_psc_alpha", fading=("tau_syn_ex", "tau_syn_in")),
        exact=True,
    )
)


def network(p: Parameters) -> Network:
    del p
    return Network(
        populations=(Population(name="cells", size=20, neuron="iaf_psc_alpha"),),
        projections=(
            Projection(source="cells", target="cells", rule=FixedIndegree(0.2), delay_ms=1.5, receptor="in"),
        ),
    )


def values(network: Network, p: Parameters) -> Values:
    del network
    return Values(
        neurons={"cells": {"I_e": p["drive"]}},
        weights={"cells_to_cells_all": -p["feedback"]},
        initial={"cells": UniformPotential(-70.0, -55.0)},
    )


alpha = Model(
    name="alpha",
    parameters=(
        Parameter(name="drive", default=500.0, unit="pA", doc="constant current"),
        Parameter(name="feedback", default=100.0, unit="pA", doc="strength of the inhibition", low=0.0),
    ),
    make_network=network,
    make_values=values,
    doc="Neurons with alpha-shaped currents that inhibit one another",
)
