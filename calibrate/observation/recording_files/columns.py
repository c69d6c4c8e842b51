"""Tables with one row per spike: which column is the time, which the unit, and what the others say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import RecordingError
from calibrate.observation.recording_files.choice import choose_units
from calibrate.observation.recording_files.groups import group_units
from calibrate.observation.recording_files.labels import read_labels
from calibrate.observation.recording_files.names import is_called, split_name
from calibrate.observation.recording_files.table import Table, Wanted
from calibrate.observation.recording_files.time_units import Stated, find_unit

_ENDS = ("start_ms", "stop_ms")

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Columns:
    """The names of the columns of a table by what they are; unit is None if all spikes are of one unit."""

    time: str
    unit: str | None
    population: str | None = None
    cluster: str | None = None

    @property
    def labels(self) -> dict[str, str]:
        """The columns of labels, by what they are."""
        named = {"unit": self.unit, "population": self.population, "cluster": self.cluster}
        return {role: name for role, name in named.items() if name is not None}

    @property
    def names(self) -> set[str]:
        """All of them."""
        return {self.time, *self.labels.values()}


def find_columns(names: Sequence[str], wanted: Wanted) -> Columns | None:
    """Return which column is what, by their names; None if none is a time.

    Raises RecordingError if several could be the time or the unit.
    """
    for role, name in wanted.columns.items():
        if name not in names:
            raise RecordingError(f"has no {role} column '{name}'; it has {', '.join(names)[:100]}")
    if {"time_ms", "time_s"} <= set(names) and "time" not in wanted.columns:
        raise RecordingError("has both time_ms and time_s: leave out one of them")
    free = [name for name in names if name not in wanted.columns.values()]
    time = wanted.columns.get("time") or _only("time", [name for name in free if _is_time(name)])
    if time is None:
        return None
    free = [name for name in free if name != time]
    unit = wanted.columns.get("unit")
    unit = unit or next((name for name in free if name.casefold() == "unit"), None)
    for what in ("units", "rather units", "clusters"):
        unit = unit or _only("unit", [name for name in free if is_called(name, what)])
    free = [name for name in free if name != unit]
    if unit is None and free:
        raise RecordingError(
            f"has a column of times, {time}, but which one names the unit is not clear: "
            f"{', '.join(free)[:100]}; "
            f'say columns = {{ time = "{time}", unit = "{free[0]}" }} (--columns time={time},unit={free[0]})'
        )
    others = {
        role: next((name for name in free if name.casefold() == role), None)
        for role in ("population", "cluster")
    }
    return Columns(time, unit, **others)


def _is_time(name: str) -> bool:
    """Whether a column is called as times are, such as `t`, or `spikes` with a unit of time."""
    return is_called(name, "times") or (is_called(name, "spikes") and split_name(name)[1] is not None)


def _only(role: str, names: Sequence[str]) -> str | None:
    if len(names) > 1:
        raise RecordingError(
            f"has several columns that could be the {role}: {', '.join(names)[:100]}; "
            f'say columns = {{ {role} = "{names[0]}" }} (--columns {role}={names[0]})'
        )
    return names[0] if names else None


def make_table(
    arrays: Arrays,
    columns: Columns,
    wanted: Wanted,
    form: str,
    *,
    stated: Stated | None = None,
    rate_hz: float | None = None,
    usual: Stated | None = None,
    silent: Iterable[Any] = (),
) -> Table:
    """Make the table of spikes from named arrays with an element for each.

    form    what the file is, in words
    silent  labels of units; those without a spike did not fire
    """
    found = {role: read_labels(name, arrays[name]) for role, name in columns.labels.items()}
    times = arrays[columns.time]
    if times.dtype.kind not in "fiu":
        raise RecordingError(f"{columns.time} contains {times.dtype}, but times are real numbers")
    if times.ndim != 1:
        raise RecordingError(f"needs one row per spike, but {columns.time} has {times.ndim} dimensions")
    for role, values in found.items():
        if values.shape != times.shape:
            raise RecordingError(f"needs one {role} for every spike time")
    times = times.astype(float)
    unit = found.get("unit", np.zeros(times.size, np.int64))
    more = {n: a for n, a in arrays.items() if a.shape == times.shape and n not in (*columns.names, *_ENDS)}
    quiet = np.setdiff1d(np.asarray(list(silent)), unit) if columns.labels.keys() == {"unit"} else unit[:0]
    table = Table(
        time_ms=np.concatenate([times, np.full(quiet.size, np.nan)]),
        unit=np.concatenate([unit, quiet]) if quiet.size else unit,
        population=found.get("population"),
        cluster=found.get("cluster"),
        start_ms=_read_end(arrays, "start_ms"),
        stop_ms=_read_end(arrays, "stop_ms"),
        time_from="stop_ms" if "stop_ms" in arrays else "",
    )
    _refuse_exchanged(table)
    if stated is None and (named := split_name(columns.time)[1]):
        stated = Stated(named, f"as {columns.time} says")
    told = stated or wanted.time_unit or wanted.sampling_rate_hz
    evidence = [] if told else table.trains()
    factor, why = find_unit(evidence, wanted, stated, rate_hz, usual)
    exact = columns.time in ("time_ms", "time_s") and columns.unit == "unit"
    table.understood = f"{form}, {why.partition(' (')[0] if exact else why}{'' if exact else _say(columns)}"
    table.time_ms = table.time_ms * factor
    return _choose(table, {} if quiet.size else more, wanted)


def without_repeats(table: Table) -> Table:
    """The table with the spikes that have the unit and the time of another only once, and a note on them."""
    if table.sizes is not None:
        return table
    unit = table.numbered()
    order = np.lexsort((table.time_ms, unit))
    same = (np.diff(table.time_ms[order]) == 0) & (np.diff(unit[order]) == 0)
    kept = np.ones(unit.size, dtype=bool)
    kept[order[1:][same]] = False
    if kept.all():
        return table
    note = f"{(~kept).sum()} of {kept.size} spikes have the unit and the time of another, and are left out"
    return replace(_rows(table, kept), notes=[*table.notes, note])


def _rows(table: Table, rows: NDArray[np.bool_]) -> Table:
    return replace(
        table,
        time_ms=table.time_ms[rows],
        unit=table.unit[rows],
        population=None if table.population is None else table.population[rows],
        cluster=None if table.cluster is None else table.cluster[rows],
    )


def _say(columns: Columns) -> str:
    return f", units named by {columns.unit}" if columns.unit else ", all of one unit"


def _refuse_exchanged(table: Table) -> None:
    if table.unit.size >= 100 and np.unique(table.unit).size == table.unit.size:
        raise RecordingError(
            "gives each spike a unit of its own: are the columns of time and unit exchanged?"
        )


def _read_end(columns: Arrays, name: str) -> float | None:
    if name not in columns:
        return None
    value = columns[name]
    if value.size != 1 or value.dtype.kind not in "fiu":
        raise RecordingError(f"{name} must be one number")
    return float(value.item())


def _choose(table: Table, more: Arrays, wanted: Wanted) -> Table:
    """Keep the chosen units. A column tells units apart if it has one value for each."""
    grouped = wanted.populations is not None or wanted.cluster is not None
    if not table.unit.size or not (more or wanted.units or grouped):
        return table
    unit = table.numbered()
    _, first = np.unique(unit, return_index=True)
    columns = {}
    for name, values in more.items():
        code = np.unique(values.astype(str), return_inverse=True)[1] if values.dtype.kind == "O" else values
        if (code == code[first][unit]).all():
            columns[name] = list(values[first])
        elif name in {*wanted.units, wanted.cluster, (wanted.populations or {}).get("column")}:
            raise RecordingError(f"{name} differs between the spikes of a unit, so it cannot choose units")
    kept, notes = choose_units(columns, wanted.units, first.size)
    own = {"population": table.population, "cluster": table.cluster}
    columns |= {name: list(labels[first]) for name, labels in own.items() if labels is not None}
    left_out = {", ".join(wanted.units): int((~kept).sum())} if not kept.all() else {}
    groups = group_units(columns, wanted.populations, wanted.cluster, kept)
    own |= {name: labels[unit] for name, labels in groups.columns.items()}
    # In other groups, a name could be that of two units.
    label = unit if groups.columns and np.unique(table.unit).size < first.size else table.unit
    table = replace(table, unit=label, population=own["population"], cluster=own["cluster"])
    return replace(
        _rows(table, groups.kept[unit]),
        left_out={**left_out, **groups.without},
        notes=[*notes, *groups.notes],
    )
