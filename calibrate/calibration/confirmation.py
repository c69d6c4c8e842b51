"""Confirmation: the lowest of many noisy losses is biased, so would-be best candidates get more graphs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from calibrate.calibration.trials.candidate import Candidate
from calibrate.calibration.trials.score import score
from calibrate.study import Study
from calibrate.study.graph_numbers import Purpose

# A candidate is confirmed only if its loss is below this, a root mean square deviation of two tolerances. The
# noise is about one tolerance, so farther from the targets it decides nothing.
CONFIRMED_BELOW = 4.0


class Confirmation:
    """Chooses the candidates of a batch that are to be confirmed.

    best_loss  loss of the best trial so far; None if there is none
    """

    def __init__(self, study: Study, batch: Sequence[Candidate], *, best_loss: float | None) -> None:
        self._study, self._batch, self._best_loss = study, batch, best_loss
        self._confirmed: list[Candidate] = []

    def resume(self) -> list[Candidate]:
        """Choose the candidates that an earlier run began to confirm, so that they too get all graphs."""
        last = len(self._study.stages)
        return self._choose(
            candidate
            for candidate in self._batch
            if candidate.origin is None
            and candidate.failure is None
            and any(
                self._study.purpose(last, simulation.realisation) == Purpose.CONFIRMATION
                for simulation in candidate.simulations_of(last)
            )
        )

    def rivals(self, n: int) -> list[Candidate]:
        """Choose up to `n` others with a lower loss than the best confirmed one, the lowest loss first."""
        losses = {
            candidate.uuid: result.loss
            for candidate in self._batch
            if candidate.failure is None and (result := score(self._study, candidate.simulations)).feasible
        }
        bar = min(
            [
                CONFIRMED_BELOW,
                *([] if self._best_loss is None else [self._best_loss]),
                *(losses[candidate.uuid] for candidate in self._confirmed if candidate.uuid in losses),
            ]
        )
        rivals = [c for c in self._batch if c not in self._confirmed and losses.get(c.uuid, bar) < bar]
        return self._choose(sorted(rivals, key=lambda candidate: losses[candidate.uuid])[:n])

    def _choose(self, candidates: Iterable[Candidate]) -> list[Candidate]:
        chosen = list(candidates)
        self._confirmed += chosen
        return chosen
