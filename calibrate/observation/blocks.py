"""Blocks of time of a measurement whose length is not known in advance."""

from __future__ import annotations

MOST_BLOCKS = 20

# Doubled as often as needed, this gives 10 blocks for 1.25, 2.5, 5, 10, 20 s and so on.
_SHORTEST_MS = 125.0


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
