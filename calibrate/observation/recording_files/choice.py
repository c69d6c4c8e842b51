"""Units chosen by what their file says about them, such as the verdict of a spike sorter."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import RecordingError, did_you_mean
from calibrate.observation.recording_files.labels import as_text

Value = str | int | float | bool
# For each column of the units, the value or the values that units may have in it; or the least and the most,
# as "min" and "max".
Chosen = Mapping[str, Value | Sequence[Value] | Mapping[str, float]]
Columns = Mapping[str, Sequence[object]]

# Columns that sort good units from others; NWB suggests this name.
_QUALITY = frozenset({"quality"})
# What spike sorters and their users call units that are not single neurons, or none at all.
_NOT_SINGLE = frozenset(
    [
        "mua",
        "multi",
        "multiunit",
        "multi-unit",
        "noise",
        "unsorted",
        "unclassified",
        "artifact",
        "artefact",
        "bad",
        "reject",
        "rejected",
    ]
)
# A column with more values than this is no verdict.
_MOST_VERDICTS = 12


def choose_units(columns: Columns, chosen: Chosen, units: int) -> tuple[NDArray[np.bool_], list[str]]:
    """Return which of the units are chosen, and what to say about them.

    columns  for each column, one value for each unit

    Raises RecordingError if there is no such column, or no such unit.
    """
    kept = np.ones(units, dtype=bool)
    for name, wanted in chosen.items():
        if isinstance(wanted, Mapping):
            kept &= _within(columns, name, wanted)
        else:
            kept &= _matches(columns, name, words_of(wanted))
    if chosen and not kept.any():
        raise RecordingError(f"has no unit with {_say(chosen)}")
    if chosen:
        return kept, []
    first: dict[tuple[str, ...], str] = {}  # of columns that say the same
    names = [name for name in columns if first.setdefault(tuple(map(as_text, columns[name])), name) == name]
    return kept, [text for name in names if (text := _remark(name, columns[name]))]


def words_of(wanted: Value | Sequence[Value]) -> list[str]:
    """A value or several as text."""
    values = [wanted] if isinstance(wanted, str | int | float) else wanted
    return [as_text(value) for value in values]


def column_of(columns: Columns, name: str) -> Sequence[object]:
    """A column of the units. Raises RecordingError if there is none of this name."""
    if name not in columns:
        known = ", ".join(columns) or "nothing else"
        hint = did_you_mean(name, columns)
        raise RecordingError(
            f"says nothing called {name} about its units, by which to choose{hint}; it has {known}"
        )
    return columns[name]


def _matches(columns: Columns, name: str, wanted: Sequence[str]) -> NDArray[np.bool_]:
    found = [as_text(value) for value in column_of(columns, name)]
    folded = {word.casefold() for word in found}
    for word in wanted:
        if word.casefold() not in folded:
            raise RecordingError(f"no unit has {name} = {word}: {count_values(found)}")
    match = {word.casefold() for word in wanted}
    return np.array([word.casefold() in match for word in found], dtype=bool)


def _within(columns: Columns, name: str, limits: Mapping[str, float]) -> NDArray[np.bool_]:
    """Which units have a number from the least to the most, both included."""
    if not limits or not limits.keys() <= {"min", "max"}:
        raise RecordingError(f"units are chosen by {name} between min and max, not {', '.join(limits)}")
    numbers = np.array([_number(value) for value in column_of(columns, name)])
    if np.isnan(numbers).all():
        found = count_values(columns[name])
        raise RecordingError(f"{name} has no numbers, by which to choose units from min to max: {found}")
    least, most = limits.get("min", -math.inf), limits.get("max", math.inf)
    inside: NDArray[np.bool_] = (numbers >= least) & (numbers <= most)
    if not inside.any():
        low, high = np.nanmin(numbers), np.nanmax(numbers)
        raise RecordingError(f"no unit has {name} {_range(limits)}: they have {low:g} to {high:g}")
    return inside


def _number(value: object) -> float:
    try:
        return float(as_text(value))
    except ValueError:
        return math.nan


def _range(limits: Mapping[str, float]) -> str:
    words = {"min": "from", "max": "to"}
    return " ".join(f"{words[end]} {limits[end]:g}" for end in words if end in limits)


def _remark(name: str, values: Sequence[object]) -> str | None:
    """Say that units of all verdicts are used, if the column has verdicts of which some are bad or unlike."""
    counts = _verdicts(values)
    doubtful = {word for word in counts if word.casefold() in _NOT_SINGLE}
    verdicts = name.casefold() in _QUALITY and 1 < len(counts) <= _MOST_VERDICTS
    if not (doubtful or verdicts):
        return None
    best = next((word for word, _ in counts.most_common() if word and word not in doubtful), None)
    example = f"; choose some with units, such as {name} = {best}" if best and len(counts) > 1 else ""
    return f"units are used whatever their {name}: {count_values(list(values))}{example}"


def count_values(values: Sequence[object]) -> str:
    """How many units have each value, the most frequent first."""
    counts = _verdicts(values).most_common()
    named = [f"{count} {word or 'without a value'}" for word, count in counts[:_MOST_VERDICTS]]
    return ", ".join(named) + (", ..." if len(counts) > _MOST_VERDICTS else "")


def _verdicts(values: Sequence[object]) -> Counter[str]:
    """How often each value occurs, in the case in which it occurs first."""
    first: dict[str, str] = {}
    return Counter(first.setdefault(word.casefold(), word) for word in map(as_text, values))


def _say(chosen: Chosen) -> str:
    return ", ".join(
        f"{name} {_range(value)}"
        if isinstance(value, Mapping)
        else f"{name} = {' or '.join(words_of(value))}"
        for name, value in chosen.items()
    )
