"""MATLAB files of version 7.3 as MATLAB lays them out in HDF5.

The layout was compared with files that MATLAB wrote (tests of the package mat73). Every value has the
attribute MATLAB_class. Cells are references to values in `#refs#`; a struct is a group of its fields; the
fields of an array of structs are references without the attribute. Empty values hold their dimensions.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import h5py
import numpy as np

_NUMBERS = count()


def write_v73(path: Path, variables: dict[str, Any]) -> Path:
    """Write numbers, text, lists (cells in a row), arrays of objects (cells), dict and lists of dict."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in variables.items():
            _write(file, name, value, file)
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")
    return path


def _write(group: Any, name: str, value: Any, file: Any) -> Any:
    if isinstance(value, dict):
        made = group.create_group(name)
        made.attrs["MATLAB_class"] = np.bytes_("struct")
        for field, one in value.items():
            _write(made, field, one, file)
        return made
    if isinstance(value, list) and value and isinstance(value[0], dict):
        made = group.create_group(name)
        made.attrs["MATLAB_class"] = np.bytes_("struct")
        for field in value[0]:
            column = np.empty((1, len(value)), dtype=object)
            for number, one in enumerate(value):
                column[0, number] = one[field]
            made[field] = _references(column, file)
        return made
    if isinstance(value, list):
        cells = np.empty((1, len(value)), dtype=object)
        cells[0] = [np.asarray(one) if not isinstance(one, str | list | dict) else one for one in value]
        value = cells
    if isinstance(value, np.ndarray) and value.dtype == object:
        made = group.create_dataset(name, data=_references(value, file))
        made.attrs["MATLAB_class"] = np.bytes_("cell")
        return made
    if isinstance(value, str):
        made = group.create_dataset(name, data=np.array([[ord(one)] for one in value], dtype=np.uint16))
        made.attrs["MATLAB_class"] = np.bytes_("char")
        return made
    array = np.atleast_2d(np.asarray(value, dtype=float))
    if array.size:
        made = group.create_dataset(name, data=array.T)
    else:
        made = group.create_dataset(name, data=np.array(array.shape, dtype=np.uint64))
        made.attrs["MATLAB_empty"] = np.uint8(1)
    made.attrs["MATLAB_class"] = np.bytes_("double")
    return made


def _references(values: np.ndarray, file: Any) -> np.ndarray:
    refs = file.require_group("#refs#")
    found = np.empty(values.shape, dtype=h5py.ref_dtype)
    for place in np.ndindex(values.shape):
        found[place] = _write(refs, f"r{next(_NUMBERS)}", values[place], file).ref
    return found.T
