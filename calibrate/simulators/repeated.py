"""Neurons that fire more than once in a step, which neither a raster nor GeNN's spikes can hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from calibrate.errors import SimulatorError
from calibrate.network import Network, Population
from calibrate.neurons import Number, neuron_model, refractory_steps
from calibrate.observation import IntArray, SimulationFailure


def repeated_spikes(population: Population, dt_ms: float) -> SimulationFailure:
    """The failure of a network of which a neuron of this population fired more than once in a step."""
    name = neuron_model(population.neuron).refractory
    return SimulationFailure(
        f"a neuron of {population.name} fired more than once in a step of {dt_ms:g} ms: "
        f"set its {name} to {dt_ms:g} ms or more"
    )


@contextmanager
def naming_the_remedy(
    network: Network, parameters: Mapping[str, Mapping[str, Number]], dt_ms: float
) -> Iterator[None]:
    """Say of an error that neurons without refractory time, which can run away, may have caused it."""
    try:
        yield
    except Exception as error:
        for population in network.populations:
            model = neuron_model(population.neuron)
            shortest = float(np.min(parameters[population.name][model.refractory]))
            if model.may_repeat and refractory_steps(shortest, dt_ms) == 0:
                raise SimulatorError(
                    f"{error} {population.name} has no refractory time: set its {model.refractory} to "
                    f"{dt_ms:g} ms or more"
                ) from error
        raise


def first_spikes(
    network: Network, step: IntArray, neuron: IntArray, dt_ms: float
) -> tuple[IntArray, IntArray, SimulationFailure | None]:
    """Each neuron's first spike in each step, and the failure if there were others.

    Only neurons of models that can fire again in a step are looked at.
    """
    first, again, failure = 0, np.zeros(0, dtype=np.int64), None
    for population in network.populations:
        if neuron_model(population.neuron).may_repeat:
            own = np.flatnonzero((neuron >= first) & (neuron < first + population.size))
            _, once = np.unique(step[own] * population.size + neuron[own] - first, return_index=True)
            if once.size < own.size:
                again = np.append(again, np.setdiff1d(own, own[once]))
                failure = failure or repeated_spikes(population, dt_ms)
        first += population.size
    return np.delete(step, again), np.delete(neuron, again), failure
