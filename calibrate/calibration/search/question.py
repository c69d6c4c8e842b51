"""What a search is asked: the space, and what the trials are judged by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from calibrate.objective import Constraint, Objective
from calibrate.study.space import Space


@dataclass(frozen=True, kw_only=True)
class Question:
    """The space, the seed, and what samplers that model the statistics need to know of them.

    pareto  whether the objectives are minimised separately
    """

    space: Space
    seed: int
    objectives: Sequence[Objective] = ()
    constraints: Sequence[Constraint] = ()
    pareto: bool = False
