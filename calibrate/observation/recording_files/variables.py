"""Named values, such as the variables of MATLAB: which of them are spike trains, and what the others say.

Values are arrays of numbers, sparse matrices, text, cells (arrays of values), structs (dict of values) and
arrays of structs (list of dict).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import RecordingError
from calibrate.observation.recording_files.names import is_called, read_unit, split_name
from calibrate.observation.recording_files.time_units import MS, Stated

Values = Mapping[str, Any]

_RATE = re.compile(r"(.*?)[\s_(\[]*(k?hz)?[)\]]?", re.IGNORECASE)


@dataclass(frozen=True)
class Opaque:
    """A value that only its own program can read."""

    kind: str


@dataclass(frozen=True)
class Facts:
    """What the variables of a file say about its times, in its own unit where it has none of its own."""

    values: Values

    def number(self, what: str) -> tuple[str, float, str | None] | None:
        """The first number that is called so, such as "bins": its name, value and unit of time."""
        for name, value in self.values.items():
            if is_called(name, what) and (numbers := _numbers(value)).size == 1:
                return name, float(numbers[0]), split_name(name)[1]
        return None

    @property
    def rate_hz(self) -> float | None:
        """The sampling rate."""
        for name, value in self.values.items():
            match, numbers = _RATE.fullmatch(name), _numbers(value)
            if match and is_called(match[1], "sampling rates") and numbers.size == 1 and numbers[0] > 0:
                return float(numbers[0]) * (1000.0 if (match[2] or "").casefold() == "khz" else 1.0)
        return None

    def stated(self, name: str) -> Stated | None:
        """The unit of the times with this name."""
        plain, unit = split_name(name.rpartition(".")[2])
        if unit:
            return Stated(unit, f"as {name} says")
        for other, value in self.values.items():
            of_times = split_name(other)[0] in (f"{plain}units", f"{plain}unit")
            if isinstance(value, str) and (of_times or is_called(other, "units of time")):
                found = read_unit(value)
                if found:
                    return Stated(found, f"as {other} says")
        return None

    def bin_width(self) -> tuple[str, float, str | None] | None:
        """The width of the bins of a raster."""
        return self.number("bins")

    def stop_ms(self, last_ms: float) -> tuple[str, float] | None:
        """Which variable says when the recording stops, and when, ms; None if none fits to the last spike.

        A number without a unit of time has the one in which it is not long after the last spike.
        """
        found = self.number("stops")
        if found is None:
            return None
        name, value, unit = found
        factors = [MS[unit]] if unit in MS else [MS["s"], MS["ms"]]
        longest = 2.0 if unit is None else np.inf
        fit = [value * one for one in factors if last_ms <= value * one * (1 + 1e-9) <= longest * last_ms]
        return (name, fit[0]) if len(fit) == 1 else None

    def window_ms(self, factor: float) -> NDArray[np.float64] | None:
        """When each trial begins and ends by its own clock."""
        for name, value in self.values.items():
            numbers = _numbers(value) if is_called(name, "windows") else np.zeros(0)
            if numbers.size == 2 and numbers[1] > numbers[0]:
                return numbers * MS.get(split_name(name)[1] or "", factor)
        length = self.number("lengths of trials")
        return None if length is None else np.array([0.0, length[1] * MS.get(length[2] or "", factor)])

    def conditions(self, trials: int) -> tuple[str, list[object]] | None:
        """The name of a variable with a condition for each trial, and the conditions."""
        for name, value in self.values.items():
            if is_called(name, "conditions") and (labels := as_labels(value, trials)) is not None:
                return name, labels
        return None

    def label(self, units: int) -> str | None:
        """The name of a variable with a different name or number for each unit."""
        for name, values in self.per_unit(units).items():
            if is_called(name, "units", "labels") and len(set(values)) == units:
                return name
        return None

    def per_unit(self, units: int) -> dict[str, list[object]]:
        """The variables with a text or a number for each unit."""
        found = {}
        for name, value in self.values.items():
            labels = as_labels(value, units)
            if labels is not None and units > 1:
                found[name] = labels
        return found


def _numbers(value: Any) -> NDArray[np.float64]:
    """The numbers in an array, or a number; none in other values."""
    array = np.asarray(value if isinstance(value, np.ndarray | float | int) else [], dtype=None)
    return array.ravel().astype(float) if array.dtype.kind in "fiu" else np.zeros(0)


def as_labels(value: Any, size: int) -> list[object] | None:
    """The texts or numbers in an array or in cells, if there are so many."""
    if isinstance(value, list) and len(value) == size and all(isinstance(one, str) for one in value):
        return list(value)
    if not isinstance(value, np.ndarray) or value.size != size or max(value.shape, default=0) != size:
        return None
    if value.dtype.kind in "fiubU":
        return list(value.ravel())
    if value.dtype.kind != "O":
        return None
    found = [one.item() if isinstance(one, np.ndarray) and one.size == 1 else one for one in value.ravel()]
    return found if all(isinstance(one, str | float | int | np.generic) for one in found) else None


def spaces(values: Values, prefix: str = "", depth: int = 2) -> Iterator[tuple[str, Values]]:
    """The variables, and the fields of structs among them, each with what stands before its names."""
    yield prefix, values
    for name, value in values.items():
        if isinstance(value, Mapping) and depth:
            yield from spaces(value, f"{prefix}{name}.", depth - 1)


def look_up(values: Values, path: str) -> Any:
    """The value of a variable, or of a field of a struct: "spikes", "session.units.times".

    Raises RecordingError if there is none.
    """
    found: Any = values
    for name in path.split("."):
        if isinstance(found, list) and all(isinstance(one, Mapping) and name in one for one in found):
            found = cells([one[name] for one in found])
        elif isinstance(found, Mapping) and name in found:
            found = found[name]
        else:
            raise RecordingError(f"has no {path}; it has {', '.join(names_of(values))[:200]}")
    return found


def names_of(values: Values) -> list[str]:
    """The names of all variables and fields."""
    found = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            found += [f"{name}.{field}" for field in names_of(value)]
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            found += [f"{name}.{field}" for field in value[0]]
        else:
            found.append(name)
    return found


def cells(values: Sequence[Any]) -> NDArray[np.object_]:
    """Values as an array of cells."""
    array = np.empty(len(values), dtype=object)
    for number, value in enumerate(values):
        array[number] = value
    return array
