"""All that a GPU can show, in one command that fits a machine which is lent for minutes.

    python -m benchmarks.gpu --budget-s 480 --out facts.jsonl      # on a machine with a CUDA device
    python -m benchmarks.gpu --rehearse                            # the same in small, on the CPU too
    python -m benchmarks.gpu --show facts.jsonl                    # tables of what was found

The most valuable comes first. Is it right, bit for bit: members of a batch against the same networks alone,
in other slots, and in GeNN's CPU back end; do small targets lose input? Then time by batch size, of the
device and of the host in each of its phases; the published scan, 100 of whose points are at hand
(`schmitt2023`), in the pool that a study has, all 1600 extrapolated from them; then kernels (`kernels`),
and NEST where it is asked for. All code is compiled first, side by side. Every fact is a line of JSON as
soon as it is known, measured in a process of its own: what fails is a fact, too, and the rest goes on.
Begun again with the same file, it finds what is still missing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import bandwidth, kernels, realtime, schmitt2023
from benchmarks.batch import equal, large, members
from benchmarks.facts import Facts, Values, all_apart, apart
from calibrate import simulators
from calibrate.models.ei_clustered import ei_clustered
from calibrate.network import Bernoulli, Network, Population, Projection, UniformPotential
from calibrate.network import Values as NetworkValues
from calibrate.observation import Observation, SimulationFailure
from calibrate.observation.packing import pack
from calibrate.simulators.base import Member, Precision, RecordingPlan
from calibrate.simulators.genn import cuda
from calibrate.simulators.genn.simulator import GeNN

SCAN_POINTS = 1600
SMALL: dict[str, Any] = {"connectivity": "fixed_indegree", "N_E": 240, "N_I": 60, "N_Q": 3, "J_E+": 2.0}
MEMBERS = 8


def genn(precision: Precision, *, on_cpu: bool = False) -> GeNN:
    simulator = GeNN(dt_ms=0.1, precision=precision)
    if on_cpu:
        simulator._device = "single_threaded_cpu"
    return simulator


# --- what is found, each in a process of its own ------------------------------------------------------


def machine() -> Values:
    """The machine, and whether GeNN uses its GPU."""
    obstacle = simulators.gpu_obstacle("genn")
    return {
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)),
        "driver": kernels.device(),
        "gpus": [asdict(one) for one in cuda.devices()],
        "compiler": cuda.compiler(),
        "on_gpu": simulators.on_gpu("genn"),
        "obstacle": str(obstacle or ""),
    }


def compiled(network: Network, size: int, precision: Precision, on_cpu: bool = False) -> Values:
    """Compile a network for batches of `size`: the cache has it then."""
    began = time.monotonic()
    simulator = genn(precision, on_cpu=on_cpu)
    simulator.prepare(network, batch_size=size, recording=RecordingPlan(), wiring_seed=1)
    return {"size": size, "precision": precision, "cpu": on_cpu, "s": round(time.monotonic() - began, 1)}


def observed(
    simulator: GeNN, network: Network, batch: Sequence[Member], size: int, *, duration_ms: float
) -> tuple[list[Observation], Values]:
    """What networks show in batches of `size`, and what each phase took in all (s)."""
    clock, took = time.perf_counter(), dict[str, float]()

    def mark(phase: str) -> None:
        nonlocal clock
        now = time.perf_counter()
        took[phase] = round(took.get(phase, 0.0) + now - clock, 3)
        clock = now

    found: list[Observation | SimulationFailure] = []
    with simulator.prepare(network, batch_size=size, recording=RecordingPlan(), wiring_seed=1) as prepared:
        mark("prepare")
        for first in range(0, len(batch), size):
            prepared.load(batch[first : first + size], 0)
            mark("load again" if first else "load")
            prepared.advance(200.0)
            mark("warm-up")
            prepared.measure()
            mark("measure")
            prepared.advance(duration_ms)
            mark("advance")
            found += prepared.observe()
            mark("observe")
    for one in found:
        if isinstance(one, SimulationFailure):
            raise RuntimeError(one.reason)
    shown = [one for one in found if isinstance(one, Observation)]
    for one in shown:
        pack(one, compression=0)
    mark("pack")
    return shown, took


def right(precision: Precision, size: int, duration_ms: float) -> Values:
    """Members that are equal, bin by bin and neuron by neuron: in a batch, in other slots, on the CPU."""
    network, batch = ei_clustered.network(SMALL), members(SMALL, MEMBERS)

    def of(given: list[Member], at_once: int, **where: bool) -> list[Observation]:
        return observed(genn(precision, **where), network, given, at_once, duration_ms=duration_ms)[0]

    alone, together, cpu = of(batch, 1), of(batch, size), of(batch, 1, on_cpu=True)
    mirrored = of(batch[::-1], size)[::-1]
    return {
        "of": len(batch),
        "batch_is_alone": sum(map(equal, together, alone)),
        "in_other_slots": sum(map(equal, together, mirrored)),
        "gpu_is_cpu": sum(map(equal, together, cpu)),
        "spikes": [int(sum(one.neuron_totals.sum() for one in part)) for part in (together, cpu)],
    }


def small_network() -> Network:
    """45 neurons onto 60, almost all to all."""
    populations = Population(name="S", size=45), Population(name="T", size=60)
    projection = Projection(source="S", target="T", rule=Bernoulli(0.9), delay_ms=1.0, receptor="ex")
    return Network(populations=populations, projections=(projection,))


def small_targets(size: int, duration_ms: float) -> Values:
    """Whether the small network loses input where spikes come together, as GeNN's own code for it would."""
    network = small_network()
    batch = [
        Member(
            values=NetworkValues(
                neurons={"S": {"I_e": 400.0 + k / size}, "T": {"I_e": 300.0}},
                weights={network.projections[0].name: 20.0},
                initial=dict.fromkeys("ST", UniformPotential(-70.0, -56.0)),
            ),
            seed=k,
        )
        for k in range(size)
    ]
    together, _ = observed(genn("double"), network, batch, size, duration_ms=duration_ms)
    part = range(0, size, max(size // MEMBERS, 1))
    cpu, _ = observed(
        genn("double", on_cpu=True), network, [batch[k] for k in part], 1, duration_ms=duration_ms
    )
    same = sum(equal(together[k], one) for k, one in zip(part, cpu, strict=True))
    return {"of": len(cpu), "gpu_is_cpu": same, "spikes": int(sum(one.neuron_totals.sum() for one in cpu))}


def speed(neurons: int, size: int, duration_ms: float) -> Values:
    """Time of a step and of the host's phases, of one batch after another that was loaded before."""
    given = large(neurons)
    network, batch = ei_clustered.network(given), members(given, size)
    shown, took = observed(genn("single"), network, [*batch, *batch], size, duration_ms=duration_ms)
    steps = 2 * round(duration_ms / 0.1)
    totals = float(sum(one.neuron_totals.sum() for one in shown))
    return {
        "size": size,
        "us_per_step": round(took["advance"] / steps * 1e6, 2),
        "us_per_step_and_member": round(took["advance"] / steps / size * 1e6, 3),
        "rate_hz": round(totals / len(shown) / network.n_neurons / duration_ms * 1000, 3),
        "phases_s": took,
        "device": kernels.device("memory.used,clocks.sm"),
    }


def scanned(number: int, size: int | None, network: dict[str, float], duration_ms: float) -> Values:
    """Points of the published scan, and what all of them would take: the start once, and each batch as here.

    As in a study, two processes take turns on a GPU and statistics are computed; nothing is stored.
    """
    points = schmitt2023.reference()
    if number < len(points):
        # Points that are silent are cheap and tell nothing: a small part is of those that are compared.
        points = spread([row for row in points if schmitt2023.compared(row)], number)
    found = schmitt2023.scan(points, backend="genn", size=size, network=network, duration_ms=duration_ms)
    batches, all_batches = (-(-number // found.batch_size) for number in (found.points, SCAN_POINTS))
    whole_s = found.start_s + (found.took_s - found.start_s) * all_batches / batches
    return {**asdict(found), "extrapolated_s": round(whole_s, 1)}


def spread(rows: list[dict[str, float]], number: int) -> list[dict[str, float]]:
    """So many of the rows, evenly."""
    return [rows[k] for k in np.unique(np.linspace(0, len(rows) - 1, number).round().astype(int))]


def by_kernel(neurons: int, size: int, duration_ms: float) -> Values:
    """Device time by kernel, which to measure takes some itself."""
    found = kernels.timed(large(neurons), size, duration_ms=duration_ms)
    copied = bandwidth.gpu_copy() if simulators.on_gpu("genn") else bandwidth.measure(1)["triad"]
    steps = round(duration_ms / 0.1)
    return {**asdict(found), "steps": steps, "moved_bytes": found.moved_bytes, "bandwidth": copied}


def nest(neurons: int) -> Values:
    """The same network in NEST, on one core."""
    middle = {**large(neurons), "I_th_E": 2.25, "I_th_I": 1.3}
    build_s, wire_s, factor, rate_hz, _, _ = realtime.measure("nest", "double", middle, 0.5)
    return {"build_s": build_s + wire_s, "s_per_biological_s": factor, "rate_hz": rate_hz}


# --- in order of value --------------------------------------------------------------------------------


def examine(facts: Facts, *, on_gpu: bool, small: bool, sizes: list[int], with_nest: bool) -> None:
    """Find all facts, as far as the time goes."""
    neurons, duration_ms = (1000, 100.0) if small else (25_000, 1000.0)
    # The CPU back end takes batches of one.
    size = MEMBERS if on_gpu else 1
    sizes = ([4, 1, 8] if small else sizes) if on_gpu else [1]
    first, *others = sizes
    many = (16 if small else 400) if on_gpu else 1
    if "compiled" not in facts.found:
        clustered = ei_clustered.network(SMALL)
        jobs: list[tuple[Any, ...]] = [
            (clustered, s, p) for p in ("double", "single") for s in sorted({1, size})
        ]
        jobs += [(ei_clustered.network(large(neurons)), s, "single") for s in sizes]
        jobs.append((small_network(), many, "double"))
        if on_gpu:
            jobs += [(clustered, 1, p, True) for p in ("double", "single")] + [
                (small_network(), 1, "double", True)
            ]
        found = all_apart(compiled, jobs, timeout_s=0.6 * facts.left_s)
        failed = [one["failed"] for one in found if "failed" in one]
        facts.add("compiled", {"all": found, **({"failed": failed[0]} if failed else {})})
    for precision in ("double", "single"):
        facts.find(f"right, {precision}", right, precision, size, duration_ms, takes_s=20.0)
    facts.find("right, small targets", small_targets, many, duration_ms, takes_s=20.0)
    facts.find(f"speed at {first}", speed, neurons, first, duration_ms, takes_s=20.0)
    network = {**schmitt2023.NETWORK, **large(neurons)}
    number, length_ms = (6, 500.0) if small else (100, 9000.0)
    facts.find("scan", scanned, number, first, network, length_ms, takes_s=5.0 if small else 90.0)
    facts.find(f"kernels at {first}", by_kernel, neurons, first, duration_ms, takes_s=5.0 if small else 60.0)
    for other in others:
        short_ms = duration_ms if other <= 160 else 400.0
        facts.find(f"speed at {other}", speed, neurons, other, short_ms, takes_s=30.0)
    if with_nest:
        facts.find("NEST", nest, neurons, takes_s=150.0)


def print_tables(found: dict[str, Values]) -> None:
    """What a file of facts holds, in Markdown."""
    for name in ("machine", "right, double", "right, single", "right, small targets", "scan", "NEST"):
        if name in found:
            shown = ", ".join(f"{key} {value}" for key, value in found[name].items() if key != "t")
            print(f"{name}: {shown}\n")
    speeds = [values for name, values in found.items() if name.startswith("speed at")]
    print(
        "| batch size | step us | of each member us | rate Hz | load again s | observe s | pack s | device |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for one in sorted(speeds, key=lambda values: int(values["size"])):
        phases = one["phases_s"]
        print(
            f"| {one['size']} | {one['us_per_step']} | {one['us_per_step_and_member']} | {one['rate_hz']} "
            f"| {phases.get('load again', 0.0)} | {phases['observe'] / 2:.3f} | {phases['pack'] / 2:.3f} "
            f"| {one['device']} |"
        )
    for name, values in found.items():
        if name.startswith("kernels at"):
            fields = ("batch_size", "seconds", "wall_s", "events", "neuron_bytes", "memory")
            one = kernels.Kernels(**{field: values[field] for field in fields})
            kernels.print_kernels([one], bytes_per_s=values["bandwidth"])
            untimed = found.get(f"speed at {one.batch_size}")
            if untimed:
                rest_us = untimed["us_per_step"] - 1e6 * sum(one.seconds.values()) / values["steps"]
                print(f"\nof a step that is not timed, spike lists and launches: {rest_us:.1f} us")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--budget-s", type=float, default=480.0, help="what does not fit into it is left out")
    parser.add_argument("--out", type=Path, default=Path("gpu_facts.jsonl"), help="file of facts")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[40, 1, 160, 400, 24, 80])
    parser.add_argument("--rehearse", action="store_true", help="in small, on the CPU too")
    parser.add_argument("--nest", action="store_true", help="measure NEST, too, which takes two minutes")
    parser.add_argument("--show", type=Path, help="print tables of a file of facts, and find nothing")
    options = parser.parse_args()
    if options.show:
        print_tables(Facts(options.show, budget_s=0.0).found)
        return
    try:
        there = apart(machine, timeout_s=60.0)
    except RuntimeError as error:
        raise SystemExit(f"this machine cannot be asked: {error}") from None
    if not there["on_gpu"] and not options.rehearse:
        why = there["obstacle"] or "no CUDA device, or no PyGeNN"
        raise SystemExit(f"GeNN uses no GPU here ({why}): --rehearse runs all of it on the CPU, in small")
    place = {"gpus": [one["name"] for one in there["gpus"]], "rehearsed": options.rehearse}
    facts = Facts(options.out, budget_s=options.budget_s, place=place)
    facts.add("machine", there)
    examine(
        facts,
        on_gpu=bool(there["on_gpu"]),
        small=options.rehearse,
        sizes=options.batch_sizes,
        with_nest=options.nest,
    )
    print(json.dumps({"end": round(options.budget_s - facts.left_s, 1)}))


if __name__ == "__main__":
    main()
