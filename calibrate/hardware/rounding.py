"""From numbers to the levels that a platform has: pure functions, without a network.

A weight is a whole number of steps: `level` x `step`. Levels go from 0 to the highest one; the sign of a
weight is kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calibrate.network.levels import at_random, nearest, neighbours
from calibrate.neurons import Number

__all__ = [
    "at_random",
    "fixed_point",
    "full_range_step",
    "mantissa",
    "nearest",
    "neighbours",
    "optimal_unit",
    "power_of_two_step",
    "relative_error",
    "time_constant",
]

# Scales that are compared for the optimal one, in equal ratios between the finest and twice that.
CANDIDATES = 2**16


def relative_error(weights: Sequence[float], step: float, highest: int) -> float:
    """Return the largest relative error of weights that are rounded to the nearest level; 0 without weights.

    A weight that becomes 0 has an error of 1.
    """
    given = np.abs(np.array([weight for weight in weights if weight], dtype=float))
    if not given.size:
        return 0.0
    return float(np.max(np.abs(nearest(given, step, highest) * step - given) / given))


def full_range_step(weights: Sequence[float], highest: int) -> float:
    """Return the step with which the largest weight has the highest level; 1 if all are 0."""
    largest = max((abs(weight) for weight in weights), default=0.0)
    return largest / highest if largest else 1.0


def optimal_unit(groups: Sequence[Sequence[float]], finest: float, highest: int) -> float:
    """Return the unit, at least the finest, with which the largest relative error is smallest.

    groups  weights that share a step: the unit times a power of two (`power_of_two_step`). For one group,
            the unit is its step

    Units from twice the finest on are not needed: the levels of half of one include all of its own. Below,
    `CANDIDATES` units in equal ratios are compared, so that the error exceeds the smallest one that is
    possible by at most about ln(2) / CANDIDATES, which is 1e-5.
    """
    units = finest * np.exp2(np.arange(CANDIDATES) / CANDIDATES)
    worst = np.zeros(CANDIDATES)
    for weights in groups:
        steps = power_of_two_step(max(map(abs, weights), default=0.0), units, highest)
        for weight in (abs(weight) for weight in weights if weight):
            levels = np.minimum(np.rint(weight / steps), highest)
            worst = np.maximum(worst, np.abs(levels * steps - weight) / weight)
    return float(units[np.argmin(worst)])


def power_of_two_step(largest: float, unit: Number, highest: int) -> NDArray[np.float64]:
    """Return the finest of `unit` times 1, 2, 4, ... with which the largest weight has a level."""
    units = np.asarray(unit, dtype=float)
    with np.errstate(divide="ignore"):
        exponents = np.ceil(np.log2(abs(largest) / (highest * units)) - 1e-12)
    steps: NDArray[np.float64] = units * np.exp2(np.maximum(exponents, 0))
    return steps


def fixed_point(value: Number, fraction_bits: int) -> NDArray[np.float64]:
    """Return the nearest multiple of 2^-fraction_bits, halves to the even one."""
    rounded: NDArray[np.float64] = np.ldexp(
        np.rint(np.ldexp(np.asarray(value, float), fraction_bits)), -fraction_bits
    )
    return rounded


def mantissa(value: Number, bits: int) -> NDArray[np.float64]:
    """Return the nearest number with a mantissa of so many bits, beside its sign, and a power of two."""
    given = np.asarray(value, dtype=float)
    fraction, exponent = np.frexp(given)
    rounded: NDArray[np.float64] = np.ldexp(np.rint(np.ldexp(fraction, bits)), exponent - bits)
    return rounded


def time_constant(tau_ms: Number, dt_ms: float, bits: int) -> NDArray[np.float64]:
    """Return the time constant whose factor exp(-dt / tau) is the nearest one with so many binary places.

    At most the longest that decays at all, and at least the shortest that leaves anything.
    """
    unit = 2.0**-bits
    left = np.exp(-dt_ms / np.asarray(tau_ms, dtype=float))
    factor = np.clip(np.rint(left / unit), 1, 2**bits - 1) * unit
    rounded: NDArray[np.float64] = -dt_ms / np.log(factor)
    return rounded
