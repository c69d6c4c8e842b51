"""The tally of a run: its trials, its failures and the best trial so far."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable, Sequence
from dataclasses import replace

from optuna.trial import FrozenTrial

from calibrate.calibration.search.optuna_trials import ORIGIN, UUID
from calibrate.calibration.search.search import Search
from calibrate.calibration.trials.candidate import Candidate
from calibrate.calibration.trials.score import Deviation, deviation_of
from calibrate.calibration.trials.simulation import Simulation
from calibrate.calibration.trials.summary import TrialSummary, summarize
from calibrate.errors import SimulatorError
from calibrate.study import Study

# Stop after this many consecutive failures, or two batches of them: retrying will not help.
FAILURES_IN_A_ROW = 10


class Tally:
    """Counts trials and failures, and keeps the best trial.

    simulations   returns all simulations of a candidate, by UUID

    done          number of trials of this study, including other runs, but not those from other studies
    added         number of trials that this run asked for and told
    last_failure  reason of the last failed simulation; None if none failed
    best          the feasible trial of lowest loss; None if there is none
    """

    def __init__(self, study: Study, search: Search, simulations: Callable[[str], list[Simulation]]) -> None:
        self._study, self._search, self._simulations = study, search, simulations
        self.added = 0
        self.last_failure: str | None = None
        self.best: TrialSummary | None = None
        self._deviation: tuple[str, Deviation] | None = None  # of the best one, with its UUID
        self._numbers: list[int] = []  # numbers of the trials of this study, ascending
        self._in_a_row = 0

    @property
    def done(self) -> int:
        return len(self._numbers)

    @property
    def since_best(self) -> int:
        """Number of trials of this study since the best one; all of them if there is none."""
        return self.done - bisect_right(self._numbers, -1 if self.best is None else self.best.number)

    def take(self, trials: Sequence[FrozenTrial]) -> None:
        """Count finished trials, after the search has taken them in."""
        for trial in trials:
            if ORIGIN not in trial.user_attrs:
                insort(self._numbers, trial.number)
        best = self._search.best
        if best is not None and (self.best is None or self.best.number != best.number):
            self.best = self.describe(best)

    @property
    def deviation(self) -> Deviation | None:
        """The deviation of the best trial, with its error; None if there is none."""
        best = self._search.best
        if best is None or self.best is None:
            return None
        uuid = str(best.user_attrs[UUID])
        if self._deviation is None or self._deviation[0] != uuid:
            found = deviation_of(self._study, self._simulations_of(best))
            self._deviation = uuid, replace(found, loss=self.best.loss)
        return self._deviation[1]

    def count(self, told: Sequence[Candidate]) -> None:
        """Count candidates that this run has told."""
        for candidate in told:
            self.added += not candidate.resumed
            self._in_a_row = self._in_a_row + 1 if candidate.failure is not None else 0
            self.last_failure = candidate.failure or self.last_failure

    def count_passed(self, candidates: Sequence[Candidate]) -> None:
        """Record that candidates passed a stage, although they are told later."""
        if candidates:
            self._in_a_row = 0

    def check_failures(self, capacity: int) -> None:
        """Raise SimulatorError if one simulation after another failed, `capacity` of them at once."""
        if self._in_a_row >= max(FAILURES_IN_A_ROW, 2 * capacity):
            raise SimulatorError(
                f"the last {self._in_a_row} simulations failed, so the run stopped; "
                f"the last reason: {self.last_failure}"
            )

    def describe(self, trial: FrozenTrial) -> TrialSummary:
        """The summary of a trial."""
        return summarize(self._study, trial, self._simulations_of(trial))

    def _simulations_of(self, trial: FrozenTrial) -> list[Simulation]:
        return self._simulations(str(trial.user_attrs[UUID]))
