"""Spikes of simulations in SONATA: `timestamps` and `node_ids` of each population in an HDF5 file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from calibrate.errors import RecordingError
from calibrate.observation.recording_files.table import Table, Wanted

_ARRAYS = frozenset({"timestamps", "node_ids"})
_FACTORS = {"s": 1000.0, "second": 1000.0, "seconds": 1000.0}


def is_sonata(path: Path) -> bool:
    """Whether an HDF5 file holds spikes in this format."""
    try:
        import h5py

        with h5py.File(path, "r") as file:
            return bool(_populations(file))
    except (ImportError, OSError):
        return False


def read_sonata(path: Path, wanted: Wanted) -> Table:
    """Read the spikes of all populations; neurons that did not fire are not in the file."""
    import h5py

    with h5py.File(path, "r") as file:
        found = _populations(file)
        times, ids, names = [], [], []
        units = set()
        for name, group in found.items():
            unit = group["timestamps"].attrs.get("units", "ms")
            unit = unit.decode() if isinstance(unit, bytes) else str(unit)
            units.add("s" if unit in _FACTORS else "ms")
            times.append(group["timestamps"][:] * _FACTORS.get(unit, 1.0))
            ids.append(group["node_ids"][:])
            names.append(np.full(times[-1].size, name))
    unit = " and ".join(sorted(units))
    wanted.refuse_time_unit(unit)
    if wanted.units:
        raise RecordingError("says nothing about its units, by which to choose")
    return Table(
        time_ms=np.concatenate(times),
        unit=np.concatenate(ids),
        population=np.concatenate(names) if len(found) > 1 else None,
        understood=f"SONATA, times in {unit}",
        notes=["neurons that never fire are not in the file, so none counts as silent"],
    )


def _populations(file: Any) -> dict[str, Any]:
    import h5py

    inside = file.get("spikes")
    if not isinstance(inside, h5py.Group):
        return {}
    return {
        name: group
        for name, group in inside.items()
        if isinstance(group, h5py.Group) and set(group) >= _ARRAYS
    }
