"""What calibrate adds to a simulation of your own, side by side with plain Optuna.

    python -m benchmarks own_simulation --ms 10 100 1000 --seconds 20 --repeats 3

The same function, sampler and targets, and a SQLite database on disk for both: a study of calibrate with one
and with several processes, against `optuna.study.optimize` in this process, whose objective calls the
function and computes the two statistics with numpy. calibrate also computes its panel of statistics and
stores them with the compressed counts of every trial. The function waits for a given time, without using a
core, and returns the spikes of 500 Poisson neurons in 2 s: so processes do not compete for cores, and other
work on the machine disturbs both alike. The runs alternate, and medians are reported. Start-up (processes,
and the first simulation in each) is reported by itself, since it does not grow with the number of trials.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from calibrate import make_study, run_study
from calibrate.calibration.progress import Progress
from calibrate.tasks.display import Display

SIMULATION = """
import time
import numpy as np

SIZES = {"E": 400, "I": 100}

def simulate(parameters, *, seed, duration_ms, warmup_ms):
    began = time.perf_counter()
    random, stop_ms = np.random.default_rng(seed), warmup_ms + duration_ms
    spikes = {}
    for name, size in SIZES.items():
        counts = random.poisson(parameters["rate_" + name] * stop_ms / 1000, size)
        spikes[name] = [np.sort(random.uniform(0, stop_ms, n)) for n in counts]
    time.sleep(max(parameters["wall_ms"] / 1000 - (time.perf_counter() - began), 0))
    return spikes
"""
RANGES = {"rate_E": (1.0, 20.0), "rate_I": (1.0, 20.0)}
TARGETS = {"rate_E": 5.0, "rate_I": 9.0}
WARMUP_MS, DURATION_MS = 200.0, 1800.0


class Stopwatch(Display):
    """Notes when trials were told."""

    def __init__(self) -> None:
        self.times: dict[int, float] = {}

    def __call__(self, progress: Progress) -> None:
        self.times.setdefault(progress.done, time.perf_counter())


def plain(simulate: Callable[..., Any], *, wall_ms: float, trials: int, folder: Path) -> dict[str, float]:
    """Plain Optuna, one process."""

    def objective(trial: optuna.Trial) -> float:
        parameters = {name: trial.suggest_float(name, *ends) for name, ends in RANGES.items()}
        spikes = simulate(
            {**parameters, "wall_ms": wall_ms},
            seed=trial.number + 1,
            duration_ms=DURATION_MS,
            warmup_ms=WARMUP_MS,
        )
        rates = {
            f"rate_{name}": sum((train > WARMUP_MS).sum() for train in trains)
            / len(trains)
            / (DURATION_MS / 1000)
            for name, trains in spikes.items()
        }
        return float(np.mean([(rates[name] - target) ** 2 for name, target in TARGETS.items()]))

    study = optuna.create_study(
        storage=f"sqlite:///{folder}/plain.db", sampler=optuna.samplers.TPESampler(seed=1)
    )
    began, cpu = time.perf_counter(), time.process_time()
    study.optimize(objective, n_trials=trials)
    whole_s = time.perf_counter() - began
    return {
        "trial_ms": 1000 * whole_s / trials,
        "start_s": 0.0,
        "cpu_ms": 1000 * (time.process_time() - cpu) / trials,
    }


def ours(*, wall_ms: float, trials: int, processes: int, panel: bool, folder: Path) -> dict[str, float]:
    """calibrate, with its database and everything that it stores."""
    (folder / "simulation.py").write_text(SIMULATION)
    study = make_study(
        f"ours_{processes}",
        model={"name": "simulation.py:simulate", "populations": {"E": 400, "I": 100}},
        parameters={
            "wall_ms": wall_ms,
            **{name: {"low": low, "high": high} for name, (low, high) in RANGES.items()},
        },
        simulation={"warmup_ms": WARMUP_MS, "duration_ms": DURATION_MS, "panel": panel},
        objectives=[
            {"statistic": name, "target": target, "tolerance": 1.0} for name, target in TARGETS.items()
        ],
        sampler="tpe",
        replicates={"confirm": 0, "fresh": 0},
        budget={"trials": trials},
        seed=1,
        folder=folder,
    )
    watch = Stopwatch()
    began, cpu = time.perf_counter(), time.process_time()
    run_study(study, slots=processes, progress=watch)
    cpu_ms = 1000 * (time.process_time() - cpu) / trials
    first = processes  # the first batch includes the start of the processes
    counted = max(watch.times)
    trial_s = (watch.times[counted] - watch.times[first]) / (counted - first)
    return {
        "trial_ms": 1000 * trial_s,
        "start_s": watch.times[first] - began - wall_ms / 1000,
        "cpu_ms": cpu_ms,
    }


def measure(wall_ms: float, *, trials: int, processes: int, repeats: int, panel: bool) -> dict[str, Any]:
    """Medians over alternating runs."""
    scope: dict[str, Any] = {}
    exec(SIMULATION, scope)
    runs: dict[str, list[dict[str, float]]] = {"plain": [], "one": [], "several": []}
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            runs["plain"].append(plain(scope["simulate"], wall_ms=wall_ms, trials=trials, folder=folder))
            common = {"wall_ms": wall_ms, "panel": panel, "folder": folder}
            runs["one"].append(ours(trials=trials, processes=1, **common))
            runs["several"].append(ours(trials=trials * processes, processes=processes, **common))
    median = {
        who: {key: statistics.median(run[key] for run in of_who) for key in of_who[0]}
        for who, of_who in runs.items()
    }
    plain_ms = median["plain"]["trial_ms"]
    return {
        "wall_ms": wall_ms,
        "trials": trials,
        "processes": processes,
        **median,
        "one_vs_plain": median["one"]["trial_ms"] / plain_ms,
        "speedup_vs_plain": plain_ms / median["several"]["trial_ms"],
        "speedup": median["one"]["trial_ms"] / median["several"]["trial_ms"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ms", type=float, nargs="+", default=[10.0, 100.0, 1000.0])
    parser.add_argument("--seconds", type=float, default=20.0, help="of plain Optuna in each run")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-panel", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print(f"load of the machine: {os.getloadavg()[0]:.1f}, on {os.cpu_count()} cores")
    for wall_ms in arguments.ms:
        trials = max(int(1000 * arguments.seconds / wall_ms), 10)
        found = measure(
            wall_ms,
            trials=min(trials, 500),
            processes=arguments.processes,
            repeats=arguments.repeats,
            panel=not arguments.no_panel,
        )
        print(json.dumps(found) if arguments.json else _line(found), flush=True)


def _line(found: dict[str, Any]) -> str:
    one, several, plain_ = found["one"], found["several"], found["plain"]
    return (
        f"{found['wall_ms']:g} ms, {found['trials']} trials: plain Optuna {plain_['trial_ms']:.1f} ms per "
        f"trial, calibrate {one['trial_ms']:.1f} ms ({found['one_vs_plain']:.2f} times), with "
        f"{found['processes']} processes {several['trial_ms']:.1f} ms ({found['speedup_vs_plain']:.2f} times "
        f"as fast as plain Optuna, {found['speedup']:.2f} times as fast as one); start {one['start_s']:.1f} "
        f"s; CPU of the coordinating process {plain_['cpu_ms']:.1f}, {one['cpu_ms']:.1f} and "
        f"{several['cpu_ms']:.1f} ms per trial"
    )


if __name__ == "__main__":
    main()
