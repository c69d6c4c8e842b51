"""Files of recorded spikes as tables: CSV, NPZ, and all that the package neo reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import RecordingError
from calibrate.observation.packing import check_size


@dataclass
class Table:
    """One row per spike: time (nan if the unit did not fire), unit, population, cluster.

    observed  the intervals in which each unit was observed, shape (k, 2) in ms, by its label in `unit`
    """

    time_ms: NDArray[np.float64]
    unit: NDArray[Any]
    population: NDArray[Any] | None = None
    cluster: NDArray[Any] | None = None
    start_ms: float | None = None
    stop_ms: float | None = None
    observed: Mapping[Any, NDArray[np.float64]] | None = None

    def units(self, population: str) -> tuple[list[tuple[str, Any, Any]], list[NDArray[np.float64]]]:
        """The units, sorted by population, cluster and name, which identify them; and the times of each."""
        size = self.unit.size
        columns = [
            np.full(size, population) if self.population is None else self.population.astype(str),
            np.zeros(size, np.int64) if self.cluster is None else self.cluster,
            self.unit,
        ]
        names, codes = zip(*(np.unique(column, return_inverse=True) for column in columns), strict=True)
        rows, unit = np.unique(np.stack(codes), axis=1, return_inverse=True)
        unit = unit.ravel()
        order = np.lexsort((self.time_ms, unit))
        pieces = np.split(self.time_ms[order], np.cumsum(np.bincount(unit))[:-1])
        units = [(str(names[0][p]), names[1][c], names[2][u]) for p, c, u in rows.T]
        return units, [times[~np.isnan(times)] for times in pieces]


def read_table(path: Path) -> Table:
    """Return the spikes of a file, whose suffix names its format; raises what its reader raises."""
    readers = {".csv": _read_csv, ".npz": _read_npz}
    return readers.get(path.suffix.lower(), _read_neo)(path)


def _read_csv(path: Path) -> Table:
    import pandas as pd

    frame = pd.read_csv(path, skipinitialspace=True)
    columns = {name: frame[name].to_numpy() for name in frame.columns}
    return _table(columns)


def _read_npz(path: Path) -> Table:
    check_size(path)
    with np.load(path, allow_pickle=False) as arrays:
        return _table(dict(arrays))


def _table(columns: Mapping[str, NDArray[Any]]) -> Table:
    factor = {name: scale for name, scale in (("time_ms", 1.0), ("time_s", 1000.0)) if name in columns}
    if len(factor) != 1 or "unit" not in columns:
        present = ", ".join(columns) or "nothing"
        raise RecordingError(f"needs time_ms (or time_s) and unit, but contains {present}")
    ((name, scale),) = factor.items()
    for column in (name, "start_ms", "stop_ms"):
        if column in columns and columns[column].dtype.kind == "c":
            raise RecordingError(f"{column} contains complex numbers")
    return Table(
        time_ms=np.asarray(columns[name], dtype=float) * scale,
        unit=np.asarray(columns["unit"]),
        population=columns.get("population"),
        cluster=columns.get("cluster"),
        start_ms=float(columns["start_ms"]) if "start_ms" in columns else None,
        stop_ms=float(columns["stop_ms"]) if "stop_ms" in columns else None,
    )


def _read_neo(path: Path) -> Table:
    if path.suffix.lower() in (".pkl", ".pickle"):
        raise RecordingError("pickles can run arbitrary code and are not read; save it as NWB, NPZ or CSV")
    try:
        import neo
    except ImportError:
        raise RecordingError("needs the package neo: pip install 'calibrate-snn[recordings]'") from None
    try:
        blocks = neo.io.get_io(str(path)).read()
    except Exception as error:  # each of its many readers raises its own
        what = " ".join(str(error).split()) or type(error).__name__
        raise RecordingError(f"neo cannot read it: {what}") from error
    segments = [segment for block in blocks for segment in block.segments if segment.spiketrains]
    if len(segments) != 1:
        raise RecordingError(f"contains {len(segments)} segments with spike trains; save only one of them")
    trains = list(segments[0].spiketrains)
    tables = []
    for number, train in enumerate(trains):
        times = np.asarray(train.rescale("ms").magnitude, dtype=float)
        times = times if times.size else np.array([np.nan])
        labels = {name: train.annotations.get(name) for name in ("population", "cluster")}
        tables.append((times, np.full(times.size, number), labels))

    def column(name: str) -> NDArray[Any] | None:
        values = [(labels[name], times.size) for times, _, labels in tables]
        missing = sum(value is None for value, _ in values)
        if missing == len(values):
            return None
        if missing:
            raise RecordingError(f"{missing} of {len(values)} spike trains have no {name}, but others do")
        return np.concatenate([np.full(size, value) for value, size in values])

    return Table(
        time_ms=np.concatenate([times for times, _, _ in tables]),
        unit=np.concatenate([unit for _, unit, _ in tables]),
        population=column("population"),
        cluster=column("cluster"),
        start_ms=float(min(train.t_start.rescale("ms") for train in trains)),
        stop_ms=float(max(train.t_stop.rescale("ms") for train in trains)),
    )
