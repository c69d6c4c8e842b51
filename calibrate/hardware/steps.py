"""The steps of weights that a platform gives a network: one for each projection."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from calibrate.errors import ModelError
from calibrate.hardware import ring_buffers
from calibrate.hardware.limits import Hardware
from calibrate.hardware.rounding import full_range_step, optimal_unit, power_of_two_step
from calibrate.network import Network, Values
from calibrate.network.values import typical
from calibrate.neurons import neuron_model

# Weights of random input stand beside those of projections, under this name of their population.
NOISE = "random input of {}"


@dataclass(frozen=True)
class Weight:
    """A weight of a network: its name, where it arrives, and its value in the unit of the neuron model.

    largest  of distributed weights, the largest one that is expected, else the value
    """

    name: str
    target: str
    receptor: str
    value: float
    largest: float


def weights_of(network: Network, values: Values) -> Iterator[Weight]:
    """Yield the weights of all projections, and of random input."""
    for projection in network.projections:
        mean = values.weights[projection.name]
        largest = ring_buffers.largest_weight(network, projection, mean)
        yield Weight(projection.name, projection.target, projection.receptor, mean, largest)
    for population, noise in values.noise.items():
        receptor = "in" if noise.weight < 0 else "ex"
        yield Weight(NOISE.format(population), population, receptor, noise.weight, noise.weight)


def weight_steps(network: Network, values: Values, hardware: Hardware, *, dt_ms: float) -> dict[str, float]:
    """Return the step of every weight, by projection, and for random input by its name in `NOISE`.

    Parameters
    ----------
    network : Network
        The network, without limits.
    values : Values
        Its values.
    hardware : Hardware
        The limits, with `weight_bits`.
    dt_ms : float, ms
        Time step.

    Returns
    -------
    dict of str to float, pA or nS
        The steps.

    Raises
    ------
    ModelError
        If the limits have no `weight_bits`.

    Examples
    --------
    >>> from calibrate import find_model
    >>> from calibrate.hardware import Hardware
    >>> from calibrate.hardware.steps import weight_steps
    >>> model = find_model("balanced")
    >>> network = model.network({})
    >>> values = model.values(network, {})
    >>> steps = weight_steps(network, values, Hardware(weight_bits=6), dt_ms=0.1)
    >>> max(abs(weight) for weight in values.weights.values()) / steps["E_to_E_all"]
    31.0
    """
    highest = hardware.highest_level
    if highest is None:
        raise ModelError("weights without weight_bits have no steps")
    units = finest_steps(network, values, hardware, dt_ms=dt_ms)
    steps: dict[str, float] = {}
    for target, groups in _sharing(network, values, hardware).items():
        for together in groups:
            largest = max(abs(weight.largest) for weight in together)
            if hardware.scaling == "ring_buffer":
                first = together[0]
                step = ring_buffers.step(network, values, first.target, first.receptor, hardware, dt_ms=dt_ms)
            else:
                step = float(power_of_two_step(largest, units[target], highest))
            steps |= {weight.name: step for weight in together}
    return steps


def finest_steps(network: Network, values: Values, hardware: Hardware, *, dt_ms: float) -> dict[str, float]:
    """Return the finest step that weights can have (pA), by the population that they share it on; "": all."""
    return {
        target: _unit(network, values, target, groups, hardware, dt_ms=dt_ms)
        for target, groups in _sharing(network, values, hardware).items()
    }


def unit_onto(
    network: Network, values: Values, population: str, hardware: Hardware, *, dt_ms: float
) -> float:
    """Return the unit (pA) in which the threshold of a population counts; without input, the least."""
    units = finest_steps(network, values, hardware, dt_ms=dt_ms)
    least = threshold_unit(network, values, population, hardware, dt_ms=dt_ms)
    return units.get(population, units.get("", least))


def _sharing(network: Network, values: Values, hardware: Hardware) -> dict[str, list[list[Weight]]]:
    """Return the weights that share a step, in lists by the population whose unit they share; "": all."""
    found: dict[str, dict[tuple[str, ...], list[Weight]]] = {}
    for weight in weights_of(network, values):
        key = {
            "network": (),
            "receptor": (weight.target, weight.receptor),
            "projection": (weight.name,),
        }[hardware.scale]
        target = weight.target if key and hardware.scaling == "power_of_two" else "".join(key)
        found.setdefault(target, {}).setdefault(key, []).append(weight)
    return {target: list(groups.values()) for target, groups in found.items()}


def _unit(
    network: Network,
    values: Values,
    target: str,
    groups: list[list[Weight]],
    hardware: Hardware,
    *,
    dt_ms: float,
) -> float:
    """Return the finest step that weights which share a unit can have."""
    highest = hardware.highest_level or 1
    # The largest of distributed weights counts as one of its own: it must have a level.
    given = [[value for one in together for value in {one.value, one.largest}] for together in groups]
    largest = full_range_step([value for values in given for value in values], highest)
    if hardware.scaling == "power_of_two":
        unit = threshold_unit(network, values, target, hardware, dt_ms=dt_ms)
        largest = max(math.ldexp(largest, 1 - hardware.weight_exponents), unit)
    return optimal_unit(given, largest, highest) if hardware.rounding == "optimal" else largest


def threshold_unit(
    network: Network, values: Values, target: str, hardware: Hardware, *, dt_ms: float
) -> float:
    """Return the least unit with which thresholds fit into their bits (pA); 0 if these are not limited.

    A current of one unit moves the potential by dt / C_m of it in a time step, and thresholds are whole
    numbers of such differences from rest. "" is the largest for all populations.
    """
    if hardware.threshold_bits is None:
        return 0.0
    least = 0.0
    for population in network.populations:
        if target in ("", population.name):
            p = typical(neuron_model(population.neuron).complete({}), values.neurons[population.name])
            gap = (p["V_th"] - p["E_L"]) * p["C_m"] / dt_ms
            least = max(least, gap / (2**hardware.threshold_bits - 1))
    return least
