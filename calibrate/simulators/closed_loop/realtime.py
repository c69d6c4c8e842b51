"""One network in a loop in real time: how long the intervals take, and which deadlines are missed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from calibrate.observation import Episode, IntArray, Observation, SimulationFailure
from calibrate.simulators.base import Member, Prepared
from calibrate.simulators.closed_loop.coupling import Coupling, Loop, stimulate

# What happens if the network is not ready at a tick of the clock. With "wait", the environment waits for it,
# and only time is lost. With the other two, the environment steps at every tick: with the activity of the
# last interval that was ready ("hold"), or with no activity ("skip"). Once the network is ready, it continues
# with the latest stimulation.
Deadline = Literal["wait", "hold", "skip"]

PROGRESS_S = 0.25


@dataclass(frozen=True)
class Latencies:
    """How long each interval took (ms): arrays of shape (intervals,), in order.

    interval_ms  the interval in biological time
    total        from one stimulation to the next: simulation, environment, and the loop's overhead
    environment  time in the environment
    simulation   time in the simulator
    """

    interval_ms: float
    total: NDArray[np.float64]
    environment: NDArray[np.float64]
    simulation: NDArray[np.float64]

    @property
    def overhead(self) -> NDArray[np.float64]:
        """Time in the loop itself: reading counts and applying the stimulation."""
        return self.total - self.environment - self.simulation

    def summary(self) -> dict[str, float]:
        """Median, 95th percentile and maximum (ms), and the fraction of intervals within real time."""
        return {
            "median_ms": float(np.median(self.total)),
            "p95_ms": float(np.percentile(self.total, 95)),
            "max_ms": float(self.total.max()),
            "realtime_share": float((self.total <= self.interval_ms).mean()),
            "overhead_ms": float(np.median(self.overhead)),
            "environment_ms": float(np.median(self.environment)),
            "simulation_ms": float(np.median(self.simulation)),
        }


@dataclass(frozen=True, kw_only=True)
class LoopRun:
    """The result of a loop.

    latencies    of its intervals
    observation  of the network, with the completed episodes
    episodes     those that were completed
    missed       ticks of the clock at which the network was not ready (0 with the deadline "wait")
    """

    latencies: Latencies
    observation: Observation | SimulationFailure
    episodes: Sequence[Episode]
    missed: int


@dataclass(frozen=True, kw_only=True)
class LoopProgress:
    """The progress of a loop: intervals `done` of `total`, and the latencies so far."""

    done: int
    total: int
    latencies: Mapping[str, float] = field(default_factory=dict)
    episodes: int = 0
    reward: float = 0.0


def run_loop(
    prepared: Prepared,
    member: Member,
    *,
    loop: Loop,
    realisation: int,
    warmup_ms: float,
    intervals: int,
    deadline: Deadline = "wait",
    progress: Callable[[LoopProgress], None] = lambda _: None,
    interrupted: Callable[[], bool] = lambda: False,
) -> LoopRun:
    """Run one network in its loop for `intervals`, or until it is `interrupted`.

    With the deadline "wait", it runs as fast as possible; otherwise no faster than real time.
    """
    coupling = Coupling(loop, prepared.layout, seed=member.seed)
    prepared.load([member], realisation)
    if warmup_ms:
        prepared.advance(warmup_ms)
    prepared.measure()
    before = prepared.counted()[0]
    last: IntArray = np.zeros_like(before)
    took = np.zeros((3, intervals))
    missed = done = 0
    interval_s, last_progress = loop.interval_ms / 1000, time.perf_counter()
    stimulate(prepared, loop, 0, coupling.begin())
    tick = time.perf_counter() + interval_s
    for done in range(1, intervals + 1):
        began = time.perf_counter()
        prepared.advance(loop.interval_ms)
        simulated = time.perf_counter()
        now = prepared.counted()[0]
        counts, before = now - before, now
        read = time.perf_counter()
        if deadline != "wait":
            substitute = last if deadline == "hold" else np.zeros_like(counts)
            for _ in range(int((read - tick) / interval_s) + 1 if read > tick else 0):
                coupling.exchange(substitute)
                tick += interval_s
                missed += 1
        stimulation, last = coupling.exchange(counts), counts
        stepped = time.perf_counter()
        stimulate(prepared, loop, 0, stimulation)
        ended = time.perf_counter()
        took[:, done - 1] = ended - began, stepped - read, simulated - began
        if deadline != "wait":
            time.sleep(max(tick - ended, 0.0))
            tick += interval_s
        if ended - last_progress > PROGRESS_S or done == intervals:
            last_progress = ended
            progress(_progress(loop, took[:, :done], intervals, coupling))
            if interrupted():
                break
    latencies = _latencies(loop, took[:, :done])
    (observation,) = prepared.observe()
    episodes = tuple(coupling.episodes)
    if isinstance(observation, Observation):
        observation = replace(observation, episodes=episodes)
    return LoopRun(latencies=latencies, observation=observation, episodes=episodes, missed=missed)


def _latencies(loop: Loop, took_s: NDArray[np.float64]) -> Latencies:
    total, environment, simulation = 1000 * took_s
    return Latencies(loop.interval_ms, total, environment, simulation)


def _progress(loop: Loop, took_s: NDArray[np.float64], total: int, coupling: Coupling) -> LoopProgress:
    episodes = coupling.episodes
    return LoopProgress(
        done=took_s.shape[1],
        total=total,
        latencies=_latencies(loop, took_s).summary(),
        episodes=len(episodes),
        reward=float(np.mean([episode.reward for episode in episodes])) if episodes else 0.0,
    )
