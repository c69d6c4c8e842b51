"""CMA-ES from the told trials alone, restarted when it has converged.

Nothing is stored but trials: the evolution is replayed from them, so a search that was stopped continues as
if it had not been. Optuna's own sampler has had no restarts since 4.4, and the criteria of `cmaes` are made
for millions of evaluations: they end an evolution at steps of 1e-12.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from calibrate.calibration.search.optuna_trials import Told

if TYPE_CHECKING:
    from cmaes import CMA

# Standard deviation of the first generation, as a share of the ranges.
_SIGMA = 0.2

# An evolution has converged if all points of a generation lie within this share of every range ...
_SPREAD = 0.02
# ... and the last generations have lowered its best loss by less than this, relative to 1 + the best loss.
# (A loss of 1 is a deviation of one tolerance.) A narrow valley is followed on.
_GAIN, _GENERATIONS = 0.01, 3

# The first points after an end, as long as they lie this close to it (as a share of the ranges), were asked
# for before it was known, in the same batch. The next evolution starts with the first point farther away.
_LATE = 5 * _SPREAD


def replay(
    told: Sequence[Told],
    cube: Callable[[Mapping[str, Any]], np.ndarray],
    means: Callable[[int], np.ndarray],
    *,
    population: int,
    seed: int,
) -> CMA:
    """The evolution after these trials, which are sorted by index.

    cube   the point of a parameter set in the unit cube
    means  first mean of each evolution, by its number, in the unit cube
    seed   for what is drawn next

    Restarts keep the population: doubling it, as IPOP does (Auger & Hansen 2005), was no better within 400
    trials.
    """
    number, evolution = 0, _start(means(0), population, seed)
    generation: list[tuple[np.ndarray, float]] = []
    bests: list[float] = []
    end: np.ndarray | None = None
    for trial in told:
        point, loss = cube(trial.parameters), trial.loss
        if end is not None and np.all(np.abs(point - end) < _LATE):
            continue
        end = None
        # Failed trials count as the worst, so that each generation contains what was asked for together.
        generation.append((point, math.inf if loss is None else loss))
        if len(generation) < population:
            continue
        if any(math.isfinite(loss) for _, loss in generation):
            points = np.array([point for point, _ in generation])
            bests.append(min(loss for _, loss in generation))
            evolution.tell(generation)
            if _has_converged(points, bests) or evolution.should_stop():
                number, bests, end = number + 1, [], points.mean(axis=0)
                evolution = _start(means(number), population, seed)
        generation = []
    return evolution


def _start(mean: np.ndarray, population: int, seed: int) -> CMA:
    from cmaes import CMA

    bounds = np.tile([0.0, 1.0], (len(mean), 1))
    return CMA(
        mean=np.clip(mean, 0.0, 1.0), sigma=_SIGMA, bounds=bounds, seed=seed, population_size=population
    )


def _has_converged(points: np.ndarray, bests: Sequence[float]) -> bool:
    """Whether an evolution has, from the points of its last generation and the best loss of each."""
    if np.ptp(points, axis=0).max() >= _SPREAD or len(bests) <= _GENERATIONS:
        return False
    gain = min(bests[:-_GENERATIONS]) - min(bests)
    return gain < _GAIN * (1 + min(bests))
