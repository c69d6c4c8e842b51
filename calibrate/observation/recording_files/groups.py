"""Populations and clusters of units, from columns of their file that have other names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import RecordingError
from calibrate.observation.recording_files.choice import Columns, Value, column_of, count_values, words_of
from calibrate.observation.recording_files.labels import as_text, is_empty, read_labels

# The column that tells populations apart, as "column", and the values of each population by its name.
Populations = Mapping[str, Value | Sequence[Value]]


@dataclass(frozen=True)
class Groups:
    """The groups that units are in.

    kept     whether each unit is in one
    without  how many that were chosen are in none, by the column that says so
    columns  their population or cluster, a label for each unit, as far as a column was named
    notes    what to know about it
    """

    kept: NDArray[np.bool_]
    without: Mapping[str, int] = field(default_factory=dict)
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    notes: Sequence[str] = ()


def group_units(
    columns: Columns, populations: Populations | None, cluster: str | None, chosen: NDArray[np.bool_]
) -> Groups:
    """Return the population and the cluster of each unit from the columns that are named for them.

    columns  for each column, one value for each unit
    chosen   which of the units are wanted at all

    Raises RecordingError if there is no such column, if no unit is in a population, or if only some have a
    cluster.
    """
    kept = chosen.copy()
    found: dict[str, NDArray[Any]] = {}
    notes: list[str] = []
    if populations is not None:
        found["population"], notes = _populations(columns, populations, chosen)
        kept &= found["population"] != ""
    if cluster is not None:
        values = [as_text(value) for value in column_of(columns, cluster)]
        if missing := sum(is_empty(values[k]) for k in np.flatnonzero(kept)):
            raise RecordingError(f"{missing} of {kept.sum()} units have no {cluster}, but others do")
        labels = np.array([value if keep else "0" for value, keep in zip(values, kept, strict=True)])
        found["cluster"] = read_labels(cluster, labels)
    missing = int((chosen & ~kept).sum())
    without = {str(populations["column"]): missing} if populations is not None and missing else {}
    return Groups(kept, without, found, notes)


def _populations(
    columns: Columns, populations: Populations, chosen: NDArray[np.bool_]
) -> tuple[NDArray[np.str_], list[str]]:
    """The name of the population of each unit, "" if it is in none; and notes."""
    column = str(populations.get("column", ""))
    if not column:
        raise RecordingError(
            'population does not name a column: write { column = "cell_type", E = "pyr", I = "FS" }'
        )
    values = [as_text(value) for value in column_of(columns, column)]
    given = {name: words_of(value) for name, value in populations.items() if name != "column"}
    name_of: dict[str, str] = {}
    for name, words in given.items():
        for word in words:
            if name_of.setdefault(word.casefold(), name) != name:
                raise RecordingError(f"{column} = {word} is in both {name_of[word.casefold()]} and {name}")
    if given:
        found = [name_of.get(value.casefold(), "") for value in values]
    else:  # every value is a population
        found = ["" if is_empty(value) else value for value in values]
    present = {name for name, keep in zip(found, chosen, strict=True) if keep}
    if not present - {""}:
        wanted = ", ".join(dict.fromkeys(word for words in given.values() for word in words))
        raise RecordingError(f"no unit has {column} = {wanted or 'a value'}: {count_values(values)}")
    notes = [
        f"there are no units of {name}, since none has {column} = {' or '.join(words)}"
        for name, words in given.items()
        if name not in present
    ]
    rest = [value for value, name, keep in zip(values, found, chosen, strict=True) if keep and not name]
    if rest:
        notes.append(f"units of no population are left out, by their {column}: {count_values(rest)}")
    return np.array(found), notes
