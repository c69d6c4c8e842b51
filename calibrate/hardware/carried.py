"""What a platform cannot carry, and what of it is not simulated: one line each, in one place."""

from __future__ import annotations

from collections.abc import Iterator

from calibrate.hardware.degrees import fan_in, fan_out
from calibrate.hardware.limits import Hardware
from calibrate.network import Network, UniformDelay, Values
from calibrate.network.own_simulation import OwnNetwork
from calibrate.neurons import IAF_PSC_EXP

# Neuron models whose limits calibrate knows.
NEURONS = (IAF_PSC_EXP.name,)


def refusals(network: Network, hardware: Hardware) -> Iterator[str]:
    """Yield why a network cannot be on a platform, or cannot be simulated as it would be there."""
    target = hardware.target
    if isinstance(network, OwnNetwork):
        yield "hardware limits need a network that calibrate builds, not a simulation of your own"
        return
    for population in network.populations:
        if population.neuron not in NEURONS:
            yield (
                f"{target} cannot carry population {population.name}: its neurons are {population.neuron}, "
                f"and limits are known for current-based neurons ({', '.join(NEURONS)}) only"
            )
    for projection in network.projections:
        if projection.plasticity is not None:
            yield (
                f"{target} cannot carry {projection.name}: it is plastic, and limits are known for static "
                "weights only"
            )
    for population in network.populations:
        for what, largest, most in (
            ("onto", fan_in, hardware.fan_in),
            ("from", fan_out, hardware.fan_out),
        ):
            if most is not None and (n := largest(network, population.name)) > most:
                key = "fan_in" if what == "onto" else "fan_out"
                yield (
                    f"{target} cannot carry population {population.name}: up to {n:,} synapses {what} a "
                    f"neuron, and {key} = {most:,}"
                )


def refused_stimuli(hardware: Hardware, *, stimuli: bool, loop: bool) -> Iterator[str]:
    """Yield why the protocol of a study cannot be on a platform."""
    if not hardware.stimuli:
        if stimuli:
            yield f"{hardware.target} cannot switch currents into neurons: remove [[stimuli]]"
        if loop:
            yield f"{hardware.target} cannot change the input of neurons while they run: remove [loop]"


def notes(network: Network, values: Values, hardware: Hardware, *, dt_ms: float) -> Iterator[str]:
    """Yield what a platform changes in a network besides rounding, and what of it is not simulated.

    network, values  without limits
    """
    yield from _delays(network, hardware, dt_ms)
    most = hardware.max_refractory_steps
    for population in network.populations:
        t_ref = values.neurons[population.name].get("t_ref", 0.0)
        if most is not None and isinstance(t_ref, int | float) and t_ref > most * dt_ms * (1 + 1e-9):
            yield (
                f"the refractory time of {population.name} of {t_ref:g} ms is simulated as "
                f"{most * dt_ms:g} ms, the longest of {hardware.target}"
            )
    if hardware.rounding == "random" and hardware.weight_bits is not None and values.noise:
        yield "random input has one weight for all neurons, which is rounded to the nearest level"
    if hardware.max_rate_hz is not None or hardware.max_events_per_s is not None:
        yield "limits of rates and events are compared with the network, not simulated"
    if any(bits is not None for bits in (hardware.state_fraction_bits, hardware.decay_bits)):
        yield (
            "time constants, potentials and constant input are rounded as parameters; the rounding of the "
            "state in every step is not simulated"
        )


def _delays(network: Network, hardware: Hardware, dt_ms: float) -> Iterator[str]:
    seen: dict[tuple[float, float], list[str]] = {}
    for projection in network.projections:
        delay = projection.delay_ms
        for end in (delay.low_ms, delay.high_ms) if isinstance(delay, UniformDelay) else (delay,):
            if abs((simulated := hardware.delay_ms(end, dt_ms)) - end) > 1e-9:
                seen.setdefault((end, simulated), []).append(projection.name)
    for (written, simulated), names in seen.items():
        yield (
            f"delays of {written:g} ms ({', '.join(dict.fromkeys(names))}) are simulated as "
            f"{simulated:g} ms, as {hardware.target} has them"
        )
