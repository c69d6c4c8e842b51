"""Time to a calibrated network, not only per trial: samplers side by side, to a loss that is confirmed.

    python -m benchmarks.time_to_solution [STUDY ...] [--samplers bo cmaes tpe] [--seeds 0 1 2 3 4]
    python -m benchmarks.time_to_solution studies/quickstart.toml --backend nest --samplers bo cmaes

By default the studies are the quickstart (four parameters, six targets), the quickstart with nine parameters,
and studies/metastability.toml (5,000 neurons, six parameters, seven targets). A run ends when its best trial,
in the mean over the graphs that confirm it, has a loss of `--loss` or less and meets all targets; or after
`--trials`. For both, the trials, the simulations (those that confirm included) and the seconds are listed,
every seed on its own; runs that did not get there count as more than all in the medians. Samplers take turns,
in an order that is another one for each seed, so that other work on the machine falls on all of them. Every
run is appended to `--output` as it ends, and is not run again if it is there; `--table` only prints.
Seconds begin with the start of calibrate's processes; compiled GeNN code is there already.

With `--grid-points`, the grid is simulated as a whole, on one graph: with k of its n points good enough,
(n + 1) / (k + 1) trials find the first one in the mean, in random order. With `--plain-trials`, the plain
script (`plain_nest`) is timed on the same network, for comparison with the seconds a trial of calibrate.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import shutil
import statistics
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import optuna

from benchmarks import plain_nest
from benchmarks.plain_nest import Settings
from benchmarks.samplers import Batches, search, study_for
from calibrate import read_results, read_study
from calibrate.calibration.loop import run
from calibrate.calibration.progress import Progress
from calibrate.calibration.study_pool import setup_of
from calibrate.simulation.jobs import Job, Outcome
from calibrate.simulation.local_pool import Pool
from calibrate.store import Store, storage_url
from calibrate.study import Study

STUDIES = [
    Path("studies/quickstart.toml"),
    Path("benchmarks/nine_parameters.toml"),
    Path("studies/metastability.toml"),
]
NEVER = 1e-9  # a loss that ends no run
WARM_UP_TRIALS = 2


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a run took until its best trial was good enough."""

    trials: int
    simulations: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run of one sampler with one seed.

    to_loss, to_targets  None: it did not get there
    whole       all trials of the run
    cpu_s       of all its processes
    asking_s    in which processes waited for proposals
    loss        of the best trial
    graphs      over which that loss is
    """

    study: str
    backend: str
    sampler: str
    seed: int
    batch: int
    confirm: Any
    aim: float
    to_loss: Cost | None
    to_targets: Cost | None
    whole: Cost
    cpu_s: float
    asking_s: float
    loss: float
    graphs: int


class Counting(Batches):
    """A pool that counts its simulations."""

    simulations = 0

    def run(
        self,
        candidates: Sequence[Job],
        *,
        progress: Callable[[Outcome], None] = lambda _: None,
    ) -> list[Outcome]:
        outcomes = super().run(candidates, progress=progress)
        self.simulations += len(outcomes)
        return outcomes


def calibrated(study: Study, batch: int, *, aim: float, file: Path) -> Run:
    """Run a study until its best trial, confirmed, has a loss of `aim` and meets all targets.

    file  of the study, as it was given
    """
    found: dict[str, Cost] = {}
    started, cpu = time.monotonic(), _cpu_s()
    with (
        Store(study, storage_url(study)) as store,
        Pool(setup_of(study), study.stages[-1]) as processes,
    ):
        pool = Counting(processes, batch)

        def cost(trials: int) -> Cost:
            seconds = round(time.monotonic() - started, 2)
            return Cost(trials=trials, simulations=pool.simulations, seconds=seconds)

        def watch(progress: Progress) -> None:
            best = progress.best
            if best is not None and best.loss <= aim:
                found.setdefault("loss", cost(best.number + 1))
            if best is not None and best.all_met:
                found.setdefault("targets", cost(best.number + 1))

        result = run(study, pool=pool, store=store, progress=watch, interrupted=lambda: len(found) == 2)
        whole = cost(result.complete + result.failed)
    assert result.best is not None
    return Run(
        study=file.stem,
        backend=study.simulation.backend,
        sampler=study.sampler.name,
        seed=study.seed,
        batch=batch,
        confirm=study.replicates.model_dump()["confirm"],
        aim=aim,
        to_loss=found.get("loss"),
        to_targets=found.get("targets"),
        whole=whole,
        cpu_s=round(_cpu_s() - cpu, 1),
        asking_s=round(result.times.asking_s, 2),
        loss=round(result.best.loss, 4),
        graphs=result.best.graphs,
    )


def _cpu_s() -> float:
    """CPU time of this process and of those that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def in_turns(samplers: Sequence[str], seeds: Sequence[int]) -> Iterator[tuple[int, str]]:
    """Every seed with every sampler; each seed begins with another sampler."""
    for number, seed in enumerate(seeds):
        first = number % len(samplers)
        for sampler in [*samplers[first:], *samplers[:first]]:
            yield seed, sampler


def compare(
    file: Path,
    samplers: Sequence[str],
    seeds: Sequence[int],
    *,
    trials: int,
    aim: float,
    batch: int,
    changes: Mapping[str, object],
    output: Path,
) -> None:
    """Run every sampler with every seed that `output` does not have, and append each run to it."""
    is_warm = False
    for seed, sampler in in_turns(samplers, seeds):
        study = study_for(file, sampler, seed, trials, loss=NEVER, changes=changes)
        if any(_is_of(one, study, batch, aim=aim, file=file) for one in read_runs(output)):
            continue
        if not is_warm:
            search(study_for(file, "random", seed, WARM_UP_TRIALS, loss=NEVER, changes=changes), batch)
            is_warm = True
        found = calibrated(study, batch, aim=aim, file=file)
        shutil.rmtree(study.folder)
        with output.open("a") as lines:
            lines.write(json.dumps(asdict(found)) + "\n")
        print(found, flush=True)


def _is_of(one: Mapping[str, Any], study: Study, batch: int, *, aim: float, file: Path) -> bool:
    confirm = study.replicates.model_dump()["confirm"]
    key = (file.stem, study.simulation.backend, study.sampler.name, study.seed, batch, confirm, aim)
    names = ("study", "backend", "sampler", "seed", "batch", "confirm", "aim")
    return all(one[name] == value for name, value in zip(names, key, strict=True))


def read_runs(output: Path) -> list[dict[str, Any]]:
    """The runs that a file has."""
    return [json.loads(line) for line in output.read_text().splitlines()] if output.exists() else []


def table(runs: Sequence[Mapping[str, Any]]) -> str:
    """One line for each study and sampler, in Markdown, for the loss and for all targets."""
    columns = ("reached", "trials of each seed", "trials", "simulations", "seconds")
    kinds = ("study", "backend", "sampler", "confirm", "batch")
    lines = []
    for aim, heading in (("to_loss", "to the loss"), ("to_targets", "to all targets")):
        lines += [f"\n{heading}, confirmed", f"| {' | '.join([*kinds, *columns])} |", "|---" * 10 + "|"]
        for key in dict.fromkeys(tuple(_shown(one[kind]) for kind in kinds) for one in runs):
            own = [one for one in runs if tuple(_shown(one[kind]) for kind in kinds) == key]
            own.sort(key=lambda one: one["seed"])
            there = sum(one[aim] is not None for one in own)
            cells = [*key, f"{there} of {len(own)}", ", ".join(_cost(one, aim, "trials") for one in own)]
            cells += [_median(own, aim, name) for name in ("trials", "simulations", "seconds")]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _shown(value: object) -> str:
    return " ".join(f"{k} {v:g}" for k, v in value.items()) if isinstance(value, dict) else str(value)


def _cost(one: Mapping[str, Any], aim: str, name: str) -> str:
    return f"> {one['whole'][name]:g}" if one[aim] is None else f"{one[aim][name]:g}"


def _median(runs: Sequence[Mapping[str, Any]], aim: str, name: str) -> str:
    """The median over runs; those that did not get there count as more than all."""
    found = statistics.median(math.inf if one[aim] is None else one[aim][name] for one in runs)
    most = max(one["whole"][name] for one in runs)
    return f"{found:.4g}" if math.isfinite(found) else f"> {most:.4g}"


def grid(path: Path, *, points: int, loss: float, batch: int) -> str:
    """The whole grid on one graph, and how long it takes to its first good point in the mean."""
    trials = points ** len(read_study(path).space)
    study = study_for(path, "grid", 0, trials, loss=NEVER, grid_points=points)
    minutes = float(str(search(study, batch, loss=NEVER)["minutes"]))
    losses = read_results(study).trials["loss"].dropna()
    good = int((losses <= loss).sum())
    needed = f"{(trials + 1) / (good + 1):.0f} trials" if good else f"more than {trials} trials"
    return (
        f"grid, {points} points a parameter: {good} of {trials} points have a loss of {loss:g} on one graph, "
        f"{needed} to the first, {60 * minutes / trials:.2f} s a trial, best loss {losses.min():.2f}"
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
        timed = plain_nest.search(
            plain_nest.simulate,
            settings,
            trials=trials,
            processes=processes,
            points=[middle] * trials,
            begin=plain_nest.load_nest,
        )
        found.append(timed["wall_s"] / trials)
    return float(min(found))


def _arguments() -> Any:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("studies", type=Path, nargs="*", default=STUDIES)
    parser.add_argument("--samplers", nargs="+", default=["bo", "cmaes", "tpe"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--loss", type=float, default=0.4)
    parser.add_argument("--trials", type=int, default=200, help="of a run at most")
    parser.add_argument("--confirm", help="[replicates] confirm, as in a study file (default: the study's)")
    parser.add_argument("--backend", default="auto", choices=["auto", "genn", "nest"])
    parser.add_argument("--batch", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--output", type=Path, default=Path("time_to_solution.jsonl"))
    parser.add_argument("--table", action="store_true", help="only print the runs of --output")
    parser.add_argument("--grid-points", type=int, default=0, help="of each parameter; 0: no grid")
    parser.add_argument("--plain-trials", type=int, default=0, help="of the plain script, to time it")
    return parser.parse_args()


def main() -> None:
    asked = _arguments()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    changes: dict[str, object] = {"simulation.backend": asked.backend}
    for file in [] if asked.table else asked.studies:
        own = read_study(file).replicates.model_dump()["confirm"]
        changes["replicates.confirm"] = tomllib.loads(f"x = {asked.confirm}")["x"] if asked.confirm else own
        compare(
            file,
            asked.samplers,
            asked.seeds,
            trials=asked.trials,
            aim=asked.loss,
            batch=asked.batch,
            changes=changes,
            output=asked.output,
        )
        if asked.grid_points:
            print(grid(file, points=asked.grid_points, loss=asked.loss, batch=asked.batch), flush=True)
        if asked.plain_trials:
            seconds = plain_seconds(file, asked.plain_trials)
            print(f"plain script: {seconds:.2f} s a trial, on all cores", flush=True)
    names = {file.stem for file in asked.studies}
    runs = [one for one in read_runs(asked.output) if one["study"] in names]
    print(f"to a loss of {asked.loss:g}\n{table([one for one in runs if one['aim'] == asked.loss])}")


if __name__ == "__main__":
    main()
