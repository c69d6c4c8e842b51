"""Spike trains in cells and in arrays of structs: those of units, or of units in trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import RecordingError
from calibrate.observation.recording_files.matrices import Train, as_train
from calibrate.observation.recording_files.names import is_called, split_name
from calibrate.observation.recording_files.variables import Facts, Values, cells

# What the user can say that units are, of cells in rows and columns.
AXES = ("rows", "columns", "cells")


@dataclass(frozen=True)
class Trains:
    """The trains of units: of each, one, or one for each trial.

    form    where they are, in words
    name    of the value with the times
    beside  the values beside them, such as a depth of each
    labels  the names of the units; None: what is beside them says, or they are numbered
    """

    units: Sequence[Sequence[Train]]
    form: str
    name: str
    beside: Values
    labels: Sequence[str] | None = None
    trials: bool = False


def has_trains(units: Sequence[Sequence[Train]]) -> bool:
    """Whether some have several spikes; single numbers can be anything."""
    return sum(train.size > 2 for unit in units for train in unit) > 0


def _trains_of(values: NDArray[np.object_]) -> list[Train] | None:
    """The trains in cells, of which some have several spikes; None if they hold something else."""
    trains = _numbers_of(values)
    return trains if trains is not None and any(train.size > 1 for train in trains) else None


def _numbers_of(values: NDArray[np.object_]) -> list[Train] | None:
    found = [as_train(one) if isinstance(one, np.ndarray | float | int) else None for one in values.ravel()]
    trains = [train for train in found if train is not None]
    return trains if len(trains) == len(found) else None


def of_cells(
    values: NDArray[np.object_], path: str, beside: Values, axis: str | None = None
) -> Trains | None:
    """The trains in cells, of which each holds those of a unit, of a unit in a trial, or cells of these."""
    trains = _trains_of(values)
    if trains is not None and values.ndim == 1:
        return Trains([[train] for train in trains], f"the cells {path}", path, beside)
    if trains is not None:
        grid = cells(trains).reshape(values.shape)
        axis = axis if axis in AXES else _units_along(values.shape, path, beside)
        if axis == "cells":
            return Trains([[train] for train in trains], f"the cells {path}", path, beside)
        units = [list(row) for row in (grid if axis == "rows" else grid.T)]
        return Trains(units, f"the cells {path} ({axis} are units)", path, beside, trials=True)
    nested = _trains_of_each(values.ravel())
    return None if nested is None else _nested(nested, path, beside)


def _nested(outer: Sequence[Sequence[Train]], path: str, beside: Values) -> Trains:
    """Units with a train for each trial; or trials with one for each unit, if they are called so."""
    if split_name(path)[0].startswith("trial"):
        if len({len(one) for one in outer}) > 1:
            raise RecordingError(f"has trials in {path} with different numbers of units")
        outer = [list(unit) for unit in zip(*outer, strict=True)]
    return Trains(outer, f"the trials of units in {path}", path, beside, trials=True)


def _units_along(shape: tuple[int, ...], path: str, beside: Values) -> str:
    """Whether units are the rows or the columns of cells, by what else the file has as many of."""
    facts = Facts(beside)
    rows, columns = shape[0], shape[-1]
    if rows != columns:
        by_rows = facts.label(rows) is not None or facts.conditions(columns) is not None
        by_columns = facts.label(columns) is not None or facts.conditions(rows) is not None
        if by_rows != by_columns:
            return "rows" if by_rows else "columns"
    raise RecordingError(
        f"holds {rows} x {columns} cells of spike times in {path}: say what is a unit with "
        'columns = { unit = "rows" } (columns are trials), "columns" (rows are trials) or "cells" (there are '
        "no trials); --columns unit=rows"
    )


def time_fields(structs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The fields that hold spike times: by their names, else the only one with trains."""
    fields = [name for name in structs[0] if all(name in one for one in structs)]
    fit = [name for name in fields if _of_values([one[name] for one in structs]) is not None]
    named = [name for name in fit if is_called(name, "times", "spikes")]
    return named or [name for name in fit if has_trains(_of_values([one[name] for one in structs]) or ())][:1]


def _of_values(values: Sequence[Any]) -> list[list[Train]] | None:
    """The trains of structs, or their trains of each trial."""
    trains = _trains_of(cells(values))
    if trains is not None:
        return [[train] for train in trains]
    return _trains_of_each(values)


def _trains_of_each(values: Sequence[Any] | NDArray[np.object_]) -> list[list[Train]] | None:
    """The trains in each of several cells of cells; None if some hold something else."""
    inside = [_numbers_of(one) for one in values if isinstance(one, np.ndarray) and one.dtype == object]
    found = [trains for trains in inside if trains is not None]
    several = any(train.size > 1 for trains in found for train in trains)
    return found if several and len(found) == len(values) else None


def of_structs(structs: Sequence[Mapping[str, Any]], name: str, path: str) -> Trains:
    """The trains in a field of structs, of which each is a unit; the other fields say more about it."""
    values = [one[name] for one in structs]
    trains = _of_values(values)
    if trains is None:
        raise RecordingError(f"holds no spike times in {path}.{name}: those of a unit ascend")
    beside = {other: cells([one.get(other, "") for one in structs]) for other in structs[0] if other != name}
    form = f"the structs {path}, times in {name}"
    if all(isinstance(one, np.ndarray) and one.dtype == object for one in values):
        return replace(_nested(trains, path, beside), form=form, name=name)
    return Trains(trains, form, name, beside)
