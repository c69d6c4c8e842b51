"""Importance: which parameters the loss depends on, and what chance alone would show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from calibrate.calibration.search.optuna_logging import quieten_optuna
from calibrate.calibration.search.optuna_trials import loss_of
from calibrate.study import Study

FEWEST_TRIALS = 10
# The computing time grows with their number. So few trees, and so shallow ones, give the shares of four times
# as many full ones to a few percent.
MOST_TRIALS = 300
TREES, DEPTH = 16, 6
# The largest of 19 shuffled results is exceeded by chance once in 20.
SHUFFLES = 19
_LOWEST_LOSS = 1e-3


def importances(study: Study, trials: Sequence[FrozenTrial]) -> dict[str, float]:
    """Return the share of the variance of ln(loss) that each parameter explains by itself, largest first.

    It is the variance of the marginal mean over that parameter, divided by the whole variance, in a random
    forest that is fitted to the trials (fANOVA, Hutter, Hoos & Leyton-Brown 2014). What is missing to 1 are
    interactions. A forest also fits noise: see `importance_by_chance`. Logarithms are used because the losses
    of networks far from the targets would otherwise dominate the variance. Empty for fewer than 10 complete
    trials or fewer than two parameters, and where nothing varies.
    """
    chosen, losses = _losses(study, trials)
    return _shares(chosen, losses) if len(chosen) else {}


def importance_by_chance(study: Study, trials: Sequence[FrozenTrial]) -> float:
    """Return the share that some parameter reaches in 5 % of studies whose loss depends on none.

    It is the largest share of any parameter after the losses were shuffled among the trials, 19 times.
    """
    chosen, losses = _losses(study, trials)
    if not len(chosen):
        return math.nan
    random = np.random.default_rng(0)
    shuffled = (_shares(chosen, random.permutation(losses)) for _ in range(SHUFFLES))
    return max(max(shares.values(), default=0.0) for shares in shuffled)


def _losses(study: Study, trials: Sequence[FrozenTrial]) -> tuple[Sequence[FrozenTrial], NDArray[np.float64]]:
    """The trials to compute with, and ln(loss) of each; none if they cannot tell anything."""
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    complete = complete[:: -(-len(complete) // MOST_TRIALS) or 1]
    losses = np.log([max(loss_of(trial), _LOWEST_LOSS) for trial in complete])
    if len(complete) < FEWEST_TRIALS or len(study.space) < 2 or np.ptp(losses) < 1e-9:
        return [], np.zeros(0)
    return complete, losses


def _shares(trials: Sequence[FrozenTrial], losses: NDArray[np.float64]) -> dict[str, float]:
    evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=TREES, max_depth=DEPTH, seed=0)
    with quieten_optuna():
        view = optuna.create_study()
        view.add_trials(
            [_trial(t.params, t.distributions, loss) for t, loss in zip(trials, losses, strict=True)]
        )
        try:
            shares = evaluator.evaluate(view)
        except RuntimeError:  # no tree has a branch: all trials have the same parameters
            return {}
    return {name: float(share) for name, share in shares.items()}


def _trial(
    parameters: Mapping[str, object], distributions: Mapping[str, BaseDistribution], loss: float
) -> FrozenTrial:
    return optuna.trial.create_trial(
        params=dict(parameters), distributions=dict(distributions), value=float(loss)
    )
