"""Observations as bytes: a compressed NPZ, in files and between processes."""

from __future__ import annotations

import io
import json
import operator
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from calibrate.errors import ObservationError, RecordingError
from calibrate.observation import (
    CountArray,
    Episode,
    Group,
    IntervalMoments,
    Layout,
    Observation,
    Presentation,
    Spikes,
    narrow,
)

FORMAT = 1

# Limits on one count and on a duration; sums of such counts still fit into 64 bits.
MOST_SPIKES = 2**40
LONGEST_MS = 1e15

_NUMBERS = ("dt_ms", "duration_ms", "bin_ms", "window_ms")
_COUNTS = ("group_bins", "neuron_windows", "neuron_totals")

# Level of zlib. Higher levels take ten times as long to make files a fifth smaller, but packing must stay
# cheap compared to simulating.
COMPRESSION = 1


@dataclass(frozen=True)
class Packed:
    """An observation as bytes, made by `pack`."""

    content: bytes = field(repr=False)

    def unpack(self) -> Observation:
        """Return the observation. Damaged bytes raise whatever exception their reader raises."""
        check_size(self.content)
        with np.load(io.BytesIO(self.content), allow_pickle=False) as arrays:
            return _observation(arrays)


def pack(observation: Observation, *, compression: int = COMPRESSION) -> Packed:
    """Return the observation as bytes; `compression` is the level of zlib, 0 for none."""
    head = {
        "format": FORMAT,
        "layout": [
            [group.population, group.cluster, group.start, group.stop] for group in observation.layout.groups
        ],
        **{name: getattr(observation, name) for name in _NUMBERS},
    }
    if observation.presentations:
        head["presentations"] = [
            [shown.population, list(shown.clusters), shown.start_ms, shown.stop_ms]
            for shown in observation.presentations
        ]
    if observation.episodes is not None:
        head["episodes"] = [
            [episode.start_ms, episode.stop_ms, episode.reward, dict(episode.measures)]
            for episode in observation.episodes
        ]
    arrays: dict[str, NDArray[Any]] = {"head": np.array(json.dumps(head))}
    for name in _COUNTS:
        arrays[name] = narrow(getattr(observation, name))
    arrays["depolarisation"] = observation.depolarisation
    for f in fields(IntervalMoments):
        sums = getattr(observation.intervals, f.name)
        arrays[f"intervals_{f.name}"] = narrow(sums) if f.name == "n" else sums
        if observation.interval_blocks is not None:
            arrays[f"blocks_{f.name}"] = getattr(observation.interval_blocks, f.name)
    if observation.spikes is not None:
        arrays["spikes_step"] = narrow(observation.spikes.step)
        arrays["spikes_neuron"] = narrow(observation.spikes.neuron)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=compression) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)
    return Packed(buffer.getvalue())


def check_size(file: Path | bytes) -> None:
    """Raise RecordingError if the unpacked arrays of an NPZ would not fit into memory."""
    with zipfile.ZipFile(io.BytesIO(file) if isinstance(file, bytes) else file) as archive:
        size = sum(info.file_size for info in archive.infolist())
    if size > psutil.virtual_memory().available:
        raise RecordingError(f"its arrays would need {size / 1e9:.3g} GB of memory")


def _check(observation: Observation) -> None:
    """Raise ObservationError for what no simulator produces, but a file can contain."""
    moments = observation.intervals
    if (moments.n < 0).any() or (moments.n > np.maximum(observation.neuron_totals - 1, 0)).any():
        raise ObservationError("a neuron has more inter-spike intervals than its spikes allow")
    for f in fields(moments):
        sums = getattr(moments, f.name)
        not_stored = f.name == "lvr" and np.isnan(sums).all()
        if not not_stored and not (np.isfinite(sums).all() and (sums >= 0).all()):
            raise ObservationError(f"sums of intervals ({f.name}) must be finite and not negative")
    blocks = observation.interval_blocks
    if blocks is not None and not np.array_equal(blocks.n.sum(axis=1, dtype=np.int64), moments.n):
        raise ObservationError("the inter-spike intervals in blocks and in total disagree")
    for f in fields(moments) if blocks is not None else ():
        sums = getattr(blocks, f.name)
        if not (np.isfinite(sums).all() and (sums >= 0).all()):
            raise ObservationError(f"sums of intervals in blocks ({f.name}) must be finite and not negative")
    if (observation.neuron_windows.sum(axis=1, dtype=np.int64) > observation.neuron_totals).any():
        raise ObservationError("a neuron has more spikes in its windows than in total")
    if np.isinf(observation.depolarisation).any():
        raise ObservationError("a depolarisation is infinite")
    if (spikes := observation.spikes) is not None:
        counts = np.bincount(spikes.neuron, minlength=observation.layout.n_neurons)
        last = round(observation.duration_ms / observation.dt_ms)
        inside = not spikes.step.size or (spikes.step.min() >= 0 and spikes.step.max() < last)
        if not (inside and np.array_equal(counts, observation.neuron_totals)):
            raise ObservationError("the spikes do not match the spike counts")
        if spikes.step.shape != spikes.neuron.shape or (np.diff(spikes.step) < 0).any():
            raise ObservationError("the spikes are not in temporal order")
    for shown in observation.presentations:
        clusters = {g.cluster for g in observation.layout.groups if g.population == shown.population}
        if not (clusters.issuperset(shown.clusters) and 0 <= shown.start_ms < shown.stop_ms):
            raise ObservationError("a stimulus has unknown clusters or an empty time interval")


def _number(given: Any) -> float:
    value = float(given)
    if not 0 < value < LONGEST_MS:
        raise ObservationError(f"{value:g} is not a valid duration")
    return value


def _counts(array: NDArray[Any]) -> CountArray:
    if array.dtype.kind not in "iu" or (array.size and array.max() > MOST_SPIKES):
        raise ObservationError("counts must be whole numbers")
    return array


def _check_and_widen(array: NDArray[Any]) -> NDArray[np.int64]:
    return _counts(array).astype(np.int64)


def _sums(array: NDArray[Any]) -> NDArray[np.float64]:
    if array.dtype.kind not in "iuf":
        raise ObservationError("sums must be numbers")
    return array.astype(float)


def _observation(arrays: Mapping[str, NDArray[Any]]) -> Observation:
    head = json.loads(str(arrays["head"]))
    if head["format"] > FORMAT:
        raise ObservationError("it was written by a newer version of calibrate")
    moments = {name: arrays[f"intervals_{name}"] for name in ("n", "sum", "sum_sq", "cv2", "lv")}
    # Files written before LvR was introduced do not have its sums.
    not_stored = np.full(moments["lv"].shape, np.nan)
    moments["lvr"] = arrays.get("intervals_lvr", not_stored)
    spikes = None
    if "spikes_step" in arrays:
        spikes = Spikes(_check_and_widen(arrays["spikes_step"]), _check_and_widen(arrays["spikes_neuron"]))
    groups = (Group(str(name), *map(operator.index, numbers)) for name, *numbers in head["layout"])
    sums = {name: _sums(array) for name, array in moments.items() if name != "n"}
    observation = Observation(
        layout=Layout(tuple(groups)),
        dt_ms=_number(head["dt_ms"]),
        duration_ms=_number(head["duration_ms"]),
        bin_ms=_number(head["bin_ms"]),
        group_bins=_counts(arrays["group_bins"]),
        window_ms=_number(head["window_ms"]),
        neuron_windows=_counts(arrays["neuron_windows"]),
        neuron_totals=_check_and_widen(arrays["neuron_totals"]),
        intervals=IntervalMoments(n=_check_and_widen(moments["n"]), **sums),
        depolarisation=_sums(arrays["depolarisation"]),
        interval_blocks=_blocks(arrays),
        spikes=spikes,
        presentations=tuple(
            Presentation(str(population), tuple(map(operator.index, clusters)), float(start), float(stop))
            for population, clusters, start, stop in head.get("presentations", ())
        ),
        episodes=_episodes(head["episodes"]) if "episodes" in head else None,
    )
    _check(observation)
    return observation


def _blocks(arrays: Mapping[str, NDArray[Any]]) -> IntervalMoments | None:
    """Return the moments in blocks; None in files written before they were introduced."""
    if "blocks_n" not in arrays:
        return None
    names = [f.name for f in fields(IntervalMoments)]
    blocks = {name: arrays[f"blocks_{name}"] for name in names}
    sums = {name: _sums(array) for name, array in blocks.items() if name != "n"}
    return IntervalMoments(n=_check_and_widen(blocks["n"]), **sums)


def _episodes(rows: Sequence[Any]) -> tuple[Episode, ...]:
    return tuple(
        Episode(
            float(start),
            float(stop),
            float(reward),
            {str(key): float(value) for key, value in measures.items()},
        )
        for start, stop, reward, measures in rows
    )
