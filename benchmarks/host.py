"""What the host does around a batch on a GPU: reading counters, observing and packing.

    python -m benchmarks.host [--members 40] [--neurons 25000] [--duration-ms 10000]

GeNN's kernels are empty here: a stand-in for its model holds the arrays of a batch, as they lie in the host's
memory after a copy from the device, and its steps only count a given activity (about 2 Hz). So what is timed
is our own code, without the device and the copies. Times are CPU time of the process, that of the stand-in
taken off; memory is the process's largest resident size. A study's slot does all of this for every batch,
then hands over to the processes that compute statistics.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import batch
from calibrate.models.ei_clustered import ei_clustered
from calibrate.network import Network
from calibrate.observation import Observation
from calibrate.observation.packing import pack
from calibrate.simulators.base import RecordingPlan
from calibrate.simulators.genn.batch import PreparedGenn
from calibrate.simulators.genn.code import Build
from calibrate.simulators.genn.counters import RING, counters_name
from calibrate.simulators.genn.monitor import MONITOR_STATE, monitor_name

RATE_HZ = 2.0


class Array:
    """A variable of GeNN's: the host's copy, whose transfers cost nothing."""

    def __init__(self, shape: tuple[int, ...], kind: Any = np.float32) -> None:
        self.view: NDArray[Any] = np.zeros(shape, kind)

    def pull_from_device(self) -> None: ...

    def push_to_device(self) -> None: ...

    def set_init_values(self, _: Any) -> None: ...


class Arrays(defaultdict[str, Array]):
    """Variables by name, made when they are first asked for."""

    def __init__(self, members: int, size: int, **kinds: Any) -> None:
        super().__init__()
        self._shape, self._kinds = (members, size), kinds

    def __missing__(self, name: str) -> Array:
        made = self[name] = Array(self._shape, self._kinds.get(name, np.float32))
        return made


class Group:
    """A population or projection of the stand-in."""

    axonal_delay_steps, max_dendritic_delay_timesteps = 1, 1

    def __init__(self, members: int, size: int, **kinds: Any) -> None:
        self.vars = Arrays(members, size, **kinds)
        self.pre_vars = Arrays(members, size, **kinds)
        self.psm_vars = Arrays(members, 1)
        self.extra_global_params: dict[str, Array] = defaultdict(lambda: Array((1,)))
        self.connectivity_extra_global_params: dict[str, Array] = defaultdict(lambda: Array((1,)))
        self.out_post = Array((members, 1))


class EmptyModel:
    """The batch of a network without dynamics: its neurons fire by turns, the same in every member."""

    def __init__(self, network: Network, members: int, *, bin_steps: int, dt_ms: float) -> None:
        self.timestep, self.own_s = 0, 0.0
        self._bin_steps, self._members = bin_steps, members
        kinds = {
            name: np.dtype({"unsigned int": "u4", "int": "i4"}.get(kind, "f8"))
            for name, kind in MONITOR_STATE.items()
        }
        self.neuron_populations, self.synapse_populations = {}, {}
        self._parts = []
        for population in network.populations:
            self.neuron_populations[population.name] = Group(members, population.size)
            monitor = self.synapse_populations[monitor_name(population)] = Group(
                members, population.size, **kinds
            )
            counters = self.neuron_populations[counters_name(population)] = Group(
                members, population.clusters, first="u4"
            )
            ring = counters.extra_global_params["bins"] = Array(
                (members, population.clusters, RING), np.uint32
            )
            per_bin = max(round(population.size * RATE_HZ * bin_steps * dt_ms / 1000), 1)
            self._parts.append((population, monitor, ring, per_bin, np.zeros(population.clusters, np.uint32)))
        for projection in network.projections:
            self.synapse_populations[projection.name] = Group(members, 1)
        self._runtime = self

    def load(self, **_: Any) -> None: ...

    def unload(self) -> None: ...

    def step_time(self) -> None:
        step, self.timestep = self.timestep, self.timestep + 1
        if (step + 1) % self._bin_steps:
            return
        began = time.process_time()
        number = step // self._bin_steps
        for population, monitor, ring, per_bin, total in self._parts:
            fired = (number * per_bin + np.arange(per_bin)) * 7919 % population.size
            monitor.pre_vars["n_spikes"].view[:, fired] += 1
            total += np.bincount(fired // population.cluster_size, minlength=population.clusters).astype("u4")
            ring.view[:, :, number % RING] = total
        self.own_s += time.process_time() - began


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def measure(*, members: int, neurons: int, duration_ms: float) -> dict[str, float]:
    """CPU seconds by phase, and the largest memory (GB)."""
    given = batch.large(neurons)
    network, recording = ei_clustered.network(given), RecordingPlan()
    build = Build.of(network, dt_ms=0.1, batch_size=members, precision="single", record_spikes=False)
    bin_steps = round(recording.bin_ms / build.dt_ms)
    model = EmptyModel(network, members, bin_steps=bin_steps, dt_ms=build.dt_ms)
    prepared = PreparedGenn(model, build, recording, wiring_seed=1)
    candidates = batch.members(given, members)
    found: dict[str, float] = {}
    clock = time.process_time()

    def mark(name: str) -> None:
        nonlocal clock
        found[name] = time.process_time() - clock - model.own_s
        model.own_s, clock = 0.0, time.process_time()

    with prepared:
        prepared.load(candidates, 0)
        model.timestep = 0
        mark("load")
        before_gb = peak_gb()
        prepared.measure()
        started, own = time.process_time(), model.own_s
        step = model.step_time
        for _ in range(round(duration_ms / build.dt_ms)):
            step()
        found["empty steps"] = time.process_time() - started - (model.own_s - own)
        model.timestep = 0
        for array in (monitor.pre_vars["n_spikes"].view for _, monitor, *_ in model._parts):
            array[:] = 0
        for *_, total in model._parts:
            total[:] = 0
        model.own_s, clock = 0.0, time.process_time()
        prepared.measure()
        prepared.advance(duration_ms)
        mark("steps, reading counters")
        observed = [one for one in prepared.observe() if isinstance(one, Observation)]
        mark("observe")
        sent = sum(len(pack(one, compression=0).content) for one in observed)
        mark("pack")
    outside = (
        found["load"]
        + found["steps, reading counters"]
        - found["empty steps"]
        + found["observe"]
        + found["pack"]
    )
    return {
        **found,
        "outside the steps": outside,
        "sent MB": sent / 1e6,
        "memory before GB": before_gb,
        "memory GB": peak_gb(),
        "spikes": float(sum(one.neuron_totals.sum() for one in observed)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--members", type=int, default=40)
    parser.add_argument("--neurons", type=int, default=25_000)
    parser.add_argument("--duration-ms", type=float, default=10_000.0)
    options = parser.parse_args()
    found = measure(members=options.members, neurons=options.neurons, duration_ms=options.duration_ms)
    print(f"{options.members} networks of {options.neurons:,} neurons, {options.duration_ms / 1000:g} s\n")
    print("| | CPU s, or as said |\n|---|---|")
    for name, value in found.items():
        print(f"| {name} | {value:.2f} |")


if __name__ == "__main__":
    main()
