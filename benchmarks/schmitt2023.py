"""Points of the published scan again: 25,000 neurons, 20 clusters, rates over 9 s after 1 s.

    python -m benchmarks.schmitt2023 [--points N] [--slots N]

The reference (schmitt2023_rates.csv) holds 100 of the 1600 points of Schmitt, Rostami & Nawrot 2023
(doi 10.3389/fninf.2023.941696). Compared are those with I_th_I >= 1.1 and a published NEST rate of E neurons
of at least 1 Hz; below I_th_I = 1.075 the network is bistable.
"""

from __future__ import annotations

import argparse
import csv
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from calibrate.network import find_model
from calibrate.objective.panel import panel
from calibrate.observation import SimulationFailure
from calibrate.simulation.capacity import cores, slots_for
from calibrate.simulation.jobs import Job, Outcome, Setup, Timing
from calibrate.simulation.local_pool import Pool
from calibrate.simulators import batch_size, choose, on_gpu

NETWORK = {"N_E": 20000, "N_I": 5000, "N_Q": 20, "J_E+": 2.75, "R_J": 0.75}


def reference() -> list[dict[str, float]]:
    """The 100 published points that are at hand, every fourth of the scan's 40 in both directions."""
    path = Path(__file__).with_name("schmitt2023_rates.csv")
    with path.open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def compared(row: dict[str, float]) -> bool:
    """Whether a point is held against the reference: it fires, and lies where there is one stable state."""
    return row["I_th_I_rheobase"] >= 1.1 and row["nest_E_hz"] >= 1.0


@dataclass(frozen=True, kw_only=True)
class Scan:
    """What a part of the scan took, with compiling and drawing the graph, and how many points agree.

    start_s  until the first batch was about to be simulated
    within   of the `judged` points: both rates within 15 % of NEST's published ones
    """

    took_s: float
    start_s: float
    points: int
    judged: int
    within: int
    slots: int
    batch_size: int


def scan(
    points: Sequence[dict[str, float]],
    *,
    backend: str,
    slots: int | None = None,
    size: int | None = None,
    network: Mapping[str, float] = NETWORK,
    duration_ms: float = 9000.0,
) -> Scan:
    """Simulate points of the reference, score them with the panel, and print each beside it.

    size  of batches, where the backend takes any (default: what it takes by default)
    """
    layout = find_model("ei_clustered").network(network).layout
    slots = slots or slots_for(backend, find_model("ei_clustered").network(network))
    setup = Setup(
        model="ei_clustered",
        backend=backend,
        batch_size=size or batch_size(backend),
        statistics=panel(layout),
        evaluators=max(cores() // slots, 1) if on_gpu(backend) else 0,
    )
    timing = Timing(warmup_ms=1000.0, duration_ms=duration_ms)
    candidates = [
        Job(
            uuid=str(number),
            parameters={**network, "I_th_E": row["I_th_E_rheobase"], "I_th_I": row["I_th_I_rheobase"]},
            seed=number,
        )
        for number, row in enumerate(points)
    ]
    print("| I_th_E | I_th_I | published E | ours E | ratio | published I | ours I | ratio | s / bio s |")
    print("|---|---|---|---|---|---|---|---|---|")
    within = judged = 0
    start_s = math.inf
    started = time.perf_counter()

    def show(outcome: Outcome) -> None:
        nonlocal within, judged, start_s
        if isinstance(outcome.result, SimulationFailure) or outcome.evaluation is None:
            raise SystemExit(str(outcome.result))
        spent_s = outcome.wall_s + outcome.scoring_s
        start_s = min(start_s, time.perf_counter() - started - spent_s)
        row = points[int(outcome.uuid)]
        ours = {kind: outcome.evaluation.estimates[f"rate_{kind}"].value for kind in "EI"}
        published = {kind: row[f"nest_{kind}_hz"] for kind in "EI"}
        ratio = {kind: ours[kind] / published[kind] if published[kind] else math.nan for kind in "EI"}
        if compared(row):
            judged += 1
            within += all(abs(value - 1) <= 0.15 for value in ratio.values())
        print(
            f"| {row['I_th_E_rheobase']:.2f} | {row['I_th_I_rheobase']:.2f} "
            + "".join(f"| {published[k]:.3f} | {ours[k]:.3f} | {ratio[k]:.3f} " for k in "EI")
            + f"| {outcome.wall_s / (1 + duration_ms / 1000) / setup.batch_size:.2f} |",
            flush=True,
        )

    with Pool(setup, timing, slots=slots) as pool:
        pool.run(candidates, progress=show)
    took_s = time.perf_counter() - started
    print(f"\n{within} of {judged} points within 15 % of NEST's published rates, both populations;")
    print(f"{took_s:.0f} s on {slots} processes, {setup.batch_size} at once in each")
    return Scan(
        took_s=took_s,
        start_s=max(start_s, 0.0),
        points=len(points),
        judged=judged,
        within=within,
        slots=slots,
        batch_size=setup.batch_size,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--points", type=int, help="only the first N points")
    parser.add_argument("--slots", type=int, help="processes (default: one per core, two per GPU)")
    parser.add_argument("--backend", default="genn")
    arguments = parser.parse_args()
    points = [row for row in reference() if compared(row)][: arguments.points]
    scan(points, backend=choose(arguments.backend), slots=arguments.slots)


if __name__ == "__main__":
    main()
