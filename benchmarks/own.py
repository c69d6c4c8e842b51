"""calibrate itself on the trials of the other contenders: proposed, simulated, evaluated and stored by a run.

    python -m benchmarks.own --neurons 1500 --trials 8 --backend genn

A study of the same network, ranges and targets as `plain_nest`, its points tried first; statistics without
recorded spikes, one graph for all trials (drawn once), every trial in a database on disk.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import optuna

from benchmarks import plain_nest
from benchmarks.plain_nest import RANGES, TARGETS, Settings
from calibrate import Study, make_study, read_results, simulators
from calibrate.calibration.loop import run
from calibrate.calibration.study_pool import setup_of
from calibrate.simulation.jobs import Job, Timing
from calibrate.simulation.local_pool import Pool
from calibrate.store import Store


def study_of(
    settings: Settings,
    *,
    backend: str,
    trials: int,
    points: Sequence[dict[str, float]],
    seed: int,
    folder: Path,
) -> Study:
    """The plain script's search as a study."""
    return make_study(
        "own",
        model="ei_clustered",
        parameters={
            "N_E": settings.sizes["E"],
            "N_I": settings.sizes["I"],
            "N_Q": settings.clusters,
            "connectivity": settings.connectivity,
            **{name: {"low": low, "high": high} for name, (low, high) in RANGES.items()},
        },
        simulation={
            "backend": backend,
            "precision": settings.precision,
            "warmup_ms": settings.warmup_ms,
            "duration_ms": settings.duration_ms,
        },
        objectives=[
            # The plain script's tolerances, however short the simulation: nothing is concluded from the loss.
            {"statistic": name, "target": target, "tolerance": tolerance, "standard_error": tolerance / 2}
            for name, (target, tolerance) in TARGETS.items()
        ],
        sampler="tpe",
        prior={"points": list(points)},
        replicates={"confirm": 0, "fresh": 0},
        budget={"trials": trials},
        seed=seed,
        folder=folder,
    )


def peak_bytes(process: int) -> float:
    """Largest resident memory of a process so far (Linux)."""
    status = Path(f"/proc/{process}/status").read_text()
    return 1024.0 * next(float(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def search(
    settings: Settings,
    *,
    backend: str,
    trials: int,
    processes: int,
    points: Sequence[dict[str, float]] = (),
    seed: int = 0,
    batch_size: int = 1,
) -> dict[str, Any]:
    """What `plain_nest.search` returns, of a run of calibrate.

    The start, apart in `start_s`, is processes, compiling, and drawing the graph: what the first trial of
    each process would wait for.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        study = study_of(settings, backend=backend, trials=trials, points=points, seed=seed, folder=folder)
        url = f"sqlite:///{folder / 'own.db'}"
        started = time.perf_counter()
        with (
            Store(study, url) as store,
            Pool(setup_of(study, batch_size=batch_size), study.stages[-1], slots=processes) as pool,
        ):
            middle = {**study.parameters({}), **(dict(points[0]) if points else {})}
            brief = Timing(warmup_ms=0.0, duration_ms=50.0)
            pool.run(
                [Job(uuid=str(k), parameters=middle, seed=k, timing=brief) for k in range(pool.capacity)]
            )
            begun = time.perf_counter()
            result = run(study, pool=pool, store=store)
            wall_s = time.perf_counter() - begun
            memory = sum(peak_bytes(process) for process in pool.processes)
        results = read_results(study, storage=url)
        found = results.trials.reset_index().to_dict("records")
        times = dict(zip(results.simulations["trial"], results.simulations["wall_s"], strict=True))
        simulator = results.simulators[0]
    rows = [
        {
            "number": row["number"],
            "parameters": {name: row[name] for name in RANGES},
            "trial_s": times[row["number"]],
            "simulate_s": times[row["number"]],
            **{statistic: row[statistic] for statistic in TARGETS},
        }
        for row in found
    ]
    return {
        "settings": asdict(settings),
        "processes": processes,
        "start_s": begun - started,
        "wall_s": wall_s,
        "memory_bytes": memory,
        "best": result.best.params if result.best else {},
        "trials": rows,
        "simulator": simulator,
        "recording": "counters",
    }


def main() -> None:
    parser = plain_nest.arguments(__doc__, precision="single")
    parser.add_argument("--backend", default="genn", choices=["genn", "nest"])
    parser.add_argument("--batch-size", type=int, default=1, help="on a GPU: networks at once")
    options, settings, points = plain_nest.given(parser)
    if settings.threads != 1:
        raise SystemExit("one thread a process: give --processes")
    found = search(
        settings,
        backend=simulators.choose(options.backend),
        trials=options.trials,
        processes=options.processes,
        points=points,
        seed=options.seed,
        batch_size=options.batch_size,
    )
    plain_nest.report(found, options.json)


if __name__ == "__main__":
    main()
