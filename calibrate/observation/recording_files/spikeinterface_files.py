"""Sortings that SpikeInterface saved: folders, NPZ files, and the folders of its analyzers.

A unit without spikes is one of those that were saved, so it is silent; SpikeInterface itself takes out empty
units on demand.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import RecordingError
from calibrate.observation.packing import check_size
from calibrate.observation.recording_files.segments import Segments
from calibrate.observation.recording_files.sorted_units import Unit
from calibrate.observation.recording_files.sorting import (
    SpikesByUnit,
    check_rate,
    make_table_of_neurons,
    open_array,
    say_rate,
    to_ms,
)
from calibrate.observation.recording_files.table import Table, Wanted

_INFO, _SPIKES, _NPZ = "numpysorting_info.json", "spikes.npy", "sorting_cached.npz"
_ATTRIBUTES = "recording_info/recording_attributes.json"
_PARTS = (
    _INFO,
    _SPIKES,
    _NPZ,
    "properties/*.npy",
    f"sorting/{_INFO}",
    f"sorting/{_SPIKES}",
    "sorting/properties/*.npy",
    _ATTRIBUTES,
    "extensions/*_metrics/metrics.csv",
    "extensions/unit_locations/unit_locations.npy",
)
# What SpikeInterface calls the columns, and what they are called here.
_NAMES = {"brain_area": "area"}


def is_sorting(path: Path) -> bool:
    """Whether a folder holds a sorting of SpikeInterface, alone or in an analyzer."""
    return any((path / one).is_file() for one in (_INFO, _NPZ, f"sorting/{_INFO}"))


def files_of(path: Path) -> Iterator[Path]:
    """The files that are read of a folder."""
    return (one for part in _PARTS for one in path.glob(part))


def is_npz_sorting(path: Path) -> bool:
    """Whether an NPZ file is a sorting of SpikeInterface."""
    with np.load(path, allow_pickle=False) as arrays:
        return {"unit_ids", "num_segment", "sampling_frequency"} <= set(arrays.files)


def read_sorting(path: Path, wanted: Wanted) -> Table:
    """Read a folder, or an NPZ file."""
    wanted.refuse_time_unit("samples")
    if path.is_file() or (path / _NPZ).is_file():
        rate, names, spikes = _read_npz(path if path.is_file() else path / _NPZ)
        what, home = "a sorting of SpikeInterface", path
    else:
        analyzer = not (path / _INFO).is_file()
        home = path / "sorting" if analyzer else path
        what = f"{'an analyzer' if analyzer else 'a sorting'} of SpikeInterface"
        rate, names, spikes = _read_folder(home)
    columns = _properties(home, len(names)) | _extensions(path, names)
    return _make_table(spikes, rate, names, columns, _lengths(path), f"{what}, {say_rate(rate)}", wanted)


def _make_table(
    spikes: Sequence[tuple[NDArray[Any], NDArray[Any]]],
    rate: float,
    names: Sequence[int | str],
    columns: Mapping[str, Sequence[object]],
    lengths: Sequence[int] | None,
    understood: str,
    wanted: Wanted,
) -> Table:
    """Make the table of the samples and the places of the units of the spikes of each segment."""
    last = [int(samples.max(initial=-1)) + 1 for samples, _ in spikes]
    if lengths is not None and (len(lengths) != len(last) or (np.array(lengths) < last).any()):
        raise RecordingError(f"is damaged: its spikes go on after the end of the recording in {_ATTRIBUTES}")
    segments = Segments.of(
        [samples * 1000.0 / rate for samples in lengths or last],
        [f"segment_{k}" for k in range(len(last))],
        time_from=None if lengths is None else "recording_attributes.json",
    )
    trains: list[list[NDArray[np.float64]]] = [[] for _ in names]
    for (samples, places), start in zip(spikes, segments.intervals[:, 0], strict=True):
        found = SpikesByUnit.of(places)
        for place, times in zip(found.labels.tolist(), found.split(samples), strict=True):
            trains[place].append(to_ms(times, rate) + start if start else to_ms(times, rate))
    units = [
        Unit(
            label=label,
            times_ms=np.concatenate(pieces) if len(pieces) > 1 else pieces[0] if pieces else np.zeros(0),
            observed=segments.observed,
            columns={name: values[k] for name, values in columns.items()},
        )
        for k, (label, pieces) in enumerate(zip(names, trains, strict=True))
    ]
    table = make_table_of_neurons(
        units,
        wanted,
        understood=f"{understood}{segments.say()}",
        time_from=segments.time_from,
        periods=segments.periods,
    )
    return replace(table, notes=[*table.notes, *_silent(table)])


def _silent(table: Table) -> list[str]:
    sizes = np.array([]) if table.sizes is None else table.sizes
    silent = int((sizes == 0).sum())
    if not silent:
        return []
    return [
        f"{silent} of {sizes.size} units have no spikes and count as silent neurons; if they are none, save "
        "sorting.remove_empty_units()"
    ]


def _read_folder(home: Path) -> tuple[float, list[int | str], list[tuple[NDArray[Any], NDArray[Any]]]]:
    try:
        info = json.loads((home / _INFO).read_text(encoding="utf-8"))
        names, count, rate_hz = list(info["unit_ids"]), int(info["num_segments"]), info["sampling_frequency"]
    except (ValueError, KeyError, TypeError):
        raise RecordingError(f"has a {_INFO} that is not one of SpikeInterface, or damaged") from None
    rate = check_rate(rate_hz, f"sampling_frequency in {_INFO}")
    spikes = open_array(home / _SPIKES)
    if not {"sample_index", "unit_index"} <= set(spikes.dtype.names or ()):
        raise RecordingError(f"has a {_SPIKES} that is not one of SpikeInterface")
    places = spikes["unit_index"]
    if places.size and not 0 <= places.min() <= places.max() < len(names):
        raise RecordingError(f"is damaged: {_SPIKES} contains other units than {_INFO}")
    if count == 1:
        return rate, names, [(spikes["sample_index"], places)]
    segment = spikes["segment_index"]
    ends = np.searchsorted(segment, np.arange(count + 1))  # spikes are in the order of the segments
    return (
        rate,
        names,
        [(spikes["sample_index"][a:b], places[a:b]) for a, b in pairwise(ends)],
    )


def _read_npz(path: Path) -> tuple[float, list[int | str], list[tuple[NDArray[Any], NDArray[Any]]]]:
    check_size(path)
    with np.load(path, allow_pickle=False) as arrays:
        rate = check_rate(float(arrays["sampling_frequency"][0]), f"sampling_frequency in {path.name}")
        ids = arrays["unit_ids"]
        ascending = np.argsort(ids)
        spikes = []
        for k in range(int(arrays["num_segment"][0])):
            labels = arrays[f"spike_labels_seg{k}"]
            place = np.searchsorted(ids, labels, sorter=ascending)
            if labels.size and (place.max() >= ids.size or (ids[ascending[place]] != labels).any()):
                raise RecordingError("is damaged: spike_labels name other units than unit_ids")
            places = ascending[place] if labels.size else np.zeros(0, np.int64)
            spikes.append((arrays[f"spike_indexes_seg{k}"], places))
    return rate, ids.tolist(), spikes


def _lengths(path: Path) -> list[int] | None:
    """The samples of each segment of the recording, which analyzers know."""
    try:
        content = json.loads((path / _ATTRIBUTES).read_text(encoding="utf-8"))
        return [int(one) for one in content["num_samples"]]
    except (OSError, KeyError, TypeError, ValueError):
        return None


def _properties(home: Path, units: int) -> dict[str, list[object]]:
    """What the sorting says about its units: one value for each; Python objects are not read."""
    found: dict[str, list[object]] = {}
    for path in sorted(home.glob("properties/*.npy")):
        try:
            values = np.load(path, allow_pickle=False)
        except ValueError:
            continue
        if values.shape == (units,) and path.stem not in ("cluster", "population"):
            found[_NAMES.get(path.stem, path.stem)] = values.tolist()
    return found


def _extensions(path: Path, names: Sequence[int | str]) -> dict[str, list[object]]:
    """What an analyzer computed of the units: metrics, and the depth on the probe."""
    import pandas as pd

    found: dict[str, list[object]] = {}
    for table in sorted(path.glob("extensions/*_metrics/metrics.csv")):
        frame = pd.read_csv(table, index_col=0)
        frame.index = frame.index.astype(str)
        frame = frame.reindex([str(name) for name in names])
        found |= {str(name): frame[name].tolist() for name in frame.columns}
    locations = path / "extensions" / "unit_locations" / "unit_locations.npy"
    if locations.is_file():
        positions = open_array(locations)
        if positions.ndim == 2 and len(positions) == len(names):
            found["depth"] = positions[:, 1].tolist()
    return found
