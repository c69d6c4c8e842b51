"""Parameters recovered from a "recording": a network is simulated, some of its neurons are recorded, and a
study aims at the statistics of the recording.

    python -m benchmarks.recovery                 # with GeNN on two cores, some ten minutes

The recorded network has the quickstart's parameters, and a seed and a graph that the study never sees: 200 of
its 1500 neurons for 60 s. Prints the targets, what the study reached on fresh graphs, the parameters and how
loose they are.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from calibrate import Results, StudyError, make_study, read_results, read_study, run_study, simulate
from calibrate.cli.commands import execute

TRUTH = {"I_th_E": 2.13, "I_th_I": 1.24, "J_E+": 3.0, "R_J": 0.75}
RANGES = {"I_th_E": (1.6, 2.8), "I_th_I": (1.0, 1.6), "J_E+": (1.5, 4.5), "R_J": (0.6, 0.9)}
UNITS = {"E": 160, "I": 40}
STATISTICS = ("rate_E", "rate_I", "cv2_E", "fano_E", "dwell_time_E", "active_clusters_E", "switching_rate_E")


def record(path: Path, *, backend: str, duration_ms: float) -> None:
    """Simulate the network and write the spikes of 200 of its neurons."""
    study = make_study(
        "recorded",
        model="ei_clustered",
        parameters={"connectivity": "fixed_indegree", **TRUTH},
        simulation={"backend": backend, "warmup_ms": 1000.0, "duration_ms": duration_ms},
        objectives=[{"statistic": "rate_E", "target": 1.0, "tolerance": 1.0}],
        budget={"trials": 1},
        seed=20_231,
    )
    found = simulate(study, graph=77).observation
    assert found.spikes is not None  # simulate keeps them
    random = np.random.default_rng(1)
    rows = ["time_ms,unit,population,cluster"]
    for population, units in UNITS.items():
        there = found.layout.neurons_of(population)
        chosen = np.sort(random.choice(np.arange(there.start, there.stop), size=units, replace=False))
        group = {neuron: g.cluster for g in found.layout.groups for neuron in range(g.start, g.stop)}
        for neuron in chosen:
            steps = found.spikes.step[found.spikes.neuron == neuron]
            times = [f"{(step + 1) * found.dt_ms:.1f}" for step in steps] or [""]
            rows += [f"{time},{neuron},{population},{group[neuron]}" for time in times]
    path.write_text("\n".join(rows) + "\n")


def study_file(
    folder: Path,
    *,
    trials: int,
    loss: float,
    seed: int,
    backend: str,
    statistics: Sequence[str],
    duration_ms: float,
    recorded_ms: float,
) -> Path:
    """A study that aims at the recording's statistics, as `calibrate stats` writes them."""
    wanted = [part for name in statistics for part in ("--statistic", name)]
    span = ["--duration-ms", f"{recorded_ms:g}", "--sampled", "--quiet"]
    with contextlib.redirect_stdout(io.StringIO()):
        code = execute(
            ["stats", str(folder / "units.csv"), *wanted, *span, "--write", str(folder / "aims.toml")]
        )
    assert code == 0
    ranges = "\n".join(f'"{name}" = {{ low = {low}, high = {high} }}' for name, (low, high) in RANGES.items())
    path = folder / "recovery.toml"
    path.write_text(
        f"""
[study]
seed = {seed}
[model]
name = "ei_clustered"
[parameters]
connectivity = "fixed_indegree"
{ranges}
[simulation]
backend = "{backend}"
warmup_ms = 500.0
duration_ms = {duration_ms}
[sampler]
name = "cmaes"
[budget]
trials = {trials}
loss = {loss}
{(folder / "aims.toml").read_text()}
"""
    )
    return path


def recover(
    folder: Path,
    *,
    trials: int,
    loss: float = 0.5,
    seed: int,
    backend: str,
    statistics: Sequence[str] = STATISTICS,
    duration_ms: float = 10_000.0,
    recorded_ms: float = 60_000.0,
    progress: bool = True,
) -> Results:
    """Record, calibrate, and read what was found."""
    record(folder / "units.csv", backend=backend, duration_ms=recorded_ms)
    path = study_file(
        folder,
        trials=trials,
        loss=loss,
        seed=seed,
        backend=backend,
        statistics=statistics,
        duration_ms=duration_ms,
        recorded_ms=recorded_ms,
    )
    study = read_study(path)
    run_study(study, progress=progress)
    return read_results(study)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--backend", default="genn")
    given: Any = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = recover(Path(folder), trials=given.trials, seed=given.seed, backend=given.backend)
        except StudyError as error:
            raise SystemExit(str(error)) from None
        best, loose = found.best, found.looseness
        if best is None or loose is None:
            raise SystemExit("too few trials completed")
        print(best, "\n")
        print("| parameter | recorded network | recovered | the loss grows by 1 within | least fixed along |")
        print("|---|---|---|---|---|")
        for name, truth in TRUTH.items():
            (low, high), (one, other) = loose.parameters[name], loose.loosest[name]
            print(
                f"| {name} | {truth:g} | {best.params[name]:.3g} | {low:.3g} to {high:.3g} "
                f"| {one:.3g} to {other:.3g} |"
            )


if __name__ == "__main__":
    main()
