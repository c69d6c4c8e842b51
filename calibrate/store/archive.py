"""Observations in files: compressed, written whole or not at all, and checked when read."""

from __future__ import annotations

import hashlib
import io
import json
import operator
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import ObservationError, StoreError
from calibrate.observation import Episode, Group, IntervalMoments, Layout, Observation, Presentation, Spikes
from calibrate.recording import check_size

FORMAT = 1

# So many of one neuron or bin that sums of them still fit into 64 bits.
MOST_SPIKES = 2**40
LONGEST_MS = 1e15

_NUMBERS = ("dt_ms", "duration_ms", "bin_ms", "window_ms")
_COUNTS = ("group_bins", "neuron_windows", "neuron_totals")


def folder_in(base: Path, study: str) -> Path:
    """The folder of the observations of `study` in that of its files."""
    return base / f"{study}.observations"


def save(observation: Observation, path: Path) -> str:
    """Write `observation` to `path` in one step; returns the file's SHA-256.

    Raises StoreError where it cannot be written, as on a full disk; then there is no file.
    """
    head = {
        "format": FORMAT,
        "layout": [
            [group.population, group.cluster, group.start, group.stop] for group in observation.layout.groups
        ],
        **{name: getattr(observation, name) for name in _NUMBERS},
    }
    if observation.presentations:
        head["presentations"] = [
            [one.population, list(one.clusters), one.start_ms, one.stop_ms]
            for one in observation.presentations
        ]
    if observation.episodes is not None:
        head["episodes"] = [
            [one.start_ms, one.stop_ms, one.reward, dict(one.measures)] for one in observation.episodes
        ]
    arrays: dict[str, NDArray[Any]] = {"head": np.array(json.dumps(head))}
    for name in _COUNTS:
        arrays[name] = _narrow(getattr(observation, name))
    arrays["depolarisation"] = observation.depolarisation
    for f in fields(IntervalMoments):
        arrays[f"intervals_{f.name}"] = _narrow(getattr(observation.intervals, f.name))
    if observation.spikes is not None:
        arrays["spikes_step"] = _narrow(observation.spikes.step)
        arrays["spikes_neuron"] = _narrow(observation.spikes.neuron)
    buffer = io.BytesIO()
    # The type stubs take the second argument of savez for a switch.
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    content = buffer.getvalue()
    _write(content, path)
    return hashlib.sha256(content).hexdigest()


def load(path: Path, sha256: str | None = None) -> Observation:
    """The observation in the file at `path`.

    Raises StoreError if the file is missing, was changed since `sha256` was taken, or holds something else.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StoreError(f"the observation {path} cannot be read: {error.strerror}") from None
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise StoreError(f"the observation {path} was changed since it was written: its hash differs")
    try:
        check_size(content)
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return _observation(arrays)
    except Exception as error:  # of whatever reads damaged bytes
        what = " ".join(str(error).split()) or type(error).__name__
        raise StoreError(f"{path} is not an observation of calibrate: {what}") from None


def _checked(observation: Observation) -> Observation:
    """The observation, if statistics can rely on it: simulators make no others, but files may hold them."""
    moments = observation.intervals
    if (moments.n < 0).any() or (moments.n > np.maximum(observation.neuron_totals - 1, 0)).any():
        raise ObservationError("a neuron has more intervals than its spikes have between them")
    for f in fields(moments):
        found = getattr(moments, f.name)
        unknown = f.name == "lvr" and np.isnan(found).all()
        if not unknown and not (np.isfinite(found).all() and (found >= 0).all()):
            raise ObservationError(f"sums of intervals ({f.name}) must be numbers of at least 0")
    if (observation.neuron_windows.sum(axis=1) > observation.neuron_totals).any():
        raise ObservationError("a neuron has more spikes in its windows than in all")
    if np.isinf(observation.depolarisation).any():
        raise ObservationError("a depolarisation is infinite")
    if (spikes := observation.spikes) is not None:
        counts = np.bincount(spikes.neuron, minlength=observation.layout.n_neurons)
        last = round(observation.duration_ms / observation.dt_ms)
        inside = not spikes.step.size or (spikes.step.min() >= 0 and spikes.step.max() < last)
        if not (inside and np.array_equal(counts, observation.neuron_totals)):
            raise ObservationError("the spikes are not those that were counted")
        if spikes.step.shape != spikes.neuron.shape or (np.diff(spikes.step) < 0).any():
            raise ObservationError("the spikes are not in order of time")
    for one in observation.presentations:
        clusters = {g.cluster for g in observation.layout.groups if g.population == one.population}
        if not (clusters.issuperset(one.clusters) and 0 <= one.start_ms < one.stop_ms):
            raise ObservationError("a stimulus was shown to clusters that are not there, or at no time")
    return observation


def _number(given: Any) -> float:
    value = float(given)
    if not 0 < value < LONGEST_MS:
        raise ObservationError(f"{value:g} is no length of time")
    return value


def _counts(array: NDArray[Any]) -> NDArray[np.int64]:
    if array.dtype.kind not in "iu" or (array.size and array.max() > MOST_SPIKES):
        raise ObservationError("counts must be whole numbers")
    return array.astype(np.int64)


def _sums(array: NDArray[Any]) -> NDArray[np.float64]:
    if array.dtype.kind not in "iuf":
        raise ObservationError("sums must be numbers")
    return array.astype(float)


def _observation(arrays: Mapping[str, NDArray[Any]]) -> Observation:
    head = json.loads(str(arrays["head"]))
    if head["format"] > FORMAT:
        raise StoreError("a newer version of calibrate wrote it")
    moments = {name: arrays[f"intervals_{name}"] for name in ("n", "sum", "sum_sq", "cv2", "lv")}
    # Files written before LvR came to be have no sums for it.
    unknown = np.full(moments["lv"].shape, np.nan)
    moments["lvr"] = arrays.get("intervals_lvr", unknown)
    spikes = None
    if "spikes_step" in arrays:
        spikes = Spikes(_counts(arrays["spikes_step"]), _counts(arrays["spikes_neuron"]))
    groups = (Group(str(name), *map(operator.index, numbers)) for name, *numbers in head["layout"])
    sums = {name: _sums(array) for name, array in moments.items() if name != "n"}
    found = Observation(
        layout=Layout(tuple(groups)),
        dt_ms=_number(head["dt_ms"]),
        duration_ms=_number(head["duration_ms"]),
        bin_ms=_number(head["bin_ms"]),
        group_bins=_counts(arrays["group_bins"]),
        window_ms=_number(head["window_ms"]),
        neuron_windows=_counts(arrays["neuron_windows"]),
        neuron_totals=_counts(arrays["neuron_totals"]),
        intervals=IntervalMoments(n=_counts(moments["n"]), **sums),
        depolarisation=_sums(arrays["depolarisation"]),
        spikes=spikes,
        presentations=tuple(
            Presentation(str(population), tuple(map(operator.index, clusters)), float(start), float(stop))
            for population, clusters, start, stop in head.get("presentations", ())
        ),
        episodes=_episodes(head["episodes"]) if "episodes" in head else None,
    )
    return _checked(found)


def _episodes(found: Sequence[Any]) -> tuple[Episode, ...]:
    return tuple(
        Episode(
            float(start),
            float(stop),
            float(reward),
            {str(key): float(value) for key, value in measures.items()},
        )
        for start, stop, reward, measures in found
    )


def _narrow(array: NDArray[Any]) -> NDArray[Any]:
    """The same counts in the smallest integer type; floats as they are."""
    if array.dtype.kind != "i" or not array.size:
        return array
    return array.astype(np.result_type(np.min_scalar_type(array.min()), np.min_scalar_type(array.max())))


def _write(content: bytes, path: Path) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StoreError(f"cannot write the observation {path}: {error.strerror}") from None
