"""What GeNN cannot simulate, known without building it."""

from __future__ import annotations

from calibrate.errors import SimulatorError
from calibrate.network import Network, UniformDelay
from calibrate.neurons import delay_steps


def check_delays(network: Network, dt_ms: float) -> None:
    """Raise SimulatorError if delays of single synapses exceed the 16 bits that they have in GeNN's code."""
    for projection in network.projections:
        longest = delay_steps(projection.longest_delay_ms, dt_ms)
        if isinstance(projection.delay_ms, UniformDelay) and longest >= 2**16:
            raise SimulatorError(
                f"{projection.name} has delays of up to {longest:,} steps of {dt_ms:g} ms; GeNN "
                f"supports up to {2**16 - 1:,} if each synapse has its own: use a larger dt_ms or shorter "
                "delays"
            )
