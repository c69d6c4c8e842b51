"""Spikes that NEST recorded to text files: one for each thread or process of each recorder."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import RecordingError
from calibrate.observation.recording_files.sorted_units import Unit, make_table
from calibrate.observation.recording_files.table import Table, Wanted
from calibrate.observation.recording_files.text import read_text
from calibrate.observation.recording_files.unread import SAVE

# label-GID-thread.dat; NEST 2 wrote .gdf without names of columns.
_NAME = re.compile(r"^(?P<label>.*)-(?P<recorder>\d+)-(?P<thread>\d+)$")
_SUFFIXES = (".dat", ".gdf")
_SPIKES = frozenset({"sender", "time_ms", "time_step", "time_offset"})
_OLD = ["sender", "time_ms"]
_OLD_LINE = re.compile(rb"\d+\s+\d+(\.\d+)?\s*\n")


def is_nest(folder: Path) -> bool:
    """Whether spikes that NEST recorded are in a folder."""
    return any(_is_spikes(path) for path in folder.iterdir())


def files_of(path: Path) -> list[Path]:
    """The files of all recorders in a folder, or of the recorder that wrote a file; none if NEST did not."""
    if path.is_file() and not _is_spikes(path):
        return []
    folder = path if path.is_dir() else path.parent
    return sorted(one for one in folder.iterdir() if _is_spikes(one) and (path.is_dir() or _same(one, path)))


def read_nest(path: Path, wanted: Wanted) -> Table:
    """Read the files of the recorder that wrote one of them, or of all recorders in a folder."""
    if path.is_file():
        names = _columns(path)
        if names is None:
            return _read_other(path, wanted)
        if more := sorted(set(names) - _SPIKES):
            raise RecordingError(f"is a file of NEST that records {', '.join(more)}, not only spikes")
    files = files_of(path)
    wanted.refuse_columns()
    if not any("time_step" in (_columns(file) or ()) for file in files):
        wanted.refuse_time_unit("ms")
    recorders: dict[str, list[Path]] = {}
    for file in files:
        recorders.setdefault(_recorder(file), []).append(file)
    return _read_recorders(recorders, wanted)


def _recorder(path: Path) -> str:
    match = _NAME.match(path.stem)
    return f"{match['label']}-{match['recorder']}" if match else path.stem


def _same(one: Path, other: Path) -> bool:
    """Whether two files are of one recorder."""
    return one.suffix == other.suffix and _recorder(one) == _recorder(other)


def _columns(path: Path) -> list[str] | None:
    """The names of the columns of a file of NEST; None for others."""
    if path.suffix.lower() not in _SUFFIXES or not path.is_file():
        return None
    with path.open("rb") as file:
        first = file.readline(200)
        if first.startswith(b"# NEST version"):
            names = next((line for line in file if not line.startswith(b"#")), b"")
            return names.decode(errors="replace").split()
    return _OLD if path.suffix.lower() == ".gdf" and _OLD_LINE.fullmatch(first) else None


def _is_spikes(path: Path) -> bool:
    names = _columns(path)
    return names is not None and "sender" in names and set(names) <= _SPIKES


def _read_other(path: Path, wanted: Wanted) -> Table:
    """A file of the same name that NEST did not write: read if it is a text."""
    with path.open("rb") as file:
        start = file.read(1000)
    if not start or b"\0" in start:
        raise RecordingError(
            f"is a {path.suffix} file, which many programs write for different things: {SAVE}"
        )
    return read_text(path, wanted)


def _read_recorders(recorders: Mapping[str, Sequence[Path]], wanted: Wanted) -> Table:
    labels = [name.rpartition("-")[0] or name for name in recorders]
    populations = labels if len(set(labels)) == len(labels) else list(recorders)
    units: list[Unit] = []
    for population, files in zip(populations, recorders.values(), strict=True):
        trains = _read_trains(files, wanted.sampling_rate_hz)
        both = {unit.label for unit in units} & trains.keys()
        if both:
            raise RecordingError(
                f"has recorders of the same neurons, such as {min(both)}: name a file of one of them, "
                f"{', '.join(recorders)[:100]}"
            )
        column = {"population": population} if len(recorders) > 1 else {}
        units += [Unit(label, times, columns=column) for label, times in trains.items()]
    if not units:
        raise RecordingError("contains no spikes")
    count = sum(map(len, recorders.values()))
    what = f"recorder {next(iter(recorders))}" if len(recorders) == 1 else f"{len(recorders)} recorders"
    said = f"spikes of NEST, {count} file{'s' * (count > 1)} of {what}, times in ms"
    table = make_table(units, wanted, understood=said)
    table.only_fired = True
    return table


def _read_trains(files: Sequence[Path], rate_hz: float | None) -> dict[int, NDArray[np.float64]]:
    """The spikes of each neuron in the files of a recorder."""
    frames = [_read_file(file, rate_hz) for file in files]
    sender = np.concatenate([frame["sender"].to_numpy() for frame in frames])
    times = np.concatenate([frame["time_ms"].to_numpy(dtype=float) for frame in frames])
    order = np.lexsort((times, sender))
    neurons, first = np.unique(sender[order], return_index=True)
    return dict(zip(neurons.tolist(), np.split(times[order], first[1:]), strict=True))


def _read_file(path: Path, rate_hz: float | None) -> Any:
    import pandas as pd

    names = _columns(path) or []
    header = path.suffix.lower() == ".dat"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # later versions of pandas read all digits by default, and say so
        frame = pd.read_csv(
            path,
            sep=r"\s+",
            comment="#",
            names=names,
            header=0 if header else None,
            index_col=False,
            float_precision="round_trip",
        )
    if "time_step" in names:
        if rate_hz is None:
            raise RecordingError(
                f"{path.name} gives times in steps of the simulation, and not how long a step is: say how "
                "many a second has, such as sampling_rate_hz = 10000 (--sampling-rate-hz 10000) for 0.1 ms"
            )
        # NEST subtracts the offset of a spike from the end of its step.
        frame["time_ms"] = frame["time_step"] * 1000.0 / rate_hz - frame["time_offset"]
    return frame
