"""Importance: which parameters the loss depends on."""

from __future__ import annotations

import math
from collections.abc import Sequence

import optuna
from optuna.trial import FrozenTrial, TrialState

from calibrate.calibration.search.optuna_logging import quieten_optuna
from calibrate.calibration.search.optuna_trials import loss_of
from calibrate.study import Study

FEWEST_TRIALS = 10
# The computing time grows with the square of their number.
MOST_TRIALS = 500
_LOWEST_LOSS = 1e-3


def importances(study: Study, trials: Sequence[FrozenTrial]) -> dict[str, float]:
    """Return the share of the variance of ln(loss) that each parameter explains by itself, largest first.

    Computed with a random forest (fANOVA, Hutter, Hoos & Leyton-Brown 2014). Logarithms are used because the
    losses of networks far from the targets would otherwise dominate the variance. Empty for fewer than 10
    complete trials or fewer than two parameters.
    """
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    complete = complete[:: -(-len(complete) // MOST_TRIALS) or 1]
    if len(complete) < FEWEST_TRIALS or len(study.space) < 2:
        return {}
    plain = [
        optuna.trial.create_trial(
            params=trial.params,
            distributions=trial.distributions,
            value=math.log(max(loss_of(trial), _LOWEST_LOSS)),
        )
        for trial in complete
    ]
    with quieten_optuna():
        view = optuna.create_study()
        view.add_trials(plain)
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        return dict(optuna.importance.get_param_importances(view, evaluator=evaluator))
