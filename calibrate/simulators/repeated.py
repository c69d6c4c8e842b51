"""Neurons that fire more than once in a step, which neither a raster nor GeNN's spikes can hold."""

from __future__ import annotations

import numpy as np

from calibrate.network import Network, Population
from calibrate.neurons import neuron_model
from calibrate.observation import IntArray, SimulationFailure


def repeated_spikes(population: Population, dt_ms: float) -> SimulationFailure:
    """The failure of a network of which a neuron of this population fired more than once in a step."""
    name = neuron_model(population.neuron).refractory
    return SimulationFailure(
        f"a neuron of {population.name} fired more than once in a step of {dt_ms:g} ms: "
        f"set its {name} to {dt_ms:g} ms or more"
    )


def first_spikes(
    network: Network, step: IntArray, neuron: IntArray, dt_ms: float
) -> tuple[IntArray, IntArray, SimulationFailure | None]:
    """Each neuron's first spike in each step, and the failure if there were others.

    Only neurons of models that can fire again in a step are looked at.
    """
    first = 0
    for population in network.populations:
        if neuron_model(population.neuron).genn.repeated is not None:
            own = np.flatnonzero((neuron >= first) & (neuron < first + population.size))
            _, once = np.unique(step[own] * population.size + neuron[own] - first, return_index=True)
            if once.size < own.size:
                again = np.setdiff1d(own, own[once])
                return np.delete(step, again), np.delete(neuron, again), repeated_spikes(population, dt_ms)
        first += population.size
    return step, neuron, None
