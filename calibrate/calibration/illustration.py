"""Figures of new best candidates, which are stored with their trials."""

from __future__ import annotations

from collections.abc import Sequence

from calibrate.calibration.clock import Clock
from calibrate.calibration.interfaces import Remembers
from calibrate.calibration.search.optuna_trials import UUID, Answer
from calibrate.calibration.trials.summary import TrialSummary
from calibrate.simulation.running_time import running_s

# Figures may take this long (s), and this share of the run: they can cost more than small simulations.
AT_ONCE_S, SHARE = 1.0, 0.02


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


class Illustration:
    """Has figures drawn, as long as they take little of the run."""

    def __init__(self, store: Remembers, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._spent_s = 0.0

    def draw(self, uuid: str | None) -> None:
        """Store figures of this candidate; before its trial is stored, which cannot be changed any more."""
        if uuid is None or self._spent_s > AT_ONCE_S + SHARE * self._clock.elapsed_s:
            return
        began = running_s()
        self._store.illustrate(uuid)
        self._spent_s += running_s() - began
