"""All that a GPU can show, in one command.

    python -m benchmarks.gpu                          # on a machine with a CUDA device
    python -m benchmarks.gpu --rehearse               # the same on the CPU, with small sizes

In this order: whether batches are right (`batch`: members against the same networks alone and against NEST);
batch size against throughput, beside GeNN one network at a time (the first line) and NEST on one core; device
time by kernel and what it moves as a share of the memory's bandwidth, measured in the same run (more than
100 % comes from a cache); and the published scan: its 100 points that are at hand, every fourth in both
directions, against the published rates (`schmitt2023`), the time of all 1600 extrapolated from them.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import bandwidth, batch, realtime, schmitt2023
from calibrate import simulators
from calibrate.models.ei_clustered import ei_clustered
from calibrate.network import Network
from calibrate.observation import Observation
from calibrate.simulators.base import Precision, Recording
from calibrate.simulators.genn import GeNN
from calibrate.simulators.genn_code import Build

SCAN_POINTS = 1600
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


@contextmanager
def own_cache() -> Iterator[None]:
    """An empty cache of compiled code: timed code is not what others may find under the same key."""
    before = os.environ.get("CALIBRATE_CACHE")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CALIBRATE_CACHE"] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ["CALIBRATE_CACHE"]
            else:
                os.environ["CALIBRATE_CACHE"] = before


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
        own_cache(),
        TimedGenn(dt_ms=0.1, precision=precision).prepare(
            network, batch_size=size, recording=Recording(), wiring_seed=1
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
        print(f"| {one.batch_size} | the rest: host, launches | {rest:.2f} | {share} | | | |")
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


def spread(rows: list[dict[str, float]], number: int) -> list[dict[str, float]]:
    """So many of the rows, evenly."""
    return [rows[k] for k in np.unique(np.linspace(0, len(rows) - 1, number).round().astype(int))]


def scan(number: int, *, backend: str = "genn") -> None:
    """Simulate points of the published scan, and say what all of them would take."""
    points = schmitt2023.reference()
    if number < len(points):
        # Points that are silent are cheap and tell nothing: a small part is of those that are compared.
        points = spread([row for row in points if schmitt2023.compared(row)], number)
    print(f"\nthe published scan, {len(points)} of its {SCAN_POINTS} points")
    took = schmitt2023.scan(points, backend=backend)
    whole = took * SCAN_POINTS / len(points)
    print(
        f"{SCAN_POINTS} points extrapolated from these, starting included: {whole / 60:.0f} min; published: "
        "NEST 765 min, GeNN one at a time 74 min (A6000), in batches of 40 38 min"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rehearse", action="store_true", help="on the CPU, with small sizes")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 8, 40, 160, 400])
    parser.add_argument("--kernel-sizes", type=int, nargs="+", default=[1, 40, 160])
    parser.add_argument("--neurons", type=int, help="default: 25,000, in a rehearsal 2,000")
    parser.add_argument("--duration-ms", type=float, default=2000.0)
    parser.add_argument("--points", type=int, help="of the scan (default: 100, in a rehearsal 2; 0: none)")
    parser.add_argument("--no-nest", action="store_true", help="leave out NEST's line")
    options = parser.parse_args()
    on_gpu = simulators.on_gpu("genn")
    if not on_gpu and not options.rehearse:
        raise SystemExit(
            "GeNN has no CUDA device here: --rehearse runs all of it on the CPU, with small sizes"
        )
    sizes, kernel_sizes = (options.batch_sizes, options.kernel_sizes) if on_gpu else ([1], [1])
    neurons = options.neurons or (2000 if options.rehearse else 25_000)
    print(f"device: {device() or 'the CPU'}\n")
    batch.check(max(sizes))
    batch.timings(sizes, neurons=neurons, duration_ms=options.duration_ms)
    given = {"N_E": neurons * 4 // 5, "N_I": neurons // 5, "N_Q": 20, "J_E+": 2.75}
    if not options.no_nest:
        middle = {**given, "I_th_E": 2.25, "I_th_I": 1.3}
        build, wire, factor, rate, _, _ = realtime.measure("nest", "double", middle, 0.5)
        print(
            f"\nNEST, one core: {build + wire:.1f} s to build, {factor:.3f} s per biological s, {rate:.2f} Hz"
        )
    found = [timed(given, size, duration_ms=options.duration_ms) for size in kernel_sizes]
    bytes_per_s = bandwidth.gpu_copy() if on_gpu else None
    print_kernels(found, bytes_per_s=bytes_per_s or bandwidth.measure(1)["triad"])
    number = options.points if options.points is not None else (2 if options.rehearse else 100)
    if number:
        scan(number)


if __name__ == "__main__":
    main()
