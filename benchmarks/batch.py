"""Batches of networks: first that they are right, then how fast they are.

    python -m benchmarks.batch [--batch-sizes 1 8 40 160 400] [--neurons 25000]

On a CUDA device, members of a batch are compared with the same networks simulated one at a time (equal
counts, neuron by neuron, whatever the slot and the neighbours) and with NEST (rates of E and I within 15 %).
Then each batch size is timed. Without a CUDA device, GeNN takes batches of one: the same checks run, as a
rehearsal.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from calibrate import simulators
from calibrate.errors import SimulatorError
from calibrate.models.ei_clustered import ei_clustered
from calibrate.observation import Observation
from calibrate.simulators.base import Member, RecordingPlan, simulate

SMALL: dict[str, Any] = {"connectivity": "fixed_indegree", "N_E": 1200, "N_I": 300, "N_Q": 6, "J_E+": 3.0}


def large(neurons: int) -> dict[str, Any]:
    """The network of the published scan, or a smaller one like it."""
    return {"N_E": neurons * 4 // 5, "N_I": neurons // 5, "N_Q": 20, "J_E+": 2.75}


def members(given: dict[str, Any], count: int) -> list[Member]:
    """Networks along the diagonal of the published scan, each with its own seed."""
    network = ei_clustered.network(given)
    found = []
    for number, part in enumerate(np.linspace(0, 1, count)):
        drive = {"I_th_E": 1.75 + part, "I_th_I": 1.1 + 0.4 * part}
        found.append(Member(values=ei_clustered.values(network, {**given, **drive}), seed=number))
    return found


def observe(
    backend: str, given: dict[str, Any], batch: list[Member], size: int, duration_ms: float
) -> tuple[list[Observation], float, float]:
    """Observations, seconds to prepare and seconds to simulate, warm-up of 200 ms included."""
    started = time.perf_counter()
    simulator = simulators.create(backend, dt_ms=0.1, precision="single")
    network = ei_clustered.network(given)
    with simulator.prepare(network, batch_size=size, recording=RecordingPlan(), wiring_seed=1) as prepared:
        prepared.load(batch[:size], 0)
        ready = time.perf_counter()
        found = []
        for start in range(0, len(batch), size):
            part = batch[start : start + size]
            found += simulate(prepared, part, realisation=0, warmup_ms=200.0, duration_ms=duration_ms)
        done = time.perf_counter()
    failed = [seen for seen in found if not isinstance(seen, Observation)]
    if failed:
        raise SystemExit(failed[0].reason)
    return [seen for seen in found if isinstance(seen, Observation)], ready - started, done - ready


def equal(one: Observation, other: Observation) -> bool:
    return np.array_equal(one.group_bins, other.group_bins) and np.array_equal(
        one.neuron_windows, other.neuron_windows
    )


def check(largest: int) -> None:
    size = min(largest, 12)
    batch = members(SMALL, 12)
    alone, _, _ = observe("genn", SMALL, batch, 1, 2000.0)
    together, _, _ = observe("genn", SMALL, batch, size, 2000.0)
    mirrored, _, _ = observe("genn", SMALL, batch[::-1], size, 2000.0)
    same = sum(map(equal, alone, together))
    print(f"members equal to the same network alone:        {same} of {len(batch)}")
    print(f"members equal in other slots with other company: {sum(map(equal, together, mirrored[::-1]))}")
    few = batch[::4]
    nest, _, _ = observe("nest", SMALL, few, 1, 5000.0)
    genn, _, _ = observe("genn", SMALL, few, 1, 5000.0)
    worst = max(
        abs(a.totals(kind).mean() / b.totals(kind).mean() - 1)
        for a, b in zip(genn, nest, strict=True)
        for kind in "EI"
    )
    print(f"largest difference of a rate from NEST's:       {100 * worst:.1f} %", flush=True)
    if same < len(batch) or worst > 0.15:
        raise SystemExit("batches are not right: no timing")


def timings(sizes: Sequence[int], *, neurons: int, duration_ms: float) -> None:
    """Print a line for each batch size of the published scan's network, in Markdown."""
    given = large(neurons)
    print("\n| batch size | prepare s | simulate s | wall s per biological s and network | rate E Hz |")
    print("|---|---|---|---|---|")
    for size in sizes:
        try:
            found, prepare_s, simulate_s = observe("genn", given, members(given, size), size, duration_ms)
        except SimulatorError as error:
            print(f"| {size} | {error} |")
            break
        biological_s = (duration_ms + 200.0) / 1000
        rate = np.mean([seen.totals("E").mean() for seen in found]) / duration_ms * 1000
        print(
            f"| {size} | {prepare_s:.1f} | {simulate_s:.1f} | {simulate_s / biological_s / size:.4f} "
            f"| {rate:.2f} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 8, 40, 160, 400])
    parser.add_argument("--neurons", type=int, default=25_000)
    parser.add_argument("--duration-ms", type=float, default=2000.0)
    arguments = parser.parse_args()
    device = simulators.create("genn", dt_ms=0.1, precision="single").describe()["device"]
    sizes = arguments.batch_sizes if device == "cuda" else [1]
    print(f"device: {device}")
    check(max(sizes))
    timings(sizes, neurons=arguments.neurons, duration_ms=arguments.duration_ms)


if __name__ == "__main__":
    main()
