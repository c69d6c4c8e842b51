"""Which sampler reaches all targets of a study first: trials and minutes, against random points and the grid.

    python -m benchmarks.samplers studies/quickstart.toml --batch 2 40 --seeds 0 1 2 3 4 --trials 120

Every run is a search of its own, to the first trial that meets all targets or to the last of `--trials`. One
row per run goes to `--csv` as soon as it is known; rows that are there already are not run again. The table
has, for each sampler and batch, the runs that met all targets, the median of the trials they took (runs that
did not count as more than all), the median minutes, and the median of the best losses.
A batch larger than the number of processes is asked at once and simulated one after another, as a GPU would
at once. Candidates have one graph each, without confirmation: it compares what the samplers propose.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import optuna

from calibrate import simulators
from calibrate.calibration.loop import run
from calibrate.calibration.progress import Progress
from calibrate.calibration.study_pool import setup_of
from calibrate.errors import CalibrateError
from calibrate.simulation.jobs import Job, Outcome
from calibrate.simulation.local_pool import Pool
from calibrate.store import Store, storage_url
from calibrate.study import Study, read_study

SAMPLERS = ("bo", "tpe", "cmaes", "nsga2", "gp", "qmc", "random", "grid")
COLUMNS = ("study", "sampler", "batch", "seed", "met", "trials", "minutes", "loss")
GRID_POINTS = 4


class Batches:
    """A pool that is asked for `capacity` candidates at once, whatever its processes take."""

    def __init__(self, pool: Pool, capacity: int) -> None:
        self._pool, self.capacity = pool, capacity

    def run(
        self,
        candidates: Sequence[Job],
        *,
        progress: Callable[[Outcome], None] = lambda _: None,
    ) -> list[Outcome]:
        return self._pool.run(candidates, progress=progress)


def study_for(
    path: Path,
    sampler: str,
    seed: int,
    trials: int,
    *,
    loss: float | None = None,
    grid_points: int = GRID_POINTS,
    changes: Mapping[str, object] | None = None,
) -> Study:
    """The study with another sampler, its ranges with points where that is the grid.

    loss     that ends the run, instead of the study's own
    changes  of further keys
    """
    plain, text = read_study(path), path.read_text()
    if sampler == "grid":
        text = text.replace(" }", f", points = {grid_points} }}")
    folder = Path(tempfile.mkdtemp())
    copy = folder / path.name
    lines = text.splitlines()
    if sampler != plain.sampler.name:
        start = lines.index("[sampler]")
        stop = next(k for k in range(start + 1, len(lines)) if lines[k].startswith("["))
        lines[start:stop] = ["[sampler]", f'name = "{sampler}"', ""]
    copy.write_text("\n".join(lines))
    changed: dict[str, object] = {
        "study.seed": seed,
        "budget.trials": trials,
        "replicates.confirm": 0,
        "replicates.fresh": 0,
        **(changes or {}),
    }
    if loss is not None:
        changed["budget.loss"] = loss
    study = read_study(copy, changes=changed)
    return study.on(simulators.choose(study.simulation.backend))


def search(study: Study, batch: int, *, loss: float | None = None) -> dict[str, object]:
    """One run: whether and after how many trials all targets were met, its minutes and best loss.

    loss  met is a trial of this loss or less, instead of one that meets all targets
    """
    met_at: list[int] = []

    def watch(progress: Progress) -> None:
        best = progress.best
        if best is not None and not met_at and (best.all_met if loss is None else best.loss <= loss):
            met_at.append(best.number + 1)

    started = time.monotonic()
    with (
        Store(study, storage_url(study)) as store,
        Pool(setup_of(study), study.stages[-1]) as pool,
    ):
        result = run(
            study, pool=Batches(pool, batch), store=store, progress=watch, interrupted=lambda: bool(met_at)
        )
    assert result.best is not None
    return {
        "met": int(bool(met_at)),
        "trials": met_at[0] if met_at else result.complete,
        "minutes": round((time.monotonic() - started) / 60, 2),
        "loss": round(result.best.loss, 3),
    }


def table(rows: Sequence[dict[str, str]], trials: int) -> str:
    """One line per sampler and batch, in Markdown."""
    lines = ["| sampler | batch | met all | trials | minutes | best loss |", "|---|---|---|---|---|---|"]
    keys = dict.fromkeys((row["sampler"], row["batch"]) for row in rows)
    for sampler, batch in sorted(keys, key=lambda key: (int(key[1]), SAMPLERS.index(key[0]))):
        own = [row for row in rows if (row["sampler"], row["batch"]) == (sampler, batch)]
        met = [row for row in own if row["met"] == "1"]
        needed = statistics.median(float(row["trials"]) if row["met"] == "1" else float("inf") for row in own)
        minutes = statistics.median(float(row["minutes"]) for row in own)
        loss = statistics.median(float(row["loss"]) for row in own)
        shown = f"{needed:.0f}" if needed <= trials else f"> {trials}"
        lines.append(
            f"| {sampler} | {batch} | {len(met)} of {len(own)} | {shown} | {minutes:.1f} | {loss:.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("--samplers", nargs="+", default=list(SAMPLERS), choices=SAMPLERS)
    parser.add_argument("--batch", nargs="+", type=int, default=[2])
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(5)))
    parser.add_argument("--trials", type=int, default=120)
    parser.add_argument("--csv", type=Path, default=Path("samplers.csv"))
    asked = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    rows: list[dict[str, str]] = []
    if asked.csv.exists():
        with asked.csv.open() as file:
            rows = list(csv.DictReader(file))
    for seed in asked.seeds:
        for batch in asked.batch:
            for sampler in asked.samplers:
                key = {"study": asked.study.stem, "sampler": sampler, "batch": str(batch), "seed": str(seed)}
                if any(key.items() <= row.items() for row in rows):
                    continue
                try:
                    found = search(study_for(asked.study, sampler, seed, asked.trials), batch)
                except CalibrateError as error:
                    print(f"{sampler}: {error}", flush=True)
                    continue
                rows.append({**key, **{name: str(value) for name, value in found.items()}})
                print(rows[-1], flush=True)
                with asked.csv.open("w", newline="") as file:
                    writer = csv.DictWriter(file, COLUMNS)
                    writer.writeheader()
                    writer.writerows(rows)
    print(table([row for row in rows if row["study"] == asked.study.stem], asked.trials))


if __name__ == "__main__":
    main()
