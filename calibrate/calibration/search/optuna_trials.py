"""Claims, proposals and answers, which a search exchanges; and the data in Optuna's trials."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from calibrate.objective import Estimate

# User attributes of a trial. If a trial has several values, its loss is an attribute.
UUID, INDEX, LOSS, FEASIBLE, ORIGIN = "uuid", "index", "loss", "feasible", "origin"
ESTIMATES = "estimates"  # of the judged statistics, for samplers that model them: see `packed`


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A candidate's index that one run of a study takes, so that no other run asks for it.

    parameters  values of its parameters, as far as they are known
    adopted     whether it was imported from another study
    """

    index: int
    parameters: Mapping[str, Any] = field(default_factory=dict)
    adopted: bool = False


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A parameter set to try: values of the free parameters; `index` keys the candidate's seed."""

    index: int
    parameters: Mapping[str, Any]
    asked: datetime
    adopted: bool = False


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The result of a proposal, and the attributes of its trial.

    loss         finite; None: it failed
    values       for a Pareto study: the loss of each objective, which are the values of the trial
    constraints  violations by name, positive if the constraint is broken
    """

    proposal: Proposal
    loss: float | None
    values: Sequence[float] = ()
    constraints: Mapping[str, float] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Told:
    """A trial as a sampler of our own sees it.

    loss        None: it failed
    attributes  user attributes of the trial
    """

    index: int
    parameters: Mapping[str, Any]
    loss: float | None
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_trial(cls, trial: FrozenTrial) -> Told:
        """A finished trial."""
        return cls(
            index=int(trial.user_attrs.get(INDEX, -1)),
            parameters=trial.params,
            loss=loss_of(trial) if trial.state == TrialState.COMPLETE else None,
            attributes=trial.user_attrs,
        )

    @classmethod
    def of_answer(cls, answer: Answer) -> Told:
        """What an answer will be as a trial."""
        return cls(
            index=answer.proposal.index,
            parameters=answer.proposal.parameters,
            loss=answer.loss,
            attributes=answer.attributes,
        )


def packed(estimates: Mapping[str, Estimate]) -> dict[str, dict[str, float]]:
    """Estimates as an attribute of a trial, without what says nothing."""
    kept = ("value", "error", "shortfall", "undefined")
    return {
        name: {
            key: value
            for key in kept
            if math.isfinite(value := float(getattr(estimate, key))) and (value or key == "value")
        }
        for name, estimate in estimates.items()
    }


def unpacked(attributes: Mapping[str, Any]) -> dict[str, Estimate]:
    """The estimates among the attributes of a trial; none of those that do not have them."""
    stored = attributes.get(ESTIMATES, {})
    return {name: Estimate(**{"value": math.nan, **content}) for name, content in stored.items()}


def loss_of(trial: FrozenTrial) -> float:
    """The loss of a complete trial: its value, or an attribute if it has several values."""
    return float(trial.user_attrs[LOSS] if len(trial.values) > 1 else trial.values[0])


def is_feasible(trial: FrozenTrial) -> bool:
    """Whether a trial is complete and breaks no constraint."""
    return trial.state == TrialState.COMPLETE and all(value <= 0 for value in trial.constraints.values())


def by_loss(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """Complete trials, sorted by loss and then by number."""
    return sorted(trials, key=rank)


def rank(trial: FrozenTrial) -> tuple[float, int]:
    """The sort key of complete trials: the loss, then the number."""
    return loss_of(trial), trial.number


def best_of(trials: Iterable[FrozenTrial]) -> FrozenTrial | None:
    """The feasible trial of lowest loss, the first if several are equal; None if there is none."""
    feasible = [trial for trial in trials if is_feasible(trial)]
    return min(feasible, key=rank, default=None)


def front_of(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """The Pareto front, by loss: the feasible trials that no other feasible trial dominates."""
    feasible = [trial for trial in trials if is_feasible(trial)]
    if not feasible:
        return []
    values = np.array([trial.values for trial in feasible])
    beaten = [bool(((values <= own).all(axis=1) & (values < own).any(axis=1)).any()) for own in values]
    front = [trial for trial, out in zip(feasible, beaten, strict=True) if not out]
    return by_loss(front)
