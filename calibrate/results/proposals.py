"""Proposals: who proposed the parameter sets of a study's trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial

from calibrate.calibration.search.optuna_trials import INDEX, ORIGIN
from calibrate.calibration.search.question import Question
from calibrate.calibration.search.samplers import STRATEGIES
from calibrate.study import Study
from calibrate.study.space import snapped


@dataclass(frozen=True, kw_only=True)
class Proposals:
    """Numbers of trials by the origin of their parameter sets; they add up to all trials.

    given       points of [prior]
    independent proposed without any result: space-filling, random, or on a grid
    learned     proposed by the sampler from the results of others
    taken_over  of another study
    """

    given: int = 0
    independent: int = 0
    learned: int = 0
    taken_over: int = 0


def proposals_of(study: Study, trials: Sequence[FrozenTrial]) -> Proposals:
    """Count the proposals of these trials.

    A sampler's space-filling points follow from the study and the index of the candidate, so they are known
    again.
    """
    own = [trial for trial in trials if ORIGIN not in trial.user_attrs]
    points = [snapped(study.space, point) for point in study.prior.points]
    given = independent = 0
    strategy = STRATEGIES[type(study.sampler)](study.sampler, Question(space=study.space, seed=study.seed))
    for trial in sorted(own, key=_index):
        params = snapped(study.space, trial.params)
        known = next((point for point in points if point.items() <= params.items()), None)
        if known is not None:
            points.remove(known)
            given += 1
        elif not study.sampler.learns or strategy.points(_index(trial)) == params:
            independent += 1
    return Proposals(
        given=given,
        independent=independent,
        learned=len(own) - given - independent,
        taken_over=len(trials) - len(own),
    )


def _index(trial: FrozenTrial) -> int:
    return int(trial.user_attrs[INDEX])
