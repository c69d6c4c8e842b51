"""Trials an hour of calibrate and of what one would run instead, side by side on the same parameter sets.

    python -m benchmarks.throughput --neurons 1500 --trials 8 --rounds 3
    python -m benchmarks.throughput --neurons 25000 --trials 2 --rounds 2

Every round runs every contender once, in processes of its own and on all cores, on points along the diagonal
of the published scan (at 1,500 neurons: about the quickstart's network). Times of a contender are medians
over rounds. `start s` comes once for a study: processes, and what is built once (compiling, the graph); a
trial's own building is in its trials. `x plain` is the ratio to the faster of the plain script's two ways to
use the cores, `x 100` the same for a study of 100 trials with the start counted. `of the bandwidth` is what
the events must read from memory, against what `bandwidth` reads on all cores in the same run.

Then: do the statistics agree? Differences from the plain script on the same points, with their standard
error: the standard deviation of the differences times sqrt(1 / n + 1 / graphs), since a contender that draws
its graph once a round has only so many. Agreeing means: no larger than chance at 1 % for the whole table, by
Student's t and Bonferroni's division.

Contenders that are missing (Brian2, GeNN) are left out, and said to be. Brian2 may be in an environment of
its own: --brian-python.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

from benchmarks import bandwidth
from benchmarks.plain_nest import PROBABILITY, TARGETS, Settings


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A script that searches.

    options       beyond the common ones; {cores} stands for their number
    event_bytes   read from memory for each synaptic event, at least: a narrow index in GeNN, a connection in
                  NEST (target, port, model, delay), the number of a synapse and its target in Brian2
    keeps_graph   whether all trials of a round have one graph
    """

    module: str
    options: str
    event_bytes: int
    keeps_graph: bool


CONTENDERS: dict[str, Contender] = {
    "plain-processes": Contender(
        module="plain_nest", options="--processes {cores} --threads 1", event_bytes=24, keeps_graph=False
    ),
    "plain-threads": Contender(
        module="plain_nest", options="--processes 1 --threads {cores}", event_bytes=24, keeps_graph=False
    ),
    "published-genn": Contender(
        module="published_genn", options="--processes {cores}", event_bytes=2, keeps_graph=True
    ),
    "brian2": Contender(module="brian", options="--processes {cores}", event_bytes=12, keeps_graph=True),
    "calibrate-genn": Contender(
        module="own", options="--processes {cores} --backend genn", event_bytes=2, keeps_graph=True
    ),
    "calibrate-genn-double": Contender(
        module="own",
        options="--processes {cores} --backend genn --precision double",
        event_bytes=2,
        keeps_graph=True,
    ),
    "calibrate-nest": Contender(
        module="own",
        options="--processes {cores} --backend nest --precision double",
        event_bytes=24,
        keeps_graph=True,
    ),
}
PLAIN = ("plain-processes", "plain-threads")

Run = dict[str, Any]


def points(settings: Settings, number: int) -> list[dict[str, float]]:
    """Parameter sets on a diagonal, their weights alike: the published pattern compiles them in."""
    small = settings.clusters < 20
    (low, high), (below, above) = ((1.95, 2.35), (1.1, 1.35)) if small else ((1.95, 2.75), (1.1, 1.5))
    strength = 3.0 if small else 2.75
    return [
        {
            "I_th_E": low + (high - low) * part,
            "I_th_I": below + (above - below) * part,
            "J_E+": strength,
            "R_J": 0.75,
        }
        for part in (np.arange(number) + 0.5) / number
    ]


def compete(
    name: str, settings: Settings, *, trials: int, seed: int, cores: int, python: str
) -> tuple[Run | None, str]:
    """One contender's run, or why there is none."""
    contender = CONTENDERS[name]
    with tempfile.TemporaryDirectory() as folder:
        given, out = Path(folder) / "points.json", Path(folder) / "out.json"
        given.write_text(json.dumps(points(settings, trials)))
        common = {
            "--neurons": settings.neurons,
            "--clusters": settings.clusters,
            "--connectivity": settings.connectivity,
            "--warmup-ms": settings.warmup_ms,
            "--duration-ms": settings.duration_ms,
            "--trials": trials,
            "--seed": seed,
            "--points": given,
            "--json": out,
        }
        command = [python, "-m", f"benchmarks.{contender.module}"]
        command += [str(part) for pair in common.items() for part in pair]
        command += contender.options.format(cores=cores).split()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return None, (done.stderr.strip().splitlines() or ["it died"])[-1]
        found: Run = json.loads(out.read_text())
    return found, ""


def per_hour(run: Run) -> float:
    """Trials an hour, after the start."""
    return 3600 * len(run["trials"]) / float(run["wall_s"])


def events_per_biological_s(run: Run) -> float:
    """Synaptic events in a second of its mean network."""
    settings = Settings(**run["settings"])
    found = 0.0
    for source, size in settings.sizes.items():
        rate = statistics.fmean(row[f"rate_{source}"] for row in run["trials"])
        reach = sum(PROBABILITY[target + source] * settings.sizes[target] for target in "EI")
        found += rate * size * reach
    return found


def speed_table(runs: Mapping[str, Sequence[Run]], memory: Mapping[str, float]) -> str:
    """Speed of every contender, in Markdown; `memory` as `bandwidth.measure` returns it."""
    rate = {name: statistics.median(map(per_hour, found)) for name, found in runs.items()}
    start = {name: statistics.median(run["start_s"] for run in found) for name, found in runs.items()}
    plain = max((name for name in PLAIN if name in runs), key=lambda name: rate[name], default=None)

    def hundred(name: str) -> float:
        return 1 / (float(start[name]) + 100 * 3600 / rate[name])

    lines = [
        "| contender | simulator | precision | processes x threads | recording | start s | s / trial "
        "| trials / h | x plain | x 100 | bio s / wall s | 10^6 events / s | of the bandwidth | memory GB |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, found in runs.items():
        run, settings = found[0], Settings(**found[0]["settings"])
        whole_s = (settings.warmup_ms + settings.duration_ms) / 1000
        speed = rate[name] / 3600 * whole_s
        events = events_per_biological_s(run) * speed
        share = events * CONTENDERS[name].event_bytes / memory["read"]
        ratios = (
            [f"{rate[name] / rate[plain]:.2f}", f"{hundred(name) / hundred(plain):.2f}"]
            if plain
            else ["", ""]
        )
        cells = [
            name,
            run["simulator"],
            settings.precision,
            f"{run['processes']} x {settings.threads}",
            run["recording"],
            f"{start[name]:.1f}",
            f"{3600 / rate[name]:.3g}",
            f"{rate[name]:.4g}",
            *ratios,
            f"{speed:.3g}",
            f"{events / 1e6:.3g}",
            f"{100 * share:.2g} %",
            f"{max(run['memory_bytes'] for run in found) / 1e9:.2f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How far a statistic of a contender is from the plain script's, on the same points, in the mean."""

    statistic: str
    mean: float
    difference: float
    error: float
    agrees: bool | None


def differences(
    found: Sequence[Run], plain: Sequence[Run], *, keeps_graph: bool, judged: int = 1
) -> list[Difference]:
    """One for every statistic; what cannot be judged, for want of numbers, agrees with None.

    judged  differences in all, which share the 1 % of chance
    """
    rows = [row for run in found for row in run["trials"]]
    others = [row for run in plain for row in run["trials"]]
    result = []
    for name in TARGETS:
        both = [(row[name], other[name]) for row, other in zip(rows, others, strict=True)]
        values = np.array([pair for pair in both if all(map(math.isfinite, pair))])
        if len(values) < 3:
            mean = float(values[:, 0].mean()) if len(values) else math.nan
            result.append(
                Difference(statistic=name, mean=mean, difference=math.nan, error=math.nan, agrees=None)
            )
            continue
        off, n = values[:, 0] - values[:, 1], len(values)
        error = float(off.std(ddof=1)) * math.sqrt(1 / n + (1 / len(found) if keeps_graph else 0.0))
        limit = float(student.isf(0.005 / judged, n - 1)) * error
        result.append(
            Difference(
                statistic=name,
                mean=float(values[:, 0].mean()),
                difference=float(off.mean()),
                error=error,
                agrees=bool(abs(off.mean()) <= limit),
            )
        )
    return result


def agreement_table(runs: Mapping[str, Sequence[Run]]) -> tuple[str, bool]:
    """Statistics of every contender against the plain script's, in Markdown, and whether all agree."""
    plain = next(name for name in PLAIN if name in runs)
    lines = [
        "| contender | statistic | mean | difference from plain | agrees |",
        "|---|---|---|---|---|",
    ]
    good = True
    judged = (len(runs) - 1) * len(TARGETS)
    for name, found in runs.items():
        if name == plain:
            continue
        keeps_graph = CONTENDERS[name].keeps_graph
        for one in differences(found, runs[plain], keeps_graph=keeps_graph, judged=judged):
            word = {True: "yes", False: "NO", None: "too few numbers"}[one.agrees]
            good = good and one.agrees is not False
            apart = f"{one.difference:+.3g} ± {one.error:.2g}"
            lines.append(f"| {name} | {one.statistic} | {one.mean:.4g} | {apart} | {word} |")
    return "\n".join(lines), good


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--neurons", type=int, default=1500)
    parser.add_argument("--clusters", type=int, help="default: 6 below 10,000 neurons, else 20")
    parser.add_argument(
        "--connectivity", choices=["bernoulli", "fixed_indegree"], help="default: by size, too"
    )
    parser.add_argument("--warmup-ms", type=float, default=500.0)
    parser.add_argument("--duration-ms", type=float, default=4000.0)
    parser.add_argument("--trials", type=int, default=8, help="of each contender in each round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--contenders", nargs="+", default=list(CONTENDERS), choices=list(CONTENDERS))
    parser.add_argument("--brian-python", help="Python that has Brian2 (default: this one)")
    parser.add_argument("--json", type=Path, help="where to write all runs, after each")
    options = parser.parse_args()
    small = options.neurons < 10_000
    settings = Settings(
        neurons=options.neurons,
        clusters=options.clusters or (6 if small else 20),
        connectivity=options.connectivity or ("fixed_indegree" if small else "bernoulli"),
        warmup_ms=options.warmup_ms,
        duration_ms=options.duration_ms,
    )
    cores = len(os.sched_getaffinity(0))
    runs: dict[str, list[Run]] = {}
    left_out: dict[str, str] = {}
    for k in range(options.rounds):
        for name in options.contenders:
            if name in left_out:
                continue
            found, reason = None, "PyGeNN is not installed"
            if "genn" not in name or importlib.util.find_spec("pygenn"):
                python = options.brian_python if name == "brian2" else None
                found, reason = compete(
                    name,
                    settings,
                    trials=options.trials,
                    seed=k,
                    cores=cores,
                    python=python or sys.executable,
                )
            if found is None:
                left_out[name] = reason
                print(f"{name} is left out: {reason}", file=sys.stderr, flush=True)
                runs.pop(name, None)
                continue
            runs.setdefault(name, []).append(found)
            print(f"round {k + 1}: {name}: {per_hour(found):.4g} trials / h", file=sys.stderr, flush=True)
            if options.json:
                options.json.write_text(json.dumps({"runs": runs, "left_out": left_out}))
    if not runs:
        raise SystemExit("no contender ran")
    memory = bandwidth.measure(cores)
    print(
        f"{settings.neurons:,} neurons, {settings.clusters} clusters, {settings.connectivity}, "
        f"{settings.warmup_ms / 1000:g} + {settings.duration_ms / 1000:g} s, {options.trials} trials, "
        f"{options.rounds} rounds, {cores} cores, {memory['read'] / 1e9:.1f} GB/s read, "
        f"{memory['deliver'] / 1e6:.0f} * 10^6 events/s delivered at best\n"
    )
    print(speed_table(runs, memory))
    if any(name in runs for name in PLAIN):
        text, good = agreement_table(runs)
        print(f"\n{text}")
        print(f"\nstatistics {'agree' if good else 'do NOT agree'}")
    for name, reason in left_out.items():
        print(f"\n{name} is left out: {reason}")


if __name__ == "__main__":
    main()
