"""One network in full: its values, its graph and its initial state."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from calibrate.network import (
    Bernoulli,
    Distributed,
    FixedIndegree,
    Network,
    Population,
    Projection,
    Uniform,
    UniformDelay,
    Values,
    wiring,
)
from calibrate.neurons import Number, delay_steps, neuron_model
from calibrate.observation import FloatArray


@dataclass(frozen=True, kw_only=True)
class Synapses:
    """The synapses of a projection, ordered by source, then by target.

    sources    number within the source population, shape (n_synapses,)
    targets    number within the target population, shape (n_synapses,)
    weights    pA; one for all, or shape (n_synapses,)
    delays_ms  whole steps; one for all, or shape (n_synapses,)
    """

    sources: NDArray[np.int32]
    targets: NDArray[np.int32]
    weights: Number
    delays_ms: Number


@dataclass(frozen=True, kw_only=True)
class Realisation:
    """All that a simulation without random input depends on.

    network      populations and projections
    values       weights, neuron parameters, distributions
    wiring_seed  seed of the graphs
    graph        number of the graph
    seed         seed of the initial state
    dt_ms        step of the simulation
    """

    network: Network
    values: Values
    wiring_seed: int
    graph: int
    seed: int
    dt_ms: float

    def given(self, population: Population) -> Mapping[str, float | Distributed | Uniform]:
        """All parameters of the neuron model of a population, with the rules of those that differ."""
        model = neuron_model(population.neuron)
        given = self.values.neurons[population.name]
        return {p.name: given.get(p.name, p.default) for p in model.parameters}

    @cached_property
    def parameters(self) -> Mapping[str, dict[str, Number]]:
        """Parameters of the neurons by population and name: one number, or shape (size,)."""
        return {
            population.name: wiring.neuron_parameters(
                population, self.values, wiring_seed=self.wiring_seed, realisation=self.graph
            )
            for population in self.network.populations
        }

    @property
    def distributed(self) -> Mapping[str, Mapping[str, FloatArray]]:
        """The parameters that differ between neurons, by population and name; shape (size,)."""
        return {
            name: {parameter: np.asarray(v) for parameter, v in of_neurons.items() if np.ndim(v)}
            for name, of_neurons in self.parameters.items()
        }

    @cached_property
    def potentials(self) -> Mapping[str, FloatArray]:
        """Membrane potentials at t = 0 (mV) by population, shape (size,)."""
        return {
            population.name: wiring.initial_potential(
                population, self.values, self.parameters[population.name], seed=self.seed
            )
            for population in self.network.populations
        }

    def synapses(self, projection: Projection) -> Synapses:
        """Draw the synapses of a projection."""
        graph = {"wiring_seed": self.wiring_seed, "realisation": self.graph}
        drawn = wiring.draw(self.network, projection, **graph)
        weights: Number = float(self.values.weights[projection.name])
        if projection.weight_cv:
            weights = weights * wiring.weight_factors(projection, drawn, **graph)
        delays: Number = self._in_steps(projection.longest_delay_ms)
        if isinstance(projection.delay_ms, UniformDelay):
            steps = wiring.synapse_delays(projection, drawn, dt_ms=self.dt_ms, **graph)
            delays = steps.astype(np.float64) * self.dt_ms
        return Synapses(sources=drawn.sources, targets=drawn.targets, weights=weights, delays_ms=delays)

    def delays_ms(self, projection: Projection) -> float | tuple[float, float]:
        """The delay of a projection as it is simulated, or its limits if it differs between synapses."""
        delay = projection.delay_ms
        if isinstance(delay, UniformDelay):
            return self._in_steps(delay.low_ms), self._in_steps(delay.high_ms)
        return self._in_steps(delay)

    @property
    def shortest_delay_ms(self) -> float:
        """The shortest delay of a synapse; a step, if there is none."""
        return min((_lowest(self.delays_ms(p)) for p in self.network.projections), default=self.dt_ms)

    @property
    def longest_delay_ms(self) -> float:
        """The longest delay of a synapse; a step, if there is none."""
        return max((self._in_steps(p.longest_delay_ms) for p in self.network.projections), default=self.dt_ms)

    def _in_steps(self, delay_ms: float) -> float:
        return delay_steps(delay_ms, self.dt_ms) * self.dt_ms

    @property
    def expected_synapses(self) -> float:
        """Expected number of synapses."""
        return sum(self.network.expected_synapses(projection) for projection in self.network.projections)


def _lowest(delays: float | tuple[float, float]) -> float:
    return delays[0] if isinstance(delays, tuple) else delays


def rule_in_words(projection: Projection) -> str:
    """The rule of a projection, for a reader."""
    rule = projection.rule
    if isinstance(rule, Bernoulli):
        pairs = {
            "all": "every pair",
            "within": "every pair in the same cluster",
            "between": "every pair in different clusters",
        }
        return f"{pairs[projection.part]}, with probability {rule.probability:g}"
    if isinstance(rule, FixedIndegree):
        where = {"all": "every cluster", "within": "its own cluster", "between": "every other cluster"}
        return f"each target has {100 * rule.probability:.6g} % of the sources in {where[projection.part]}"
    return f"each target has {rule.low} to {rule.high} sources"


def lognormal(weight_cv: float) -> tuple[float, float]:
    """Mean and standard deviation of the logarithm of a weight's factor, which has mean 1 and this CV."""
    variance = math.log1p(weight_cv**2)
    return -variance / 2, math.sqrt(variance)
