"""Times of an NWB file: its trials, epochs and other intervals by name, and those that are not valid."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.observation.pieces import joined
from calibrate.observation.recording_files.labels import as_text, is_empty

FloatArray = NDArray[np.float64]

INVALID = "invalid_times"
# A column with more different values than this does not name kinds of intervals.
_MOST_KINDS = 20
_LABELS = ("tags", "label", "labels", "epoch_name", "name")
_ENDS = ("start_time", "stop_time", "id", "timeseries")
_MS = 1000.0


def periods_of(file: Any) -> dict[str, FloatArray]:
    """The intervals in a file by name, shape (n, 2) in ms.

    Those of a table have its name, such as "trials"; those with one value in a column of few different values
    also have "trials/stimulus=left". Epochs also have their tags or labels as names.
    """
    found: dict[str, FloatArray] = {}
    labelled: dict[str, FloatArray] = {}
    for table in file.get("intervals", {}).values():
        name, times, valid = table.name.rpartition("/")[2], *_times(table)
        if name == INVALID or not valid.any():
            continue
        found[name] = times[valid]
        for column, values in _columns(table, valid.size):
            kinds = sorted({one for row in values for one in row if not is_empty(one)})
            most = _MOST_KINDS if column in _LABELS else min(_MOST_KINDS, max(int(valid.sum()) - 1, 1))
            if len(kinds) > most:
                continue
            for kind in kinds:
                rows = times[valid & np.array([kind in row for row in values])]
                if len(rows):
                    found[f"{name}/{column}={kind}"] = rows
                    if name == "epochs" and column in _LABELS:
                        labelled.setdefault(kind, rows)
    for group in file.get("epochs", {}).values():  # of NWB 1
        if "start_time" in group and "stop_time" in group:
            times = np.array([[group["start_time"][()], group["stop_time"][()]]], dtype=float) * _MS
            labelled[group.name.rpartition("/")[2]] = times
    return {**labelled, **found}


def invalid_times(file: Any) -> FloatArray:
    """The times that the file declares invalid, in order, shape (n, 2) in ms."""
    table = file.get(f"intervals/{INVALID}")
    if table is None:
        return np.zeros((0, 2))
    times, valid = _times(table)
    return joined(times[valid])


def without(intervals: FloatArray, removed: FloatArray) -> FloatArray:
    """What is left of intervals when others, in order and apart, are taken out."""
    gaps = np.column_stack([np.append(-np.inf, removed[:, 1]), np.append(removed[:, 0], np.inf)])
    starts = np.maximum(intervals[:, None, 0], gaps[None, :, 0])
    stops = np.minimum(intervals[:, None, 1], gaps[None, :, 1])
    return np.asarray(np.stack([starts, stops], axis=-1)[stops > starts])


def _times(table: Any) -> tuple[FloatArray, NDArray[np.bool_]]:
    """The start and stop of each row in ms, and whether the first lies before the second."""
    if "start_time" not in table or "stop_time" not in table:
        return np.zeros((0, 2)), np.zeros(0, bool)
    times = np.column_stack([table["start_time"][:], table["stop_time"][:]]).astype(float) * _MS
    with np.errstate(invalid="ignore"):
        return times, np.isfinite(times).all(axis=1) & (times[:, 1] > times[:, 0])


def _columns(table: Any, rows: int) -> Iterator[tuple[str, list[list[str]]]]:
    """The columns of texts, truth or numbers: for each row, its values as text, several if it is ragged."""
    import h5py

    for name, data in table.items():
        if name in _ENDS or name.endswith("_index") or not isinstance(data, h5py.Dataset) or data.ndim != 1:
            continue
        text = h5py.check_string_dtype(data.dtype) is not None
        if not text and data.dtype.kind not in "iufb":
            continue
        index = table.get(f"{name}_index")
        if len(data) != rows and index is None:
            continue
        values = [as_text(one) for one in (data.asstr(errors="replace")[:] if text else data[:])]
        if index is None:
            yield name, [[one] for one in values]
        elif index.shape == (rows,):
            ends = [0, *index[:].astype(int)]
            yield name, [values[a:b] for a, b in pairwise(ends)]
