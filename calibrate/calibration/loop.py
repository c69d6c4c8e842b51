"""The loop of a study: ask for candidates, simulate them stage by stage, store the results, tell the losses.

It uses the pool and the store through protocols only, so it depends on no simulator and no SQL.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from optuna.trial import FrozenTrial, TrialState

from calibrate.calibration.clock import Clock
from calibrate.calibration.confirmation import Confirmation
from calibrate.calibration.failed_trials import FailedTrials
from calibrate.calibration.interfaces import Remembers, Simulates
from calibrate.calibration.late_trials import LateTrials, new_best
from calibrate.calibration.progress import Progress
from calibrate.calibration.result import Reason, RunSummary
from calibrate.calibration.search.ask_ahead import Asking
from calibrate.calibration.search.optuna_trials import UUID, Answer
from calibrate.calibration.search.search import search_for
from calibrate.calibration.stage_queue import Batch, StageQueue
from calibrate.calibration.tally import Tally
from calibrate.calibration.trials.candidate import Candidate, create_candidates, gather_candidates
from calibrate.errors import ModelError, SimulatorError, StudyError
from calibrate.simulation.jobs import Job, Outcome, failures
from calibrate.study import Study
from calibrate.study.conditions import Condition
from calibrate.study.graph_numbers import Purpose

# Batches per process in one step, if asking for that many has no disadvantage: see `_Run`.
ROUNDS = 4

# Polling interval (s) while other runs simulate the remaining candidates.
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
) -> RunSummary:
    """Run `study` until its budget is used. Results of earlier and concurrent runs count towards it.

    interrupted  called between batches: whether to stop
    started      `running_s()` when the run began, if that was before this call
    batch_size   candidates on one graph that `pool` simulates together, in the time of one

    Raises SimulatorError if one simulation after another fails, StoreError if the store fails.
    """
    return _Run(study, pool, store, progress, interrupted, started, batch_size).run()


def tell(study: Study, *, store: Remembers) -> int:
    """Tell the candidates for which `store` has all simulations but no trial, without simulating.

    Returns their number. Candidates that lack a simulation are left to the next run.
    """
    trials, untold = store.news()
    search = search_for(study)
    search.restore(trials)
    last, graphs = len(study.stages), set(study.graphs.search)
    finished = [
        candidate
        for candidate in gather_candidates(untold)
        if candidate.failure is not None or candidate.graphs_of(study, last) >= graphs
    ]
    search.reopen([candidate.proposal for candidate in finished])
    search.tell([candidate.answer(study) for candidate in finished], mirror=store.mirror)
    return len(finished)


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
        self._progress, self._interrupted = progress, interrupted
        self._clock = Clock(started)
        self._batch_size = batch_size
        self._search = search_for(study)
        self._asking = Asking(
            self._search,
            trials=study.trials,
            clock=self._clock,
            claim=store.claim,
            ahead=study.file.pool.ask_ahead,
        )
        self._last = len(study.stages)
        self._queue = StageQueue(self._last)
        self._tally = Tally(study, self._search, store.simulations)
        self._failed = FailedTrials(store)
        self._late = LateTrials(self._store_trials)
        self._doing: Purpose | None = Purpose.SEARCH
        self._expected = self._returned = 0
        # At the end of each step, devices are idle until the last batch is stored and told and the next one
        # begins. Longer steps make this rarer, at no cost for a sampler that does not learn from results.
        waits = batch_size > 1 and not study.sampler.learns
        self._rounds = ROUNDS if waits and study.budget.loss is None and study.budget.plateau is None else 1

    def run(self) -> RunSummary:
        self._search.enqueue(self._study.prior.points)
        self._hear()
        self._clock.has_started()
        stopped: Reason | None = None
        while stopped is None:
            self._send_progress()
            stopped = self._check_budget() or self._step()
            if stopped is None:
                self._hear()
        self._settle()
        others = self._store.leave()
        if not others:
            # The runs that ended before this one may have told trials since its last look.
            self._restore(self._store.told())
        if stopped != "interrupted" and not others:
            self._show_on_fresh_graphs()
        tally, search = self._tally, self._search
        return RunSummary(
            best=tally.best,
            front=[tally.describe(trial) for trial in search.front] if self._study.pareto else [],
            complete=search.count(TrialState.COMPLETE),
            failed=search.count(TrialState.FAIL) - self._failed.given_back,
            infeasible=search.infeasible,
            # Those of an earlier run, which were given back as well, were not counted.
            added=max(tally.added - self._failed.given_back, 0),
            stopped=stopped,
            others=others,
            last_failure=tally.last_failure,
            times=self._clock.times,
        )

    def _check_budget(self) -> Reason | None:
        """The reason to stop now; None if there is none."""
        budget, tally, trials = self._study.budget, self._tally, self._study.trials
        # Candidates of an earlier run are told first, even if the budget has been reduced since.
        if trials is not None and tally.done + len(self._late) >= trials and not self._queue:
            return "trials"
        if tally.best is not None and budget.loss is not None and tally.best.loss <= budget.loss:
            return "loss"
        if budget.plateau is not None and tally.since_best >= budget.plateau:
            return "plateau"
        if budget.wall_s is not None and self._clock.elapsed_s >= budget.wall_s:
            return "wall_s"
        return "interrupted" if self._interrupted() else None

    @property
    def _at_once(self) -> int:
        """Number of candidates of one step: each takes a place in the pool for every condition."""
        return max(self._pool.capacity // len(self._study.searched), 1) * self._rounds

    # --- one batch ----------------------------------------------------------------------------------

    def _step(self) -> Reason | None:
        """Ask for, simulate, store and tell one batch; returns a reason to stop if no candidates are left."""
        n = self._at_once
        batch = self._queue.take_full(n)
        if batch is None:
            self._queue.add(create_candidates(self._asking.ask(self._queue.missing(n), batch=n)))
            batch = self._queue.take_earliest(n)
        if batch is None:
            self._late.store()
            return self._wait()
        screening = batch.stage < self._last
        with self._asking.meanwhile(self._queue.missing(n), batch=n) as proposals:
            self._simulate(batch.candidates, batch.stage, Purpose.SCREENING if screening else Purpose.SEARCH)
        self._queue.add(create_candidates(proposals))
        if screening:
            self._tell(self._sort_out(batch))
        else:
            self._confirm(batch.candidates)
            self._tell(batch.candidates)
        self._check_failures()
        return None

    def _check_failures(self) -> None:
        """Raise SimulatorError if all simulations fail, after other runs were given their trials."""
        try:
            self._tally.check_failures(self._pool.capacity)
        except SimulatorError as error:
            self._settle()
            if again := self._failed.given_back:
                raise SimulatorError(
                    f"{error}; other runs of the study make its {again} trials again"
                ) from None
            raise

    def _wait(self) -> Reason | None:
        """Wait for other runs to tell the last candidates; returns a reason to stop if there are none."""
        elsewhere = self._store.elsewhere()
        if not elsewhere:
            # Since the last call of `_hear`, another run may have told its last candidates and ended.
            # One that only failed may have given its candidates back.
            done = self._tally.done
            self._hear()
            n = self._at_once
            self._queue.add(create_candidates(self._asking.ask(self._queue.missing(n), batch=n)))
            if self._tally.done > done or self._queue:
                return None
            return "grid" if self._study.sampler.name == "grid" else "trials"
        self._doing, self._expected = None, elsewhere
        self._send_progress()
        time.sleep(WAIT_S)
        self._expected = 0
        return None

    def _hear(self) -> None:
        """Take in results of earlier and concurrent runs, and continue the candidates that they left."""
        with self._clock.counts("storing"):
            trials, untold = self._store.news()
        self._restore(trials)
        candidates = gather_candidates(untold)
        self._search.reopen([candidate.proposal for candidate in candidates])
        out = []
        for candidate in candidates:
            stage = max(simulation.stage for simulation in candidate.simulations)
            # A run may have died between two conditions.
            whole = bool(candidate.graphs_of(self._study, stage))
            if stage < self._last and whole and candidate.is_out(self._study):
                out.append(candidate)
            else:
                self._queue.add([candidate], min(stage + whole, self._last))
        self._tell(out)

    def _restore(self, trials: Sequence[FrozenTrial]) -> None:
        """Take in trials that other runs have told."""
        self._search.restore(trials)
        self._tally.take(trials)

    def _sort_out(self, batch: Batch) -> list[Candidate]:
        """Queue the candidates that passed a stage for the next one; returns the others."""
        out: list[Candidate] = []
        passed: list[Candidate] = []
        for candidate in batch.candidates:
            (out if candidate.is_out(self._study) else passed).append(candidate)
        self._queue.add(passed, batch.stage + 1)
        self._tally.count_passed(passed)
        return out

    def _confirm(self, batch: Sequence[Candidate]) -> None:
        """Simulate would-be best candidates on further graphs, until the best of all is confirmed."""
        rule = self._study.replicates.confirmation
        if rule is None:
            return
        with self._clock.counts("asking"):
            confirmation = Confirmation(
                self._study,
                batch,
                rule,
                best=self._tally.deviation,
                search=self._search,
                capacity=self._pool.capacity,
                batch_size=self._batch_size,
            )
        for rivals, graphs in confirmation.rounds():
            self._simulate(rivals, self._last, Purpose.CONFIRMATION, graphs=graphs)

    def _show_on_fresh_graphs(self) -> None:
        """Simulate the best trial on graphs that the search never saw."""
        best = self._tally.best
        if best is None or not self._study.graphs.fresh:
            return
        trial = next(trial for trial in self._search.trials if trial.number == best.number)
        (candidate,) = gather_candidates(self._store.simulations(str(trial.user_attrs[UUID])))
        # Also those that are held out: now nothing depends on them any more.
        self._simulate([candidate], self._last, Purpose.FRESH, self._study.conditions)
        self._tally.best = self._tally.describe(trial)
        self._send_progress()

    # --- simulating ---------------------------------------------------------------------------------

    def _simulate(
        self,
        batch: Sequence[Candidate],
        stage: int,
        purpose: Purpose,
        conditions: Sequence[Condition] | None = None,
        *,
        graphs: range | None = None,
    ) -> None:
        """Run and store the missing simulations of these candidates; `graphs`: not on all of the purpose."""
        graphs = self._study.graphs.of_purpose(purpose) if graphs is None else graphs
        by_uuid = {candidate.uuid: candidate for candidate in batch}
        jobs: list[Job] = []
        for candidate in batch:
            try:
                jobs += candidate.jobs(self._study, stage, graphs, conditions)
            except (ModelError, StudyError) as error:
                condition = self._study.searched[0].name
                refused = Job(
                    uuid=candidate.uuid, parameters={}, seed=0, realisation=graphs[0], condition=condition
                )
                self._keep(candidate, failures([refused], str(error))[0], stage)
        if not jobs:
            return
        self._doing, self._expected, self._returned = purpose, len(jobs), 0

        def keep(outcome: Outcome) -> None:
            late_ones_are_stored()
            self._keep(by_uuid[outcome.uuid], outcome, stage)
            self._returned += 1
            self._send_progress()

        self._send_progress()
        with (
            self._clock.counts_batch(self._pool.capacity) as outcomes,
            self._late.meanwhile() as late_ones_are_stored,
        ):
            outcomes += self._pool.run(jobs, progress=keep)
        self._expected = self._returned = 0

    def _keep(self, candidate: Candidate, outcome: Outcome, stage: int) -> None:
        with self._clock.counts("scoring"):
            simulation = candidate.simulation(self._study, outcome, stage)
        with self._clock.counts("storing"):
            self._store.record(simulation)
        if not simulation.failed:
            self._failed.note_completion()
        candidate.simulations.append(replace(simulation, observation=None))

    # --- telling ------------------------------------------------------------------------------------

    def _tell(self, finished: Sequence[Candidate]) -> None:
        if not finished:
            return
        answers = [candidate.answer(self._study) for candidate in finished]
        best = new_best(answers, self._tally.best)
        self._tally.count(finished)
        if self._can_be_late(answers):
            with self._clock.counts("asking"):
                trials = self._search.tell(answers)
            self._tally.take([])  # they do not count yet, but one of them can be the best
            with self._clock.counts("storing"):
                self._late.hold(trials, best)
            return
        with self._clock.counts("storing"):
            self._late.store()
            self._illustrate(best)
        with self._clock.counts("asking"):
            self._search.tell(answers, mirror=self._mirror)
        self._tally.take(self._failed.take_stored())

    def _can_be_late(self, answers: Sequence[Answer]) -> bool:
        """Whether trials can be stored after the next ones are asked for, which needs no number of theirs."""
        sure = all(answer.loss is not None for answer in answers)
        return sure and self._study.budget.plateau is None and not self._study.file.pool.ask_ahead

    def _illustrate(self, best: str | None) -> None:
        """Store figures of a new best candidate before its trial, which cannot be changed any more."""
        if best is not None:
            self._store.illustrate(best)

    def _store_trials(self, trials: Sequence[FrozenTrial], best: str | None) -> None:
        self._illustrate(best)
        self._failed.mirror(trials)
        self._tally.take(self._failed.take_stored())

    def _mirror(self, trials: Sequence[FrozenTrial]) -> Sequence[int]:
        with self._clock.counts("storing"):
            return self._failed.mirror(trials)

    def _settle(self) -> None:
        """Store the failed trials that were held back, or leave them to other runs."""
        with self._clock.counts("storing"):
            self._late.store()
            self._failed.settle()
        self._tally.take(self._failed.take_stored())

    def _send_progress(self) -> None:
        tally = self._tally
        self._progress(
            Progress(
                done=tally.done + len(self._late),
                failed=self._search.count(TrialState.FAIL),
                total=self._study.trials,
                doing=self._doing,
                batch=self._expected,
                returned=self._returned,
                added=tally.added,
                elapsed_s=self._clock.elapsed_s,
                starting_s=self._clock.starting_s,
                best=tally.best,
                last_failure=tally.last_failure,
            )
        )
