"""Recordings with one row per spike: CSV tables, and the arrays of an NPZ file."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import RecordingError
from calibrate.observation.packing import check_size
from calibrate.observation.recording_files.choice import choose_units
from calibrate.observation.recording_files.groups import group_units
from calibrate.observation.recording_files.labels import read_labels
from calibrate.observation.recording_files.table import Table, Wanted

_FACTORS = {"time_ms": 1.0, "time_s": 1000.0}
_NAMES = ("unit", "population", "cluster")
_ENDS = ("start_ms", "stop_ms")
_NO_UTF8 = "is not a text in UTF-8: save it as CSV (UTF-8)"

Arrays = Mapping[str, NDArray[Any]]


def read_csv(path: Path, wanted: Wanted) -> Table:
    """Read a CSV file. Labels are text until all are known: nothing is guessed from their beginning."""
    import pandas as pd

    names = _read_head(path)
    for name in _ENDS:
        if name in names:
            raise RecordingError(
                f"has a column {name}, which only an NPZ file can give: take it out, and say with start_ms "
                "and duration_ms what to analyse"
            )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # later versions of pandas read all digits by default, and say so
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                path,
                names=names,
                header=0,
                index_col=False,
                skipinitialspace=True,
                encoding="utf-8-sig",
                dtype=dict.fromkeys(_NAMES, str),
                float_precision="round_trip",
                low_memory=False,
                keep_default_na=False,
                na_values={name: ["", "nan", "NaN", "NA", "<NA>", "None", "null"] for name in _FACTORS},
            )
    except UnicodeDecodeError:
        raise RecordingError(_NO_UTF8) from None
    except (pd.errors.ParserError, pd.errors.ParserWarning, ValueError) as error:
        what = " ".join(str(error).removeprefix("Error tokenizing data. C error: ").split())
        raise RecordingError(f"cannot be read as a table of times and labels: {what}") from None
    columns = {name: frame[name].to_numpy() for name in names if name not in _NAMES}
    for name in [one for one in _FACTORS if one in names]:
        if columns[name].dtype.kind not in "fiu":
            if frame.empty:
                raise RecordingError("has a line of names, but no rows")
            wrong = frame[name][
                pd.to_numeric(frame[name].astype(str), errors="coerce").isna() & frame[name].notna()
            ]
            raise RecordingError(f"{name} contains '{str(wrong.iloc[0])[:30]}', which is not a number")
    for name in [one for one in _NAMES if one in names]:
        code, words = pd.factorize(frame[name])  # far faster than to sort all cells
        columns[name] = read_labels(name, words.to_numpy(dtype=object))[code]
    return _make_table({name: columns[name] for name in names}, wanted, "CSV")


def _read_head(path: Path) -> list[str]:
    """Return the names of the columns; raises RecordingError if they are not those of all cells."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, skipinitialspace=True)
            names = [name.strip() for name in next((line for line in lines if line), [])]
            row = next((line for line in lines if line), names)
    except UnicodeDecodeError:
        raise RecordingError(_NO_UTF8) from None
    except csv.Error as error:
        raise RecordingError(f"is not a CSV table: {error}") from None
    if not any(names):
        raise RecordingError("is empty: it needs the columns time_ms (or time_s) and unit")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RecordingError(f"has several columns with the name '{twice[0]}'")
    if len(names) == 1 and (separator := next((one for one in ";\t" if one in names[0]), None)):
        what = "semicolons" if separator == ";" else "tabs"
        raise RecordingError(
            f"separates its columns by {what}: write commas between them, and decimal points"
        )
    if len(row) > len(names):
        raise RecordingError(
            f"names {len(names)} columns in its first line, but has {len(row)} in the second"
        )
    return names


def read_npz(path: Path, wanted: Wanted) -> Table:
    """Read an NPZ file, without unpickling."""
    check_size(path)
    with np.load(path, allow_pickle=False) as arrays:
        found = {name: _read_array(name, arrays) for name in arrays.files}
    for name in _FACTORS.keys() & found.keys():
        if found[name].dtype.kind not in "fiu":
            raise RecordingError(f"{name} contains {found[name].dtype}, but times are real numbers")
        found[name] = found[name].astype(float, copy=False)
    for name in found.keys() & set(_NAMES):
        found[name] = read_labels(name, found[name])
    return _make_table(found, wanted, "NPZ")


def _read_array(name: str, arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    try:
        return arrays[name]
    except ValueError as error:
        if "pickle" not in str(error):
            raise
        raise RecordingError(
            f"the array {name} holds Python objects, which are not read: save it as numbers or text, such as "
            f"{name}.astype(str)"
        ) from None


def _make_table(columns: Arrays, wanted: Wanted, form: str) -> Table:
    present = [name for name in _FACTORS if name in columns]
    if len(present) > 1:
        raise RecordingError("has both time_ms and time_s: leave out one of them")
    if not present or "unit" not in columns:
        raise RecordingError(f"needs time_ms (or time_s) and unit, but contains {', '.join(columns)[:100]}")
    unit = present[0].removeprefix("time_")
    wanted.refuse_time_unit(unit)
    times = columns[present[0]]
    times = times * _FACTORS[present[0]] if unit == "s" else times
    if times.ndim != 1:
        raise RecordingError(f"needs one row per spike, but {present[0]} has {times.ndim} dimensions")
    for name in _NAMES:
        if name in columns and columns[name].shape != times.shape:
            raise RecordingError(f"needs one {name} for every spike time")
    table = Table(
        time_ms=times,
        unit=columns["unit"],
        population=columns.get("population"),
        cluster=columns.get("cluster"),
        start_ms=_read_end(columns, "start_ms"),
        stop_ms=_read_end(columns, "stop_ms"),
        understood=f"{form}, times in {unit}",
        time_from="stop_ms" if "stop_ms" in columns else "",
    )
    if table.unit.size >= 100 and np.unique(table.unit).size == table.unit.size:
        raise RecordingError(
            "gives each spike a unit of its own: are the columns of time and unit exchanged?"
        )
    more = {
        n: a for n, a in columns.items() if a.shape == times.shape and n not in (*_NAMES, *_FACTORS, *_ENDS)
    }
    return _choose(table, more, wanted)


def _read_end(columns: Arrays, name: str) -> float | None:
    if name not in columns:
        return None
    value = columns[name]
    if value.size != 1 or value.dtype.kind not in "fiu":
        raise RecordingError(f"{name} must be one number")
    return float(value.item())


def _choose(table: Table, more: Arrays, wanted: Wanted) -> Table:
    """Keep the chosen units. A column tells units apart if it has one value for each."""
    grouped = wanted.populations is not None or wanted.cluster is not None
    if not table.unit.size or not (more or wanted.units or grouped):
        return table
    unit = table.numbered()
    _, first = np.unique(unit, return_index=True)
    columns = {}
    for name, values in more.items():
        code = np.unique(values.astype(str), return_inverse=True)[1] if values.dtype.kind == "O" else values
        if (code == code[first][unit]).all():
            columns[name] = list(values[first])
        elif name in {*wanted.units, wanted.cluster, (wanted.populations or {}).get("column")}:
            raise RecordingError(f"{name} differs between the spikes of a unit, so it cannot choose units")
    kept, notes = choose_units(columns, wanted.units, first.size)
    own = {"population": table.population, "cluster": table.cluster}
    columns |= {name: list(labels[first]) for name, labels in own.items() if labels is not None}
    left_out = {", ".join(wanted.units): int((~kept).sum())} if not kept.all() else {}
    groups = group_units(columns, wanted.populations, wanted.cluster, kept)
    own |= {name: labels[unit] for name, labels in groups.columns.items()}
    rows = groups.kept[unit]
    population, cluster = (None if labels is None else labels[rows] for labels in own.values())
    # In other groups, a name could be that of two units.
    label = unit if groups.columns and np.unique(table.unit).size < first.size else table.unit
    return replace(
        table,
        time_ms=table.time_ms[rows],
        unit=label[rows],
        population=population,
        cluster=cluster,
        left_out={**left_out, **groups.without},
        notes=[*notes, *groups.notes],
    )
