"""Memory of a batch in GeNN on a GPU, on the device and on the host."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibrate.network import Network, UniformDelay
from calibrate.neurons import delay_steps, neuron_model
from calibrate.simulators.base import Precision, RecordingPlan
from calibrate.simulators.genn.code import constants, row_length
from calibrate.simulators.genn.counters import RING
from calibrate.simulators.genn.monitor import MONITOR_STATE
from calibrate.simulators.genn.synapses import delay_bytes

# Share of the free memory that batches can take. The rest is for what the estimate omits: fragmentation,
# kernels.
SHARE = 0.8

# Each simulating process has a CUDA context with GeNN's code on the device, and Python with its libraries on
# the host. Processes that compute statistics have only the latter.
CONTEXT_BYTES = 6e8
PROCESS_BYTES = 3e8
EVALUATOR_BYTES = 2e8

_MONITOR_BYTES = sum(8 if kind == "double" else 4 for kind in MONITOR_STATE.values())
_COUNT_BYTES = 4  # of spike counts and indices of neurons


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Estimated memory of a batch (bytes).

    shared_bytes  the graph, which all members share: on the device, and again in GeNN's copy on the host
    member_bytes  of each member, on the device
    hot_bytes     the part of member_bytes that every step accesses
    host_bytes    of each member, in the simulating process on the host
    """

    shared_bytes: float
    member_bytes: float
    hot_bytes: float
    host_bytes: float

    def most(
        self,
        *,
        free_bytes: float,
        host_free_bytes: float,
        processes: int = 1,
        gpus: int = 1,
        evaluators: int = 0,
    ) -> int:
        """Number of members that fit if `processes` share each of `gpus` devices; 0 if not even one fits.

        evaluators  total number of processes that compute statistics
        """
        on_device = SHARE * free_bytes / processes - CONTEXT_BYTES - self.shared_bytes
        of_each = (SHARE * host_free_bytes - evaluators * EVALUATOR_BYTES) / (processes * gpus)
        on_host = of_each - PROCESS_BYTES - self.shared_bytes
        return max(int(min(on_device / self.member_bytes, on_host / self.host_bytes)), 0)


def footprint(
    network: Network, *, dt_ms: float, precision: Precision, recording: RecordingPlan, duration_ms: float
) -> Footprint:
    """The memory of a batch of `network`, and of observing it for `duration_ms`."""
    scalar = 4 if precision == "single" else 8
    hot, member, shared = 0.0, 0.0, 0.0
    for population in network.populations:
        model = neuron_model(population.neuron)
        state = sum(scalar if kind == "scalar" else _COUNT_BYTES for kind in model.genn_code.state.values())
        own = sum(scalar for of_each in constants(model, population, dt_ms).values() if of_each)
        noise = 2 * scalar * len(model.receptors) if population.noise else 0
        if population.noise_shape > 1:
            noise += _COUNT_BYTES * len(model.receptors)
        hot += population.size * (state + own + noise)
        # Spikes are stored for as many steps as the longest delay of a projection, and for the present step.
        delays = [
            delay_steps(p.longest_delay_ms, dt_ms)
            for p in network.projections
            if p.source == population.name and not isinstance(p.delay_ms, UniformDelay)
        ]
        member += population.size * (_MONITOR_BYTES + _COUNT_BYTES * (max(delays, default=0) + 1))
        member += _COUNT_BYTES * population.clusters * RING
        if recording.spikes:
            member += population.size / 8 * recording.bin_ms / dt_ms
    for projection in network.projections:
        source, target = network.population(projection.source), network.population(projection.target)
        room = source.size * row_length(network, projection)
        hot += scalar * target.size
        spread = isinstance(projection.delay_ms, UniformDelay)
        if spread:
            member += scalar * target.size * (delay_steps(projection.longest_delay_ms, dt_ms) + 1)
        shared += room * (2 if target.size <= 2**16 else 4) + _COUNT_BYTES * source.size
        if projection.plasticity is not None:
            member += room * scalar + 8 * source.size
            shared += 4 * room  # synapses indexed by target
        else:
            weights = room * scalar * projection.individual
            member += weights * projection.levels
            shared += weights * (not projection.levels) + room * spread * delay_bytes(projection, dt_ms)
    member += hot
    return Footprint(
        shared_bytes=shared,
        member_bytes=member,
        hot_bytes=hot,
        host_bytes=member + _observation_bytes(network, recording, duration_ms),
    )


def _observation_bytes(network: Network, recording: RecordingPlan, duration_ms: float) -> float:
    """Memory of one member's counts: as they are read, in its observation, and packed."""
    layout = network.layout
    windows = layout.n_neurons * duration_ms / recording.window_ms
    bins = len(layout.groups) * duration_ms / recording.bin_ms
    count = np.dtype(np.uint8).itemsize if recording.window_ms <= 255 else 2
    # Bins are summed in 64 bits. Each neuron also has its interval moments and its potential.
    return 3 * count * windows + (4 + 8 + 8 + 3 * 2) * bins + 12 * 8 * layout.n_neurons
