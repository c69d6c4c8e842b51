"""Random input in NEST: the events that `RandomInput` draws, sent by one spike generator per neuron."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.network import Population
from calibrate.network.random_input import RandomInput
from calibrate.neurons import Number, neuron_model


class NestNoise:
    """Generators of the random input of a population, connected to all ports of its neurons.

    NEST's own generators are not used: their trains depend on what the kernel simulated before, and its gamma
    generator makes at most one transition a step.
    """

    def __init__(
        self, nest: Any, population: Population, nodes: Any, *, first_neuron: int, dt_ms: float
    ) -> None:
        self._nest, self._population, self._dt_ms = nest, population, dt_ms
        self._first_neuron = first_neuron
        model = neuron_model(population.neuron)
        # One for each port, since NEST wants all connections of a device to use the same synapses.
        self._generators: dict[int, Any] = {}
        for port in sorted({port.number for receptor in model.receptors for port in model.ports(receptor)}):
            self._generators[port] = nest.Create("spike_generator", population.size)
            name = self._synapse(port)
            nest.CopyModel("static_synapse_hom_w", name, {"delay": dt_ms})
            synapses = {"synapse_model": name, "receptor_type": port}
            nest.Connect(self._generators[port], nodes, "one_to_one", synapses)
        self._ports: list[int] = []  # those of the receptor that the sign of the weight selects

    def _synapse(self, port: int) -> str:
        return f"noise_{self._population.name}_{port}"

    def start(self, weight: float, rate_hz: float, parameters: dict[str, Number], *, seed: int) -> None:
        """Begin the input of a candidate, before its first step."""
        model = neuron_model(self._population.neuron)
        ports = model.ports("in" if weight < 0 else "ex")
        for port in ports:
            self._nest.SetDefaults(self._synapse(port.number), {"weight": weight * port.factor(parameters)})
        self._ports = [port.number for port in ports]
        self._input = RandomInput(
            self._population, first_neuron=self._first_neuron, seed=seed, dt_ms=self._dt_ms
        )
        self.set_rates(np.full(self._population.clusters, rate_hz))

    def has_rates(self, rates_hz: NDArray[np.float64]) -> bool:
        """Whether these are the rates (Hz) of the clusters."""
        return np.array_equal(rates_hz, self._rates_hz)

    def set_rates(self, rates_hz: NDArray[np.float64]) -> None:
        """Set the rate (Hz) of each cluster for the steps that have not been sent."""
        self._input.set_rates(rates_hz)
        self._rates_hz = rates_hz.copy()

    def take_back(self, step: int) -> None:
        """Take back the events from `step` on, which were sent but have not arrived."""
        self.stop()
        self._input.rewind(step)

    def send(self, start: int, stop: int, *, origin: int) -> None:
        """Send the events of the steps from `start` to `stop`; step 0 is step `origin` of the kernel.

        An event of time t is delivered one step later at the earliest. NEST adds it at the end of the step
        that begins at t, after the membrane; its effect begins with the next step, to which it belongs here.
        """
        events = self._input.draw(start, stop)
        neurons, first = np.unique(events.neuron, return_index=True)
        if neurons.size == 0:
            return
        times = np.split((events.step + origin - 1) * self._dt_ms, first[1:])
        counts = np.split(events.count, first[1:])
        settings = [
            {"spike_times": of_neuron, "spike_multiplicities": count}
            for of_neuron, count in zip(times, counts, strict=True)
        ]
        for port in self._ports:
            self._generators[port][neurons.tolist()].set(settings)

    def stop(self) -> None:
        """Forget events that have not been sent, as after an interruption."""
        nothing = {"spike_times": np.zeros(0), "spike_multiplicities": np.zeros(0, dtype=np.int64)}
        for generators in self._generators.values():
            generators.set(nothing)
