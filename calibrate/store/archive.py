"""Observations in files: compressed, written whole or not at all, and checked when read."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import CalibrateError, StoreError
from calibrate.observation import Episode, Group, IntervalMoments, Layout, Observation, Presentation, Spikes

FORMAT = 1

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
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return _observation(arrays)
    except (zipfile.BadZipFile, KeyError, ValueError, CalibrateError) as error:
        raise StoreError(f"{path} is not an observation of calibrate: {error}") from None


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
        spikes = Spikes(arrays["spikes_step"].astype(np.int64), arrays["spikes_neuron"].astype(np.int64))
    return Observation(
        layout=Layout(tuple(Group(*group) for group in head["layout"])),
        dt_ms=head["dt_ms"],
        duration_ms=head["duration_ms"],
        bin_ms=head["bin_ms"],
        group_bins=arrays["group_bins"].astype(np.int64),
        window_ms=head["window_ms"],
        neuron_windows=arrays["neuron_windows"].astype(np.int64),
        neuron_totals=arrays["neuron_totals"].astype(np.int64),
        intervals=IntervalMoments(
            **{name: array.astype(np.int64 if name == "n" else float) for name, array in moments.items()}
        ),
        depolarisation=arrays["depolarisation"],
        spikes=spikes,
        presentations=tuple(
            Presentation(population, tuple(clusters), start, stop)
            for population, clusters, start, stop in head.get("presentations", ())
        ),
        episodes=tuple(Episode(*one) for one in head["episodes"]) if "episodes" in head else None,
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
