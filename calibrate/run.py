"""The loop of a study: ask a batch, simulate it, keep what it showed, tell its losses.

It knows the pool and the store by protocol only: no simulator, no SQL.
"""

from __future__ import annotations

import socket
import time
import uuid as uuids
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from optuna.trial import FrozenTrial, TrialState

from calibrate.errors import ObjectiveError, SimulatorError
from calibrate.objective import Estimate
from calibrate.observation import Observation, SimulationFailure
from calibrate.panel import measure, total_loss
from calibrate.pool import Candidate, Outcome
from calibrate.record import Simulation
from calibrate.result import Best, Progress, Reason, Result, Times, finite, reached
from calibrate.search import UUID, Proposal, Search, Verdict, candidate_seed
from calibrate.study import Study

# So many failures in a row, or two batches of them, end a run: something is wrong that trying does not mend.
FAILURES_IN_A_ROW = 10


class Simulates(Protocol):
    """What the loop needs of a pool."""

    @property
    def capacity(self) -> int:
        """Candidates that are simulated at once."""

    def run(
        self,
        candidates: Sequence[Candidate],
        *,
        realisation: int = 0,
        progress: Callable[[Outcome], None] = ...,
    ) -> list[Outcome]:
        """Outcomes in the order of `candidates`; `progress` is called with each as soon as it is known."""


class Remembers(Protocol):
    """What the loop needs of a store."""

    def earlier(self) -> tuple[list[FrozenTrial], list[Simulation]]:
        """Finished trials of earlier runs, and simulations that no trial tells of yet."""

    def record(self, simulation: Simulation) -> None:
        """Keep a simulation, as soon as it is known."""

    def mirror(self, trials: Sequence[FrozenTrial]) -> None:
        """Keep finished trials, in this order; those known by UUID already are left as they are."""

    def estimates(self, uuid: str) -> Mapping[str, Estimate]:
        """The statistics of a candidate."""


@dataclass
class _Batch:
    """Candidates between being asked and being told."""

    proposals: Mapping[str, Proposal]
    simulations: dict[str, Simulation] = field(default_factory=dict)


def run(
    study: Study,
    *,
    pool: Simulates,
    store: Remembers,
    progress: Callable[[Progress], None] = lambda _: None,
    interrupted: Callable[[], bool] = lambda: False,
    started: float | None = None,
) -> Result:
    """Run `study` until its budget is used; what earlier runs found counts.

    interrupted  asked between batches: whether to stop
    started      time.monotonic() when the run began, if that was before this call

    Raises SimulatorError when one simulation after another fails, StoreError when the store does.
    """
    return _Run(study, pool, store, progress, interrupted, started).run()


class _Run:
    def __init__(
        self,
        study: Study,
        pool: Simulates,
        store: Remembers,
        progress: Callable[[Progress], None],
        interrupted: Callable[[], bool],
        started: float | None,
    ) -> None:
        self._study, self._pool, self._store = study, pool, store
        self._limit, self._progress, self._interrupted = study.trials, progress, interrupted
        self._started = time.monotonic() if started is None else started
        self._search = Search(study.space, study.sampler, seed=study.seed)
        self._times = Times()
        self._required = frozenset(objective.name for objective in study.objectives)
        self._best: Best | None = None
        self._added = self._in_a_row = 0
        self._last_failure: str | None = None
        self._first_batch = True

    def run(self) -> Result:
        self._resume()
        self._times.starting_s = time.monotonic() - self._started
        stopped: Reason | None = None
        while stopped is None:
            self._send_progress()
            stopped = self._finished() or self._step()
        self._times.wall_s = time.monotonic() - self._started
        return Result(
            best=self._best,
            complete=self._count(TrialState.COMPLETE),
            failed=self._count(TrialState.FAIL),
            added=self._added,
            stopped=stopped,
            last_failure=self._last_failure,
            times=self._times,
        )

    def _resume(self) -> None:
        trials, untold = self._store.earlier()
        self._search.restore(trials)
        self._search.reserve([simulation.index for simulation in untold])
        if untold:
            self._tell([(_proposal(simulation), simulation) for simulation in untold])
        self._update_best()

    def _finished(self) -> Reason | None:
        budget = self._study.budget
        if self._limit is not None and self._done >= self._limit:
            return "trials"
        if self._best is not None and budget.loss is not None and self._best.loss <= budget.loss:
            return "loss"
        if budget.wall_s is not None and time.monotonic() - self._started >= budget.wall_s:
            return "wall_s"
        return "interrupted" if self._interrupted() else None

    def _step(self) -> Reason | None:
        """One batch; a reason to stop where there is nothing left to ask."""
        n = self._pool.capacity
        if self._limit is not None:
            n = min(n, self._limit - self._done)
        began = time.monotonic()
        proposals = self._search.ask(n)
        self._times.asking_s += time.monotonic() - began
        if not proposals:
            return "grid"
        batch = _Batch({str(uuids.uuid4()): proposal for proposal in proposals})
        self._simulate(batch)
        self._tell([(proposal, batch.simulations[uuid]) for uuid, proposal in batch.proposals.items()])
        self._added += len(proposals)
        self._update_best()
        self._check_failures()
        return None

    def _simulate(self, batch: _Batch) -> None:
        study = self._study
        candidates = [
            Candidate(
                uuid=uuid,
                parameters={**study.fixed, **proposal.parameters},
                seed=candidate_seed(study.seed, proposal.index),
            )
            for uuid, proposal in batch.proposals.items()
        ]
        elsewhere = self._times.scoring_s + self._times.storing_s
        began = time.monotonic()

        def keep(outcome: Outcome) -> None:
            self._keep(batch, outcome)
            self._send_progress(batch)

        self._send_progress(batch)
        outcomes = self._pool.run(candidates, progress=keep)
        elapsed = time.monotonic() - began - (self._times.scoring_s + self._times.storing_s - elsewhere)
        starting = 0.0
        if self._first_batch:
            # What the first batch took beyond its simulations: processes, networks, compilation.
            slowest = max(outcome.wall_s for outcome in outcomes)
            starting = max(elapsed - slowest, 0.0)
            self._first_batch = False
        self._times.starting_s += starting
        self._times.simulating_s += elapsed - starting

    def _keep(self, batch: _Batch, outcome: Outcome) -> None:
        began = time.monotonic()
        proposal, result, reason = batch.proposals[outcome.uuid], outcome.result, None
        estimates: Mapping[str, Estimate] = {}
        if isinstance(result, SimulationFailure):
            reason = result.reason
        else:
            try:
                estimates = measure(self._study.statistics, result, required=self._required)
            except ObjectiveError as error:
                reason = str(error)
        simulation = Simulation(
            uuid=outcome.uuid,
            index=proposal.index,
            parameters=proposal.parameters,
            seed=candidate_seed(self._study.seed, proposal.index),
            backend=outcome.backend,
            duration_ms=self._study.simulation.duration_ms,
            wall_s=outcome.wall_s,
            host=socket.gethostname(),
            finished=datetime.now(UTC),
            reason=reason,
            estimates=estimates,
            observation=result if isinstance(result, Observation) else None,
        )
        scored = time.monotonic()
        self._store.record(simulation)
        batch.simulations[outcome.uuid] = simulation
        self._times.scoring_s += scored - began
        self._times.storing_s += time.monotonic() - scored

    def _tell(self, finished: Sequence[tuple[Proposal, Simulation]]) -> None:
        verdicts = [
            Verdict(proposal=proposal, loss=self._loss(simulation), attributes=self._attributes(simulation))
            for proposal, simulation in finished
        ]
        began = time.monotonic()
        trials = self._search.tell(verdicts)
        told = time.monotonic()
        self._store.mirror(trials)
        self._times.asking_s += told - began
        self._times.storing_s += time.monotonic() - told
        for _, simulation in finished:
            self._in_a_row = self._in_a_row + 1 if simulation.failed else 0
            self._last_failure = simulation.reason or self._last_failure

    def _loss(self, simulation: Simulation) -> float | None:
        return None if simulation.failed else total_loss(self._study.objectives, simulation.estimates)

    def _attributes(self, simulation: Simulation) -> dict[str, Any]:
        """What a trial shows beside its parameters and loss, as in Optuna's dashboard."""
        attributes: dict[str, Any] = {UUID: simulation.uuid, "seed": simulation.seed}
        if simulation.failed:
            return attributes | {"reason": simulation.reason}
        names = [objective.name for objective in self._study.objectives]
        return attributes | {name: finite(simulation.estimates[name].value) for name in names}

    def _check_failures(self) -> None:
        if self._in_a_row >= max(FAILURES_IN_A_ROW, 2 * self._pool.capacity):
            raise SimulatorError(
                f"the last {self._in_a_row} simulations failed, so the run stopped; "
                f"the last reason: {self._last_failure}"
            )

    def _update_best(self) -> None:
        trial = self._search.best
        if trial is None or (self._best is not None and self._best.number == trial.number):
            return
        estimates = self._store.estimates(str(trial.user_attrs.get(UUID)))
        self._best = Best(
            number=trial.number,
            params=dict(trial.params),
            parameters={**self._study.fixed, **trial.params},
            loss=float(trial.values[0]),
            statistics={name: finite(found.value) for name, found in estimates.items()},
            targets=reached(self._study, estimates),
        )

    @property
    def _done(self) -> int:
        return len(self._search.trials)

    def _count(self, state: TrialState) -> int:
        return sum(trial.state == state for trial in self._search.trials)

    def _send_progress(self, batch: _Batch | None = None) -> None:
        self._progress(
            Progress(
                done=self._done,
                failed=self._count(TrialState.FAIL),
                total=self._limit,
                batch=len(batch.proposals) if batch else 0,
                returned=len(batch.simulations) if batch else 0,
                added=self._added,
                elapsed_s=time.monotonic() - self._started,
                starting_s=self._times.starting_s,
                best=self._best,
                last_failure=self._last_failure,
            )
        )


def _proposal(simulation: Simulation) -> Proposal:
    return Proposal(index=simulation.index, parameters=simulation.parameters, asked=datetime.now())
