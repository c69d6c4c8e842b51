"""Units of files that list them one by one, with what the files say about each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import RecordingError
from calibrate.observation.pieces import joined
from calibrate.observation.recording_files.choice import choose_units
from calibrate.observation.recording_files.groups import group_units
from calibrate.observation.recording_files.labels import as_text, is_empty, read_labels
from calibrate.observation.recording_files.table import Table, Wanted


@dataclass(frozen=True)
class Unit:
    """One unit.

    label     names it among all units of the file
    times_ms  its spikes
    observed  intervals in which it was observed, shape (n, 2), ms; None if the file does not say
    columns   whatever else the file says about it, by name
    """

    label: int | str
    times_ms: NDArray[np.float64]
    observed: NDArray[np.float64] | None = None
    columns: Mapping[str, object] = field(default_factory=dict)


def make_table(
    units: Sequence[Unit],
    wanted: Wanted,
    *,
    understood: str,
    time_from: str = "",
    periods: Mapping[str, NDArray[np.float64]] | None = None,
) -> Table:
    """Make the table of the wanted units."""
    if not units:
        raise RecordingError("contains no units")
    names = list(dict.fromkeys(name for unit in units for name in unit.columns))
    columns = {name: [unit.columns.get(name, "") for unit in units] for name in names}
    kept, notes = choose_units(columns, wanted.units, len(units))
    groups = group_units(columns, wanted.populations, wanted.cluster, kept)
    left_out = {", ".join(wanted.units): int((~kept).sum())} if not kept.all() else {}
    units = [
        replace(unit, columns={**unit.columns, **{name: of[k] for name, of in groups.columns.items()}})
        for k, unit in enumerate(units)
        if groups.kept[k]
    ]
    units, more = _check_times(units)
    start, stop, observed = _span(units)
    return Table(
        time_ms=np.concatenate([unit.times_ms for unit in units]),
        unit=np.array([unit.label for unit in units]),
        population=_column(units, "population"),
        cluster=_column(units, "cluster"),
        sizes=np.array([unit.times_ms.size for unit in units]),
        start_ms=start,
        stop_ms=stop,
        observed=observed,
        periods=periods or {},
        understood=understood,
        time_from=time_from if start is not None else "",
        left_out={**left_out, **groups.without},
        notes=[*notes, *groups.notes, *more],
    )


def _column(units: Sequence[Unit], name: str) -> NDArray[np.generic] | None:
    values = [unit.columns.get(name) for unit in units]
    missing = sum(value is None or is_empty(as_text(value)) for value in values)
    if missing == len(values):
        return None
    if missing:
        raise RecordingError(f"{missing} of {len(values)} units have no {name}, but others do")
    found = np.array([as_text(value) for value in values])
    return found if name == "population" else read_labels(name, found)


def _check_times(units: Sequence[Unit]) -> tuple[list[Unit], list[str]]:
    """Return the units with their different spikes within the intervals, and notes if there were others."""
    found, notes = [], []
    outside, twice = 0, 0
    for unit in units:
        if not np.isfinite(unit.times_ms).all():
            raise RecordingError(f"unit {unit.label} has a spike time that is not a number")
        times = unit.times_ms if (np.diff(unit.times_ms) > 0).all() else np.unique(unit.times_ms)
        twice += unit.times_ms.size - times.size
        unit = replace(unit, times_ms=times)
        if unit.observed is None or not unit.observed.size:
            found.append(replace(unit, observed=None))
            continue
        intervals = _merge(unit)
        interval = np.searchsorted(intervals[:, 0], unit.times_ms, side="right") - 1
        inside = (interval >= 0) & (unit.times_ms <= intervals[interval, 1])
        outside += int((~inside).sum())
        found.append(replace(unit, observed=intervals, times_ms=unit.times_ms[inside]))
    if twice:
        spikes = twice + sum(unit.times_ms.size for unit in found) + outside
        notes.append(f"{twice} of {spikes} spikes have the unit and the time of another, and are left out")
    if outside:
        notes.append(
            f"spikes outside the intervals in which their units were observed are left out: {outside}"
        )
    unknown = sum(unit.observed is None for unit in found)
    if 0 < unknown < len(found):
        notes.append(
            f"units that do not say when they were observed count all the time: {unknown} of {len(found)}"
        )
    return found, notes


def _merge(unit: Unit) -> NDArray[np.float64]:
    """The intervals of a unit in order of time, those that touch as one."""
    intervals = np.asarray(unit.observed, dtype=float)
    if not np.isfinite(intervals).all() or (intervals[:, 1] <= intervals[:, 0]).any():
        raise RecordingError(
            f"unit {unit.label} was observed in an interval that does not end after its start"
        )
    return joined(intervals)


def _span(
    units: Sequence[Unit],
) -> tuple[float | None, float | None, dict[int | str, NDArray[np.float64]] | None]:
    """The time from the first to the last interval, and the intervals if they differ between units."""
    known = [unit.observed for unit in units if unit.observed is not None]
    if not known:
        return None, None, None
    start, stop = min(float(one[0, 0]) for one in known), max(float(one[-1, 1]) for one in known)
    whole = np.array([[start, stop]])
    unknown = [unit for unit in units if unit.observed is None and unit.times_ms.size]
    whole[0, 0] = min([start, *(float(unit.times_ms.min()) for unit in unknown)])
    whole[0, 1] = max([stop, *(float(unit.times_ms.max()) for unit in unknown)])
    observed = {unit.label: whole if unit.observed is None else unit.observed for unit in units}
    same = all(np.array_equal(one, whole) for one in observed.values())
    return float(whole[0, 0]), float(whole[0, 1]), None if same else observed
