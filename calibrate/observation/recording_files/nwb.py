"""Units of an NWB file, straight from its HDF5 tables: nothing else, such as raw traces, is loaded.

The layout is that of the NWB 2 schema (Rübel et al. 2022): the group `units` is a table of which `colnames`
lists the columns. A ragged column has a second one of the same name with "_index", which says for each row
where its elements end.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from calibrate.errors import RecordingError
from calibrate.observation.recording_files.sorted_units import Unit, make_table
from calibrate.observation.recording_files.table import Table, Wanted

# NWB counts time in seconds.
_MS = 1000.0


def read_nwb(path: Path, wanted: Wanted) -> Table:
    """Read the units table of an NWB file."""
    wanted.refuse_time_unit("s")
    try:
        import h5py
    except ImportError:
        raise RecordingError("needs the package h5py: pip install 'calibrate-snn[recordings]'") from None
    if not h5py.is_hdf5(path):
        raise RecordingError("is not an NWB file: NWB files are HDF5 files")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        what = " ".join(str(error).split())
        raise RecordingError(f"is incomplete, damaged, or open in another program: {what}") from None
    with file:
        return make_table(_read_units(_find_units(file)), wanted, understood="NWB, times in s")


def _find_units(file: Any) -> Any:
    """The table of units: where the schema puts it, or the only one elsewhere in the file."""
    if "units" in file:
        return file["units"]
    found: list[str] = []

    def visit(name: str, item: Any) -> None:
        kind = item.attrs.get("neurodata_type", "")
        if kind == "Units":
            found.append(name)

    file.visititems(visit)
    if len(found) > 1:
        raise RecordingError(
            f"has several tables of units ({', '.join(found)}): save one of them as NPZ or CSV"
        )
    if not found:
        raise RecordingError("has no table of units: sort the spikes of its traces first, and save the units")
    return file[found[0]]


def _read_units(table: Any) -> list[Unit]:
    if "spike_times" not in table or "id" not in table:
        raise RecordingError("has a table of units without spike times")
    label = table["id"][:]
    n = label.size
    if n and "spike_times_index" not in table:
        raise RecordingError("does not say which spike times are whose: its units have no spike_times_index")
    if np.unique(label).size < n:
        label = np.arange(n)  # the rows are the units, whatever their numbers are
    if not n:
        return []
    times = _read_ragged(table, "spike_times", n)
    observed = _read_ragged(table, "obs_intervals", n) if "obs_intervals" in table else []
    for one in observed:
        if one.ndim != 2 or one.shape[1] != 2:
            raise RecordingError("has obs_intervals that are not pairs of a start and a stop")
    columns = _read_columns(table, n)
    return [
        Unit(
            label=int(label[row]),
            times_ms=times[row] * _MS,
            observed=observed[row] * _MS if observed else None,
            columns={name: values[row] for name, values in columns.items()},
        )
        for row in range(n)
    ]


def _read_ragged(table: Any, name: str, n: int) -> list[NDArray[np.float64]]:
    """The elements of each of the n rows."""
    if f"{name}_index" not in table:
        raise RecordingError(f"does not say which {name} are whose: its units have no {name}_index")
    data = table[name]
    if data.dtype.kind not in "fiu":
        raise RecordingError(f"has {name} that are not numbers")
    if 8 * data.size > psutil.virtual_memory().available:
        raise RecordingError(f"has {name} that would need {8 * data.size / 1e9:.3g} GB of memory")
    ends = table[f"{name}_index"][:].astype(np.int64)  # stored in as few bits as hold it
    if ends.shape != (n,) or (np.diff(ends, prepend=0) < 0).any() or ends[-1] != len(data):
        raise RecordingError(
            f"is damaged: {name}_index does not divide the {len(data)} {name} into {n} units"
        )
    return np.split(data[:].astype(float), ends[:-1])


def _read_columns(table: Any, n: int) -> dict[str, NDArray[Any]]:
    """The columns with one text, number or truth for each unit."""
    import h5py

    found = {}
    for name in np.ravel(table.attrs.get("colnames", [])):
        name = name.decode() if isinstance(name, bytes) else str(name)
        data = table.get(name)
        if not isinstance(data, h5py.Dataset) or data.shape != (n,) or f"{name}_index" in table:
            continue
        elements = data.attrs.get("elements")
        if h5py.check_string_dtype(data.dtype) is not None:
            found[name] = data.asstr(errors="replace")[:]
        elif data.dtype.kind in "iuf" and elements:  # EnumData: numbers of texts
            found[name] = table.file[elements].asstr(errors="replace")[:][data[:]]
        elif data.dtype.kind in "iufb":
            found[name] = data[:]
    return found
