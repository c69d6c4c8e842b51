"""A network and its values as they are on a platform.

Weights are rounded to levels, single synapses at random if so wanted; time constants, thresholds and constant
inputs are those that their numbers of bits allow; mismatch is added; delays and refractory times are cut to
their ranges. Time steps are those of the simulation. The state itself is in floating point: its rounding in
every step is not simulated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from calibrate.errors import ModelError
from calibrate.hardware.carried import refusals, refused_values
from calibrate.hardware.limits import PA_PER_NA, Hardware
from calibrate.hardware.rounding import fixed_point, mantissa, nearest, time_constant
from calibrate.hardware.steps import NOISE, unit_onto, weight_steps
from calibrate.network import (
    Distributed,
    Network,
    Population,
    Projection,
    Uniform,
    UniformDelay,
    Values,
)
from calibrate.network.levels import Levels, Mismatch
from calibrate.network.values import typical
from calibrate.neurons import neuron_model

Given = float | Distributed | Uniform


@dataclass(frozen=True)
class Limited:
    """What a platform makes of networks and values; see `calibrate.network.model.Limits`.

    hardware  its limits
    dt_ms     time step of the simulation
    """

    hardware: Hardware
    dt_ms: float

    def of_network(self, network: Network) -> Network:
        """Return the network as it is on the platform. Raises ModelError if it cannot be there."""
        for reason in refusals(network, self.hardware):
            raise ModelError(reason)
        return Network(
            populations=tuple(map(self._population, network.populations)),
            projections=tuple(map(self._projection, network.projections)),
        )

    def of_values(self, network: Network, values: Values) -> Values:
        """Return the values of a network, which itself is not under the limits, as they are there.

        Raises ModelError if they cannot be there.
        """
        hardware = self.hardware
        for reason in refused_values(values, hardware):
            raise ModelError(reason)
        weights, levels, noise = dict(values.weights), dict[str, Levels](), dict(values.noise)
        if (highest := hardware.highest_level) is not None:
            steps = weight_steps(network, values, hardware, dt_ms=self.dt_ms)
            for population, given in values.noise.items():
                rounded = _rounded(given.weight, steps[NOISE.format(population)], highest)
                noise[population] = replace(given, weight=rounded)
        for projection in network.projections:
            name = projection.name
            if self._individual(projection):
                levels[name] = Levels(
                    step=None if highest is None else steps[name],
                    highest=highest or 1,
                    at_random=hardware.rounding == "random",
                    mismatch_cv=hardware.weight_cv,
                )
            elif highest is not None:
                weights[name] = _rounded(values.weights[name], steps[name], highest)
        return replace(
            values,
            neurons={p.name: self._neurons(network, p, values) for p in network.populations},
            weights=weights,
            noise=noise,
            levels=levels,
            mismatch={p.name: self._mismatch(p, values) for p in network.populations},
        )

    def _individual(self, projection: Projection) -> bool:
        """Whether each synapse of a projection has its own level, or its own deviation from it."""
        return self.hardware.individual or (
            self.hardware.weight_bits is not None and projection.weight_cv > 0
        )

    def _population(self, population: Population) -> Population:
        return replace(population, distributed=population.distributed | self._mismatched(population))

    def _mismatched(self, population: Population) -> frozenset[str]:
        """Names of the parameters of a population that differ by mismatch."""
        found = set()
        if self.hardware.threshold_cv:
            found.add("V_th")
        if self.hardware.time_constant_cv:
            found |= {name for name in _parameters(population) if name.startswith("tau")}
        return frozenset(found)

    def _mismatch(self, population: Population, values: Values) -> dict[str, Mismatch]:
        p = typical(_parameters(population), values.neurons[population.name])
        gap = p["V_th"] - p["E_L"] if self.hardware.threshold_cv else 0.0
        return {
            name: Mismatch(sd=self.hardware.threshold_cv * gap)
            if name == "V_th"
            else Mismatch(sd=self.hardware.time_constant_cv, factor=True)
            for name in sorted(self._mismatched(population))
        }

    def _projection(self, projection: Projection) -> Projection:
        delay = projection.delay_ms
        if isinstance(delay, UniformDelay):
            delay = UniformDelay(
                self.hardware.delay_ms(delay.low_ms, self.dt_ms),
                self.hardware.delay_ms(delay.high_ms, self.dt_ms),
            )
        else:
            delay = self.hardware.delay_ms(delay, self.dt_ms)
        return replace(projection, delay_ms=delay, levels=self._individual(projection))

    def _neurons(self, network: Network, population: Population, values: Values) -> Mapping[str, Given]:
        given = values.neurons[population.name]
        complete: dict[str, Given] = {**_parameters(population), **given}
        found = dict[str, Given]()
        for name, value in complete.items():
            rounded = _each(value, partial(self._parameter, population, name))
            if rounded != value:
                found[name] = rounded
        if self.hardware.threshold_bits is not None:
            found["V_th"] = self._threshold(network, population, values)
        return {**given, **found}

    def _parameter(self, population: Population, name: str, value: float) -> float:
        """Return a parameter of a neuron model as the platform has it."""
        hardware, dt_ms = self.hardware, self.dt_ms
        places = hardware.state_fraction_bits
        if name.startswith("tau"):
            bits = hardware.decay_bits if name == "tau_m" else hardware.synapse_decay_bits
            return value if bits is None else float(time_constant(value, dt_ms, bits))
        if name == neuron_model(population.neuron).refractory and hardware.max_refractory_steps is not None:
            return min(value, hardware.max_refractory_steps * dt_ms)
        if name == "I_e" and hardware.bias_bits is not None:
            value = float(mantissa(value, hardware.bias_bits))
        if places is None:
            return value
        if name in ("V_th", "V_reset", "E_L"):
            return float(fixed_point(value, places))
        if name not in ("I_e", "C_m"):
            return value
        rounded = float(fixed_point(value / PA_PER_NA, places)) * PA_PER_NA
        if name == "C_m" and not rounded:
            raise ModelError(
                f"C_m of population {population.name}, {value:g} pF, is 0 in {places} binary places of nF: "
                "choose units with a larger capacitance"
            )
        return rounded

    def _threshold(self, network: Network, population: Population, values: Values) -> Given:
        """Return the threshold at a whole number of units from rest."""
        given: dict[str, Given] = {**_parameters(population), **values.neurons[population.name]}
        p = typical({}, given)
        unit = unit_onto(network, values, population.name, self.hardware, dt_ms=self.dt_ms)
        step_mV = unit * self.dt_ms / p["C_m"]
        highest = 2 ** (self.hardware.threshold_bits or 0) - 1
        return _each(
            given["V_th"], lambda v: p["E_L"] + float(nearest(v - p["E_L"], step_mV, highest)) * step_mV
        )


def _parameters(population: Population) -> dict[str, float]:
    return {name: float(value) for name, value in neuron_model(population.neuron).complete({}).items()}


def _rounded(weight: float, step: float, highest: int) -> float:
    return math.copysign(float(nearest(weight, step, highest)) * step, weight)


def _each(value: Given, change: Callable[[float], float]) -> Given:
    """Return a parameter whose value, mean or limits are changed."""
    if isinstance(value, Distributed):
        return replace(value, mean=change(value.mean))
    if isinstance(value, Uniform):
        return Uniform(change(value.low), change(value.high))
    return change(value)
