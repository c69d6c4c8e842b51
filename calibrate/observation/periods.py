"""Named times of a recording, such as epochs and trials: to restrict it to them, and as stimuli."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import RecordingError, did_you_mean
from calibrate.observation import Presentation
from calibrate.observation.pieces import joined
from calibrate.observation.recording import Recording

FloatArray = NDArray[np.float64]

# Names of intervals in which a stimulus was presented; or the clusters that receive it, by name.
Stimuli = str | Mapping[str, Sequence[int]]

# More names than this are not listed.
_MOST = 12


def restricted(recording: Recording, period: str) -> Recording:
    """Restrict a recording to the intervals of a period. Time outside of them is not silence.

    Raises RecordingError if there is no such period, or if no unit was observed then.
    """
    every = _intervals(recording, period)
    inside = joined(every[every[:, 1] > every[:, 0]])
    found: dict[bytes, FloatArray] = {}

    def during(intervals: FloatArray) -> FloatArray:
        key = intervals.tobytes()
        if key not in found:
            found[key] = intersection(intervals, inside)
        return found[key]

    observed = {name: [during(one) for one in units] for name, units in recording.observed.items()}
    times = [one for units in observed.values() for one in units if len(one)]
    if not times:
        raise RecordingError(f"no unit was observed during '{period}'")
    start = max(recording.start_ms, min(float(one[0, 0]) for one in times))
    stop = min(recording.stop_ms, max(float(one[-1, 1]) for one in times))
    return replace(
        recording, observed=observed, start_ms=start, stop_ms=stop, trials_ms=np.unique(every[:, 0])
    )


def presented(recording: Recording, stimuli: Stimuli, lead_ms: float | None = None) -> Recording:
    """Say when stimuli were presented: each interval of a name is a presentation.

    stimuli  a name, of a stimulus to all clusters; or the clusters that receive each stimulus, by name
    lead_ms  pieces of a given length begin so long before a presentation; None: anywhere

    Raises RecordingError if there is no such name, or no such cluster.
    """
    given = {stimuli: None} if isinstance(stimuli, str) else stimuli
    shown = [
        Presentation(population, clusters, float(start), float(stop))
        for name, receiving in given.items()
        for population, clusters in _receivers(recording, name, receiving)
        for start, stop in _intervals(recording, name)
        if recording.start_ms <= start < recording.stop_ms
    ]
    shown.sort(key=lambda one: one.start_ms)
    return replace(recording, presentations=tuple(shown), lead_ms=lead_ms)


def _receivers(
    recording: Recording, name: str, clusters: Sequence[int] | None
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The clusters of each population that receive a stimulus."""
    numbers = {population: len(recording.clusters.get(population, (1,))) for population in recording.trains}
    most = max(numbers.values())
    if clusters is not None and not all(0 <= cluster < most for cluster in clusters):
        wrong = next(cluster for cluster in clusters if not 0 <= cluster < most)
        raise RecordingError(f"the stimulus '{name}' has the cluster {wrong}, but there are 0 to {most - 1}")
    for population, n in numbers.items():
        receiving = tuple(range(n)) if clusters is None else tuple(k for k in clusters if k < n)
        if receiving:
            yield population, receiving


def _intervals(recording: Recording, name: str) -> FloatArray:
    """The intervals of this name, in order of time, shape (n, 2), ms."""
    if name not in recording.periods:
        hint = did_you_mean(name, recording.periods)
        raise RecordingError(f"has no period '{name}'{hint}; it has {list_periods(recording)}")
    every = np.asarray(recording.periods[name], dtype=float).reshape(-1, 2)
    return every[np.lexsort((every[:, 1], every[:, 0]))]


def list_periods(recording: Recording) -> str:
    """The names of periods, with their number and total length: evoked (40, 80 s in total)."""
    lengths = {name: np.asarray(one, dtype=float).reshape(-1, 2) for name, one in recording.periods.items()}
    words = [
        f"{name} ({len(one)}, {float((one[:, 1] - one[:, 0]).sum()) / 1000:.4g} s in total)"
        for name, one in lengths.items()
    ]
    more = f", and {len(words) - _MOST} more" if len(words) > _MOST else ""
    return ", ".join(words[:_MOST]) + more if words else "no named periods"


def intersection(one: FloatArray, other: FloatArray) -> FloatArray:
    """The time in both of two lists of disjoint intervals in order, shape (n, 2)."""
    if not (len(one) and len(other)):
        return np.zeros((0, 2))
    first = np.searchsorted(other[:, 1], one[:, 0], side="right")
    beyond = np.searchsorted(other[:, 0], one[:, 1], side="left")
    number = np.maximum(beyond - first, 0)
    row = np.repeat(np.arange(len(one)), number)
    within = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
    partner = other[first[row] + within]
    return np.stack([np.maximum(one[row, 0], partner[:, 0]), np.minimum(one[row, 1], partner[:, 1])], axis=1)
