"""Time to a calibrated network, not only per trial: grid against Optuna's samplers, to the same loss.

    python -m benchmarks.time_to_solution [--loss 0.4] [--seeds 0 1 2 3 4] [--plain-trials 4]

The quickstart: four parameters, six targets. Every sampler runs to the first trial of `--loss` or less, or to
its last trial, with as many seeds as are given; medians are shown, and runs that did not get there count as
more than all. The grid is simulated as a whole, once: with k of its n points good enough, (n + 1) / (k + 1)
trials find the first one in the mean, in random order, so that it does not matter where it begins. Minutes
are those of calibrate on all cores. With `--plain-trials`, the plain script (`plain_nest`) is timed on the
same network, and its minutes are its time per trial by the same numbers of trials: not run, but multiplied.
Losses are those of one graph each, without confirmation.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna

from benchmarks import plain_nest
from benchmarks.plain_nest import Settings
from benchmarks.samplers import search, study_for
from calibrate import read_results, read_study

STUDY = Path("studies/quickstart.toml")
NEVER = 1e-9  # a loss that ends no run


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a way to search took to the loss: medians over seeds, or the grid's expectation.

    trials   infinite where it did not get there within `limit`
    minutes  of calibrate, for these trials (for all of them, where it did not get there)
    """

    sampler: str
    reached: str
    trials: float
    limit: int
    minutes: float
    best: float


def sampled(path: Path, sampler: str, seeds: list[int], *, trials: int, loss: float, batch: int) -> Found:
    """A sampler's runs, one for each seed."""
    rows = [search(study_for(path, sampler, seed, trials, loss=loss), batch, loss=loss) for seed in seeds]
    needed = [float(str(row["trials"])) if row["met"] else math.inf for row in rows]
    return Found(
        sampler=sampler,
        reached=f"{sum(bool(row['met']) for row in rows)} of {len(rows)} runs",
        trials=statistics.median(needed),
        limit=trials,
        minutes=statistics.median(float(str(row["minutes"])) for row in rows),
        best=statistics.median(float(str(row["loss"])) for row in rows),
    )


def grid(path: Path, *, points: int, loss: float, batch: int) -> Found:
    """The whole grid, and how long it takes to its first good point in the mean."""
    trials = points ** len(read_study(path).space)
    study = study_for(path, "grid", 0, trials, loss=NEVER, grid_points=points)
    row = search(study, batch, loss=NEVER)
    losses = read_results(study).trials["loss"].dropna()
    good, minutes = int((losses <= loss).sum()), float(str(row["minutes"]))
    needed = (trials + 1) / (good + 1) if good else math.inf
    return Found(
        sampler=f"grid, {points} points a parameter",
        reached=f"{good} of {trials} points",
        trials=needed,
        limit=trials,
        minutes=minutes * min(needed / trials, 1.0),
        best=float(losses.min()),
    )


def plain_seconds(path: Path, trials: int) -> float:
    """Seconds a trial of the plain script on the study's network: the faster of its ways to use the cores."""
    study = read_study(path)
    simulation, fixed = study.stages[-1], study.parameters({})
    cores = len(os.sched_getaffinity(0))
    found = []
    for processes, threads in ((cores, 1), (1, cores)):
        settings = Settings(
            neurons=fixed["N_E"] + fixed["N_I"],
            clusters=fixed["N_Q"],
            connectivity=fixed["connectivity"],
            warmup_ms=simulation.warmup_ms,
            duration_ms=simulation.duration_ms,
            threads=threads,
        )
        middle = {name: float(fixed[name]) for name in plain_nest.RANGES}
        run = plain_nest.search(
            plain_nest.simulate,
            settings,
            trials=trials,
            processes=processes,
            points=[middle] * trials,
            begin=plain_nest.load_nest,
        )
        found.append(run["wall_s"] / trials)
    return float(min(found))


def table(rows: list[Found], plain_s: float | None) -> str:
    """One line for each way to search, in Markdown."""
    lines = [
        "| sampler | reached | trials | minutes | best loss | plain script, minutes |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        there = math.isfinite(row.trials)
        trials, least = (row.trials, "") if there else (float(row.limit), "> ")
        plain = "" if plain_s is None else f"{least}{trials * plain_s / 60:.1f}"
        lines.append(
            f"| {row.sampler} | {row.reached} | {least}{trials:.0f} | {least}{row.minutes:.2f} "
            f"| {row.best:.2f} | {plain} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", type=Path, nargs="?", default=STUDY)
    parser.add_argument("--samplers", nargs="+", default=["cmaes", "tpe", "random"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--loss", type=float, default=0.4)
    parser.add_argument("--trials", type=int, default=300, help="of a sampler at most")
    parser.add_argument("--grid-points", type=int, default=5, help="of each parameter; 0: no grid")
    parser.add_argument("--batch", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--plain-trials", type=int, default=0, help="of the plain script, to time it")
    asked: Any = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    rows = []
    for sampler in asked.samplers:
        rows.append(
            sampled(
                asked.study, sampler, asked.seeds, trials=asked.trials, loss=asked.loss, batch=asked.batch
            )
        )
        print(rows[-1], flush=True)
    if asked.grid_points:
        rows.append(grid(asked.study, points=asked.grid_points, loss=asked.loss, batch=asked.batch))
    plain_s = plain_seconds(asked.study, asked.plain_trials) if asked.plain_trials else None
    print(f"\n{asked.study.stem}, to a loss of {asked.loss:g}, {asked.batch} at once")
    if plain_s is not None:
        print(f"plain script: {plain_s:.2f} s a trial, on all cores")
    print(f"\n{table(rows, plain_s)}")


if __name__ == "__main__":
    main()
