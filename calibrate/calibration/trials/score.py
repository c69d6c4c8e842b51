"""The score of a candidate: from its simulations to one loss per objective and a total loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from calibrate.calibration.trials.averages import combine, scored
from calibrate.calibration.trials.simulation import Simulation
from calibrate.objective import UNDEFINED, Objective
from calibrate.study import Study

INFEASIBLE = 2 * UNDEFINED
"""Lower end of the losses of candidates that break a constraint: no objective's loss is larger."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """The losses of a candidate and its violations of the constraints.

    losses      of all objectives, in their order, each of the mean over graphs
    loss        sum_k w_k losses_k / sum_k w_k
    violations  of all constraints, each of the mean over graphs, in the stage where it is largest; 0 if the
                constraint is satisfied

    All losses of a candidate that breaks a constraint are INFEASIBLE (1 + v / (1 + v)), where v is the sum of
    the violations. They are graded, and larger than all losses of candidates that break no constraint.
    """

    losses: tuple[float, ...]
    loss: float
    violations: Mapping[str, float]

    @property
    def feasible(self) -> bool:
        return not any(self.violations.values())


def score(study: Study, simulations: Sequence[Simulation]) -> Score:
    """The score of a candidate from its simulations, none of which failed; losses use the last stage only."""
    violations = worst_violations(study, simulations)
    broken = sum(violations.values())
    if broken:
        loss = INFEASIBLE * (1 + broken / (1 + broken))
        return Score(losses=(loss,) * len(study.objectives), loss=loss, violations=violations)
    means = combine([simulation.estimates for simulation in scored(study, simulations, len(study.stages))])
    losses = tuple(objective.loss(means[objective.name]) for objective in study.objectives)
    return Score(losses=losses, loss=weighted_mean(study.objectives, losses), violations=violations)


def worst_violations(study: Study, simulations: Sequence[Simulation]) -> dict[str, float]:
    """The violation of each constraint by the mean over graphs, in the stage where it is largest.

    Stages before the last judge only statistics that screen.
    """
    last = len(study.stages)
    by_stage = {stage: scored(study, simulations, stage) for stage in range(1, last + 1)}
    means = {
        stage: combine([one.estimates for one in of_stage])
        for stage, of_stage in by_stage.items()
        if of_stage
    }
    return {
        constraint.name: max(
            (
                constraint.violation(of_stage[constraint.name])
                for stage, of_stage in means.items()
                if constraint.statistic.screens or stage == last
            ),
            default=0.0,
        )
        for constraint in study.constraints
    }


def weighted_mean(objectives: Sequence[Objective], losses: Sequence[float]) -> float:
    """The weighted mean of the losses."""
    weights = [objective.weight for objective in objectives]
    return float(np.average(losses, weights=weights))
