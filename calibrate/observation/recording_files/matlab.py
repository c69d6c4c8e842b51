"""MATLAB files of versions 4 to 7.2 and 7.3, of which the last are HDF5."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from calibrate.errors import RecordingError
from calibrate.observation.recording_files.named_trains import Source, read_variables
from calibrate.observation.recording_files.neo_files import read_neo
from calibrate.observation.recording_files.table import Table, Wanted
from calibrate.observation.recording_files.variables import Opaque, cells

_OCTAVE = "is a file of Octave in a format of its own: save it there with save -v7"


def read_matlab(path: Path, wanted: Wanted) -> Table:
    """Read a MATLAB file: that of neo with neo, others by their variables."""
    with path.open("rb") as file:
        start = file.read(128)
    if start.startswith((b"# Created by Octave", b"Octave-1-")):
        raise RecordingError(_OCTAVE)
    if start.startswith(b"\x89HDF") or b"MATLAB 7.3" in start:
        values, version = _read_hdf5(path), "MATLAB 7.3"
    else:
        values, version = _read_older(path), "MATLAB"
    block = values.get("block")
    if isinstance(block, Mapping) and "segments" in block:
        return read_neo(path, wanted)
    return read_variables(Source(wanted, version, values, first=1))


def _read_older(path: Path) -> dict[str, Any]:
    from scipy.io import loadmat

    found = loadmat(path, chars_as_strings=True)
    return {
        "table or string" if name == "None" else name: _plain(value)
        for name, value in found.items()
        if not name.startswith("__")
    }


def _plain(value: Any) -> Any:
    """A value of scipy as texts, numbers, cells and structs."""
    from scipy.io.matlab import MatlabFunction, MatlabObject, MatlabOpaque

    if isinstance(value, MatlabOpaque | MatlabFunction | MatlabObject):
        return Opaque(_kind(value))
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.names is not None:
        structs = [{name: _plain(one[name]) for name in value.dtype.names} for one in value.ravel()]
        return structs[0] if len(structs) == 1 else structs
    if value.dtype == object:
        return _as_cells(value, [_plain(one) for one in value.ravel()])
    if value.dtype.kind == "U":
        texts = [str(one).strip() for one in value.ravel()]
        return texts[0] if len(texts) == 1 else (texts or "")
    return value


def _kind(value: Any) -> str:
    """What MATLAB calls an object of its own."""
    names = value.dtype.names or ()
    kind = value["s2"].ravel()[0] if "s2" in names else getattr(value, "classname", "")
    name = kind.decode() if isinstance(kind, bytes) else str(kind)
    return f"a {name}" if name else "an object"


def _as_cells(value: NDArray[Any], found: list[Any]) -> NDArray[np.object_]:
    """Cells in a row or a column as a vector, and others in their shape."""
    flat = cells(found)
    return flat if flat.size == max(value.shape, default=0) else flat.reshape(value.shape)


def _read_hdf5(path: Path) -> dict[str, Any]:
    try:
        import h5py
    except ImportError:
        raise RecordingError("needs the package h5py: pip install 'calibrate-snn[recordings]'") from None
    with h5py.File(path, "r") as file:
        names = [name for name in file if not name.startswith("#")]
        if any("OCTAVE_NEW_FORMAT" in file[name].attrs for name in names):
            raise RecordingError(_OCTAVE)
        return {name: _from_hdf5(file[name], file) for name in names}


def _from_hdf5(item: Any, file: Any) -> Any:
    """A variable of MATLAB 7.3. HDF5 lists dimensions in the other order.

    Fields of arrays of structs are references without a class of their own, and those of one struct are not.
    """
    import h5py

    kind = item.attrs.get("MATLAB_class", b"")
    kind = kind.decode() if isinstance(kind, bytes) else str(kind)
    if "MATLAB_object_decode" in item.attrs:
        return Opaque(f"a {kind}")
    if isinstance(item, h5py.Group):
        return _group(item, file)
    if item.attrs.get("MATLAB_empty", 0):
        return "" if kind == "char" else np.zeros(0, dtype=object if kind == "cell" else float)
    if item.dtype == h5py.ref_dtype:
        values = item[:].T
        return _as_cells(values, [_from_hdf5(file[one], file) for one in values.ravel()])
    if 8 * item.size > psutil.virtual_memory().available:
        raise RecordingError(
            f"has a variable {item.name.strip('/')} that would need {8 * item.size / 1e9:.3g} GB of memory: "
            "save the spike times in a file of their own"
        )
    values = np.asarray(item[()]).T
    if kind != "char" or values.ndim > 2:
        return values
    lines = ["".join(map(chr, row)).strip() for row in np.atleast_2d(values)]
    return lines[0] if len(lines) == 1 else lines


def _group(item: Any, file: Any) -> Any:
    """A struct, an array of structs, or a sparse matrix."""
    from scipy import sparse

    if "MATLAB_sparse" in item.attrs:
        rows, ends = int(item.attrs["MATLAB_sparse"]), item["jc"][:].astype(np.int64)
        data, where = (item[name][:] if name in item else np.zeros(0) for name in ("data", "ir"))
        return sparse.csc_array((data, where.astype(np.int64), ends), shape=(rows, ends.size - 1))
    fields = {name: _from_hdf5(item[name], file) for name in item}
    array = [name for name in item if "MATLAB_class" not in item[name].attrs and name in fields]
    sizes = {np.size(fields[name]) for name in array}
    if not array or len(array) < len(fields) or len(sizes) != 1:
        return fields
    columns = {name: np.ravel(fields[name]) for name in array}
    return [{name: column[k] for name, column in columns.items()} for k in range(sizes.pop())]
