"""Half an hour of the larva's learning network in one process, with what it does and learns.

    python -m benchmarks.larva [--backend genn] [--minutes 30] [--rate 600] [--seed 0]

Eight minutes of paired training, a minute's gap, and the rest of the time the odour alone (where the run is
shorter, training takes a quarter of it). The rates to compare with are of a program written from the authors'
code, over ten wirings.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np

from calibrate import simulators
from calibrate.models.larva import larva
from calibrate.objective import find_statistic
from calibrate.observation import Observation, Presentation
from calibrate.simulators.base import Member, RecordingPlan, simulate

REFERENCE = {"ORN": 65.4, "PN": 40.8, "LN": 15.1, "KC": 1.16, "APL": 29.6, "MBON": 102.0, "MBIN": 0.0}
"""Rates in ten seconds of the odour, before anything is learnt (Hz)."""

BIN_MS = 1000.0


def protocol(minutes: float) -> dict[str, float]:
    """Training, gap and test that fill the time."""
    training = 1000.0 * round(min(8.0, minutes / 4) * 60)
    gap = 1000.0 * round(min(1.0, minutes / 16) * 60)
    return {"onset": 0.0, "training": training, "gap": gap, "test": minutes * 60_000.0 - training - gap}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--backend", default="genn", choices=["genn", "nest"])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=600.0, help="of the reinforcement (Hz)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    given = {**protocol(arguments.minutes), "reinforcement_rate": arguments.rate}
    network = larva.network(given)
    values = larva.values(network, given)
    simulator = simulators.create(arguments.backend, dt_ms=0.1, precision="single")
    recording = RecordingPlan(bin_ms=BIN_MS, window_ms=BIN_MS)
    with simulator.prepare(network, batch_size=1, recording=recording, wiring_seed=0) as prepared:
        member = Member(values=values, seed=arguments.seed)
        prepared.load([member], arguments.seed)
        before = time.perf_counter(), time.process_time()
        (found,) = simulate(
            prepared,
            [member],
            realisation=arguments.seed,
            warmup_ms=0.0,
            duration_ms=arguments.minutes * 60_000.0,
        )
        wall, cpu = time.perf_counter() - before[0], time.process_time() - before[1]
    assert isinstance(found, Observation)
    seen = replace(
        found,
        presentations=tuple(
            Presentation(one.population, one.clusters, one.start_ms, one.stop_ms) for one in values.stimuli
        ),
    )
    steps = arguments.minutes * 60_000.0 / 0.1
    print(f"{arguments.backend}: {arguments.minutes:g} biological minutes in {wall:.1f} s")
    print(f"({cpu:.1f} s of CPU), {1e6 * wall / steps:.2f} us for each of {steps:,.0f} steps\n")
    print("| rate in 10 s of odour | Hz | reference |\n|---|---|---|")
    for population, expected in REFERENCE.items():
        counts = seen.group_counts(population, BIN_MS)[:, :10]
        rate = counts.sum() / seen.group_sizes(population).sum() / 10
        print(f"| {population} | {rate:.2f} | {expected:g} |")
    print("\n| statistic | value |\n|---|---|")
    for name in ("active_fraction_KC", "learning_index_MBON", "preference_MBON", "preference_decay_MBON"):
        print(f"| {name} | {find_statistic(name)(seen).value:.3f} |")
    test = seen.presentations[-1]
    minutes = np.arange(test.start_ms, test.stop_ms, 60_000.0) / BIN_MS
    counts = seen.group_counts("MBON", BIN_MS)
    bias = []
    for first in minutes.astype(int):
        plus, minus = counts[:, first : first + 60].sum(axis=1)
        bias.append(f"{(plus - minus) / max(plus + minus, 1):.2f}")
    print("\nbias per minute of the test: " + " ".join(bias))


if __name__ == "__main__":
    main()
