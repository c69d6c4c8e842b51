"""Losses without simulations, with the shape of real ones: they show what a sampler finds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from calibrate import Estimate, find_statistic
from calibrate.calibration.search.optuna_trials import Answer
from calibrate.calibration.search.search import Search
from calibrate.calibration.trials.score import INFEASIBLE
from calibrate.objective import Constraint, Objective, Value
from calibrate.study.file.samplers import AnySampler
from calibrate.study.space import Domain, Range

CUBE: dict[str, Domain] = {f"x{k}": Range(low=0.0, high=1.0) for k in range(4)}
SOLUTION = np.array([0.35, 0.45, 0.55, 0.62])

# Loss, and violations of constraints by name, at a point of the cube.
Landscape = Callable[[np.ndarray], tuple[float, Mapping[str, float]]]


def _statistics(x: np.ndarray) -> np.ndarray:
    """Two rates, a variability and a dwell time that depend on several parameters each."""
    a, b, c, d = x
    return np.array(
        [
            40 * a * (1 - 0.6 * b),
            60 * b * (0.5 + 0.5 * a),
            0.2 + 1.6 * c * (1 - 0.5 * a),
            math.exp(4 * d) * (0.5 + c),
        ]
    )


_RATE = find_statistic("rate_E")
_OBJECTIVES = [
    Objective(statistic=_RATE, target=Value(float(value), tolerance=0.2 * float(value)))
    for value in _statistics(SOLUTION)
]
_DIRECTION, _DRIVE = np.array([1.0, -0.3, 0.6, 0.8]), np.array([1.0, -0.5, 0.3, 0.8])
_BOUND = Constraint(statistic=_RATE, high=float(_DIRECTION @ SOLUTION))


def on_a_constraint(x: np.ndarray) -> tuple[float, Mapping[str, float]]:
    """The optimum, of loss 0, lies on the boundary of a constraint that half of the cube breaks."""
    broken = _BOUND.violation(Estimate(float(_DIRECTION @ x)))
    if broken:
        return INFEASIBLE * (1 + broken / (1 + broken)), {"bound": broken}
    losses = [o.loss(Estimate(float(s))) for o, s in zip(_OBJECTIVES, _statistics(x), strict=True)]
    return float(np.mean(losses)), {"bound": 0.0}


def beside_silence(x: np.ndarray) -> tuple[float, Mapping[str, float]]:
    """The optimum, of loss 0, lies beside silence, where all statistics but a rate are undefined (44 %)."""
    needed = float(_DRIVE @ SOLUTION) - 0.05
    missing = needed - float(_DRIVE @ x)
    estimates = [Estimate(float(value)) for value in _statistics(x)]
    if missing > 0:
        undefined = Estimate(math.nan, shortfall=min(missing / (needed + 0.5), 1.0))
        estimates = [Estimate(0.0), undefined, undefined, undefined]
    losses = [o.loss(estimate) for o, estimate in zip(_OBJECTIVES, estimates, strict=True)]
    return float(np.mean(losses)), {}


def search(
    landscape: Landscape,
    sampler: AnySampler,
    *,
    seed: int,
    trials: int,
    batch: int,
    space: Mapping[str, Domain] = CUBE,
) -> Search:
    """A search of `landscape`, after `trials` trials in batches of `batch`."""
    found = Search(space, sampler, seed=seed)
    while len(found.trials) < trials:
        proposals = found.ask(batch)
        results = [landscape(at(proposal.parameters)) for proposal in proposals]
        found.tell(
            [
                Answer(proposal=proposal, loss=loss, constraints=violations)
                for proposal, (loss, violations) in zip(proposals, results, strict=True)
            ]
        )
    return found


def at(parameters: Mapping[str, Any]) -> np.ndarray:
    """The point of these parameters."""
    return np.array(list(parameters.values()), dtype=float)
