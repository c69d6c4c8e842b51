"""What Optuna's samplers see of the trials: losses on a scale that resolves the good region.

The database, reports and the dashboard keep the losses themselves. With one loss, TPE and NSGA-II only rank
the values, so the scale changes nothing for them.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from calibrate.calibration.search.optuna_trials import is_feasible
from calibrate.objective import CAP

# A deviation of .3 tolerances. Among losses below it, noise decides.
_MET = 0.1

# How much less ratios beyond CAP count: they lead back to defined statistics, and tell no more.
_BEYOND = 0.2


def on_scale(loss: float) -> float:
    """The loss as samplers see it, an increasing function: ln(loss + 0.1), and beyond CAP a fifth as steep.

    A Gaussian process is fitted to standardised values. Among losses of 1000 or more of undefined statistics,
    it could not tell losses of 1 and 10 apart.
    """
    if loss <= CAP:
        return math.log(loss + _MET)
    return math.log(CAP + _MET) + _BEYOND * math.log(loss / CAP)


def as_seen(trials: Sequence[FrozenTrial], notes: Mapping[str, Any] | None = None) -> list[FrozenTrial]:
    """Copies of finished trials, as samplers see them.

    notes  further system attributes, which the sampler expects

    Constraints, which are system attributes, are in the order of their names: Optuna's Gaussian process
    matches them by position, and storages differ in the order. A trial that breaks one was not scored: its
    stored loss only says that it is worse than all others. It gets the median of those that break none,
    because a cliff along the boundary would hide an optimum that lies there.
    """
    feasible = [[on_scale(value) for value in trial.values] for trial in trials if is_feasible(trial)]
    median = np.median(feasible, axis=0).tolist() if feasible else None
    seen = []
    for trial in trials:
        view = copy.copy(trial)
        view.system_attrs = dict(sorted({**trial.system_attrs, **(notes or {})}.items()))
        if trial.state == TrialState.COMPLETE:
            scaled = is_feasible(trial) or median is None
            view.values = [on_scale(value) for value in trial.values] if scaled else median
        seen.append(view)
    return seen
