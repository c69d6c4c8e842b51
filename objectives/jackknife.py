"""Standard errors of statistics that are not means, by leaving out the measurement block by block."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

BLOCKS = 10


def over_time(value: Callable[[NDArray[np.bool_]], float], bins: int) -> float:
    """Delete-block jackknife over 10 blocks of time; `value` receives a mask of the bins kept, shape (bins,).

        error = sqrt((m - 1) / m sum_i (theta_i - <theta>)^2)

    where theta_i is the value without block i of m. It is valid for smooth statistics, and if blocks are long
    compared to the time scales of the activity. nan with fewer than 2 bins per block, or if a value is
    undefined. Source: Kuensch 1989.
    """
    if bins < 2 * BLOCKS:
        return math.nan
    block = np.arange(bins) * BLOCKS // bins
    values = np.array([value(block != left_out) for left_out in range(BLOCKS)])
    return float(np.sqrt((BLOCKS - 1) * values.var()))
