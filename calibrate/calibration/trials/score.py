"""The score of a candidate: from what its simulations showed to one loss per objective, and one for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from calibrate.calibration.trials.simulation import Simulation
from calibrate.objective import UNDEFINED, Objective
from calibrate.study import Study

INFEASIBLE = 2 * UNDEFINED
"""Where the losses of networks that break a constraint begin: no objective's loss is larger."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """How good a candidate is.

    losses      of every objective, in their order, each the mean over graphs
    loss        sum_k w_k losses_k / sum_k w_k
    violations  of every constraint that was judged, the largest of its simulations; 0 where it is kept

    All losses of a candidate that breaks a constraint are INFEASIBLE (1 + v / (1 + v)), with v the sum of the
    violations: graded, and worse than any that breaks none.
    """

    losses: tuple[float, ...]
    loss: float
    violations: Mapping[str, float]

    @property
    def feasible(self) -> bool:
        return not any(self.violations.values())


def score(study: Study, simulations: Sequence[Simulation]) -> Score:
    """The score of a candidate from its simulations, none of which failed; losses are of the last stage's."""
    violations = worst_violations(study, simulations)
    broken = sum(violations.values())
    if broken:
        loss = INFEASIBLE * (1 + broken / (1 + broken))
        return Score(losses=(loss,) * len(study.objectives), loss=loss, violations=violations)
    full = [found.estimates for found in simulations if found.stage == len(study.stages)]
    losses = tuple(
        float(np.mean([objective.loss(estimates[objective.name]) for estimates in full]))
        for objective in study.objectives
    )
    return Score(losses=losses, loss=weighted(study.objectives, losses), violations=violations)


def worst_violations(study: Study, simulations: Sequence[Simulation]) -> dict[str, float]:
    """The largest violation of each constraint; a stage before the last judges only what it can."""
    return {
        constraint.name: max(
            (
                constraint.violation(found.estimates[constraint.name])
                for found in simulations
                if constraint.statistic.screens or found.stage == len(study.stages)
            ),
            default=0.0,
        )
        for constraint in study.constraints
    }


def weighted(objectives: Sequence[Objective], losses: Sequence[float]) -> float:
    """The weighted mean of the losses."""
    weights = [objective.weight for objective in objectives]
    return float(np.average(losses, weights=weights))
