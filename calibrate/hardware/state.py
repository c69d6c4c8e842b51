"""The state of neurons in whole numbers, as digital chips step it: how much its rounding changes.

Simulators step in floating point. To say what that leaves out, a neuron that only has its constant input is
stepped here in both ways.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibrate.hardware.limits import PA_PER_NA, Hardware
from calibrate.hardware.rounding import mantissa
from calibrate.hardware.steps import unit_onto
from calibrate.network import Network, Population, Values
from calibrate.network.values import typical
from calibrate.neurons import neuron_model, refractory_steps
from calibrate.neurons.propagators import decay

Integers = NDArray[np.int64]

LOIHI_BITS = 12
"""Binary places of Loihi's decay constants."""

LOIHI_UNIT = 2**6
"""Thresholds and weights are whole multiples of this unit of Loihi's potentials and currents."""

# Steps after which a neuron counts as one that does not fire.
_LONGEST = 100_000


def loihi_decay(state: Integers, constant: int) -> Integers:
    """Return what is left after a step, rounded towards 0, of a potential or a current on Loihi.

    constant  4096 (1 - exp(-dt / tau)), a whole number
    """
    lost = -((-np.abs(state) * constant) >> LOIHI_BITS)  # rounded up
    left: Integers = state - np.sign(state) * lost
    return left


def loihi_step(
    potential: Integers, current: Integers, arriving: Integers, *, decay_v: int, decay_i: int
) -> tuple[Integers, Integers]:
    """Return potentials and currents one step later, as brian2-loihi 0.5.2 does; all in Loihi's unit.

    arriving  weights of the spikes that arrive in this step
    """
    current = loihi_decay(current, decay_i) + arriving
    return loihi_decay(potential, decay_v) + current, current


def loihi_weight(mantissa_: int, exponent: int, *, bits: int = 8, mixed: bool = False) -> int:
    """Return the weight of a mantissa and an exponent from -8 to 7, in Loihi's unit.

    mixed  the synapses have both signs, which costs the last bit of the mantissa
    """
    precision = 2 ** (8 - (bits - mixed))
    kept = int(mantissa_ / precision) * precision
    limit = 2**21 - LOIHI_UNIT
    return min(max(math.floor(math.ldexp(kept, exponent)) * LOIHI_UNIT, -limit), limit)


def fixed_point_step(
    potential: Integers, input_: Integers, *, rest: int, resistance: int, left: int, places: int
) -> Integers:
    """Return potentials one step later in fixed point, as sPyNNaker's `lif_neuron_closed_form` does.

    All numbers are in units of 2^-places: potentials and `rest` in mV, `input_` in nA, `resistance` in MOhm,
    and `left`, the share exp(-dt / tau) that is left of the distance from the equilibrium. Products are
    rounded to the nearest unit, halves up.
    """
    equilibrium = _product(input_, np.int64(resistance), places) + rest
    return equilibrium - _product(np.int64(left), equilibrium - potential, places)


def _product(one: Integers | np.int64, other: Integers | np.int64, places: int) -> Integers:
    product: Integers = (np.asarray(one * other) + (1 << (places - 1))) >> places
    return product


@dataclass(frozen=True)
class Alone:
    """Steps between two spikes of a neuron that only has its constant input; None: it does not fire.

    exact    in floating point
    on_chip  in the numbers of the platform
    """

    population: str
    exact: int | None
    on_chip: int | None


def alone(
    network: Network, values: Values, on_platform: Values, hardware: Hardware, *, dt_ms: float
) -> Iterator[Alone]:
    """Yield how the neurons of each population fire by themselves, if the platform steps in whole numbers.

    network, values  without limits
    on_platform      the values under the limits, with which both are stepped
    """
    if hardware.state_fraction_bits is None and hardware.threshold_bits is None:
        return
    for population in network.populations:
        defaults = neuron_model(population.neuron).complete({})
        p = typical(defaults, on_platform.neurons[population.name])
        frozen = refractory_steps(p["t_ref"], dt_ms)
        left = float(decay(p["tau_m"], dt_ms))
        drive = p["I_e"] * p["tau_m"] / p["C_m"]
        exact = _steps_to(p["V_th"] - p["E_L"], drive, p["V_reset"] - p["E_L"], left)
        if hardware.threshold_bits is not None:
            on_chip = _on_loihi(network, population, values, hardware, p, dt_ms=dt_ms)
        else:
            on_chip = _in_fixed_point(hardware.state_fraction_bits or 0, p, left)
        yield Alone(population.name, *(None if n is None else n + frozen for n in (exact, on_chip)))


def _steps_to(threshold: float, drive: float, start: float, left: float) -> int | None:
    """Return the first step after which a membrane that relaxes to `drive` has reached the threshold."""
    if drive <= threshold:
        return None
    potential = start
    for n in range(1, _LONGEST):
        potential = drive + (potential - drive) * left
        if potential >= threshold:
            return n
    return None


def _in_fixed_point(places: int, p: dict[str, float], left: float) -> int | None:
    def whole(value: float) -> int:
        return round(math.ldexp(value, places))

    rest, threshold = whole(p["E_L"]), whole(p["V_th"])
    potential = np.array([whole(p["V_reset"])])
    given = np.array([whole(p["I_e"] / PA_PER_NA)])
    resistance = whole(p["tau_m"] / (p["C_m"] / PA_PER_NA))
    for n in range(1, _LONGEST):
        before = potential
        potential = fixed_point_step(
            before, given, rest=rest, resistance=resistance, left=whole(left), places=places
        )
        if potential[0] >= threshold:
            return n
        if potential[0] == before[0]:  # for ever
            return None
    return None


def _on_loihi(
    network: Network,
    population: Population,
    values: Values,
    hardware: Hardware,
    p: dict[str, float],
    *,
    dt_ms: float,
) -> int | None:
    unit_pA = unit_onto(network, values, population.name, hardware, dt_ms=dt_ms)
    per_mV = LOIHI_UNIT * p["C_m"] / (unit_pA * dt_ms)
    left = float(decay(p["tau_m"], dt_ms))
    constant = round((1 - left) * 2**LOIHI_BITS)
    threshold = round((p["V_th"] - p["E_L"]) * per_mV / LOIHI_UNIT) * LOIHI_UNIT
    bias = p["I_e"] * p["tau_m"] / p["C_m"] * (1 - left) * per_mV
    arriving = np.array([round(float(mantissa(bias, hardware.bias_bits or 52)))])
    potential, current = np.array([round((p["V_reset"] - p["E_L"]) * per_mV)]), np.array([0])
    for n in range(1, _LONGEST):
        before = potential
        potential, current = loihi_step(before, current * 0, arriving, decay_v=constant, decay_i=0)
        if potential[0] > threshold:
            return n
        if potential[0] == before[0]:
            return None
    return None
