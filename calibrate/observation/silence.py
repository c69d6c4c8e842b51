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
    first, last = np.searchsorted(times, [start_ms, stop_ms], side="right")
    inside = times[first:last]
    if inside.size < 2:
        return
    longest = max(_SHORTEST_MS, _EXPECTED * (stop_ms - start_ms) / inside.size)
    long = np.flatnonzero(np.diff(inside) >= longest)
    silences = [(inside[k], inside[k + 1]) for k in long]
    if inside[0] - start_ms >= longest:
        silences.insert(0, (start_ms, inside[0]))
    if stop_ms - inside[-1] >= longest:
        silences.append((inside[-1], stop_ms))
    if silences:
        begin, end = silences[0]
        more = f" (and {len(silences) - 1} times more)" if len(silences) > 1 else ""
        yield (
            f"no unit fires from {begin / 1000:.4g} to {end / 1000:.4g} s{more}, which counts as silence; if "
            "nothing was recorded then, analyse other times, or say when units were observed: obs_intervals "
            "in NWB, or Recording(observed=...)"
        )


def beyond_the_end(end_ms: float, stop_ms: float) -> Iterator[str]:
    """Yield a note if the analysed interval goes on after the end of the recording."""
    if stop_ms > end_ms + 1e-3:
        yield (
            f"the recording ends at {end_ms / 1000:.6g} s, before the analysed interval does at "
            f"{stop_ms / 1000:.6g} s; the rest counts as not recorded"
        )
