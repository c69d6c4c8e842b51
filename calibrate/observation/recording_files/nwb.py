"""Units of an NWB file, straight from its HDF5 tables: nothing else, such as raw traces, is loaded.

The layout is that of the NWB 2 schema (Rübel et al. 2022): the group `units` is a table of which `colnames`
lists the columns. A ragged column has a second one of the same name with "_index", which says for each row
where its elements end. NWB 1 has a group of units, each with its `times` (Teeters et al. 2015). Times are in
seconds from the file's `timestamps_reference_time`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from calibrate.errors import RecordingError
from calibrate.observation.recording_files.labels import as_text
from calibrate.observation.recording_files.nwb_electrodes import named_alike, of_electrodes
from calibrate.observation.recording_files.nwb_intervals import invalid_times, periods_of, without
from calibrate.observation.recording_files.sorted_units import Unit, make_table
from calibrate.observation.recording_files.table import Table, Wanted

# NWB counts time in seconds.
_MS = 1000.0
# In a file with several tables of units, one is chosen as if this were a column of its units.
_TABLE = "table"
FloatArray = NDArray[np.float64]


def read_nwb(path: Path, wanted: Wanted) -> Table:
    """Read the units of an NWB file, and the intervals that it names."""
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
        group, wanted, elsewhere = _find_units(file, wanted)
        units = _read_units(group) if "spike_times" in group or "id" in group else _read_old_units(group)
        units, time_from = _observed(units, _traced(file))
        units, notes = _valid(units, invalid_times(file))
        table = make_table(
            units,
            wanted,
            understood=_understood(file, group),
            time_from=time_from,
            periods=periods_of(file),
        )
    return replace(table, notes=[*elsewhere, *notes, *table.notes])


def _understood(file: Any, group: Any) -> str:
    version = file.attrs.get("nwb_version", file["nwb_version"][()] if "nwb_version" in file else "")
    name = f"NWB {as_text(version).removeprefix('NWB-')}".strip()
    place = "" if group.name == "/units" else f" ({group.name.removeprefix('/')})"
    return f"{name}{place}, times in s"


def _find_units(file: Any, wanted: Wanted) -> tuple[Any, Wanted, list[str]]:
    """The table of units: the one that is chosen, else that of the schema, else the only one in the file.

    Also what else is wanted, and what to say of other tables.
    """
    found = ["units"] if "units" in file else []

    def visit(name: str, item: Any) -> None:
        kind = as_text(item.attrs.get("neurodata_type", ""))
        if name not in found and (kind in ("Units", "UnitTimes") or name.endswith("/UnitTimes")):
            found.append(name)

    file.visititems(visit)
    if not found:
        raise RecordingError("has no table of units: sort the spikes of its traces first, and save the units")
    if len(found) == 1:
        return file[found[0]], wanted, []
    several = f"has several tables of units ({', '.join(found)})"
    name = as_text(wanted.units.get(_TABLE, "units"))
    if name not in found:
        raise RecordingError(f"{several}: choose one with units, such as {_TABLE} = {found[-1]}")
    others = {key: value for key, value in wanted.units.items() if key != _TABLE}
    notes = [] if _TABLE in wanted.units else [f"{several}: units is read"]
    return file[name], replace(wanted, units=others), notes


def _read_units(table: Any) -> list[Unit]:
    if "spike_times" not in table:
        raise RecordingError("has a table of units without spike times")
    if "spike_times_index" in table:
        n = len(table["spike_times_index"])
    else:
        n = len(table["id"]) if "id" in table else 1
    if n and "spike_times_index" not in table:
        raise RecordingError("does not say which spike times are whose: its units have no spike_times_index")
    label = table["id"][:] if "id" in table else np.arange(n)
    if np.unique(label).size < n:
        label = np.arange(n)  # the rows are the units, whatever their numbers are
    if not n:
        return []
    times = _read_ragged(table, "spike_times", n, _MS)
    observed = _read_ragged(table, "obs_intervals", n, _MS) if "obs_intervals" in table else []
    for one in observed:
        if one.ndim != 2 or one.shape[1] != 2:
            raise RecordingError("has obs_intervals that are not pairs of a start and a stop")
    columns = _read_columns(table, n)
    return [
        Unit(
            label=int(label[row]),
            times_ms=times[row],
            observed=observed[row] if observed else None,
            columns={name: values[row] for name, values in columns.items()},
        )
        for row in range(n)
    ]


def _read_old_units(group: Any) -> list[Unit]:
    """The units of NWB 1."""
    named = {name: one["times"] for name, one in group.items() if hasattr(one, "keys") and "times" in one}
    if group and not named:
        raise RecordingError("has a table of units without spike times")
    return [
        Unit(label=name, times_ms=np.asarray(times[()], dtype=float).ravel() * _MS)
        for name, times in named.items()
    ]


def _read_ragged(table: Any, name: str, n: int, factor: float) -> list[FloatArray]:
    """The elements of each of the n rows, times a factor."""
    if f"{name}_index" not in table:
        raise RecordingError(f"does not say which {name} are whose: its units have no {name}_index")
    data = table[name]
    if data.dtype.kind not in "fiu":
        raise RecordingError(f"has {name} that are not numbers")
    if 8 * data.size > psutil.virtual_memory().available:
        raise RecordingError(f"has {name} that would need {8 * data.size / 1e9:.3g} GB of memory")
    if table[f"{name}_index"].dtype.kind not in "iu":
        raise RecordingError(f"is of a trial version of NWB 2, whose {name}_index is not read: save it anew")
    ends = table[f"{name}_index"][:].astype(np.int64)  # stored in as few bits as hold it
    if ends.shape != (n,) or (np.diff(ends, prepend=0) < 0).any() or ends[-1] != len(data):
        raise RecordingError(
            f"is damaged: {name}_index does not divide the {len(data)} {name} into {n} units"
        )
    values = data[:].astype(float, copy=False)
    values *= factor
    return np.split(values, ends[:-1])


def _read_columns(table: Any, n: int) -> dict[str, Sequence[object]]:
    """The columns with one text, number or truth for each unit, and what its electrodes say."""
    import h5py

    found: dict[str, Sequence[object]] = {}
    names = [as_text(name) for name in np.ravel(table.attrs.get("colnames", []))]
    for name in dict.fromkeys([*names, *(one for one in table if one not in ("id", "spike_times"))]):
        data = table.get(name)
        if not isinstance(data, h5py.Dataset) or data.shape != (n,) or f"{name}_index" in table:
            continue
        if name.endswith("_index") and name.removesuffix("_index") in table:
            continue
        elements = data.attrs.get("elements")
        if h5py.check_string_dtype(data.dtype) is not None:
            found[name] = data.asstr(errors="replace")[:]
        elif data.dtype.kind in "iuf" and elements:  # EnumData: numbers of texts
            found[name] = table.file[elements].asstr(errors="replace")[:][data[:]]
        elif data.dtype.kind in "iufb" and name != "electrodes":
            found[name] = data[:]
    found |= named_alike(found)
    return of_electrodes(table, found, n) | found


def _traced(file: Any) -> FloatArray | None:
    """The time of the raw traces, ms: from the first start to the last end of those of electrodes."""
    ends = []
    for series in file.get("acquisition", {}).values():
        if as_text(series.attrs.get("neurodata_type", "")) != "ElectricalSeries" or "data" not in series:
            continue
        if "timestamps" in series and len(series["timestamps"]):
            ends.append((float(series["timestamps"][0]), float(series["timestamps"][-1])))
        elif "starting_time" in series and (rate := float(series["starting_time"].attrs.get("rate", 0))) > 0:
            start = float(series["starting_time"][()])
            ends.append((start, start + len(series["data"]) / rate))
    if not ends:
        return None
    starts, stops = np.array(ends).T * _MS
    return np.array([[starts.min(), stops.max()]])


def _observed(units: Sequence[Unit], traced: FloatArray | None) -> tuple[list[Unit], str]:
    """The units, observed while their electrodes were recorded if nothing else is known; and how it is known.

    Traces that end before the last spike, such as an example of them, say nothing.
    """
    known = [unit.observed is not None and len(unit.observed) > 0 for unit in units]
    if any(known):
        return list(units), "obs_intervals"
    first, last = _ends_of_spikes(units)
    if traced is None or not (traced[0, 0] <= first and last <= traced[0, 1]):
        return list(units), ""
    return [replace(unit, observed=traced) for unit in units], "the raw traces"


def _valid(units: Sequence[Unit], invalid: FloatArray) -> tuple[list[Unit], list[str]]:
    """The units without the times that are not valid."""
    if not len(invalid):
        return list(units), []
    first, last = _ends_of_spikes(units)
    whole = np.array([[min(first, 0.0), max(last, float(invalid[-1, 1]))]])
    found = []
    for unit in units:
        every = whole if unit.observed is None or not len(unit.observed) else unit.observed
        left = without(every, invalid)
        found.append(replace(unit, observed=left))
        if not len(left):
            raise RecordingError(f"declares all the time of unit {unit.label} as invalid_times")
    total_s = float(np.diff(invalid).sum()) / _MS
    return found, [f"invalid_times: {total_s:.6g} s count as not recorded, in all units"]


def _ends_of_spikes(units: Sequence[Unit]) -> tuple[float, float]:
    """The first and the last spike of all units; 0 if there are none."""
    times = [
        end for unit in units if unit.times_ms.size for end in (unit.times_ms.min(), unit.times_ms.max())
    ]
    return float(min(times, default=0.0)), float(max(times, default=0.0))
