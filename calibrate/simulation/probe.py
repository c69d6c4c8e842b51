"""A probe: simulations that measure what a network costs on this machine, and how its results scatter."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Self

from calibrate.errors import SimulatorError
from calibrate.observation import SimulationFailure
from calibrate.simulation.jobs import Job, Outcome, Setup, Timing
from calibrate.simulation.local_pool import Pool


class Probe:
    """Simulates one network repeatedly, in separate processes. Use it as a context manager.

    parameters  complete parameters of the network
    condition   of the study, whose stimuli it receives
    n           simulations in each run on one graph, each with its own seed
    slots       number of processes
    timeout_s   a batch that takes longer fails; default: as in `Pool`
    """

    def __init__(
        self,
        setup: Setup,
        parameters: Mapping[str, Any],
        *,
        condition: str = "",
        n: int = 1,
        slots: int = 1,
        timeout_s: float | None = None,
    ) -> None:
        widths = [setup.recording.bin_ms, *([setup.loop.interval_ms] if setup.loop else [])]
        self._unit_ms = math.lcm(*(round(width / setup.dt_ms) for width in widths)) * setup.dt_ms
        self._parameters, self._condition, self._n = parameters, condition, n
        unused = Timing(warmup_ms=0.0, duration_ms=0.0)  # every run has its own timing
        self.pool = Pool(setup, unused, slots=slots, timeout_s=timeout_s)

    def _job(self, timing: Timing, *, seed: int, graph: int = 0) -> Job:
        return Job(
            uuid=str(uuid.uuid4()),
            parameters=self._parameters,
            seed=seed,
            realisation=graph,
            condition=self._condition,
            timing=timing,
        )

    def __enter__(self) -> Self:
        self.pool.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.pool.__exit__(*error)

    def whole(self, duration_ms: float) -> float:
        """`duration_ms`, rounded to whole bins, and to whole intervals of a closed loop; at least one."""
        return self._unit_ms * max(round(duration_ms / self._unit_ms), 1)

    def run(self, duration_ms: float, *, warmup_ms: float = 0.0) -> list[Outcome]:
        """Simulate for a `whole` duration. Raises SimulatorError if a simulation fails."""
        timing = Timing(warmup_ms=warmup_ms, duration_ms=self.whole(duration_ms))
        return self.run_jobs([self._job(timing, seed=k) for k in range(self._n)])

    def run_on(self, graphs: Mapping[int, int], timing: Timing) -> list[Outcome]:
        """Simulate each of the `graphs` with its seed. Raises SimulatorError if a simulation fails."""
        return self.run_jobs([self._job(timing, seed=seed, graph=graph) for graph, seed in graphs.items()])

    def run_jobs(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Simulate any jobs of the setup. Raises SimulatorError if a simulation fails."""
        outcomes = self.pool.run(jobs)
        for outcome in outcomes:
            if isinstance(outcome.result, SimulationFailure):
                raise SimulatorError(outcome.result.reason)
        return outcomes
