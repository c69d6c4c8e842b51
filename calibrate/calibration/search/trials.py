"""What a search exchanges: claims, proposals and answers; and what Optuna's trials say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial, TrialState

# User attributes of a trial. A trial of several values has its loss as an attribute.
UUID, INDEX, LOSS, FEASIBLE, ORIGIN = "uuid", "index", "loss", "feasible", "origin"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A candidate's index that one run of a study takes, so that no other one asks it.

    parameters  the values of parameters that are known of it
    adopted     whether it was taken over from another study
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
    """What became of a proposal, and what its trial carries.

    loss         finite; None: it failed
    values       what the trial shows instead, where each objective counts by itself: the loss of each
    constraints  by name, above 0 where the constraint is broken
    """

    proposal: Proposal
    loss: float | None
    values: Sequence[float] = ()
    constraints: Mapping[str, float] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)


def loss_of(trial: FrozenTrial) -> float:
    """The loss of a complete trial: its value, or of several values what they come to."""
    return float(trial.user_attrs[LOSS] if len(trial.values) > 1 else trial.values[0])


def is_feasible(trial: FrozenTrial) -> bool:
    """Whether a trial is complete and keeps all constraints."""
    return trial.state == TrialState.COMPLETE and all(value <= 0 for value in trial.constraints.values())


def by_loss(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """Complete trials, the lowest loss first, of equals the first trial."""
    return sorted(trials, key=rank)


def rank(trial: FrozenTrial) -> tuple[float, int]:
    """What complete trials are ordered by: the loss, then the number."""
    return loss_of(trial), trial.number


def best_of(trials: Iterable[FrozenTrial]) -> FrozenTrial | None:
    """The feasible trial of lowest loss, the first of equals; None where there is none."""
    feasible = [trial for trial in trials if is_feasible(trial)]
    return min(feasible, key=rank, default=None)


def front_of(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """The feasible trials that no other one beats in every value (Pareto), by loss."""
    feasible = [trial for trial in trials if is_feasible(trial)]
    if not feasible:
        return []
    values = np.array([trial.values for trial in feasible])
    beaten = [bool(((values <= own).all(axis=1) & (values < own).any(axis=1)).any()) for own in values]
    front = [trial for trial, out in zip(feasible, beaten, strict=True) if not out]
    return by_loss(front)
