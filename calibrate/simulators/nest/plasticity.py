"""Plastic synapses in NEST: the host applies their rule to arrays and writes the weights back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.network import Network, Part, Plasticity, Projection, Values, wiring
from calibrate.neurons import delay_steps
from calibrate.neurons.plasticity import plasticity_rule
from calibrate.observation import IntArray
from calibrate.simulators.nest.internals import weight_setter

# Weights are constant for this time (ms) while NEST simulates: short compared with every time constant of
# learning.
INTERVAL_MS = 1.0

_NEVER = -(10**12)  # step of the last spike of a neuron that has not fired yet

# Kinds of spikes, in the order in which those of one step take effect.
_SOURCE, _MODULATION, _POSTSYNAPTIC = range(3)


class PlasticSynapses:
    """The synapses of one plastic projection, with the ratios `g` of their weights to the initial weight.

    A source spike takes effect when it arrives, and is then dated back to when it was fired. A target spike
    takes effect two steps after it was fired, a modulating spike three steps after, as in GeNN.
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
        self._reached = _find_reach(network, projection, plasticity)

    def start(self, projection: Projection, values: Values, *, port_factor: float) -> None:
        """Start from the initial weight in `values`, at a port that scales weights by `port_factor`."""
        self._port_factor = port_factor
        self._weight = values.weights[projection.name]
        parameters = self._rule.complete(values.plasticity[projection.name])
        self._constants = self._rule.constants(parameters, self._weight)
        self.g = np.ones(self.targets.size)
        self._last = np.full(self._neurons[_SOURCE].stop - self._neurons[_SOURCE].start, _NEVER)
        self._pending: list[tuple[int, int, int]] = []

    @property
    def weights(self) -> NDArray[np.float64]:
        """Weights in the unit of the receptor, shape (n_synapses,)."""
        return self._weight * self.g

    @property
    def port_weights(self) -> NDArray[np.float64]:
        """Weights as NEST's port takes them, shape (n_synapses,)."""
        return self._port_factor * self.weights

    def update(self, step: IntArray, neuron: IntArray, until_step: int) -> bool:
        """Take spikes of steps before `until_step` and apply those due; returns whether weights changed."""
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
                affected, change = self._reached[number][self.targets], self._rule.modulated
            else:
                affected, change = self.targets == number, self._rule.postsynaptic
            since = (now - self._last[self.sources[affected]]) * self._dt_ms
            self.g[affected] = change(self.g[affected], since, self._constants)
            changed = True
        return changed


def _find_reach(network: Network, projection: Projection, plasticity: Plasticity) -> NDArray[np.bool_]:
    """Which targets each modulating neuron reaches, shape (modulators, targets)."""
    modulator, target = network.population(plasticity.modulator), network.population(projection.target)
    same_cluster = np.equal.outer(
        np.arange(modulator.size) // modulator.cluster_size, np.arange(target.size) // target.cluster_size
    )
    part: Part = plasticity.part
    if part == "all":
        return np.ones_like(same_cluster)
    return same_cluster if part == "within" else ~same_cluster


class PlasticConnections:
    """NEST's connections of one synapse model; takes weights in the order in which synapses were drawn."""

    def __init__(self, nest: Any, synapse_model: str, drawn: wiring.Connections) -> None:
        connections = nest.GetConnections(synapse_model=synapse_model)
        self._set = weight_setter(nest, connections)
        theirs = np.lexsort((np.asarray(connections.target), np.asarray(connections.source)))
        ours = np.lexsort((drawn.targets, drawn.sources))
        self._order = np.empty_like(theirs)
        self._order[theirs] = ours

    def set_weights(self, weights: NDArray[np.float64]) -> None:
        """Set `weights`, of shape (n_synapses,), as NEST's port takes them."""
        self._set(weights[self._order].tolist())
