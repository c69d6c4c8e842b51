"""Where the units of an NWB file were recorded: what its electrodes and their groups say.

A unit refers to rows of the table of electrodes, or to one group of them, such as a probe. Files of the Allen
Institute name the electrode with the largest spikes instead (`peak_channel_id`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.observation.recording_files.labels import as_text, is_empty

Columns = dict[str, Sequence[object]]

_ELECTRODES = "general/extracellular_ephys/electrodes"
# What files call these properties of a unit, the most specific name first; the words are compared in lower
# case. NWB defines none of them.
_NAMES = {
    "area": "area brain_area brain_region region structure structure_acronym ecephys_structure_acronym "
    "anatomical_location allen_location beryl_location location",
    "depth": "depth depth_um unit_depth distance_from_probe_tip_um",
    "probe": "probe probe_name probe_id",
    "type": "type cell_type celltype putative_cell_type neuron_type",
    "quality": "quality unit_quality kslabel ks_label kilosort_label kilosort2_label bc_unittype "
    "decoder_label default_qc",
}
_OF_ELECTRODES = {
    "area": ("location",),
    "depth": ("depth", "probe_vertical_position", "rel_y"),
    "probe": ("group_name",),
}
_UNKNOWN = frozenset({"unknown", "none", "n.a.", "nan", "null", ""})


def named_alike(columns: Mapping[str, Sequence[object]]) -> Columns:
    """The columns of units that say an area, a depth, a probe, a type or a quality under another name."""
    by_name = {name.casefold(): name for name in columns}
    found: Columns = {}
    for name, words in _NAMES.items():
        word = next((word for word in words.split() if word in by_name), None)
        if word is not None and by_name[word] != name:
            found[name] = columns[by_name[word]]
    return found


def of_electrodes(table: Any, columns: Mapping[str, Sequence[object]], units: int) -> Columns:
    """The area, depth and probe of each unit, from its electrodes; empty where they do not agree."""
    electrodes = table.file.get(_ELECTRODES)
    rows = None if electrodes is None else _rows(table, electrodes, columns, units)
    found: Columns = {}
    if rows is not None:
        for name, words in _OF_ELECTRODES.items():
            word = next((word for word in words if word in electrodes), None)
            if word is not None:
                found[name] = _of_rows(_values(electrodes[word]), rows)
    for name, values in _of_groups(table, units).items():
        if all(_is_unknown(value) for value in found.get(name, [""])):
            found[name] = values
    return {name: values for name, values in found.items() if not all(map(_is_unknown, values))}


def _rows(
    table: Any, electrodes: Any, columns: Mapping[str, Sequence[object]], units: int
) -> Sequence[NDArray[np.int64]] | None:
    """The rows of the electrodes of each unit."""
    if "peak_channel_id" in columns and "id" in electrodes:
        number = {int(one): row for row, one in enumerate(electrodes["id"][:])}
        peaks = [number.get(int(channel), -1) for channel in np.asarray(columns["peak_channel_id"], float)]
        return [np.array([row] if row >= 0 else [], dtype=np.int64) for row in peaks]
    if "electrodes" not in table:
        return None
    every = table["electrodes"][:].astype(np.int64)
    if "electrodes_index" not in table:
        return list(every.reshape(-1, 1)) if every.shape == (units,) else None
    ends = table["electrodes_index"][:].astype(np.int64)
    return np.split(every, ends[:-1]) if ends.shape == (units,) else None


def _of_rows(values: Sequence[object], rows: Sequence[NDArray[np.int64]]) -> list[object]:
    """The value that all rows of a unit have; empty if they differ."""
    found: list[object] = []
    for numbers in rows:
        different = {values[row] for row in numbers if 0 <= row < len(values)}
        found.append(different.pop() if len(different) == 1 else "")
    return found


def _values(data: Any) -> list[object]:
    import h5py

    if h5py.check_string_dtype(data.dtype) is not None:
        return list(data.asstr(errors="replace")[:])
    return list(data[:]) if data.dtype.kind in "iufb" and data.ndim == 1 else [""] * len(data)


def _of_groups(table: Any, units: int) -> Columns:
    """The probe and the area of each unit, from the group of electrodes that it refers to."""
    import h5py

    references = table.get("electrode_group")
    if references is None or references.shape != (units,) or references.dtype != h5py.ref_dtype:
        return {}
    groups = [table.file[reference] if reference else None for reference in references[:]]
    return {
        "probe": ["" if group is None else group.name.rpartition("/")[2] for group in groups],
        "area": ["" if group is None else _location(group) for group in groups],
    }


def _location(group: Any) -> str:
    value = group.attrs.get("location", group.get("location", ""))
    return as_text(value[()] if hasattr(value, "shape") and value.shape == () else value)


def _is_unknown(value: object) -> bool:
    text = as_text(value)
    return is_empty(text) or text.casefold() in _UNKNOWN
