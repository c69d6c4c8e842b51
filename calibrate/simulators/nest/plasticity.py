"""Plastic synapses in NEST, where the host applies their rule to arrays and writes the weights back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.network import Network, Part, Plasticity, Projection, Values, wiring
from calibrate.neurons import delay_steps
from calibrate.neurons.plasticity import plasticity_rule
from calibrate.observation import IntArray
from calibrate.simulators.nest.internals import weight_setter

# How long weights stay as they are while NEST simulates: short against every time constant of learning.
INTERVAL_MS = 1.0

_NEVER = -(10**12)  # step of the last spike of a neuron that has not fired yet

# Kinds of spikes, in the order in which those of one step act.
_SOURCE, _MODULATION, _POSTSYNAPTIC = range(3)


class PlasticSynapses:
    """The synapses of one plastic projection: the parts `g` that are left of their initial weight.

    A spike of the source counts from when it was fired, once it has arrived; one of the target acts two steps
    after it was fired, a modulating one three: as in GeNN.
    """

    def __init__(
        self, network: Network, projection: Projection, drawn: wiring.Connections, *, dt_ms: float
    ) -> None:
        plasticity = projection.plasticity
        if plasticity is None:
            raise ValueError(f"{projection.name} is not plastic")
        self._rule = plasticity_rule(plasticity.rule)
        self._dt_ms = dt_ms
        self._later = {
            _SOURCE: delay_steps(projection.longest_delay_ms, dt_ms),
            _MODULATION: 3,
            _POSTSYNAPTIC: 2,
        }
        self.sources, self.targets = drawn.sources, drawn.targets
        self._neurons = {
            kind: network.layout.neurons_of(name)
            for kind, name in (
                (_SOURCE, projection.source),
                (_MODULATION, plasticity.modulator),
                (_POSTSYNAPTIC, projection.target),
            )
        }
        self._reached = _reached(network, projection, plasticity)

    def start(self, projection: Projection, values: Values, *, port_factor: float) -> None:
        """Begin with the initial weight of a candidate, at a port whose weights have a factor."""
        self._port_factor = port_factor
        self._weight = values.weights[projection.name]
        parameters = self._rule.complete(values.plasticity[projection.name])
        self._constants = self._rule.constants(parameters, self._weight)
        self.g = np.ones(self.targets.size)
        self._last = np.full(self._neurons[_SOURCE].stop - self._neurons[_SOURCE].start, _NEVER)
        self._pending: list[tuple[int, int, int]] = []

    @property
    def weights(self) -> NDArray[np.float64]:
        """In the unit of the receptor, shape (n_synapses,)."""
        return self._weight * self.g

    @property
    def port_weights(self) -> NDArray[np.float64]:
        """As NEST's port takes them."""
        return self._port_factor * self.weights

    def update(self, step: IntArray, neuron: IntArray, until_step: int) -> bool:
        """Apply the spikes of the steps up to `until_step` (exclusive); returns whether weights changed."""
        for kind, inside in self._neurons.items():
            chosen = (neuron >= inside.start) & (neuron < inside.stop)
            self._pending += [
                (int(s) + self._later[kind], kind, int(n) - inside.start)
                for s, n in zip(step[chosen], neuron[chosen], strict=True)
            ]
        due = sorted(event for event in self._pending if event[0] <= until_step)
        self._pending = [event for event in self._pending if event[0] > until_step]
        changed = False
        for now, kind, number in due:
            if kind == _SOURCE:
                self._last[number] = now - self._later[_SOURCE]
                continue
            if kind == _MODULATION:
                mine, change = self._reached[number][self.targets], self._rule.modulated
            else:
                mine, change = self.targets == number, self._rule.postsynaptic
            since = (now - self._last[self.sources[mine]]) * self._dt_ms
            self.g[mine] = change(self.g[mine], since, self._constants)
            changed = True
        return changed


def _reached(network: Network, projection: Projection, plasticity: Plasticity) -> NDArray[np.bool_]:
    """Which targets each modulating neuron reaches, shape (modulators, targets)."""
    modulator, target = network.population(plasticity.modulator), network.population(projection.target)
    same = np.equal.outer(
        np.arange(modulator.size) // modulator.cluster_size, np.arange(target.size) // target.cluster_size
    )
    part: Part = plasticity.part
    return np.ones_like(same) if part == "all" else same if part == "within" else ~same


class PlasticConnections:
    """NEST's connections of a synapse model, written to in the order of the synapses as they were drawn."""

    def __init__(self, nest: Any, synapse_model: str, drawn: wiring.Connections) -> None:
        connections = nest.GetConnections(synapse_model=synapse_model)
        self._set = weight_setter(nest, connections)
        theirs = np.lexsort((np.asarray(connections.target), np.asarray(connections.source)))
        ours = np.lexsort((drawn.targets, drawn.sources))
        self._order = np.empty_like(theirs)
        self._order[theirs] = ours

    def set_weights(self, weights: NDArray[np.float64]) -> None:
        """`weights` of shape (n_synapses,), in the unit of the receptor."""
        self._set(weights[self._order].tolist())
