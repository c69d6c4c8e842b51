"""A probe: simulations that show what a network costs on this machine, not what it does."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from calibrate.errors import SimulatorError
from calibrate.observation import SimulationFailure
from calibrate.simulation.jobs import Job, Outcome, Setup, Timing
from calibrate.simulation.local_pool import Pool


class Probe:
    """Simulates one network over and over, in processes of its own. Use it as a context manager.

    parameters  complete parameters of the network
    n           simulations at once, each with a seed of its own
    slots       processes
    timeout_s   a batch that takes longer has failed; by default as a pool has it
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
        nothing = Timing(warmup_ms=0.0, duration_ms=0.0)  # every run has its own
        self.pool = Pool(setup, nothing, slots=slots, timeout_s=timeout_s)

    def __enter__(self) -> Self:
        self.pool.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.pool.__exit__(kind, error, trace)

    def whole(self, duration_ms: float) -> float:
        """`duration_ms` rounded to whole bins, one at least."""
        return self._bin_ms * max(round(duration_ms / self._bin_ms), 1)

    def run(self, duration_ms: float, *, warmup_ms: float = 0.0) -> list[Outcome]:
        """The outcomes of all simulations for a whole number of bins. Raises SimulatorError if one failed."""
        timing = Timing(warmup_ms=warmup_ms, duration_ms=self.whole(duration_ms))
        outcomes = self.pool.run(self._jobs, timing=timing)
        for outcome in outcomes:
            if isinstance(outcome.result, SimulationFailure):
                raise SimulatorError(outcome.result.reason)
        return outcomes
