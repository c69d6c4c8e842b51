"""Folders of Phy and Kilosort, whose layout Phy documents and its library phylib reads.

Spikes are samples from the start of the recording. Numbers of clusters vanish when clusters are merged or
split, so only those with spikes are units. Nothing in params.py is executed.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from calibrate.errors import RecordingError
from calibrate.observation.recording_files.cluster_tables import cluster_table_files, read_cluster_tables
from calibrate.observation.recording_files.sorted_units import Unit
from calibrate.observation.recording_files.sorting import (
    QUALITY,
    SpikesByUnit,
    check_lengths,
    check_rate,
    load_array,
    make_table_of_neurons,
    say_rate,
    to_ms,
)
from calibrate.observation.recording_files.table import Table, Wanted
from calibrate.observation.recording_files.template_positions import positions_of

_PARTS = (
    "params.py",
    "spike_times.npy",
    "spike_clusters.npy",
    "spike_templates.npy",
    "amplitudes.npy",
    "templates.npy",
    "template_ind.npy",
    "whitening_mat_inv.npy",
    "channel_positions.npy",
    "channel_shanks.npy",
)
# What Phy calls the columns, and what they are called here.
_NAMES = {"group": QUALITY, "ch": "channel", "sh": "shank", "amp": "amplitude"}
_FLAT = frozenset({".dat", ".bin", ".raw"})
_RATE = (
    "write the sampling rate there, such as sample_rate = 30000, or say sampling_rate_hz = 30000 "
    "(--sampling-rate-hz 30000) if there is no params.py"
)


def is_phy(path: Path) -> bool:
    """Whether a folder is one of Phy or Kilosort."""
    return (path / "spike_times.npy").is_file()


def files_of(path: Path) -> Iterator[Path]:
    """The files that are read of a folder."""
    yield from (path / part for part in _PARTS)
    yield from cluster_table_files(path)


def read_phy(path: Path, wanted: Wanted) -> Table:
    """Read the folder."""
    has_params = (path / "params.py").is_file()
    if has_params or wanted.sampling_rate_hz is None:
        wanted.refuse_time_unit("samples")
    params = _read_params(path / "params.py") if has_params else {"sample_rate": wanted.sampling_rate_hz}
    if params.get("sample_rate") is None:
        unknown = "has no params.py, so its sampling rate is not known"
        what = "params.py has no sample_rate that is a number" if has_params else unknown
        raise RecordingError(f"{what}: {_RATE}")
    rate = check_rate(params["sample_rate"], "sample_rate in params.py" if has_params else "sampling_rate_hz")
    units, last = _read_units(path, rate)
    length, traces, notes = _length(params, path, last)
    if length is not None:
        observed = np.array([[0.0, length * 1000.0 / rate]])
        units = [replace(unit, observed=observed) for unit in units]
    understood = f"a folder of Phy or Kilosort, {say_rate(rate)}"
    table = make_table_of_neurons(units, wanted, understood=understood, time_from=traces)
    return replace(table, notes=[*table.notes, *notes])


def _read_units(path: Path, rate: float) -> tuple[list[Unit], int]:
    """The units, and the last sample with a spike.

    Hours hold many spikes, so few arrays of them exist at a time.
    """
    names = [one for one in ("spike_clusters.npy", "spike_templates.npy") if (path / one).is_file()]
    if not names:
        raise RecordingError("has spike_times.npy, but neither spike_clusters.npy nor spike_templates.npy")
    samples = load_array(path / "spike_times.npy", whole=True)
    numbers = load_array(path / names[0], whole=True)
    check_lengths({"spike_times.npy": samples, names[0]: numbers})
    if not samples.size:
        raise RecordingError("contains no spikes")
    spikes = SpikesByUnit.of(numbers)
    del numbers
    columns = _columns(path, spikes)
    units = [
        Unit(
            label=int(label),
            times_ms=to_ms(of_unit, rate),
            columns={name: values[label] for name, values in columns.items() if label in values},
        )
        for label, of_unit in zip(spikes.labels.tolist(), spikes.split(samples), strict=True)
    ]
    return units, int(samples.max())


def _read_params(path: Path) -> dict[str, object]:
    """The names of params.py that stand for plain values, in lower case as Phy takes them."""
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        statements = ast.parse(text).body
    except SyntaxError:  # a path of Windows with backslashes spoils its own line only
        statements = [one for line in text.splitlines() for one in _parse_line(line)]
    found: dict[str, object] = {}
    for one in statements:
        if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name):
            try:
                found[one.targets[0].id.lower()] = ast.literal_eval(one.value)
            except ValueError:
                continue
    return found


def _parse_line(line: str) -> list[ast.stmt]:
    try:
        return ast.parse(line.strip()).body
    except SyntaxError:
        return []


def _length(params: Mapping[str, object], folder: Path, last: int) -> tuple[int | None, str, list[str]]:
    """The samples of the recording, the name of its file, and what to say if that is not believed."""
    named = params.get("dat_path")
    names = [named] if isinstance(named, str) else named if isinstance(named, list | tuple) else []
    paths = [folder / str(name) for name in names]
    unknown: tuple[int | None, str, list[str]] = (None, "", [])
    if not paths or not all(path.is_file() for path in paths):
        return unknown
    lengths = [_samples_in(path, params) for path in paths]
    said = " and ".join(path.name for path in paths)
    if None in lengths:
        return (
            *unknown[:2],
            [f"{said} does not fit n_channels_dat and dtype in params.py, so its length is not used"],
        )
    length = sum(one for one in lengths if one is not None)
    if length <= last:
        return (*unknown[:2], [f"{said} ends before the last spike, so its length is not used"])
    return length, said, []


def _samples_in(path: Path, params: Mapping[str, object]) -> int | None:
    """The number of samples of a file of raw traces, of which only the size is looked at."""
    if path.suffix == ".cbin":  # compressed, and described in a file beside it
        return _samples_in_compressed(path.with_suffix(".ch"))
    channels, offset = params.get("n_channels_dat"), params.get("offset", 0)
    if (
        path.suffix not in _FLAT
        or not isinstance(channels, int)
        or not isinstance(offset, int)
        or channels < 1
    ):
        return None
    try:
        width = np.dtype(str(params.get("dtype", "int16"))).itemsize
    except TypeError:
        return None
    samples, rest = divmod(path.stat().st_size - offset, channels * width)
    return None if rest else samples


def _samples_in_compressed(path: Path) -> int | None:
    try:
        return int(json.loads(path.read_text(encoding="utf-8"))["chunk_bounds"][-1])
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return None


def _columns(folder: Path, spikes: SpikesByUnit) -> dict[str, dict[int, object]]:
    """What the folder says about each unit with spikes, by column and number of the unit."""
    tables = read_cluster_tables(folder)
    labels = spikes.labels.tolist()
    # Once somebody curated, what she did not decide is unsorted: her verdicts and Kilosort's are not mixed.
    verdicts = tables.get("group") or tables.get("KSLabel", {})
    tables["group"] = {one: verdicts.get(one, "unsorted") for one in labels}
    tables["n_spikes"] = dict(zip(labels, spikes.counts.tolist(), strict=True))
    columns = {_NAMES.get(name, name): values for name, values in tables.items()}
    if "amplitude" not in columns and (folder / "amplitudes.npy").is_file():
        amplitudes = load_array(folder / "amplitudes.npy")
        if amplitudes.size == spikes.code.size:
            columns["amplitude"] = dict(zip(labels, spikes.mean(amplitudes).tolist(), strict=True))
    if "depth" not in columns:
        columns = {**positions_of(folder, spikes), **columns}
    first = [name for name in (QUALITY, "KSLabel", "depth", "channel", "shank") if name in columns]
    return {name: columns[name] for name in dict.fromkeys([*first, *columns])}
