"""Neuron models, each with its parameters and its NEST and GeNN implementations.

Parameters have NEST's names and units. If the equations are linear, GeNN takes the same exact propagator step
as NEST (Rotter & Diesmann 1999), so that both produce the same spikes.
"""

from __future__ import annotations

from calibrate.neurons.conductance_based import AEIF_COND_EXP, IAF_COND_EXP, IAF_COND_EXP_SFA
from calibrate.neurons.current_based import IAF_PSC_BETA, IAF_PSC_EXP
from calibrate.neurons.model import (
    GennNeuron,
    NestNeuron,
    NeuronModel,
    NeuronParameter,
    Port,
    completed,
)
from calibrate.neurons.propagators import (
    Number,
    beta_peak,
    beta_peak_per_charge,
    cascade_propagator,
    current_propagator,
    decay,
    delay_steps,
    psp_peak,
    refractory_steps,
    step_mean,
)
from calibrate.neurons.registry import neuron_model, neuron_models, register

BUILT_IN = (IAF_PSC_EXP, IAF_PSC_BETA, IAF_COND_EXP, IAF_COND_EXP_SFA, AEIF_COND_EXP)


def own_neuron_models() -> tuple[NeuronModel, ...]:
    """List the registered neuron models that are not built in.

    Returns
    -------
    tuple of NeuronModel
        The models, in the order of their registration.

    Examples
    --------
    >>> from calibrate.neurons import own_neuron_models
    >>> "iaf_psc_exp" in [model.name for model in own_neuron_models()]
    False
    """
    built_in = {model.name for model in BUILT_IN}
    return tuple(model for model in neuron_models() if model.name not in built_in)


__all__ = [
    "AEIF_COND_EXP",
    "BUILT_IN",
    "IAF_COND_EXP",
    "IAF_COND_EXP_SFA",
    "IAF_PSC_BETA",
    "IAF_PSC_EXP",
    "GennNeuron",
    "NestNeuron",
    "NeuronModel",
    "NeuronParameter",
    "Number",
    "Port",
    "beta_peak",
    "beta_peak_per_charge",
    "cascade_propagator",
    "completed",
    "current_propagator",
    "decay",
    "delay_steps",
    "neuron_model",
    "neuron_models",
    "own_neuron_models",
    "psp_peak",
    "refractory_steps",
    "register",
    "step_mean",
]
