"""Wall time per biological time, and memory, of one network in one process.

    python -m benchmarks.realtime [--neurons 25000] [--backends genn nest] [--duration-s 2]

The network of the published scan (20 clusters, delay of one step) with 80 % excitatory neurons. Every
backend runs in a process of its own, so that its memory is its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time

from calibrate import simulators
from calibrate.models.ei_clustered import ei_clustered
from calibrate.observation import Observation
from calibrate.simulators.base import Member, Precision, RecordingPlan


def measure(
    backend: str, precision: Precision, given: dict[str, float], duration_s: float
) -> tuple[float, float, float, float, float, float]:
    """Seconds to build and to wire, real-time factor, rates of E and I (Hz), peak memory (GB)."""
    network = ei_clustered.network(given)
    member = Member(values=ei_clustered.values(network, given), seed=1)
    simulator = simulators.create(backend, dt_ms=0.1, precision=precision)
    started = time.perf_counter()
    with simulator.prepare(network, batch_size=1, recording=RecordingPlan(), wiring_seed=0) as prepared:
        built = time.perf_counter()
        prepared.load([member], 0)
        wired = time.perf_counter()
        prepared.advance(500.0)
        prepared.measure()
        before = time.perf_counter()
        prepared.advance(duration_s * 1000)
        factor = (time.perf_counter() - before) / duration_s
        found = prepared.observe()[0]
    assert isinstance(found, Observation)
    rates = [float(found.totals(kind).mean()) / duration_s for kind in "EI"]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return built - started, wired - built, factor, rates[0], rates[1], memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--neurons", type=int, default=25_000)
    parser.add_argument("--clusters", type=int, default=20)
    parser.add_argument("--I_th_E", type=float, default=2.35)
    parser.add_argument("--I_th_I", type=float, default=1.4)
    parser.add_argument("--backends", nargs="+", default=["genn"], choices=["genn", "nest"])
    parser.add_argument("--precision", default="single", choices=["single", "double"])
    parser.add_argument("--duration-s", type=float, default=2.0)
    arguments = parser.parse_args()
    given = {
        "N_E": arguments.neurons * 4 // 5,
        "N_I": arguments.neurons // 5,
        "N_Q": arguments.clusters,
        "J_E+": 2.75,
        "I_th_E": arguments.I_th_E,
        "I_th_I": arguments.I_th_I,
    }
    print("| backend | precision | build s | wire s | real-time factor | rate E Hz | rate I Hz | memory GB |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for backend in arguments.backends:
        precision = "double" if backend == "nest" else arguments.precision
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            row = pool.apply(measure, (backend, precision, given, arguments.duration_s))
        print(
            f"| {backend} | {precision} | " + " | ".join(f"{value:.2f}" for value in row) + " |", flush=True
        )


if __name__ == "__main__":
    main()
