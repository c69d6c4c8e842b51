"""Units of a network: with which capacitance and voltage scale a platform rounds it least."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from calibrate.calibration.hardening.hardening import Units
from calibrate.errors import ModelError
from calibrate.hardware import Hardware, Limited
from calibrate.hardware.rounding import nearest, neighbours
from calibrate.hardware.steps import NOISE
from calibrate.network import Model, Network, Values
from calibrate.network.dimensionless import make_dimensionless, rescaled
from calibrate.network.values import typical
from calibrate.neurons import neuron_model

# Capacitances that are compared: 1 pF to 10 nF, in steps of two digits.
CAPACITANCES_PF = tuple(digits * 10.0**power for power in range(-1, 3) for digits in range(10, 100))
# Other voltage scales, each with every tenth of these capacitances.
VOLTAGES = (0.5, 2.0, 0.25, 4.0, 0.125, 8.0)

# Errors that differ by less than this share are the same: then the units nearest to those of the study win.
_SAME = 0.1

# Scales that show whether any matters.
_PROBES = (1.37, 2.9, 17.3)


@dataclass(frozen=True)
class Scales:
    """Factors on all capacitances and on all voltages of a network, from its resting potential."""

    capacitance: float = 1.0
    voltage: float = 1.0

    def of(self, network: Network, values: Values) -> Values:
        """Return the values of a network in these units."""
        return rescaled(network, values, capacitance=self.capacitance, voltage=self.voltage)

    @property
    def distance(self) -> tuple[float, float]:
        """How far they are from those of the network."""
        return abs(math.log(self.voltage)), abs(math.log(self.capacitance))


def best_scales(network: Network, values: Values, hardware: Hardware, *, dt_ms: float) -> Scales:
    """Return the scales with the smallest of the largest relative rounding errors.

    Among scales that change no spike: it compares capacitances of the first population from 1 pF to 10 nF,
    and voltage scales from 1/8 to 8. If the error is the same for all, as where the largest weight sets the
    step, they are those of the network.
    """
    first = network.populations[0]
    defaults = neuron_model(first.neuron).complete({})
    given_pF = typical(defaults, values.neurons[first.name])["C_m"]

    def error_in(scales: Scales) -> float:
        try:
            found = rounding_errors(network, scales.of(network, values), hardware, dt_ms=dt_ms)
        except ModelError:  # the range of the platform does not hold the network in these units
            return math.inf
        return max(found.values(), default=0.0)

    unchanged = error_in(Scales())
    probes = (error_in(Scales(factor)) for factor in _PROBES)
    if all(math.isclose(error, unchanged, rel_tol=1e-6, abs_tol=1e-12) for error in probes):
        return Scales()
    scales = [Scales(), *(Scales(capacitance_pF / given_pF) for capacitance_pF in CAPACITANCES_PF)]
    scales += [Scales(one / given_pF, factor) for factor in VOLTAGES for one in CAPACITANCES_PF[::10]]
    errors = {one: error_in(one) for one in scales}
    enough = min(errors.values()) * (1 + _SAME)
    return min((one for one in scales if errors[one] <= enough), key=lambda one: (one.distance, errors[one]))


def in_units(network: Network, values: Values, hardware: Hardware, scales: Scales, *, dt_ms: float) -> Units:
    """Return what rounding changes in a network in other units."""
    there = scales.of(network, values)
    try:
        errors = rounding_errors(network, there, hardware, dt_ms=dt_ms)
    except ModelError:  # a capacitance is 0 there
        errors = {f"C_m of {population.name}": 1.0 for population in network.populations}
    worst = max(errors, key=lambda name: errors[name], default="")
    capacitances = {
        population.name: typical(neuron_model(population.neuron).complete({}), there.neurons[population.name])
        for population in network.populations
    }
    return Units(
        capacitance_pF={name: float(f"{p['C_m']:.12g}") for name, p in capacitances.items()},
        voltage=scales.voltage,
        error=errors.get(worst, 0.0),
        worst=worst,
        errors=errors,
    )


def setting_of(model: Model, parameters: Mapping[str, Any], scales: Scales) -> str:
    """Return the parameter that gives a network these scales, as "C = 250"; "" if no single one does."""
    if scales.voltage != 1.0 or scales.capacitance == 1.0:
        return ""
    network = model.network(parameters)
    wanted = scales.of(network, model.values(network, parameters))
    exact = make_dimensionless(network, wanted)
    for parameter in model.parameters:
        value = parameters.get(parameter.name, parameter.default)
        if parameter.unit != "pF" or not isinstance(value, int | float):
            continue
        changed = {**parameters, parameter.name: float(f"{value * scales.capacitance:.12g}")}
        try:
            found = model.values(network, changed)
        except ModelError:
            continue
        weights = [np.array(list(one.weights.values())) for one in (found, wanted)]
        same = np.allclose(make_dimensionless(network, found), exact, rtol=1e-9, atol=1e-12)
        if same and np.allclose(weights[0], weights[1], rtol=1e-9):
            return f"{parameter.name} = {changed[parameter.name]:g}"
    return ""


def rounding_errors(
    network: Network, values: Values, hardware: Hardware, *, dt_ms: float
) -> dict[str, float]:
    """Return the relative error of each weight, threshold, reset and constant input that a platform rounds.

    A weight that is rounded at random has the standard deviation over its synapses, or its bias beyond the
    highest level.
    """
    limited = Limited(hardware, dt_ms).of_values(network, values)
    errors = {}
    for name, weight in values.weights.items():
        if not weight:
            continue
        given = limited.levels.get(name)
        rounded = limited.weights[name]
        if given is not None and given.step is not None:
            if given.at_random:
                errors[name] = _random_error(weight, given.step, given.highest)
                continue
            rounded = math.copysign(float(nearest(weight, given.step, given.highest)) * given.step, weight)
        errors[name] = abs(rounded - weight) / abs(weight)
    for name, noise in values.noise.items():
        if noise.weight:
            errors[NOISE.format(name)] = abs(limited.noise[name].weight - noise.weight) / abs(noise.weight)
    for population in network.populations:
        defaults = neuron_model(population.neuron).complete({})
        exact = typical(defaults, values.neurons[population.name])
        there = typical(defaults, limited.neurons[population.name])
        for name, origin in (("C_m", None), ("V_th", "E_L"), ("I_e", None)):
            before = exact[name] - (exact[origin] if origin else 0.0)
            after = there[name] - (there[origin] if origin else 0.0)
            if before:
                errors[f"{name} of {population.name}"] = abs(after - before) / abs(before)
    return errors


def _random_error(weight: float, step: float, highest: int) -> float:
    lower, share = neighbours(weight, step, highest)
    sd = math.sqrt(float(share) * (1 - float(share))) * step
    bias = float(lower + share) * step - abs(weight)
    return math.hypot(sd, bias) / abs(weight)
