"""The loop of a study: ask, simulate stage by stage, keep what was seen, tell the losses.

It knows the pool and the store by protocol only: no simulator, no SQL.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from optuna.trial import FrozenTrial, TrialState

from calibrate.calibration.clock import Clock
from calibrate.calibration.protocols import Remembers, Simulates
from calibrate.calibration.result import Doing, Progress, Reason, Result
from calibrate.calibration.search.ahead import Asking
from calibrate.calibration.search.search import Search
from calibrate.calibration.search.trials import ORIGIN, UUID, Answer
from calibrate.calibration.trials.candidate import Candidate, create_candidates, gather_candidates
from calibrate.calibration.trials.findings import answer, described
from calibrate.calibration.trials.score import score, worst_violations
from calibrate.calibration.trials.summary import TrialSummary
from calibrate.errors import ModelError, SimulatorError, StudyError
from calibrate.simulation.jobs import Job, Outcome, failures
from calibrate.study import Study

# Stop after this many consecutive failures, or two batches of them: retrying will not help.
FAILURES_IN_A_ROW = 10

# A would-be best is confirmed on further graphs only if its loss is below this, two tolerances in the mean:
# noise is about one tolerance, so that far from the targets it decides nothing.
CONFIRMED_BELOW = 4.0

# Batches for each process in one step, if nothing is lost by asking for so many: see `_Run`.
ROUNDS = 4

# Polling interval (s) while the remaining trials are being run by others.
WAIT_S = 1.0


def run(
    study: Study,
    *,
    pool: Simulates,
    store: Remembers,
    progress: Callable[[Progress], None] = lambda _: None,
    interrupted: Callable[[], bool] = lambda: False,
    started: float | None = None,
    batch_size: int = 1,
) -> Result:
    """Run `study` until its budget is used; what earlier runs found counts, and what others find meanwhile.

    interrupted  asked between batches: whether to stop
    started      time.monotonic() when the run began, if that was before this call
    batch_size   candidates of one graph that `pool` simulates together, in the time of one

    Raises SimulatorError when one simulation after another fails, StoreError when the store does.
    """
    return _Run(study, pool, store, progress, interrupted, started, batch_size).run()


def tell(study: Study, *, store: Remembers) -> int:
    """Make trials of the candidates that `store` holds the last simulations of and no trial tells of.

    Returns how many; nothing is simulated. What still lacks a simulation is left to the next run.
    """
    trials, untold = store.news()
    n_values = len(study.objectives) if study.pareto else 1
    search = Search(study.space, study.sampler, seed=study.seed, n_values=n_values)
    search.restore(trials)
    last, graphs = len(study.stages), range(study.replicates.graphs)
    done = [
        candidate
        for candidate in gather_candidates(untold)
        if candidate.failure is not None
        or {found.realisation for found in candidate.known(last)} >= set(graphs)
    ]
    search.reopen([candidate.proposal for candidate in done])
    search.tell([answer(study, candidate) for candidate in done], mirror=store.mirror)
    return len(done)


class _Run:
    def __init__(
        self,
        study: Study,
        pool: Simulates,
        store: Remembers,
        progress: Callable[[Progress], None],
        interrupted: Callable[[], bool],
        started: float | None,
        batch_size: int,
    ) -> None:
        self._study, self._pool, self._store = study, pool, store
        self._limit, self._progress, self._interrupted = study.trials, progress, interrupted
        self._clock = Clock(started)
        self._batch_size = batch_size
        n_values = len(study.objectives) if study.pareto else 1
        self._search = Search(study.space, study.sampler, seed=study.seed, n_values=n_values)
        self._asking = Asking(
            self._search,
            trials=self._limit,
            clock=self._clock,
            claim=store.claim,
            ahead=study.file.pool.ask_ahead,
        )
        self._last = len(study.stages)
        # Candidates by the stage that they wait for, in the order in which they were asked.
        self._waiting: dict[int, list[Candidate]] = {stage: [] for stage in range(1, self._last + 1)}
        self._doing: Doing = "simulating"
        self._expected = self._returned = 0
        self._best: TrialSummary | None = None
        self._done = self._added = self._in_a_row = 0  # trials taken over from another study are not counted
        self._last_failure: str | None = None
        # At the end of each step, devices wait until the last batch is stored, told and followed by the next.
        # A sampler that learns nothing misses nothing if that comes more seldom.
        waits = batch_size > 1 and not study.sampler.learns
        self._rounds = ROUNDS if waits and study.budget.loss is None and study.budget.plateau is None else 1

    def run(self) -> Result:
        self._search.enqueue(self._study.prior.points)
        self._hear()
        self._clock.has_started()
        stopped: Reason | None = None
        while stopped is None:
            self._send_progress()
            stopped = self._finished() or self._step()
            if stopped is None:
                self._hear()
        # The run that ends last has seen all trials.
        others = self._store.leave()
        if stopped != "interrupted" and not others:
            self._show_on_fresh_graphs()
        return Result(
            best=self._best,
            front=[self._described(trial) for trial in self._search.front] if self._study.pareto else [],
            complete=self._search.count(TrialState.COMPLETE),
            failed=self._search.count(TrialState.FAIL),
            infeasible=self._search.infeasible,
            added=self._added,
            stopped=stopped,
            others=others,
            last_failure=self._last_failure,
            times=self._clock.times,
        )

    def _hear(self) -> None:
        """Learn what runs before or beside this one found, and go on with what they left."""
        with self._clock.counts("storing"):
            trials, untold = self._store.news()
        self._search.restore(trials)
        self._done += sum(ORIGIN not in trial.user_attrs for trial in trials)
        found = gather_candidates(untold)
        self._search.reopen([candidate.proposal for candidate in found])
        out = []
        for candidate in found:
            stage = max(simulation.stage for simulation in candidate.simulations)
            if stage < self._last and self._is_out(candidate):
                out.append(candidate)
            else:
                self._waiting[min(stage + 1, self._last)].append(candidate)
        self._tell(out)
        self._update_best()

    def _finished(self) -> Reason | None:
        budget = self._study.budget
        # What an earlier run had asked is told first, even where the budget is smaller now.
        if self._limit is not None and self._done >= self._limit and not any(self._waiting.values()):
            return "trials"
        if self._best is not None and budget.loss is not None and self._best.loss <= budget.loss:
            return "loss"
        if budget.plateau is not None and self._since_best >= budget.plateau:
            return "plateau"
        if budget.wall_s is not None and self._clock.elapsed_s >= budget.wall_s:
            return "wall_s"
        return "interrupted" if self._interrupted() else None

    @property
    def _since_best(self) -> int:
        """Trials of this study since the best one; all of them where there is none."""
        best = -1 if self._best is None else self._best.number
        return sum(ORIGIN not in trial.user_attrs and trial.number > best for trial in self._search.trials)

    # --- one batch ----------------------------------------------------------------------------------

    def _step(self) -> Reason | None:
        """One batch; a reason to stop where there is nothing left to ask."""
        n = self._pool.capacity * self._rounds
        stage = next((k for k in reversed(self._waiting) if len(self._waiting[k]) >= n), None)
        if stage is None:
            self._waiting[1] += create_candidates(self._asking.ask(n - len(self._waiting[1]), batch=n))
            # Where no more can be asked, the early stages go first, so that the late ones still fill up.
            order = list(self._waiting) if len(self._waiting[1]) < n else [1]
            stage = next((k for k in order if self._waiting[k]), None)
        if stage is None:
            elsewhere = self._store.elsewhere()
            if not elsewhere:
                # Another run may have told its last candidates since this one heard of the others.
                before = self._done
                self._hear()
                if self._done > before or any(self._waiting.values()):
                    return None
                return "grid" if self._study.sampler.name == "grid" else "trials"
            self._doing, self._expected = "waiting", elsewhere
            self._send_progress()
            time.sleep(WAIT_S)
            self._expected = 0
            return None
        batch, self._waiting[stage] = self._waiting[stage][:n], self._waiting[stage][n:]
        graphs = range(1 if stage < self._last else self._study.replicates.graphs)
        doing: Doing = "screening" if stage < self._last else "simulating"
        with self._asking.meanwhile(n - len(self._waiting[1]), batch=n) as proposals:
            self._simulate(batch, stage, graphs, doing)
        self._waiting[1] += create_candidates(proposals)
        if stage < self._last:
            passed = [candidate for candidate in batch if not self._is_out(candidate)]
            self._waiting[stage + 1] += passed
            if passed:
                self._in_a_row = 0  # they work, although they are told later
            self._tell([candidate for candidate in batch if candidate not in passed])
        else:
            self._confirm(batch)
            self._tell(batch)
        self._check_failures()
        return None

    def _is_out(self, candidate: Candidate) -> bool:
        if candidate.failure is not None:
            return True
        return any(worst_violations(self._study, candidate.simulations).values())

    def _confirm(self, batch: Sequence[Candidate]) -> None:
        """Simulate would-be best candidates on further graphs, until the best one of all has been."""
        replicates, study = self._study.replicates, self._study
        graphs = range(replicates.graphs, replicates.graphs + replicates.confirm)
        if not graphs:
            return
        # A batch takes as long whatever is in it: it is filled with rivals rather than left part empty.
        at_once = max(1, self._pool.capacity // len(graphs), self._batch_size)
        # What an earlier run has begun to confirm is confirmed on all of them.
        confirmed = [
            candidate
            for candidate in batch
            if candidate.origin is None
            and candidate.failure is None
            and any(found.realisation in graphs for found in candidate.known(self._last))
        ]
        self._simulate(confirmed, self._last, graphs, "confirming")
        while True:
            losses = {
                candidate.uuid: found.loss
                for candidate in batch
                if candidate.failure is None and (found := score(study, candidate.simulations)).feasible
            }
            best = [losses[candidate.uuid] for candidate in confirmed if candidate.uuid in losses]
            if self._best is not None:
                best.append(self._best.loss)
            bar = min([CONFIRMED_BELOW, *best])
            rivals = [c for c in batch if c not in confirmed and losses.get(c.uuid, bar) < bar]
            if not rivals:
                return
            chosen = sorted(rivals, key=lambda candidate: losses[candidate.uuid])[:at_once]
            self._simulate(chosen, self._last, graphs, "confirming")
            confirmed += chosen

    def _show_on_fresh_graphs(self) -> None:
        """Simulate the best on graphs that the search never saw."""
        if self._best is None or not self._study.fresh_graphs:
            return
        trial = next(found for found in self._search.trials if found.number == self._best.number)
        candidate = gather_candidates(self._store.simulations(str(trial.user_attrs[UUID])))[0]
        self._simulate([candidate], self._last, self._study.fresh_graphs, "on fresh graphs")
        self._best = self._described(trial)
        self._send_progress()

    # --- simulating ---------------------------------------------------------------------------------

    def _simulate(self, batch: Sequence[Candidate], stage: int, graphs: Sequence[int], doing: Doing) -> None:
        """Simulate what is not known yet of these candidates, and keep it."""
        by_uuid = {candidate.uuid: candidate for candidate in batch}
        jobs: list[Job] = []
        for candidate in batch:
            try:
                jobs += candidate.jobs(self._study, stage, graphs)
            except (ModelError, StudyError) as error:
                refused = Job(uuid=candidate.uuid, parameters={}, seed=0, realisation=graphs[0])
                self._keep(candidate, failures([refused], str(error))[0], stage)
        if not jobs:
            return
        self._doing, self._expected, self._returned = doing, len(jobs), 0

        def keep(outcome: Outcome) -> None:
            self._keep(by_uuid[outcome.uuid], outcome, stage)
            self._returned += 1
            self._send_progress()

        self._send_progress()
        with self._clock.counts_batch(self._pool.capacity) as outcomes:
            outcomes += self._pool.run(jobs, timing=self._study.stages[stage - 1], progress=keep)
        self._expected = self._returned = 0

    def _keep(self, candidate: Candidate, outcome: Outcome, stage: int) -> None:
        with self._clock.counts("scoring"):
            simulation = candidate.simulation(self._study, outcome, stage)
        with self._clock.counts("storing"):
            self._store.record(simulation)
        candidate.simulations.append(replace(simulation, observation=None))

    # --- telling ------------------------------------------------------------------------------------

    def _tell(self, finished: Sequence[Candidate]) -> None:
        if not finished:
            return
        answers = [answer(self._study, candidate) for candidate in finished]
        with self._clock.counts("storing"):
            self._illustrate(answers)
        with self._clock.counts("asking"):
            self._search.tell(answers, mirror=self._mirror)
        for candidate in finished:
            self._added += not candidate.resumed
            self._done += candidate.origin is None
            self._in_a_row = self._in_a_row + 1 if candidate.failure is not None else 0
            self._last_failure = candidate.failure or self._last_failure
        self._update_best()

    def _mirror(self, trials: Sequence[FrozenTrial]) -> Sequence[int]:
        with self._clock.counts("storing"):
            return self._store.mirror(trials)

    def _illustrate(self, answers: Sequence[Answer]) -> None:
        """Keep pictures of what becomes the best, while that can still be done."""
        good = [
            one for one in answers if one.loss is not None and max(one.constraints.values(), default=0) <= 0
        ]
        best = min(good, key=lambda one: one.loss or 0.0, default=None)
        if best is not None and (self._best is None or (best.loss or 0.0) < self._best.loss):
            self._store.illustrate(str(best.attributes[UUID]))

    def _check_failures(self) -> None:
        if self._in_a_row >= max(FAILURES_IN_A_ROW, 2 * self._pool.capacity):
            raise SimulatorError(
                f"the last {self._in_a_row} simulations failed, so the run stopped; "
                f"the last reason: {self._last_failure}"
            )

    # --- what is known ------------------------------------------------------------------------------

    def _update_best(self) -> None:
        trial = self._search.best
        if trial is not None and (self._best is None or self._best.number != trial.number):
            self._best = self._described(trial)

    def _described(self, trial: FrozenTrial) -> TrialSummary:
        return described(self._study, trial, self._store.simulations(str(trial.user_attrs[UUID])))

    def _send_progress(self) -> None:
        self._progress(
            Progress(
                done=self._done,
                failed=self._search.count(TrialState.FAIL),
                total=self._limit,
                doing=self._doing,
                batch=self._expected,
                returned=self._returned,
                added=self._added,
                elapsed_s=self._clock.elapsed_s,
                starting_s=self._clock.starting_s,
                best=self._best,
                last_failure=self._last_failure,
            )
        )
