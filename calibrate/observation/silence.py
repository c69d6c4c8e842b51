"""Silence in a recorded table that can be time in which nothing was recorded."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

# A silence is noted if it is as long as this, and if this many spikes are expected in it.
_SHORTEST_MS = 1000.0
_EXPECTED = 50


def long_silence(times: NDArray[np.float64], start_ms: float, stop_ms: float) -> Iterator[str]:
    """Yield a note if no unit fires for a time in which all units together usually fire often.

    times  the spikes of all units, ascending, ms
    """
    inside = times[(times > start_ms) & (times <= stop_ms)]
    if inside.size < 2:
        return
    edges = np.array([start_ms, *inside, stop_ms])
    gaps = np.diff(edges)
    longest = max(_SHORTEST_MS, _EXPECTED * (stop_ms - start_ms) / inside.size)
    long = np.flatnonzero(gaps >= longest)
    if long.size:
        first, last = edges[long[0]] / 1000, edges[long[0] + 1] / 1000
        more = f" (and {long.size - 1} times more)" if long.size > 1 else ""
        yield (
            f"no unit fires from {first:.4g} to {last:.4g} s{more}, which counts as silence; if nothing was "
            "recorded then, analyse other times, or say when units were observed: obs_intervals in NWB, or "
            "Recording(observed=...)"
        )


def beyond_the_end(end_ms: float, stop_ms: float) -> Iterator[str]:
    """Yield a note if the analysed interval goes on after the end of the recording."""
    if stop_ms > end_ms + 1e-3:
        yield (
            f"the recording ends at {end_ms / 1000:.6g} s, before the analysed interval does at "
            f"{stop_ms / 1000:.6g} s; the rest counts as not recorded"
        )
