"""Standard errors of statistics that are no means, from a measurement that is left out block by block."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

BLOCKS = 10


def over_time(value: Callable[[NDArray[np.bool_]], float], bins: int) -> float:
    """Delete-block jackknife over 10 blocks of time; `value` is given the bins that are kept, shape (bins,).

        error = sqrt((m - 1) / m sum_i (theta_i - <theta>)^2)

    with theta_i the value without block i of m. It holds where blocks are long against what changes within
    them, and for smooth statistics. nan where there are fewer than 2 bins a block, or a value is undefined.
    Source: Kuensch 1989.
    """
    if bins < 2 * BLOCKS:
        return math.nan
    block = np.arange(bins) * BLOCKS // bins
    values = np.array([value(block != left_out) for left_out in range(BLOCKS)])
    return float(np.sqrt((BLOCKS - 1) * values.var()))
