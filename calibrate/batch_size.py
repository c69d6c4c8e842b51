"""Batch size on a GPU: as many networks at once as make it faster and as memory allows."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from calibrate import simulators
from calibrate.errors import SimulatorError
from calibrate.network import Network
from calibrate.neurons import neuron_model
from calibrate.observation import SimulationFailure
from calibrate.pool import Pool
from calibrate.setup import setup_of
from calibrate.simulators import cuda, genn_cache
from calibrate.study import Study
from calibrate.worker import Candidate, Timing

LARGEST = 1024

# Twice as many at once are worth it where they make so many times as many networks a second.
GAIN = 1.1

# Of the free memory, what a batch may take: the estimate leaves out what GeNN and CUDA need for themselves.
SHARE = 0.8

# What is simulated to measure a batch size, once to warm up and once to measure (ms).
PROBE_MS = 200.0


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Estimated memory of a batch (bytes): on the device, shared and of each member; of each on the host."""

    shared_bytes: float
    member_bytes: float
    host_bytes: float = 0.0

    def most(self, *, free_bytes: float, host_free_bytes: float) -> int:
        """Members that fit, at least 1."""
        on_device = (SHARE * free_bytes - self.shared_bytes) / self.member_bytes
        on_host = SHARE * host_free_bytes / self.host_bytes if self.host_bytes else on_device
        return max(int(min(on_device, on_host)), 1)


def footprint(network: Network, *, dt_ms: float, scalar_bytes: int = 4, host_bytes: float = 0.0) -> Footprint:
    """The memory of a batch of `network` in GeNN on a GPU.

    A member has state and constants of its neurons, counters of their spikes, of each projection the input
    that waits for its targets and the spikes that wait for its delay, and its weights where they change.
    All share each synapse's target, and its weight and delay where these are distributed.
    """
    # Of each neuron, 64 bytes are the monitor's sums and counters, its spike and its own input.
    member = sum(
        population.size * (64.0 + scalar_bytes * _variables(population.neuron))
        for population in network.populations
    )
    shared = 0.0
    for projection in network.projections:
        source, target = network.population(projection.source), network.population(projection.target)
        member += scalar_bytes * target.size + 4.0 * source.size * projection.longest_delay_ms / dt_ms
        index = 2 if target.size <= 2**16 else 4
        distributed = bool(projection.weight_cv) + (not isinstance(projection.delay_ms, int | float))
        synapses = network.expected_synapses(projection)
        shared += synapses * (index + scalar_bytes * distributed) * _PADDING + 4.0 * source.size
        if projection.plasticity is not None:
            member += 2 * scalar_bytes * synapses * _PADDING
    return Footprint(shared_bytes=shared, member_bytes=max(member, 1.0), host_bytes=host_bytes)


# Rows of a connectivity matrix are as long as the longest one can be expected to get.
_PADDING = 1.25


def _variables(neuron: str) -> int:
    """State variables and constants of a neuron model in GeNN."""
    model = neuron_model(neuron)
    return len(model.genn.state) + len(model.parameters) + 2


def fastest(throughput: Callable[[int], float], *, first: int, most: int) -> int:
    """The batch size at which doubling it stops to pay: from `first` on, up to `most`.

    throughput  networks per second at a batch size; 0 where it does not work
    """
    size = min(first, most)
    if 2 * size > most:
        return size
    reached = throughput(size)
    while 2 * size <= most and (doubled := throughput(2 * size)) >= GAIN * reached > 0:
        size, reached = 2 * size, doubled
    return size


def sized(study: Study, say: Callable[[str], None] = lambda _: None) -> Study:
    """`study` with a batch size for the GPU here, where it names none and simulates on one.

    It must name a simulator, not "auto". The first time, some sizes are compiled and tried; what was found is
    kept beside the compiled code.
    """
    simulation = study.simulation
    if simulation.batch_size is not None or study.file.pool.on_cluster:
        return study
    found = cuda.device() if simulators.on_gpu(simulation.backend) else None
    if found is None:
        return study
    scalar = 4 if simulation.precision == "single" else 8
    needs = footprint(
        study.network, dt_ms=simulation.dt_ms, scalar_bytes=scalar, host_bytes=_observation_bytes(study)
    )
    available = psutil.virtual_memory().available
    most = min(needs.most(free_bytes=found.free_bytes, host_free_bytes=available), LARGEST)
    key = genn_cache.digest(
        repr(study.network), str(simulation.dt_ms), simulation.precision, repr(setup_of(study).recording)
    )
    kept = genn_cache.folder() / "batch_sizes.json"
    known = _known(kept)
    name = f"{key} {found.name}"
    if name not in known:
        say("Looking for the batch size that suits the GPU; [simulation] batch_size would say it.")
        first = simulators.batch_size(simulation.backend)
        known = {**known, name: fastest(lambda size: _throughput(study, size), first=first, most=most)}
        _keep(known, kept)
    size = min(known[name], most)
    say(f"Simulating {size} networks at once on {found.name}.")
    return study.simulated(batch_size=size)


def _throughput(study: Study, size: int) -> float:
    """Networks per second in batches of `size`; 0 where they cannot be simulated."""
    setup = setup_of(study, batch_size=size)
    bin_ms = setup.recording.bin_ms
    probe = Timing(warmup_ms=0.0, duration_ms=bin_ms * max(round(PROBE_MS / bin_ms), 1))
    parameters = study.parameters({})
    candidates = [Candidate(uuid=str(uuid.uuid4()), parameters=parameters, seed=k) for k in range(size)]
    try:
        with Pool(setup, probe, slots=1) as pool:
            pool.run(candidates)
            outcomes = pool.run(candidates)
    except SimulatorError:
        return 0.0
    if any(isinstance(outcome.result, SimulationFailure) for outcome in outcomes):
        return 0.0
    return size / max(outcome.wall_s for outcome in outcomes)


def _observation_bytes(study: Study) -> float:
    """The memory of a member's observation in its process: counts in windows and bins, not packed yet."""
    recording = setup_of(study).recording
    duration_ms, layout = study.simulation.duration_ms, study.network.layout
    counts = layout.n_neurons * duration_ms / recording.window_ms
    return 8.0 * (counts + len(layout.groups) * duration_ms / recording.bin_ms)


def _known(path: Path) -> dict[str, int]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return {str(key): size for key, size in found.items() if isinstance(size, int) and size > 0}


def _keep(known: dict[str, int], path: Path) -> None:
    with contextlib.suppress(OSError):  # it is found again then
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
        temporary.write_text(json.dumps(known, indent=2))
        temporary.replace(path)
