"""Inter-spike intervals, summed in total and in blocks of a time whose length is not known in advance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from calibrate.observation.counts import CountArray, narrow
from calibrate.observation.layout import FloatArray, IntArray

MOST_BLOCKS = 20

# Doubled as often as needed, this gives 10 blocks for 1.25, 2.5, 5, 10, 20 s and so on.
_SHORTEST_MS = 125.0


@dataclass(frozen=True)
class IntervalMoments:
    """Sums over the inter-spike intervals I_1, I_2, ... of each neuron.

    Arrays of shape (n_neurons, blocks) are such sums for each block of time, in which an interval ends.

    Attributes
    ----------
    n : ndarray of int, shape (n_neurons,)
        Number of intervals. A neuron with n intervals fired n + 1 spikes.
    sum : ndarray of float, shape (n_neurons,), ms
        Sum of I.
    sum_sq : ndarray of float, shape (n_neurons,), ms^2
        Sum of I^2.
    cv2 : ndarray of float, shape (n_neurons,)
        Sum over the n - 1 pairs of 2 |I_{j+1} - I_j| / (I_{j+1} + I_j) [1]_.
    lv : ndarray of float, shape (n_neurons,)
        Sum over the n - 1 pairs of 3 ((I_j - I_{j+1}) / (I_j + I_{j+1}))^2 [2]_.
    lvr : ndarray of float, shape (n_neurons,), 1/ms
        The same sum with each term times 4 / (I_j + I_{j+1}); lv + R lvr is the sum of the terms of LvR for a
        refractory time R [3]_. It is nan in observations that were stored without it.

    References
    ----------
    .. [1] Holt et al. 1996.
    .. [2] Shinomoto et al. 2003.
    .. [3] Shinomoto et al. 2009.
    """

    n: CountArray
    sum: FloatArray
    sum_sq: FloatArray
    cv2: FloatArray
    lv: FloatArray
    lvr: FloatArray

    def narrowed(self) -> IntervalMoments:
        """Return the same moments with less memory.

        Returns
        -------
        IntervalMoments
            In narrow integers and single precision.
        """
        sums = [getattr(self, f.name).astype(np.float32) for f in fields(self) if f.name != "n"]
        return IntervalMoments(narrow(self.n), *sums)

    def widened(self) -> IntervalMoments:
        """Return the same moments for computing.

        Returns
        -------
        IntervalMoments
            In integers of 64 bits and double precision.
        """
        sums = [getattr(self, f.name).astype(np.float64) for f in fields(self) if f.name != "n"]
        return IntervalMoments(self.n.astype(np.int64), *sums)

    @staticmethod
    def joined(parts: Sequence[IntervalMoments]) -> IntervalMoments:
        """Join the moments of neurons that follow one another.

        Parameters
        ----------
        parts : sequence of IntervalMoments
            The moments, of some neurons each.

        Returns
        -------
        IntervalMoments
            Those of all of them.
        """
        names = [f.name for f in fields(IntervalMoments)]
        return IntervalMoments(*(np.concatenate([getattr(one, name) for one in parts]) for name in names))

    def __getitem__(self, rows: slice | IntArray | tuple[slice, int]) -> IntervalMoments:
        return IntervalMoments(*(getattr(self, f.name)[rows] for f in fields(self)))


class Blocks:
    """The length of the blocks: it is doubled whenever the measurement has 20 of them.

    steps  length of a block, in steps
    """

    def __init__(self, dt_ms: float) -> None:
        self.steps = max(round(_SHORTEST_MS / dt_ms), 1)

    def too_short(self, n_steps: int) -> bool:
        """Return whether a measurement of `n_steps` has 20 or more of these blocks."""
        return n_steps >= MOST_BLOCKS * self.steps

    def double(self) -> None:
        """Make every two blocks one."""
        self.steps *= 2

    def number(self, n_steps: int) -> int:
        """Return the number of blocks of a measurement of `n_steps`, with the incomplete last one."""
        return -(-n_steps // self.steps)
