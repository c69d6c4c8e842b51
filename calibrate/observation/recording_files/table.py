"""The table that every reader makes, and the checks of its spikes that need no other file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import RecordingError
from calibrate.observation.recording_files.choice import Chosen
from calibrate.observation.recording_files.groups import Populations

# Shorter than the refractory time of a neuron: no neuron has a median interval like this.
_NO_NEURON_MS = 1.0
# Fewer intervals than this are no evidence of a wrong unit of time.
_EVIDENCE = 100

Units = Sequence[tuple[str, Any, Any]]

TimeUnit = Literal["s", "ms"]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the user says about a file.

    units        the units to read, by what the file says about them; empty: all
    populations  the column that tells populations apart, and its values for each; None: as the file says
    cluster      the column that tells clusters apart; None: as the file says
    time_unit    the unit of its times, if the file does not say it; None: not known
    """

    units: Chosen = field(default_factory=dict)
    populations: Populations | None = None
    cluster: str | None = None
    time_unit: TimeUnit | None = None

    def refuse_time_unit(self, known: str) -> None:
        """Raise RecordingError if a unit of time is given for a file that has one: `known`, in words."""
        if self.time_unit is not None:
            raise RecordingError(f"gives its times in {known}: leave out time_unit")


@dataclass
class Table:
    """One row per spike: time (nan if the unit did not fire), unit, population, cluster.

    sizes       if the spikes come unit by unit, in order of time: how many each unit has. Then `unit`,
                `population` and `cluster` have one element for each unit, and not for each spike
    observed    for each unit, by its label, the intervals in which it was observed, shape (n, 2), ms; None:
                all units were observed all the time
    periods     named times in the file, such as epochs or trials of a kind: shape (n, 2), ms, by name
    understood  what the file was taken for, and how its times were read, in a few words: "CSV, times in ms"
    time_from   what in the file says when it was recorded, such as "obs_intervals"; "" if nothing does
    left_out    how many units were not read, by reason, such as the columns by which units were chosen
    notes       what the user should know about how the file was read
    """

    time_ms: NDArray[np.float64]
    unit: NDArray[Any]
    population: NDArray[Any] | None = None
    cluster: NDArray[Any] | None = None
    sizes: NDArray[np.int64] | None = None
    start_ms: float | None = None
    stop_ms: float | None = None
    observed: Mapping[Any, NDArray[np.float64]] | None = None
    periods: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    understood: str = ""
    time_from: str = ""
    left_out: Mapping[str, int] = field(default_factory=dict)
    notes: Sequence[str] = field(default_factory=tuple)

    def units(self, population: str) -> tuple[list[tuple[str, Any, Any]], list[NDArray[np.float64]]]:
        """The units, sorted by population, cluster and name, which identify them; and the times of each.

        Raises RecordingError for times that no neuron has.
        """
        rows, unit, names = self._identify(population)
        if self.sizes is None:
            pieces = _grouped(self.time_ms, unit)
        else:
            every = np.split(self.time_ms, np.cumsum(self.sizes)[:-1])
            pieces = [every[number] for number in np.argsort(unit)]
        units = [(str(names[0][p]), names[1][c], names[2][u]) for p, c, u in rows.T]
        trains = [_fired(one, times) for one, times in zip(units, pieces, strict=True)]
        _check_intervals(units, trains)
        return units, trains

    def numbered(self) -> NDArray[np.int64]:
        """For each row, the number of its unit among all units."""
        return self._identify("")[1]

    def _identify(self, population: str) -> tuple[NDArray[Any], NDArray[np.int64], tuple[NDArray[Any], ...]]:
        names, codes = zip(
            _coded(self.population if self.population is None else self.population.astype(str), population),
            _coded(self.cluster, 0),
            _coded(self.unit, 0),
            strict=True,
        )
        shape = tuple(max(one.size, 1) for one in names)
        together = codes[2]
        for code, number in ((codes[1], shape[2]), (codes[0], shape[1] * shape[2])):
            together = together + code.astype(np.int64) * number if code.size > 1 else together
        found, unit = _coded(together, 0)
        return np.stack(np.unravel_index(found, shape)), unit, names


def _coded(values: NDArray[Any] | None, default: object) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The different values, ascending, and which of them each is; the default if there are none."""
    if values is None:
        return np.array([default]), np.zeros(1, np.int64)
    if values.dtype.kind not in "iu" or not values.size:
        names, code = np.unique(values, return_inverse=True)
        return names, code
    low, high = int(values.min()), int(values.max())
    if high - low > 4 * values.size:
        names = np.unique(values)
        return names, np.searchsorted(names, values)
    # As numbers of units are, they lie close together: no need to sort millions of them.
    place = values - low if low else values
    there = np.zeros(high - low + 1, bool)
    there[place] = True
    if there.all():
        return np.arange(low, high + 1), place
    return np.flatnonzero(there) + low, (np.cumsum(there) - 1)[place]


def _grouped(times: NDArray[np.float64], unit: NDArray[np.int64]) -> list[NDArray[np.float64]]:
    """The ascending times of each unit."""
    number = np.bincount(unit)
    few = unit.astype(np.min_scalar_type(number.size))  # 16 bits are sorted in linear time
    pieces = np.split(times[np.argsort(few, kind="stable")], np.cumsum(number)[:-1])
    return [piece if (np.diff(piece) >= 0).all() else np.sort(piece) for piece in pieces]


def name_unit(unit: tuple[str, Any, Any]) -> str:
    """Name a unit in a message."""
    population, _, label = unit
    return f"unit {label} of {population}"


def _fired(unit: tuple[str, Any, Any], times: NDArray[np.float64]) -> NDArray[np.float64]:
    """The ascending times; none for a unit whose only row has no time."""
    missing = int(np.isnan(times).sum())
    if missing and times.size > 1:
        raise RecordingError(
            f"{name_unit(unit)} has rows without a time ({missing} of {times.size}): a row without a "
            "time must be the only one of its unit, which then did not fire"
        )
    return times[:0] if missing else times


def _check_intervals(units: Units, trains: Sequence[NDArray[np.float64]]) -> None:
    spikes = sum(times.size for times in trains)
    number, alike, short = 0, [], 0
    for times in trains:
        intervals = np.diff(times)
        number += intervals.size
        alike.append(int((intervals == 0).sum()))
        short += int((intervals < _NO_NEURON_MS).sum())
    if sum(alike):
        first = next(k for k, count in enumerate(alike) if count)
        time = trains[first][np.flatnonzero(np.diff(trains[first]) == 0)[0]]
        raise RecordingError(
            f"{sum(alike)} of {spikes} spikes have the unit and the time of another "
            f"(first: {name_unit(units[first])} at {time:.15g} ms): remove rows that are there twice, give "
            "different units different names, and write times with all their digits"
        )
    if number >= _EVIDENCE and 2 * short > number:
        span = max(times[-1] for times in trains if times.size) - min(t[0] for t in trains if t.size)
        rate = 1000 * number / sum(float(times[-1] - times[0]) for times in trains if times.size)
        raise RecordingError(
            f"contains {spikes} spikes of {len(units)} units within {span:.3g} ms, {rate:.3g} Hz on average "
            "while a unit fires, which no neuron does: if the times are seconds, name the column time_s; "
            "otherwise each neuron needs a name of its own"
        )


def remarks(units: Units, trains: Sequence[NDArray[np.float64]]) -> Iterator[str]:
    """Say how units were told apart, and what in the times is unusual."""
    several = len(units) - len({label for _, _, label in units})
    if several:
        yield (
            f"names of units occur in several populations or clusters: they are read as {len(units)} "
            f"different units, not {len(units) - several}"
        )
    groups = len({one[:2] for one in units})
    if groups == len(units) > len({one[0] for one in units}):
        yield (
            "each unit is a cluster of its own: the column cluster names the group that neurons form in the "
            "network, not the unit"
        )
    if sum(max(times.size - 1, 0) for times in trains) >= 10 * _EVIDENCE:
        shortest = min(np.diff(times).min() for times in trains if times.size > 1)
        if shortest >= 1000:
            yield (
                f"no unit fires twice within {shortest / 1000:.3g} s: if the times are milliseconds, the "
                "column is time_ms"
            )
