"""Looseness: how well the targets determine the parameters, and in which direction they hardly do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibrate.study import Study
from calibrate.study.space import Range

# Fewest trials for each coefficient of the fit.
TRIALS_EACH = 4
# Trials that deviate by more tolerances in any objective say little about the effect of a small change.
FARTHEST = 5.0
# Deviations that vary by less, as a mean square in tolerances, are equal but for rounding.
_ROUNDING = 1e-12


@dataclass(frozen=True, kw_only=True)
class Looseness:
    """How far parameters can move from those of the best trial until the loss has grown by 1.

    parameters  lower and upper end for each parameter, while the others compensate as far as they can
    loosest     the direction that the targets determine least: each parameter at its two ends
    trials      number of trials in the fit
    explained   share of the variance of the deviations that the fit explains, from 0 to 1
    """

    parameters: Mapping[str, tuple[float, float]]
    loosest: Mapping[str, tuple[float, float]]
    trials: int
    explained: float


def looseness(
    study: Study,
    points: Sequence[Mapping[str, float]],
    deviations: NDArray[np.float64],
    losses: NDArray[np.float64],
) -> Looseness | None:
    """Compute the looseness from trials: their parameters, deviations from the targets, and losses.

    deviations  in tolerances, signed, shape (trials, objectives)
    losses      shape (trials,)

    Near the best trial, deviations are assumed to be linear in the parameters: z = z_0 + J u, where u goes
    from 0 to 1 through each range, fitted by least squares to the nearest half of the trials with deviations
    of at most 5 tolerances. (The trials of lowest loss are not used: selection by outcome flattens slopes.)
    The loss then grows by u^T F u with F = J^T W J, where W are the weights of the objectives, normalised to
    1. The ellipsoid u^T F u = 1 has half-widths sqrt((F^-1)_ii) and axes along the eigenvectors of F (the
    sloppiness analysis of Gutenkunst et al. 2007, PLoS Comput Biol 3:e189). An axis is at most as long as a
    range, and is cut at the ends of the ranges.

    Ranges only, no choices. None if there are no ranges, if deviations do not vary with the parameters, or
    with fewer than 4 such trials for each coefficient.
    """
    ranges = {name: domain for name, domain in study.space.items() if isinstance(domain, Range)}
    needed = TRIALS_EACH * (len(ranges) + 1)
    usable = np.flatnonzero((np.abs(deviations) <= FARTHEST).all(axis=1))  # excludes nan
    if not ranges or usable.size < needed:
        return None
    u = np.array([[domain.quantile(points[int(k)][name]) for name, domain in ranges.items()] for k in usable])
    best = u[np.argmin(losses[usable])]
    nearest = np.argsort(np.linalg.norm(u - best, axis=1), kind="stable")[: max(needed, usable.size // 2)]
    u, z = u[nearest], deviations[usable[nearest]]
    design = np.column_stack([np.ones(len(u)), u])
    coefficients, *_ = np.linalg.lstsq(design, z, rcond=None)
    total = ((z - z.mean(axis=0)) ** 2).sum()
    unexplained = ((z - design @ coefficients) ** 2).sum()
    if total <= _ROUNDING * z.size or unexplained >= total:
        return None
    weights = np.array([objective.weight for objective in study.objectives])
    information = coefficients[1:] @ np.diag(weights / weights.sum()) @ coefficients[1:].T
    sizes, axes = np.linalg.eigh(information)  # ascending
    reach = 1 / np.sqrt(np.maximum(sizes, 1.0))
    half_widths = np.sqrt(axes**2 @ reach**2)

    def ends(moves: NDArray[np.float64]) -> dict[str, tuple[float, float]]:
        return {
            name: (domain.at_or_end(centre - move), domain.at_or_end(centre + move))
            for (name, domain), centre, move in zip(ranges.items(), best, moves, strict=True)
        }

    return Looseness(
        parameters=ends(half_widths),
        loosest=ends(axes[:, 0] * reach[0]),
        trials=len(u),
        explained=float(1 - unexplained / total),
    )
