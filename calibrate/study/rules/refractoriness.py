"""Neurons that could fire more than once in a step."""

from __future__ import annotations

from collections.abc import Iterator

from calibrate.network import Distributed, Network, Uniform, Values
from calibrate.network.own_simulation import OwnNetwork
from calibrate.neurons import neuron_model, refractory_steps


def warnings(network: Network, values: Values, dt_ms: float) -> Iterator[str]:
    """Yield one line for every population that has no refractory time and a model that then needs one."""
    for population in network.populations:
        model = neuron_model(population.neuron)
        if not model.may_repeat or isinstance(network, OwnNetwork):
            continue
        default = model.complete({})[model.refractory]
        shortest = values.neurons[population.name].get(model.refractory, default)
        if isinstance(shortest, Uniform):
            shortest = shortest.low
        elif isinstance(shortest, Distributed):
            shortest = shortest.mean - 3 * shortest.sd  # one of 700 neurons has less
        if refractory_steps(float(shortest), dt_ms) == 0:
            yield (
                f"{population.name} ({model.name}) has no refractory time: a trial fails if a neuron fires "
                f"more than once in a step; a {model.refractory} of {dt_ms:g} ms prevents that"
            )
