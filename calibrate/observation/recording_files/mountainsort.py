"""Firings of MountainSort: an .mda file with a column for each spike, and the sampling rate in params.json.

The rows of the array are the channel of the peak, the sample, and the number of the unit. The format is that
of MountainLab: a head of 32-bit integers (code of the type, its bytes, number of dimensions, and each of
them), then the numbers in Fortran's order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import RecordingError
from calibrate.observation.recording_files.sorted_units import Unit
from calibrate.observation.recording_files.sorting import (
    SpikesByUnit,
    check_rate,
    make_table_of_neurons,
    say_rate,
    to_ms,
)
from calibrate.observation.recording_files.table import Table, Wanted

# The types by their codes in the head.
_TYPES = {-2: "u1", -3: "f4", -4: "i2", -5: "i4", -6: "u2", -7: "f8", -8: "u4"}
_PARAMS = "params.json"
_NO_FIRINGS = (
    "{name} holds traces or something else, not firings, which are rows of channels, samples and units"
)
# Sorters add few rows of their own.
_MOST_ROWS = 8


def is_mountainsort(path: Path) -> bool:
    """Whether a folder holds one file of firings."""
    return len(list(path.glob("firings*.mda"))) == 1


def files_of(path: Path) -> Iterator[Path]:
    """The files that are read of such a folder."""
    return (one for part in ("firings*.mda", _PARAMS) for one in path.glob(part))


def read_mountainsort(path: Path, wanted: Wanted) -> Table:
    """Read a file of firings, or the only one in a folder."""
    wanted.refuse_time_unit("samples")
    path = next(path.glob("firings*.mda")) if path.is_dir() else path
    rate = _rate(path.with_name(_PARAMS))
    firings = _read_firings(path)
    if not firings.shape[1]:
        raise RecordingError("contains no spikes")
    found = SpikesByUnit.of(firings[2].astype(np.int64))
    trains = found.split(firings[1])
    channels = found.split(firings[0])
    units = [
        Unit(
            label=int(label),
            times_ms=to_ms(train, rate),
            columns={"channel": int(channel[0]), "n_spikes": train.size},
        )
        for label, train, channel in zip(found.labels.tolist(), trains, channels, strict=True)
    ]
    return make_table_of_neurons(units, wanted, understood=f"firings of MountainSort, {say_rate(rate)}")


def _rate(path: Path) -> float:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return check_rate(content["samplerate"], f"samplerate in {path.name}")
    except (OSError, ValueError, KeyError, TypeError):
        raise RecordingError(
            f'does not say its sampling rate: write it in {path.name} beside it, as {{"samplerate": 30000}}'
        ) from None


def _read_firings(path: Path) -> NDArray[Any]:
    with path.open("rb") as file:
        code, _, dimensions = np.fromfile(file, "<i4", 3).tolist()
        if code not in _TYPES or not 1 <= abs(dimensions) <= 6:
            raise RecordingError(f"{path.name} is not a file of numbers in the format of MountainLab")
        shape = np.fromfile(file, "<i8" if dimensions < 0 else "<i4", abs(dimensions)).tolist()
        if len(shape) != 2 or not 3 <= shape[0] <= _MOST_ROWS:
            raise RecordingError(_NO_FIRINGS.format(name=path.name))
        values = np.fromfile(file, f"<{_TYPES[code]}")
    if values.size != np.prod(shape):
        raise RecordingError(f"{path.name} is incomplete: it holds {values.size} of {np.prod(shape)} numbers")
    firings = values.reshape(shape, order="F")
    if (firings[1:3] < 0).any() or (firings[2] != np.round(firings[2])).any():
        raise RecordingError(_NO_FIRINGS.format(name=path.name))
    return firings
