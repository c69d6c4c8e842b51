"""Device time by kernel, and what kernels move as a share of the memory's bandwidth.

    python -m benchmarks.kernels [--batch-sizes 1 40 160] [--neurons 25000] [--duration-ms 1000]

GeNN's timers do not see the kernel that starts a step, which empties the lists of spikes: it is in the
rest, with launches and the host. More than 100 % of the bandwidth comes from a cache. On a CPU, with batches
of one, the loops are timed in place of the kernels.
"""

from __future__ import annotations

import argparse
import subprocess
import time
from dataclasses import dataclass
from typing import Any

from benchmarks import bandwidth, batch
from calibrate import simulators
from calibrate.models.ei_clustered import ei_clustered
from calibrate.network import Network
from calibrate.observation import Observation
from calibrate.simulators.base import Precision, RecordingPlan
from calibrate.simulators.genn import cache
from calibrate.simulators.genn.code import Build
from calibrate.simulators.genn.simulator import GeNN

KERNELS = ("neuron_update", "presynaptic_update", "postsynaptic_update", "synapse_dynamics")

# Moved for a synaptic event: a narrow index is read, an input is read and written.
EVENT_BYTES = 2 + 4 + 4
# Moved for a neuron in a step: potential, two currents and refractory steps are read and written, the
# constant input is read; the input from each projection onto it is read and cleared.
NEURON_BYTES = 4 * (4 + 4) + 4
PROJECTION_BYTES = 4 + 4


class TimedGenn(GeNN):
    """GeNN that measures the time of its kernels, which costs some itself."""

    def _model(self, build: Build) -> Any:
        model = super()._model(build)
        model.timing_enabled = True
        return model


@dataclass(frozen=True, kw_only=True)
class Kernels:
    """Device time of a batch, and the bytes that its kernels move at least.

    seconds  by kernel; wall_s: of the host, from the first step to the last
    events   synaptic ones, in all members
    memory   of the device, in use; empty on the CPU
    """

    batch_size: int
    seconds: dict[str, float]
    wall_s: float
    events: float
    neuron_bytes: float
    memory: str

    @property
    def moved_bytes(self) -> dict[str, float]:
        return {"neuron_update": self.neuron_bytes, "presynaptic_update": self.events * EVENT_BYTES}


def neuron_bytes(network: Network) -> int:
    """Bytes that one step of all neurons of a network moves."""
    return sum(
        population.size
        * (NEURON_BYTES + PROJECTION_BYTES * sum(p.target == population.name for p in network.projections))
        for population in network.populations
    )


def outdegrees(network: Network) -> dict[str, float]:
    """Synapses of a neuron of each population, expected."""
    return {
        population.name: sum(
            network.expected_synapses(p) for p in network.projections if p.source == population.name
        )
        / population.size
        for population in network.populations
    }


def timed(
    given: dict[str, Any], size: int, *, duration_ms: float, precision: Precision = "single"
) -> Kernels:
    """Time a batch of `size` networks by kernel, after 200 ms."""
    network = ei_clustered.network(given)
    with (
        cache.elsewhere(),  # timed code is not what others may find under the same key
        TimedGenn(dt_ms=0.1, precision=precision).prepare(
            network, batch_size=size, recording=RecordingPlan(), wiring_seed=1
        ) as prepared,
    ):
        prepared.load(batch.members(given, size), 0)
        prepared.advance(200.0)
        prepared.measure()
        model = prepared._model
        before = {name: getattr(model, f"{name}_time") for name in KERNELS}
        started = time.perf_counter()
        prepared.advance(duration_ms)
        wall_s = time.perf_counter() - started
        seconds = {name: getattr(model, f"{name}_time") - before[name] for name in KERNELS}
        found = [seen for seen in prepared.observe() if isinstance(seen, Observation)]
        memory = device("memory.used")
    reach = outdegrees(network)
    events = sum(float(seen.totals(kind).sum()) * reach[kind] for seen in found for kind in reach)
    steps = round(duration_ms / 0.1)
    return Kernels(
        batch_size=size,
        seconds=seconds,
        wall_s=wall_s,
        events=events,
        neuron_bytes=float(neuron_bytes(network)) * steps * size,
        memory=memory,
    )


def print_kernels(found: list[Kernels], *, bytes_per_s: float) -> None:
    """A line for every kernel that took any time, in Markdown."""
    print(f"\nbandwidth: {bytes_per_s / 1e9:.1f} GB/s; synaptic events move {EVENT_BYTES} bytes each")
    print("\n| batch size | kernel | s | of the wall time | GB/s | of the bandwidth | 10^9 events / s |")
    print("|---|---|---|---|---|---|---|")
    for one in found:
        for name, seconds in one.seconds.items():
            if seconds > 0.001 * one.wall_s:
                moved = one.moved_bytes.get(name, 0.0) / seconds
                events = f"{one.events / seconds / 1e9:.3g}" if name == "presynaptic_update" else ""
                print(
                    f"| {one.batch_size} | {name} | {seconds:.2f} | {100 * seconds / one.wall_s:.0f} % "
                    f"| {moved / 1e9:.3g} | {100 * moved / bytes_per_s:.2g} % | {events} |"
                )
        rest = one.wall_s - sum(one.seconds.values())
        share = f"{100 * rest / one.wall_s:.0f} %"
        print(f"| {one.batch_size} | the rest: spike lists, launches, host | {rest:.2f} | {share} | | | |")
    for one in found:
        if one.memory:
            print(f"\ndevice memory in use, batch of {one.batch_size}: {one.memory}")


def device(properties: str = "name,memory.total,driver_version") -> str:
    """What the driver says of the GPU; empty where there is none."""
    query = ["nvidia-smi", f"--query-gpu={properties}", "--format=csv,noheader"]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 40, 160])
    parser.add_argument("--neurons", type=int, default=25_000)
    parser.add_argument("--duration-ms", type=float, default=1000.0)
    options = parser.parse_args()
    on_gpu = simulators.on_gpu("genn")
    print(f"device: {device() or 'the CPU'}")
    given = batch.large(options.neurons)
    sizes = options.batch_sizes if on_gpu else [1]
    found = [timed(given, size, duration_ms=options.duration_ms) for size in sizes]
    bytes_per_s = bandwidth.gpu_copy() if on_gpu else None
    print_kernels(found, bytes_per_s=bytes_per_s or bandwidth.measure(1)["triad"])


if __name__ == "__main__":
    main()
