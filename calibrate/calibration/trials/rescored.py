"""Trials of studies that an older version began, with the scores that this version gives them.

Version 0.2 and older averaged the losses of the graphs; now the loss is that of the mean. They did not store
targets that they took from a recording, which may have other values and default tolerances now. A study must
not mix two scales, so the scores of such trials are computed again from their simulations wherever they are
read.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

from optuna.trial import FrozenTrial, TrialState, create_trial

from calibrate.calibration.search.optuna_trials import FEASIBLE, LOSS
from calibrate.calibration.trials.averages import scored
from calibrate.calibration.trials.score import score, worst_violations
from calibrate.calibration.trials.simulation import Simulation
from calibrate.study import Study

SCORING = "calibrate:scoring"
"""System attribute of a study in Optuna's tables: the rule by which its trials were scored."""

RULE = 3
"""The rule of this version: 2 without targets that are stored with the study; none before losses of means."""


def is_older(study: Study, attributes: Mapping[str, object]) -> bool:
    """Whether a study with these system attributes was scored by a rule that gives it other scores."""
    rule = attributes.get(SCORING)
    return not isinstance(rule, int) or rule < (RULE if study.taken.targets else 2)


def rescored(study: Study, trial: FrozenTrial, simulations: Sequence[Simulation]) -> FrozenTrial:
    """`trial` with the score of its `simulations`, or as it is if it failed or they were removed."""
    judged = [one for one in simulations if not one.failed]
    if trial.state != TrialState.COMPLETE or not judged:
        return trial
    if not scored(study, judged, len(study.stages)) and not any(worst_violations(study, judged).values()):
        return trial
    result = score(study, judged)
    found = copy.copy(trial)
    found.values = list(result.losses) if study.pareto else [result.loss]
    found.user_attrs = dict(trial.user_attrs)
    if len(found.values) > 1:
        found.user_attrs[LOSS] = result.loss
    if result.violations:
        found.user_attrs[FEASIBLE] = result.feasible
        # Optuna keeps constraints among a trial's system attributes, under keys of its own.
        other = create_trial(value=0.0, constraints=dict(result.violations))
        found.system_attrs = {**trial.system_attrs, **other.system_attrs}
    return found


def warnings_of_older(study: Study, attributes: Mapping[str, object]) -> tuple[str | None, str | None]:
    """Warnings of what older versions did otherwise, if one began a study with these system attributes."""
    return other_targets(study, attributes), None if SCORING in attributes else other_input(study)


def other_targets(study: Study, attributes: Mapping[str, object]) -> str | None:
    """A warning if an older version took targets from the recording: it stored none."""
    if not study.taken.targets or attributes.get(SCORING) == RULE:
        return None
    return (
        "an older version began this study: its targets from the recording are measured again, and its "
        "trials scored by them"
    )


def other_input(study: Study) -> str | None:
    """A warning if simulations of older versions had other random input than those of this one."""
    if study.simulation.backend != "nest" or not any(p.noise for p in study.network.populations):
        return None
    return (
        "an older version began this study, and its trials had other random input in NEST: another sample if "
        "it is Poisson, another process if it is gamma; to begin anew, change the name in [study]"
    )
