"""Optuna and NEST without calibrate: the script that one writes first. It builds the network for every trial.

    python -m benchmarks.plain_nest --neurons 1500 --trials 8 --processes 2 --threads 1

The E/I clustered network of Rostami et al. 2024 by NEST's own rules, one Connect for each pair of clusters;
spikes recorded; rates, CV2 and Fano factors by numpy. Written to be fast within that: weights shared by a
whole block (static_synapse_hom_w: the least memory and time), one simulation at once in each process, Optuna
asked and told beside them. It imports nothing of calibrate; other scripts here that do without calibrate
take the search and the statistics from this one.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray

# Free parameters: the constant inputs in rheobases, and the strength of the clusters.
RANGES = {"I_th_E": (0.9, 3.0), "I_th_I": (0.6, 1.8), "J_E+": (1.5, 4.5), "R_J": (0.6, 0.9)}
# Statistic -> what it should be, and what counts as one off.
TARGETS = {"rate_E": (6.5, 0.4), "rate_I": (10.05, 0.6), "cv2_E": (0.986, 0.04), "fano_E": (1.9, 0.5)}

DT_MS = 0.1
V_TH = 20.0  # mV above rest and reset
T_REF = 5.0  # ms
TAU_M = {"E": 20.0, "I": 10.0}  # ms
TAU_SYN = {"E": 3.0, "I": 2.0}  # ms, by the source
PROBABILITY = {"EE": 0.2, "EI": 0.5, "IE": 0.5, "II": 0.5}  # target and source
FANO_WINDOW_MS = 400.0


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What all trials have in common.

    connectivity  "bernoulli", or "fixed_indegree" (for each pair of clusters, without multapses)
    threads       of each simulation
    precision     of the simulator, where it has a choice
    """

    neurons: int = 1500
    clusters: int = 6
    connectivity: str = "fixed_indegree"
    warmup_ms: float = 500.0
    duration_ms: float = 4000.0
    threads: int = 1
    precision: str = "double"

    @property
    def sizes(self) -> dict[str, int]:
        """Neurons of each type: four of five are excitatory."""
        return {"E": self.neurons * 4 // 5, "I": self.neurons // 5}

    @property
    def cluster_sizes(self) -> dict[str, int]:
        return {kind: size // self.clusters for kind, size in self.sizes.items()}


Simulate = Callable[[Mapping[str, float], Settings, int], dict[str, float]]


def psp_peak(tau_m: float, tau_syn: float) -> float:
    """Largest potential (mV) that a synaptic current of 1 pA, decaying with tau_syn, causes at C = 1 pF."""
    t = math.log(tau_syn / tau_m) / (1 / tau_m - 1 / tau_syn)
    return tau_m * tau_syn / (tau_syn - tau_m) * (math.exp(-t / tau_syn) - math.exp(-t / tau_m))


def weights(parameters: Mapping[str, float], settings: Settings) -> dict[str, tuple[float, float]]:
    """Weights (pA) within and between clusters, by target and source: sqrt(K) rule, rows balanced."""
    inputs = {pair: PROBABILITY[pair] * settings.sizes[pair[1]] for pair in PROBABILITY}
    peak = {pair: psp_peak(TAU_M[pair[0]], TAU_SYN[pair[1]]) for pair in PROBABILITY}
    found = {}
    for target, strength in (("E", 1.2), ("I", 1.0)):
        excitation, inhibition = target + "E", target + "I"
        found[excitation] = V_TH / (peak[excitation] * math.sqrt(inputs[excitation]))
        drive = found[excitation] * inputs[excitation] * peak[excitation]
        found[inhibition] = -strength * drive / (inputs[inhibition] * peak[inhibition])
    factors = {}
    for pair, weight in found.items():
        plus = parameters["J_E+"]
        if pair != "EE":
            plus = 1 + parameters["R_J"] * (plus - 1)
        minus = (settings.clusters - plus) / (settings.clusters - 1)
        factors[pair] = weight * plus, weight * minus
    return factors


def simulate(parameters: Mapping[str, float], settings: Settings, seed: int) -> dict[str, float]:
    """Build the network, simulate it, and return its statistics and where the time went."""
    os.environ.setdefault("PYNEST_QUIET", "1")
    import nest

    started = time.perf_counter()
    nest.ResetKernel()
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.resolution = DT_MS
    nest.local_num_threads = settings.threads
    nest.rng_seed = 1 + seed
    populations: dict[str, Any] = {}
    for kind, size in settings.sizes.items():
        neuron = {
            "C_m": 1.0,
            "tau_m": TAU_M[kind],
            "E_L": 0.0,
            "V_reset": 0.0,
            "V_th": V_TH,
            "t_ref": T_REF,
            "I_e": parameters[f"I_th_{kind}"] * V_TH / TAU_M[kind],
            "tau_syn_ex": TAU_SYN["E"],
            "tau_syn_in": TAU_SYN["I"],
            "V_m": nest.random.uniform(0.0, V_TH),
        }
        populations[kind] = nest.Create("iaf_psc_exp", size, neuron)
    parts = {
        kind: [nodes[n * q : n * (q + 1)] for q in range(settings.clusters)]
        for kind, nodes in populations.items()
        for n in (settings.cluster_sizes[kind],)
    }
    for pair, (within, between) in weights(parameters, settings).items():
        target, source = tuple(pair)
        for name, weight in (("within", within), ("between", between)):
            defaults = {"weight": weight, "delay": DT_MS}
            nest.CopyModel("static_synapse_hom_w", f"{pair}_{name}", defaults)
        rule: dict[str, Any] = {"allow_autapses": False, "allow_multapses": False}
        if settings.connectivity == "bernoulli":
            rule |= {"rule": "pairwise_bernoulli", "p": PROBABILITY[pair]}
        else:
            indegree = round(PROBABILITY[pair] * settings.cluster_sizes[source])
            rule |= {"rule": "fixed_indegree", "indegree": indegree}
        for i, post in enumerate(parts[target]):
            for j, pre in enumerate(parts[source]):
                model = f"{pair}_within" if i == j else f"{pair}_between"
                nest.Connect(pre, post, rule, {"synapse_model": model})
    recorder = nest.Create("spike_recorder", {"start": settings.warmup_ms})
    for nodes in populations.values():
        nest.Connect(nodes, recorder)
    synapses = nest.num_connections - settings.neurons
    built = time.perf_counter()
    nest.Simulate(settings.warmup_ms + settings.duration_ms)
    simulated = time.perf_counter()
    events = recorder.events
    step = np.rint((events["times"] - settings.warmup_ms) / DT_MS).astype(np.int64)
    found = statistics(step, events["senders"] - 1, settings)
    return {
        **found,
        "spikes": float(step.size),
        "synapses": float(synapses),
        "build_s": built - started,
        "simulate_s": simulated - built,
        "score_s": time.perf_counter() - simulated,
    }


def statistics(step: NDArray[np.int64], neuron: NDArray[np.int64], settings: Settings) -> dict[str, float]:
    """Rates (Hz), CV2 and Fano factor of E neurons, of spikes at 1-based steps of the measurement.

    CV2 of neurons with two intervals or more, Fano factor (unbiased variance, windows of 400 ms) of those
    with a spike a window or more; NaN where there is none. E neurons come first.
    """
    excitatory = settings.sizes["E"]
    seconds = settings.duration_ms / 1000
    of_e = neuron < excitatory
    found = {
        "rate_E": np.count_nonzero(of_e) / excitatory / seconds,
        "rate_I": np.count_nonzero(~of_e) / settings.sizes["I"] / seconds,
    }
    step, neuron = step[of_e], neuron[of_e]
    order = np.lexsort((step, neuron))
    step, neuron = step[order], neuron[order]
    interval, same = np.diff(step), np.diff(neuron) == 0
    pairs = same[1:] & same[:-1]
    earlier, later, owner = interval[:-1][pairs], interval[1:][pairs], neuron[2:][pairs]
    terms = 2 * np.abs(later - earlier) / (later + earlier)
    number = np.bincount(owner, minlength=excitatory)
    total = np.bincount(owner, weights=terms, minlength=excitatory)
    found["cv2_E"] = float(np.mean(total[number > 0] / number[number > 0])) if owner.size else math.nan
    width = round(FANO_WINDOW_MS / DT_MS)
    windows = round(settings.duration_ms / DT_MS) // width
    window = (step - 1) // width
    whole = window < windows
    counts = np.bincount(neuron[whole] * windows + window[whole], minlength=excitatory * windows)
    counts = counts.reshape(excitatory, windows)
    counts = counts[counts.mean(axis=1) >= 1] if windows > 1 else counts[:0]
    fano = counts.var(axis=1, ddof=1) / counts.mean(axis=1) if counts.size else np.array([math.nan])
    return {**found, "fano_E": float(np.mean(fano))}


def loss(found: Mapping[str, float]) -> float:
    """Mean squared deviation from the targets in tolerances; an undefined statistic is ten off."""
    off = [(found[name] - target) / tolerance for name, (target, tolerance) in TARGETS.items()]
    return float(np.mean([value**2 if math.isfinite(value) else 100.0 for value in off]))


def _alone(
    simulator: Simulate, point: Mapping[str, float], settings: Settings, seed: int
) -> dict[str, float]:
    """One simulation in a process of the pool, with the memory of that process (bytes)."""
    found = simulator(point, settings, seed)
    peak = 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {**found, "process": float(os.getpid()), "memory_bytes": peak}


def search(
    simulator: Simulate,
    settings: Settings,
    *,
    trials: int,
    processes: int,
    points: Sequence[Mapping[str, float]] = (),
    seed: int = 0,
    begin: Callable[..., None] | None = None,
) -> dict[str, Any]:
    """Let Optuna search (TPE), trying `points` first; `processes` simulate at once.

    begin  called in every process with point, settings and seed before the first trial; its time is that of
           the start, `start_s`, as is that of the processes. The time of all trials is `wall_s`.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    for point in points:
        study.enqueue_trial(dict(point))
    distributions: dict[str, optuna.distributions.BaseDistribution] = {
        name: optuna.distributions.FloatDistribution(*ends) for name, ends in RANGES.items()
    }
    middle = {name: sum(ends) / 2 for name, ends in RANGES.items()}
    first = (dict(points[0]) if points else middle, settings, seed)
    started = time.perf_counter()
    context = multiprocessing.get_context("spawn")
    # A barrier, because a pool starts a process only when it has work that no other one is free for.
    barrier = context.Barrier(processes + 1)
    with ProcessPoolExecutor(
        processes, mp_context=context, initializer=_start, initargs=(barrier, begin, first)
    ) as pool:
        for _ in range(processes):
            pool.submit(os.getpid)
        barrier.wait()
        begun = time.perf_counter()
        running: dict[Future[dict[str, float]], tuple[optuna.trial.Trial, float]] = {}
        rows: list[dict[str, Any]] = []
        asked = 0
        while asked < trials or running:
            while asked < trials and len(running) < processes:
                trial = study.ask(distributions)
                job = pool.submit(_alone, simulator, trial.params, settings, 1000 * seed + trial.number)
                running[job] = trial, time.perf_counter()
                asked += 1
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for job in done:
                trial, since = running.pop(job)
                found = job.result()
                study.tell(trial, loss(found))
                took = time.perf_counter() - since
                rows.append({"number": trial.number, "parameters": trial.params, "trial_s": took, **found})
        ended = time.perf_counter()
    rows.sort(key=lambda row: row["number"])
    memory = {row["process"]: row["memory_bytes"] for row in rows}
    return {
        "settings": asdict(settings),
        "processes": processes,
        "start_s": begun - started,
        "wall_s": ended - begun,
        "memory_bytes": sum(memory.values()),
        "best": study.best_params,
        "trials": rows,
    }


def _start(barrier: Any, begin: Callable[..., None] | None, first: tuple[Any, ...]) -> None:
    if begin is not None:
        begin(*first)
    barrier.wait()


def load_nest(*_: object) -> None:
    """Import NEST, which takes a second or two, before the first trial."""
    os.environ.setdefault("PYNEST_QUIET", "1")
    import nest

    nest.ResetKernel()


def arguments(description: str | None, *, precision: str = "double") -> argparse.ArgumentParser:
    """The options of a script that searches like this one."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--neurons", type=int, default=Settings.neurons)
    parser.add_argument("--clusters", type=int, default=Settings.clusters)
    parser.add_argument(
        "--connectivity", default=Settings.connectivity, choices=["bernoulli", "fixed_indegree"]
    )
    parser.add_argument("--warmup-ms", type=float, default=Settings.warmup_ms)
    parser.add_argument("--duration-ms", type=float, default=Settings.duration_ms)
    parser.add_argument("--threads", type=int, default=1, help="of each simulation")
    parser.add_argument("--precision", default=precision, choices=["single", "double"])
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--points", type=Path, help="JSON list of parameter sets to try first")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="where to write all trials")
    return parser


def given(parser: argparse.ArgumentParser) -> tuple[argparse.Namespace, Settings, list[dict[str, float]]]:
    """The options, the settings among them, and the points of the file that they name."""
    options = parser.parse_args()
    names = Settings.__dataclass_fields__
    settings = Settings(**{name: value for name, value in vars(options).items() if name in names})
    return options, settings, json.loads(options.points.read_text()) if options.points else []


def report(found: Mapping[str, Any], path: Path | None) -> None:
    """Print a line for each trial and the sum of them; write everything to `path` as JSON."""
    for row in found["trials"]:
        values = "  ".join(f"{name} {row[name]:.4g}" for name in TARGETS)
        print(f"{row['number']:4d}  {values}  {row['trial_s']:.1f} s")
    per_hour = 3600 * len(found["trials"]) / found["wall_s"]
    print(f"{per_hour:.1f} trials an hour, after {found['start_s']:.1f} s to start")
    if path is not None:
        path.write_text(json.dumps(found))


def main() -> None:
    options, settings, points = given(arguments(__doc__))
    if settings.precision != "double":
        raise SystemExit("NEST knows double precision only")
    found = search(
        simulate,
        settings,
        trials=options.trials,
        processes=options.processes,
        points=points,
        seed=options.seed,
        begin=load_nest,
    )
    report({**found, "simulator": "NEST", "recording": "spikes"}, options.json)


if __name__ == "__main__":
    main()
