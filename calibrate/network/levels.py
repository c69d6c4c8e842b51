"""What chips make of values: weights in whole steps, and differences between synapses and between neurons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Levels:
    """How the weights of the single synapses of a projection follow from those that they should have.

    Attributes
    ----------
    step : float or None, pA or nS
        Difference of neighbouring levels, which start at 0; None if weights are not rounded.
    highest : int
        The highest level. Larger weights have it, too.
    at_random : bool
        Whether a synapse has the upper one of two neighbouring levels at random, such that the mean is the
        weight; or else the nearest level.
    mismatch_cv : float
        Coefficient of variation of the factor between a level and its effect: log-normal with mean 1.

    Notes
    -----
    Which synapse has which level and which factor belongs to the realisation: a chip is a graph.
    """

    step: float | None = None
    highest: int = 1
    at_random: bool = False
    mismatch_cv: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """A difference between the neurons of a chip, in addition to what is distributed in the network.

    Attributes
    ----------
    sd : float
        Standard deviation: of what is added, normally distributed, in the unit of the parameter; or of a
        factor.
    factor : bool
        Whether it is a factor: log-normal with mean 1.

    Notes
    -----
    As with `Levels`, which neuron differs by how much belongs to the realisation.
    """

    sd: float
    factor: bool = False

    def apply(self, values: float | NDArray[np.float64], normal: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values of neurons, given a standard normal number for each."""
        if self.factor:
            return np.asarray(values) * log_normal(normal, self.sd)
        return np.asarray(values) + self.sd * normal


def log_normal(normal: NDArray[np.float64], cv: float) -> NDArray[np.float64]:
    """Return log-normal numbers with mean 1 and this coefficient of variation from standard normal ones."""
    variance = np.log1p(cv**2)
    drawn: NDArray[np.float64] = np.exp(np.sqrt(variance) * normal - variance / 2)
    return drawn


def nearest(weights: float | NDArray[np.float64], step: float, highest: int) -> NDArray[np.float64]:
    """Return the nearest levels, halves to the even one, at most the highest."""
    scaled = np.abs(np.asarray(weights, dtype=float)) / step
    levels: NDArray[np.float64] = np.minimum(np.rint(scaled), highest)
    return levels


def neighbours(
    weights: float | NDArray[np.float64], step: float, highest: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the levels at or below weights, and the shares of the next ones that make the means exact.

    (1 - share) level + share (level + 1) is the weight in steps, unless it is beyond the highest level.
    """
    scaled = np.minimum(np.abs(np.asarray(weights, dtype=float)) / step, highest)
    whole = np.rint(scaled)
    # w / (w / n) is not always n.
    scaled = np.where(np.isclose(scaled, whole, rtol=1e-12, atol=0), whole, scaled)
    lower = np.floor(scaled)
    return lower, scaled - lower


def at_random(
    weights: float | NDArray[np.float64], step: float, highest: int, uniform: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return levels without bias: the upper neighbour where `uniform`, in [0, 1), is below its share."""
    lower, share = neighbours(weights, step, highest)
    levels: NDArray[np.float64] = lower + (uniform < share)
    return levels
