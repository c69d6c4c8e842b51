"""Trials that the search knows already, and that are stored while the next batch simulates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from optuna.trial import FrozenTrial

from calibrate.calibration.search.optuna_trials import UUID, Answer
from calibrate.calibration.trials.summary import TrialSummary


def new_best(answers: Sequence[Answer], best: TrialSummary | None) -> str | None:
    """The UUID of the candidate that is better than the best one so far; None if there is none."""
    losses = {
        str(answer.attributes[UUID]): answer.loss
        for answer in answers
        if answer.loss is not None and max(answer.constraints.values(), default=0) <= 0
    }
    if not losses or (best is not None and min(losses.values()) >= best.loss):
        return None
    return min(losses, key=losses.__getitem__)


class LateTrials:
    """Holds the trials of one batch until they are stored, in another thread or at once.

    Storing a trial takes some 20 ms, and drawing a new best one a quarter of a second, in which processes
    would be idle. If the run dies before, nothing is lost: the simulations are stored, and the next run makes
    their trials.

    store  stores trials, and the figures of the candidate with this UUID before them
    """

    def __init__(self, store: Callable[[Sequence[FrozenTrial], str | None], None]) -> None:
        self._store = store
        self._trials: Sequence[FrozenTrial] = ()
        self._illustrated: str | None = None

    def __len__(self) -> int:
        return len(self._trials)

    def hold(self, trials: Sequence[FrozenTrial], illustrated: str | None) -> None:
        """Hold these trials, of a batch in which the candidate `illustrated` became the best."""
        self.store()
        self._trials, self._illustrated = trials, illustrated

    def store(self) -> None:
        """Store what is held."""
        if self._trials:
            self._store(self._trials, self._illustrated)
            self._trials, self._illustrated = (), None

    @contextmanager
    def meanwhile(self) -> Iterator[Callable[[], None]]:
        """Store what is held while the body runs; before it stores anything, it calls what it is given."""
        if not self._trials:
            yield lambda: None
            return
        # On leaving the executor, it waits for its thread, also after an exception.
        with ThreadPoolExecutor(1, thread_name_prefix="storing") as executor:
            future = executor.submit(self.store)
            yield future.result
            future.result()
