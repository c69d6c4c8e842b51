"""Units chosen by what their file says about them, such as the verdict of a spike sorter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import RecordingError
from calibrate.observation.recording_files.labels import as_text

Value = str | int | float | bool
# For each column of the units, the value or the values that units may have in it.
Chosen = Mapping[str, Value | Sequence[Value]]
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
        "not good",
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
        values = [wanted] if isinstance(wanted, str | int | float) else list(wanted)
        kept &= _matches(columns, name, [as_text(value) for value in values])
    if chosen and not kept.any():
        raise RecordingError(f"has no unit with {_say(chosen)}")
    if chosen:
        return kept, []
    first: dict[tuple[str, ...], str] = {}  # of columns that say the same
    names = [name for name in columns if first.setdefault(tuple(map(as_text, columns[name])), name) == name]
    notes = {name: text for name in names if (text := _remark(name, columns[name]))}
    # One verdict is enough: sorters keep those that they came to it from.
    return kept, [notes[name] for name in notes if name in _QUALITY or not _QUALITY & notes.keys()]


def _matches(columns: Columns, name: str, wanted: Sequence[str]) -> NDArray[np.bool_]:
    if name not in columns:
        known = ", ".join(columns) or "nothing else"
        raise RecordingError(
            f"says nothing called {name} about its units, by which to choose; it has {known}"
        )
    found = [as_text(value) for value in columns[name]]
    folded = {word.casefold() for word in found}
    for word in wanted:
        if word.casefold() not in folded:
            raise RecordingError(f"no unit has {name} = {word}: {_count(found)}")
    match = {word.casefold() for word in wanted}
    return np.array([word.casefold() in match for word in found], dtype=bool)


def _remark(name: str, values: Sequence[object]) -> str | None:
    """Say that units of all verdicts are used, if the column has verdicts of which some are bad or unlike."""
    counts = _verdicts(values)
    doubtful = {word for word in counts if word.casefold() in _NOT_SINGLE}
    verdicts = name.casefold() in _QUALITY and 1 < len(counts) <= _MOST_VERDICTS
    if not (doubtful or verdicts):
        return None
    best = next((word for word, _ in counts.most_common() if word and word not in doubtful), None)
    example = f"; choose some with units, such as {name} = {best}" if best and len(counts) > 1 else ""
    return f"units are used whatever their {name}: {_count(list(values))}{example}"


def _count(values: Sequence[object]) -> str:
    counts = _verdicts(values).most_common()
    named = [f"{count} {word or 'without a value'}" for word, count in counts[:_MOST_VERDICTS]]
    return ", ".join(named) + (", ..." if len(counts) > _MOST_VERDICTS else "")


def _verdicts(values: Sequence[object]) -> Counter[str]:
    """How often each value occurs, in the case in which it occurs first."""
    first: dict[str, str] = {}
    return Counter(first.setdefault(word.casefold(), word) for word in map(as_text, values))


def _say(chosen: Chosen) -> str:
    words = {
        name: [as_text(one) for one in ([value] if isinstance(value, str | int | float) else value)]
        for name, value in chosen.items()
    }
    return ", ".join(f"{name} = {' or '.join(values)}" for name, values in words.items())
