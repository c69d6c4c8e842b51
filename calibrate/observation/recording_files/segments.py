"""Recordings in segments that each begin at 0, laid out one after another with a gap that belongs to none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Enough that no interval between spikes, no bin and no window reaches from one segment into the next.
GAP_MS = 1000.0


@dataclass(frozen=True)
class Segments:
    """Where the segments of a recording lie.

    intervals  shape (n, 2), ms
    names      of the segments
    time_from  what says how long they are; "" if nothing does, and there is one
    """

    intervals: NDArray[np.float64]
    names: Sequence[str]
    time_from: str

    @classmethod
    def of(cls, lengths_ms: Sequence[float], names: Sequence[str], time_from: str | None = None) -> Segments:
        """Lay out segments of these lengths, which are those up to the last spikes if nothing says them."""
        if time_from is None:
            time_from = "the last spike of each segment" if len(names) > 1 else ""
        lengths = np.asarray(lengths_ms, dtype=float)
        starts = np.cumsum([0.0, *(lengths[:-1] + GAP_MS)])
        return cls(np.column_stack([starts, starts + lengths]), names, time_from)

    @property
    def several(self) -> bool:
        """Whether there are more than one."""
        return len(self.names) > 1

    @property
    def observed(self) -> NDArray[np.float64] | None:
        """The intervals in which units were observed; None if nothing says when the recording ended."""
        kept = self.intervals[np.diff(self.intervals)[:, 0] > 0]
        return kept if self.time_from else None

    @property
    def periods(self) -> dict[str, NDArray[np.float64]]:
        """The segments by name, if there are several."""
        return {name: one[None] for name, one in zip(self.names, self.intervals, strict=True) if self.several}

    def say(self) -> str:
        """Say how several segments follow one another."""
        gap = f"with gaps of {GAP_MS / 1000:g} s between them"
        return f", {len(self.names)} segments one after another {gap}" if self.several else ""
