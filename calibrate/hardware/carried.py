"""What a platform cannot carry: one line each, in one place."""

from __future__ import annotations

from collections.abc import Iterator

from calibrate.hardware.degrees import fan_in, fan_out
from calibrate.hardware.limits import Hardware
from calibrate.network import Network, Stimulus, Values
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


def refused_values(values: Values, hardware: Hardware) -> Iterator[str]:
    """Yield why the values of a network cannot be on a platform."""
    if not hardware.stimuli and any(isinstance(one, Stimulus) for one in values.stimuli):
        yield f"{hardware.target} cannot switch currents into neurons, and the model has stimuli"


def refused_stimuli(hardware: Hardware, *, stimuli: bool, loop: bool) -> Iterator[str]:
    """Yield why the protocol of a study cannot be on a platform."""
    if not hardware.stimuli:
        if stimuli:
            yield f"{hardware.target} cannot switch currents into neurons: remove [[stimuli]]"
        if loop:
            yield f"{hardware.target} cannot change the input of neurons while they run: remove [loop]"
