"""A probe: simulations that measure what a network costs on this machine; their results are not used."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Self

from calibrate.errors import SimulatorError
from calibrate.observation import SimulationFailure
from calibrate.simulation.jobs import Job, Outcome, Setup, Timing
from calibrate.simulation.local_pool import Pool


class Probe:
    """Simulates one network repeatedly, in separate processes. Use it as a context manager.

    parameters  complete parameters of the network
    n           simulations in each run, each with its own seed
    slots       number of processes
    timeout_s   a batch that takes longer fails; default: as in `Pool`
    """

    def __init__(
        self,
        setup: Setup,
        parameters: Mapping[str, Any],
        *,
        n: int = 1,
        slots: int = 1,
        timeout_s: float | None = None,
    ) -> None:
        self._bin_ms = setup.recording.bin_ms
        self._jobs = [Job(uuid=str(uuid.uuid4()), parameters=parameters, seed=k) for k in range(n)]
        unused = Timing(warmup_ms=0.0, duration_ms=0.0)  # every run has its own timing
        self.pool = Pool(setup, unused, slots=slots, timeout_s=timeout_s)

    def __enter__(self) -> Self:
        self.pool.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.pool.__exit__(*error)

    def whole(self, duration_ms: float) -> float:
        """`duration_ms`, rounded to a whole number of bins, at least one."""
        return self._bin_ms * max(round(duration_ms / self._bin_ms), 1)

    def run(self, duration_ms: float, *, warmup_ms: float = 0.0) -> list[Outcome]:
        """Simulate for a whole number of bins. Raises SimulatorError if a simulation fails."""
        timing = Timing(warmup_ms=warmup_ms, duration_ms=self.whole(duration_ms))
        outcomes = self.pool.run(self._jobs, timing=timing)
        for outcome in outcomes:
            if isinstance(outcome.result, SimulationFailure):
                raise SimulatorError(outcome.result.reason)
        return outcomes
