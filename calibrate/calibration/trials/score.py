"""The score of a candidate: from its simulations to one loss per objective and a total loss."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from calibrate.calibration.trials.averages import combine, scored
from calibrate.calibration.trials.simulation import Simulation
from calibrate.objective import UNDEFINED, Objective
from calibrate.study import Study

INFEASIBLE = 2 * UNDEFINED
"""Lower end of the losses of candidates that break a constraint: no objective's loss is larger."""

# Probability of calling a deviation larger than an equal one.
_CHANCE = 0.05


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
    graphs = scored(study, simulations, len(study.stages))
    losses = _losses(study, graphs)
    return Score(losses=losses, loss=weighted_mean(study.objectives, losses), violations=violations)


def _losses(study: Study, graphs: Sequence[Simulation]) -> tuple[float, ...]:
    """The loss of every objective of the mean over graphs."""
    means = combine([simulation.estimates for simulation in graphs])
    return tuple(objective.loss(means[objective.name]) for objective in study.objectives)


@dataclass(frozen=True, kw_only=True, order=True)
class Deviation:
    """The loss of a candidate with the error of its root, which is its deviation in tolerances.

    error   infinite if the loss is that of one graph
    graphs  number of graphs; 0: the loss is exact
    """

    loss: float
    error: float = 0.0
    graphs: int = 0

    def exceeds(self, other: Deviation) -> bool:
        """Whether it is larger by more than the errors allow: Student's t-test, one-sided, at 5 %.

        It takes graphs to be equally noisy for both, as they nearly are on the scale of the root. So few
        graphs of one suffice if there are more of the other.
        """
        from scipy.special import stdtrit

        several = [one for one in (self, other) if one.graphs > 1]
        freedom = sum(one.graphs - 1 for one in several)
        if not freedom:
            return False
        squares = sum((one.graphs - 1) * one.graphs * one.error**2 for one in several)
        shares = sum(1 / one.graphs for one in (self, other) if one.graphs)
        margin = float(stdtrit(freedom, 1 - _CHANCE)) * math.sqrt(shares * squares / freedom)
        return math.sqrt(self.loss) - math.sqrt(other.loss) > margin


def deviation_of(study: Study, simulations: Sequence[Simulation]) -> Deviation:
    """The deviation of a candidate from its simulations, none of which failed.

    Its error is the jackknife's over graphs: the loss of the mean is computed without each of them, and the
    standard error and the bias of its root add up as squares. (Near the targets, the root of the loss is
    almost only bias.) This root is as noisy far from the targets as near them; its logarithm is not.
    """
    graphs = scored(study, simulations, len(study.stages))

    def root(chosen: Sequence[Simulation]) -> float:
        return math.sqrt(weighted_mean(study.objectives, _losses(study, chosen)))

    loss, n = weighted_mean(study.objectives, _losses(study, graphs)), len(graphs)
    if n == 1:
        return Deviation(loss=loss, error=math.inf, graphs=1)
    parts = np.array([root([*graphs[:k], *graphs[k + 1 :]]) for k in range(n)])
    bias = (n - 1) * (parts.mean() - math.sqrt(loss))
    return Deviation(
        loss=loss,
        error=math.hypot(math.sqrt((n - 1) * parts.var()), bias),
        graphs=n,
    )


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
