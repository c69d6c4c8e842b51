"""Folders in the ALF of the International Brain Laboratory: files with the name object.attribute.extension.

Times are in seconds on one clock. All files of an object have one row for each of its members.
`spikes.clusters` are rows of the object `clusters`, whose rows without spikes are left over from sorting.
Names may have a namespace in front, and further parts, such as a UUID, before the extension.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import RecordingError
from calibrate.observation.recording_files.cluster_tables import cluster_table_files, read_cluster_tables
from calibrate.observation.recording_files.labels import as_text
from calibrate.observation.recording_files.sorted_units import Unit
from calibrate.observation.recording_files.sorting import (
    QUALITY,
    SpikesByUnit,
    check_lengths,
    load_array,
    make_table_of_neurons,
    open_array,
)
from calibrate.observation.recording_files.table import Table, Wanted

_NAME = re.compile(
    r"(_[^_.]+_)?(?P<object>[a-zA-Z]+)\.(?P<attribute>_?[a-zA-Z0-9_]+)(\..+)?\.(?P<suffix>\w+)"
)
# What ALF files call the columns, and what they are called here.
_NAMES = {
    "depths": "depth",
    "amps": "amplitude",
    "channels": "channel",
    "acronym": "area",
    "ks2_label": "KSLabel",
}
# The same of the channels, of which clusters take theirs.
_OF_CHANNELS = {"localcoordinates": "depth", "acronym": "area", "brainlocationids": "area"}
_INTERVALS = frozenset({("intervals", "npy"), ("table", "pqt")})
# The numbers of Phy's groups in clusters._phy_annotation.
_PHY = {0: "noise", 1: "mua", 2: "good", 3: "unsorted"}
_MS = 1000.0


def is_alf(path: Path) -> bool:
    """Whether spikes in ALF are in a folder, or in those of its probes."""
    return bool(_probes(path))


def read_alf(path: Path, wanted: Wanted) -> Table:
    """Read the folder of one probe, or of several, which share one clock."""
    wanted.refuse_time_unit("s")
    probes = _probes(path)
    units, notes = [], []
    for name, folders in probes.items():
        if len(folders) > 1:
            names = ", ".join(os.path.relpath(one, path) for one in folders)
            raise RecordingError(f"contains several sortings of {name} ({names}): name one of them")
        of_probe, of_it = _read_units(folders[0], name)
        units += of_probe
        notes += of_it
    several = f" ({len(probes)} probes)" if len(probes) > 1 else ""
    table = make_table_of_neurons(
        units, wanted, understood=f"ALF{several}, times in s", periods=dict(_periods(path)), start_ms=None
    )
    return replace(table, notes=[*table.notes, *notes])


def _probes(path: Path) -> dict[str, list[Path]]:
    """The folders with spikes of each probe, by its name; without a name for those in the folder itself."""
    if _has_spikes(path):
        return {"": [path]}
    found = {}
    for one in sorted(path.glob("probe*")):
        if not one.is_dir():
            continue
        inside = [one, *(below for below in sorted(one.iterdir()) if below.is_dir())]
        if folders := [folder for folder in inside if _has_spikes(folder)]:
            found[one.name] = folders
    return found


def _read_units(path: Path, probe: str) -> tuple[list[Unit], list[str]]:
    times_file, units_file = _find(path, "spikes", "times"), _find(path, "spikes", "clusters")
    if times_file is None or units_file is None:
        raise RecordingError("has spikes.times, but no spikes.clusters, so nothing says which unit fired")
    times, numbers = load_array(times_file), load_array(units_file, whole=True)
    check_lengths({times_file.name: times, units_file.name: numbers})
    if not times.size:
        raise RecordingError(f"contains no spikes{f' of {probe}' if probe else ''}")
    spikes = SpikesByUnit.of(numbers)
    columns, notes = _columns(path, int(spikes.labels[-1]) + 1)
    units = [
        Unit(
            label=f"{probe}.{label}" if probe else label,
            times_ms=of_unit * _MS,
            columns={
                **{name: values[label] for name, values in columns.items()},
                **({"probe": probe} if probe else {}),
                "n_spikes": of_unit.size,
            },
        )
        for label, of_unit in zip(spikes.labels.tolist(), spikes.split(times), strict=True)
    ]
    return units, notes


def _files(path: Path, name: str) -> Iterator[tuple[str, Path]]:
    """The files of an object in a folder, with the attribute of each."""
    for one in sorted(path.iterdir()):
        found = _NAME.fullmatch(one.name)
        if found and found["object"] == name and one.is_file():
            yield found["attribute"], one


def _has_spikes(path: Path) -> bool:
    return any(what == "times" and one.suffix == ".npy" for what, one in _files(path, "spikes"))


def _find(path: Path, name: str, attribute: str) -> Path | None:
    found = [one for what, one in _files(path, name) if what == attribute and one.suffix == ".npy"]
    if len(found) > 1:
        names = " and ".join(one.name for one in found)
        raise RecordingError(f"has {names}: keep one of them in the folder")
    return found[0] if found else None


def _columns(path: Path, least: int) -> tuple[dict[str, list[object]], list[str]]:
    """What the folder says about each cluster, and what it cannot be asked.

    least  how many clusters there are at least
    """
    found: dict[str, list[object]] = {}
    notes: list[str] = []
    for attribute, one in _files(path, "clusters"):
        if one.suffix == ".npy":
            found |= _array(attribute, one, least)
        elif attribute == "metrics":
            try:
                found |= _metrics(one, least)
            except ImportError:
                notes.append(
                    f"{one.name}, which says how good units are, needs a package: pip install pyarrow"
                )
    for name, values in read_cluster_tables(path).items():  # where phylib leaves what Kilosort says
        found.setdefault(name, [values.get(cluster, "") for cluster in range(least)])
    columns = {_NAMES.get(name, name): values for name, values in found.items()}
    columns = {**_places(path, columns.get("channel")), **columns}
    quality = _quality(found)
    return ({QUALITY: quality, **columns} if quality else columns), notes


def _array(attribute: str, path: Path, least: int) -> dict[str, list[object]]:
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError:
        return {}
    column = values.size == max(values.shape, default=0) and values.size >= least
    return {attribute: values.reshape(-1).tolist()} if column else {}


def _metrics(path: Path, least: int) -> dict[str, list[object]]:
    """The table of metrics, which has rows for some or all clusters."""
    import pandas as pd

    frame = pd.read_parquet(path) if path.suffix == ".pqt" else pd.read_csv(path)
    if "cluster_id" in frame.columns:
        frame = frame.set_index("cluster_id")
        frame = frame[~frame.index.duplicated()].reindex(range(max(least, int(frame.index.max()) + 1)))
    if len(frame) < least:
        return {}
    frame = frame.drop(columns=[name for name in frame.columns if str(name).startswith("Unnamed")])
    return {
        str(name): ["" if pd.isna(one) else one for one in frame[name].tolist()] for name in frame.columns
    }


def _quality(found: Mapping[str, list[object]]) -> list[object]:
    """The verdicts on units: by hand in Phy, else good if they pass all criteria, else those of Kilosort."""
    if "group" in found:
        return [one or "unsorted" for one in found["group"]]
    if "_phy_annotation" in found:
        return [_PHY.get(int(as_text(one)), "unsorted") for one in found["_phy_annotation"]]
    if (
        "label" in found
    ):  # the fraction of the criteria of the International Brain Laboratory that a unit passes
        return ["good" if one == 1 else "not good" for one in found["label"]]
    return [one or "unsorted" for one in found.get("ks2_label", found.get("KSLabel", []))]


def _places(path: Path, channel: list[object] | None) -> dict[str, list[object]]:
    """Depth and area of each cluster, which are those of its channel."""
    places: dict[str, list[object]] = {}
    rows = np.array([int(float(as_text(one))) for one in channel or ()], dtype=np.int64)
    for attribute, one in _files(path, "channels"):
        name = next(
            (name for start, name in _OF_CHANNELS.items() if attribute.lower().startswith(start)), None
        )
        if name is None or one.suffix != ".npy":
            continue
        values = open_array(one)
        values = values[:, 1] if name == "depth" else values.reshape(-1)
        if rows.size and rows.min() >= 0 and rows.max() < len(values):
            places.setdefault(name, values[rows].tolist())  # acronyms come before numbers of areas
    return places


def files_of(path: Path) -> Iterator[Path]:
    """The files that are read of a folder, or next to it."""
    for folder in (one for folders in _probes(path).values() for one in folders):
        yield from (one for what, one in _files(folder, "spikes") if what in ("times", "clusters"))
        for name in ("clusters", "channels"):
            yield from (one for _, one in _files(folder, name))
        yield from cluster_table_files(folder)
    yield from (one for _, one in _interval_files(path))


def _interval_files(path: Path) -> Iterator[tuple[str, Path]]:
    """The files of intervals of the session, such as those of trials, with the name of their object."""
    path = path.resolve()
    inside = "alf" in [one.name for one in (path, *path.parents[:3])]
    for folder in (path, *path.parents[:3]) if inside else (path,):
        for one in sorted(folder.iterdir()):
            found = _NAME.fullmatch(one.name)
            if found and (found["attribute"], found["suffix"]) in _INTERVALS and one.is_file():
                yield found["object"], one
        if folder.name == "alf":
            return


def _periods(path: Path) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """The intervals of the session by the name of their object."""
    for name, one in _interval_files(path):
        try:
            values = _table_of_trials(one) if one.suffix == ".pqt" else np.load(one, allow_pickle=False)
        except (ImportError, ValueError):
            continue
        if values.ndim == 2 and values.shape[1] == 2 and values.dtype.kind in "fiu":
            values = values.astype(float)
            yield name, values[values[:, 1] > values[:, 0]] * _MS


def _table_of_trials(path: Path) -> NDArray[Any]:
    import pandas as pd

    return pd.read_parquet(path, columns=["intervals_0", "intervals_1"]).to_numpy()
