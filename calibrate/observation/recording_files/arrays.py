"""Arrays of NumPy (NPZ and NPY) and JSON: those of calibrate, of simulators and other tools, and of users."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import RecordingError
from calibrate.observation.packing import check_size
from calibrate.observation.recording_files.columns import Arrays, Columns, find_columns, make_table
from calibrate.observation.recording_files.matrices import read_matrix
from calibrate.observation.recording_files.named_trains import Source, read_variables
from calibrate.observation.recording_files.sorted_units import Unit
from calibrate.observation.recording_files.sorted_units import make_table as make_table_of_units
from calibrate.observation.recording_files.table import Table, Wanted
from calibrate.observation.recording_files.time_units import MS, Stated
from calibrate.observation.recording_files.variables import cells

# Arrays of objects that pynapple and PyNN write beside their spikes; nothing is unpickled.
_BESIDE = ("_metadata", "metadata")


def read_npz(path: Path, wanted: Wanted) -> Table:
    """Read an NPZ file, without unpickling."""
    check_size(path)
    with np.load(path, allow_pickle=False) as arrays:
        found = {name: _read_array(name, arrays) for name in arrays.files if name not in _BESIDE}
        beside = set(arrays.files) & set(_BESIDE)
    if {"time_ms", "time_s"} & found.keys() and not wanted.columns:
        return _read_own(found, wanted)
    if "type" in found and "t" in found and str(found["type"].ravel()[0]) in ("Ts", "TsGroup"):
        return _read_pynapple(found, wanted)
    if beside and set(found) == {"data"}:
        return read_matrix(found["data"], wanted, "NPZ of PyNN", stated=Stated("ms", "as in PyNN"))
    if {"i", "t"} <= found.keys() and not wanted.columns:
        return _read_brian(found, wanted)
    if len(found) == 1 and (array := next(iter(found.values()))).ndim == 2 and "time" not in wanted.columns:
        return read_matrix(array, wanted, "NPZ")
    return read_variables(Source(wanted, "NPZ", found))


def read_npy(path: Path, wanted: Wanted) -> Table:
    """Read an NPY file: times of one unit, rows of times and units, or a row or a column for each unit."""
    array = _read_array("of the file", {"of the file": path})
    return read_matrix(array.reshape(-1, 1) if array.ndim == 1 else array, wanted, "NPY")


def read_json(path: Path, wanted: Wanted) -> Table:
    """Read a JSON file: lists of times by unit or population, or lists of times and units."""
    try:
        found = _from_json(json.loads(path.read_text(encoding="utf-8-sig")))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RecordingError(f"is not JSON: {error}") from None
    values = found if isinstance(found, Mapping) else {"spikes": found}
    return read_variables(Source(wanted, "JSON", values))


def _from_json(value: Any) -> Any:
    """Lists of numbers as arrays, other lists as cells or structs."""
    if isinstance(value, dict):
        return {name: _from_json(one) for name, one in value.items()}
    if not isinstance(value, list):
        return value
    if all(isinstance(one, int | float) and not isinstance(one, bool) for one in value):
        return np.array(value, dtype=float)
    found = [_from_json(one) for one in value]
    return found if all(isinstance(one, dict | str) for one in found) else cells(found)


def _read_array(name: str, arrays: Mapping[str, Any]) -> NDArray[Any]:
    try:
        found = arrays[name]
        return np.load(found, allow_pickle=False) if isinstance(found, Path) else np.asarray(found)
    except ValueError as error:
        if "pickle" not in str(error) and "Object arrays" not in str(error):
            raise
        raise RecordingError(
            f"the array {name} holds Python objects, which are not read: save it as numbers or text, such as "
            f"{name}.astype(str)"
        ) from None


def _read_own(arrays: Arrays, wanted: Wanted) -> Table:
    columns = find_columns([*arrays], wanted)
    if columns is None or columns.unit is None:
        raise RecordingError(f"needs time_ms (or time_s) and unit, but contains {', '.join(arrays)[:100]}")
    return make_table(arrays, columns, wanted, "NPZ")


def _read_brian(arrays: Arrays, wanted: Wanted) -> Table:
    """What a SpikeMonitor of Brian 2 holds; get_states() adds the spike counts of all neurons."""
    every = arrays.get("count")
    silent = range(every.size) if every is not None else ()
    usual = Stated("s", "as in Brian 2")
    stated = None if every is None else usual
    found = {name: arrays[name] for name in ("i", "t")}
    form = "NPZ of Brian 2"
    table = make_table(found, Columns("t", "i"), wanted, form, stated=stated, usual=usual, silent=silent)
    table.only_fired = every is None
    return table


def _read_pynapple(arrays: Arrays, wanted: Wanted) -> Table:
    """A Ts, or a TsGroup with its units, their spikes, and the intervals in which they were observed."""
    wanted.refuse_time_unit("s")
    wanted.refuse_columns()
    t = arrays["t"] * MS["s"]
    support = np.column_stack([arrays["start"], arrays["end"]]) * MS["s"]
    observed = support[support[:, 1] > support[:, 0]]
    index = arrays.get("index", np.zeros(t.size, dtype=np.int64))
    labels = arrays.get("keys", np.unique(index))
    units = [Unit(int(label), t[index == label], observed) for label in labels]
    return make_table_of_units(units, wanted, understood="NPZ of pynapple, times in s")
