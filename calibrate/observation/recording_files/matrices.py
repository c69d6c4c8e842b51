"""Spike trains in numbers without names: a train for each row or column, rows of times and units, rasters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import RecordingError
from calibrate.observation.recording_files.columns import Columns, make_table
from calibrate.observation.recording_files.sorted_units import Unit
from calibrate.observation.recording_files.sorted_units import make_table as make_table_of_units
from calibrate.observation.recording_files.table import Table, Wanted
from calibrate.observation.recording_files.time_units import Stated, find_unit

Train = NDArray[np.float64]

# With more, it is not likely that two of them are times and units.
_FEW_COLUMNS = 10
# So many times as many units as times would be most units with one spike.
_FEWER = 5


def as_train(values: Any) -> Train | None:
    """The times in an array without its padding; None if they are not numbers in ascending order."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiu" or array.size != max(array.shape, default=1):
        return None if array.size else np.zeros(0)
    train = array.ravel().astype(float)
    known = np.flatnonzero(~np.isnan(train))
    train = train[: known[-1] + 1] if known.size else train[:0]
    if not np.isfinite(train).all() or (np.diff(train) < 0).any():
        return None
    return train


def as_trains(matrix: NDArray[Any]) -> dict[str, list[Train]]:
    """The trains in the rows or in the columns of a matrix, where they are some: by "row" or "column".

    They end with nan or 0 where other trains are longer.
    """
    padded = bool((matrix[:, -1] == 0).any() or (matrix[-1] == 0).any())
    each = {"row": matrix, "column": matrix.T}
    found = {
        which: [as_train(_without_zeros(one) if padded else one) for one in trains]
        for which, trains in each.items()
    }
    return {which: useful for which, trains in found.items() if (useful := _useful(trains))}


def holds_spikes(matrix: NDArray[Any]) -> bool:
    """Whether a matrix without a name must hold spikes: it has rows of times and units, or padded trains."""
    if matrix.ndim != 2 or min(matrix.shape) < 2 or matrix.dtype.kind != "f":
        return False
    if np.isnan(matrix).any():
        return len(as_trains(matrix)) == 1
    return 2 in matrix.shape and len(_pairs(matrix if matrix.shape[1] == 2 else matrix.T)) == 1


def _without_zeros(train: NDArray[Any]) -> NDArray[Any]:
    """The train without the zeros at its end."""
    fired = np.flatnonzero(train)
    return train[: fired[-1] + 1] if fired.size else train[:0]


def _useful(trains: Sequence[Train | None]) -> list[Train]:
    """The trains, if all are and if some have several spikes."""
    found = [train for train in trains if train is not None]
    return found if len(found) == len(trains) and sum(train.size > 2 for train in found) else []


def read_matrix(
    matrix: NDArray[Any],
    wanted: Wanted,
    form: str,
    *,
    stated: Stated | None = None,
    rate_hz: float | None = None,
    usual: Stated | None = None,
    first: int = 0,
) -> Table:
    """Read a matrix of numbers: rows of a time and a unit, or a train in each row or column.

    first  the number of the first unit, if units are numbered by their place

    Raises RecordingError if it is neither.
    """
    if matrix.dtype.kind not in "fiub" or matrix.ndim != 2:
        raise RecordingError(f"has {matrix.ndim} dimensions of {matrix.dtype}, which are no spike times")
    columns = _named(matrix, wanted) if wanted.columns else None
    if columns is None and 2 in matrix.shape and max(matrix.shape) > 2:
        matrix = matrix if matrix.shape[1] == 2 else matrix.T
        columns = _pair(matrix)
    if columns is not None:
        arrays = {str(k + 1): column for k, column in enumerate(matrix.T)}
        table = make_table(arrays, columns, wanted, form, stated=stated, rate_hz=rate_hz, usual=usual)
        said = f", rows of a time (column {columns.time}) and a unit (column {columns.unit})"
        table.understood = table.understood.partition(", units named by")[0] + said
        return table
    if 1 in matrix.shape and (train := as_train(matrix)) is not None and train.size > 1:
        return make_units(
            [train], wanted, f"{form}, one unit", stated=stated, rate_hz=rate_hz, usual=usual, first=first
        )
    found, shape = as_trains(matrix), f"{matrix.shape[0]} x {matrix.shape[1]}"
    if len(found) > 1:
        raise RecordingError(
            f"holds {shape} numbers that ascend in rows and columns: save its spikes as CSV with the columns "
            "time_ms and unit"
        )
    if not found:
        text = f"holds {shape} numbers, which are no spike times: those of a unit ascend"
        if 1 < matrix.shape[1] <= _FEW_COLUMNS:
            text += (
                '; if two of the columns are times and units, say columns = { time = "1", unit = "2" } '
                "(--columns time=1,unit=2)"
            )
        raise RecordingError(text)
    which, trains = found.popitem()
    said = f"{form}, a {which} per unit"
    return make_units(trains, wanted, said, stated=stated, rate_hz=rate_hz, usual=usual, first=first)


def _named(matrix: NDArray[Any], wanted: Wanted) -> Columns:
    """The columns that the user names by number, the first of which is 1."""
    names = [str(k + 1) for k in range(matrix.shape[1])]
    for role, name in wanted.columns.items():
        if name not in names:
            raise RecordingError(
                f"has no {role} column {name}: its columns have no names but 1 to {names[-1]}"
            )
    if "time" not in wanted.columns:
        raise RecordingError("needs the number of the column of times: columns = { time = ... }")
    return Columns(wanted.columns["time"], wanted.columns.get("unit"))


def _pair(matrix: NDArray[Any]) -> Columns | None:
    """Which of two columns are times and which are units, if their numbers allow one answer only."""
    fits = _pairs(matrix)
    if len(fits) > 1:
        raise RecordingError(
            "has two columns of whole numbers, of which either could be the times: say "
            'columns = { time = "1", unit = "2" } or the other way round (--columns time=1,unit=2)'
        )
    return fits[0] if fits else None


def _pairs(matrix: NDArray[Any]) -> list[Columns]:
    """The ways to read two columns as times and units; times have far more different values."""
    different = [np.unique(column).size for column in matrix.T]
    return [
        Columns(str(time + 1), str(unit + 1))
        for time, unit in ((0, 1), (1, 0))
        if _are_times(matrix[:, time], matrix[:, unit]) and different[unit] < _FEWER * different[time]
    ]


def _are_times(times: NDArray[Any], units: NDArray[Any]) -> bool:
    """Whether units are whole numbers, of which some are there several times, and times ascend in each."""
    if np.isnan(units.astype(float)).any() or (units % 1).any() or np.unique(units).size == units.size:
        return False
    order = np.argsort(units, kind="stable")
    steps, same = np.diff(times[order].astype(float)), np.diff(units[order]) == 0
    return bool((steps[same] >= 0).all())


def make_units(
    trains: Sequence[Train],
    wanted: Wanted,
    form: str,
    *,
    labels: Sequence[int | str] | None = None,
    stated: Stated | None = None,
    rate_hz: float | None = None,
    usual: Stated | None = None,
    first: int = 0,
) -> Table:
    """Make the table of trains in the unit of their file."""
    if not any(train.size for train in trains):
        raise RecordingError(f"contains {len(trains)} units, but no spikes")
    factor, why = find_unit(trains, wanted, stated, rate_hz, usual)
    units = [
        Unit(
            label=number + first if labels is None else labels[number],
            times_ms=train * factor,
        )
        for number, train in enumerate(trains)
    ]
    return make_table_of_units(units, wanted, understood=f"{form}, {why}")
