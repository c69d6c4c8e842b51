"""Failed trials that are held back, because it can be this host that fails, and not they."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from calibrate.calibration.interfaces import Remembers


class FailedTrials:
    """Stores trials; failed ones only once a simulation completes after them.

    A host whose simulator is broken fails fast, and would use up the budget of all runs of a study. As long
    as all its simulations fail, it stores no trial, so that it can give them all back when it stops.

    given_back  number of trials that other runs make again
    """

    def __init__(self, store: Remembers) -> None:
        self._store = store
        self._held: list[FrozenTrial] = []
        self._stored: list[FrozenTrial] = []
        self._completed = False
        self.given_back = 0

    def note_completion(self) -> None:
        """Note that a simulation has completed: the host works."""
        self._completed = True

    def mirror(self, trials: Sequence[FrozenTrial]) -> list[int]:
        """The numbers of these trials, which are stored or held; those that are held have negative ones."""
        if self._completed:
            self._keep([*self._held, *trials])
            self._held, self._completed = [], False
        else:
            for trial in (trial for trial in trials if trial.state == TrialState.FAIL):
                self._held.append(trial)
                trial.number = -len(self._held)
            self._keep([trial for trial in trials if trial.state != TrialState.FAIL])
        return [trial.number for trial in trials]

    def take_stored(self) -> list[FrozenTrial]:
        """The trials that were stored since the last call."""
        stored, self._stored = self._stored, []
        return stored

    def settle(self) -> None:
        """At the end of the run, give back what is held if there are other runs, and store it if not."""
        if not self._held:
            return
        if not self._completed and self._store.give_back(self._held):
            self.given_back = len(self._held)
        else:
            self._keep(self._held)
        self._held = []

    def _keep(self, trials: Sequence[FrozenTrial]) -> None:
        if not trials:
            return
        for trial, number in zip(trials, self._store.mirror(trials), strict=True):
            trial.number = number
        self._stored += trials
