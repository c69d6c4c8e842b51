"""Spike trains among named values: cells, structs, vectors of times and units, matrices and rasters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import scipy  # loads its parts when they are first used
from numpy.typing import NDArray

from calibrate.errors import RecordingError
from calibrate.observation.recording_files.cells import (
    AXES,
    Trains,
    has_trains,
    of_cells,
    of_structs,
    time_fields,
)
from calibrate.observation.recording_files.columns import find_columns, make_table, without_repeats
from calibrate.observation.recording_files.labels import as_text, read_labels
from calibrate.observation.recording_files.matrices import Train, as_train, holds_spikes, read_matrix
from calibrate.observation.recording_files.names import is_called
from calibrate.observation.recording_files.sorted_units import Unit
from calibrate.observation.recording_files.sorted_units import make_table as make_table_of_units
from calibrate.observation.recording_files.table import Table, Wanted
from calibrate.observation.recording_files.time_units import MS, Stated, find_unit
from calibrate.observation.recording_files.trials import Trials
from calibrate.observation.recording_files.variables import (
    Facts,
    Opaque,
    Values,
    as_labels,
    cells,
    look_up,
    names_of,
    spaces,
)

_UNIT_NAMES = ("units", "rather units", "clusters", "labels")
_RASTER = re.compile(r"raster|spike|spk", re.IGNORECASE)
# No bin of a raster holds more spikes.
_COUNTS = 20
_NUMBERED = re.compile(
    r"(arr|unit|neuron|cell|cluster|train|channel|ch|sig|spk|spikes|n|u)?[ _-]?\d+[a-z]?", re.IGNORECASE
)


@dataclass(frozen=True)
class Source:
    """A file and what the user says about it.

    form    what the file is, in words
    values  all that it holds
    first   the number of the first unit, if units are numbered by their place
    usual   the unit that its times have, unless they show that it is another
    """

    wanted: Wanted
    form: str
    values: Values
    first: int = 0
    usual: Stated | None = None


@dataclass(frozen=True)
class _Found:
    """What a value can be.

    name        the value
    sure        whether its name says that it is spikes
    what        spike trains, or what makes a table of them
    population  the trains as those of a population, by its name
    """

    name: str
    sure: bool
    what: Trains | Callable[[], Table] = field(repr=False)
    population: tuple[str, Trains] | None = None


def read_variables(source: Source) -> Table:
    """Read the spike trains among named values.

    Raises RecordingError if there are none, or if several values could be meant.
    """
    time, unit = (source.wanted.columns.get(role) for role in ("time", "unit"))
    if unit is not None and unit not in AXES and time is None:
        raise RecordingError(f'needs the times of {unit} too: columns = {{ time = "...", unit = "{unit}" }}')
    found = [*_find_named(time, source)] if time else [*_find_all(source)]
    best = [one for one in found if one.sure] or found
    best = [one for one in best if not is_called(one.name.rpartition(".")[2], "rather times")] or best
    if not best:
        raise RecordingError(_nothing(source))
    what = best[0].what if len(best) == 1 else _populations(best, source)
    if what is None:
        names = [one.name for one in best]
        raise RecordingError(
            f"has several variables that can be spike trains: {', '.join(names)[:200]}; say which: "
            f'columns = {{ time = "{names[0]}" }} (--columns time={names[0]})'
        )
    return _read_trains(what, source) if isinstance(what, Trains) else what()


def _nothing(source: Source) -> str:
    kinds = {
        one.kind for _, inner in spaces(source.values) for one in inner.values() if isinstance(one, Opaque)
    }
    if kinds:
        return (
            f"holds {' and '.join(sorted(kinds))} of MATLAB, which only MATLAB reads: save arrays, cells or "
            "structs instead, such as table2struct(T) or cellstr(S), or use writetable(T, 'spikes.csv')"
        )
    what = ", ".join(names_of(source.values))[:200] or "nothing"
    return (
        f"has nothing that is known to be spike times, but {what}; if one of these is, "
        'say columns = { time = "NAME" } (--columns time=NAME)'
    )


def _populations(found: Sequence[_Found], source: Source) -> Trains | None:
    """Several lists of trains as populations; cells only if the file holds nothing else."""
    if not all(one.population for one in found) or (
        any(isinstance(one.what, Trains) for one in found) and len(found) < len(source.values)
    ):
        return None
    each = [one.population for one in found if one.population]
    units = [unit for _, trains in each for unit in trains.units]
    names = [name for name, trains in each for _ in trains.units]
    form = f"populations {', '.join(name for name, _ in each)}"
    return Trains(units, form, each[0][1].name, {"population": cells(names)})


def _find_named(path: str, source: Source) -> Iterator[_Found]:
    """The value that the user names."""
    outer, _, name = path.rpartition(".")
    value = look_up(source.values, path)
    space = look_up(source.values, outer) if outer else source.values
    if isinstance(space, list):  # of structs
        yield _Found(path, True, of_structs(space, name, path))
        return
    unit = source.wanted.columns.get("unit", "rows")
    if unit not in AXES:
        arrays = {**space, name: value, unit: look_up(source.values, unit)}
        yield _Found(path, True, partial(_read_vectors, arrays, path, {"time": name, "unit": unit}, source))
        return
    yield from _find_in(
        {name: value}, f"{outer}." if outer else "", {**source.values, **space}, source, named=True
    )


def _find_all(source: Source) -> Iterator[_Found]:
    for prefix, inner in spaces(source.values):
        beside = {**source.values, **inner}
        used: list[str] = []
        spikes = {prefix.rstrip("."): inner} if _pair(inner) else _groups(inner)
        for name, values in spikes.items():
            if pair := _pair(values):
                path = f"{name}.{pair[0]}" if name else pair[0]
                read = partial(_read_vectors, values, path, {"time": pair[0]}, source)
                yield _Found(path, True, read, (name, _as_trains(values, pair)) if name else None)
                used += [one for role in values for one in (role, f"{name}_{role}", f"{role}_{name}")]
        numbered = {name: train for name, train in _vectors(inner).items() if _NUMBERED.fullmatch(name)}
        trains = [as_train(train) for train in numbered.values()]
        found = [train for train in trains if train is not None]
        if len(found) == len(trains) and sum(train.size > 2 for train in found) > 1:
            form = f"a variable per unit ({prefix}{next(iter(numbered))}, ...)"
            named = Trains([[train] for train in found], form, "", {}, labels=[*numbered])
            yield _Found(f"{prefix}{next(iter(numbered))} ...", False, named)
        else:
            numbered = {}
        rest = {name: value for name, value in inner.items() if name not in {*used, *numbered}}
        yield from _find_in(rest, prefix, beside, source)


def _vectors(values: Values) -> dict[str, NDArray[Any]]:
    """The vectors of numbers, as such."""
    return {
        name: value.ravel()
        for name, value in values.items()
        if isinstance(value, np.ndarray)
        and value.dtype.kind in "fiu"
        and value.size == max(value.shape, default=1)
    }


def _pair(values: Values) -> list[str]:
    """The names of vectors of times and of their units, which have the same size."""
    vectors = {name: vector for name, vector in _vectors(values).items() if vector.size > 1}
    times = [name for name in vectors if is_called(name, "times", "spikes")]
    for time in times:
        alike = [name for name in vectors if vectors[name].size == vectors[time].size and name != time]
        units = [name for name in alike if is_called(name, *_UNIT_NAMES)]
        if units:
            return [time, *units]
    return []


def _groups(values: Values) -> dict[str, dict[str, Any]]:
    """Vectors of populations, such as `E_t`, `E_i`, `I_t` and `I_i`, by population and by what they are."""
    found: dict[str, dict[str, Any]] = {}
    for name, vector in _vectors(values).items():
        head, _, tail = name.rpartition("_")
        first, _, rest = name.partition("_")
        for shared, role in ((head, tail), (rest, first)):
            if shared and is_called(role, "times", "spikes", *_UNIT_NAMES):
                found.setdefault(shared, {})[role] = vector
    return found


def _as_trains(values: Values, names: Sequence[str]) -> Trains:
    """The trains in a vector of times and one of units."""
    times, units = (_vectors(values)[name] for name in names[:2])
    order = np.lexsort((times, units))
    _, first = np.unique(units[order], return_index=True)
    trains = np.split(times[order].astype(float), first[1:])
    return Trains([[train] for train in trains], "", names[0], {})


def _read_vectors(values: Values, path: str, named: Mapping[str, str], source: Source) -> Table:
    """Vectors with an element for each spike, of which `named` names the time."""
    vectors = _vectors(values)
    size = vectors[named["time"]].size if named["time"] in vectors else 0
    texts = {name: as_labels(one, size) for name, one in values.items() if name not in vectors}
    arrays = {name: vector for name, vector in vectors.items() if vector.size == size > 0}
    arrays |= {name: np.array(labels) for name, labels in texts.items() if labels}
    wanted = replace(source.wanted, columns=named)
    columns = find_columns(list(arrays), wanted)
    if columns is None:
        raise RecordingError(f"holds no spike times in {path}")
    facts = Facts({**source.values, **values})
    table = make_table(
        arrays,
        columns,
        wanted,
        f"{source.form}, {path}",
        stated=facts.stated(path),
        rate_hz=facts.rate_hz,
        usual=source.usual,
    )
    return _with_end(without_repeats(table), facts)


def _find_in(
    values: Values, prefix: str, beside: Values, source: Source, *, named: bool = False
) -> Iterator[_Found]:
    """The spike trains that single values can be."""
    for name, value in values.items():
        path, says = f"{prefix}{name}", named or is_called(name, "times", "spikes")
        others = {other: one for other, one in beside.items() if other != name}
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            yield from (
                _Found(f"{path}.{one}", True, of_structs(value, one, path)) for one in time_fields(value)
            )
        elif isinstance(value, np.ndarray) and value.dtype == object:
            axis = source.wanted.columns.get("unit")
            says = says or "spike" in name.casefold() or axis in AXES
            trains = of_cells(value, path, others, axis)
            if trains and (says or has_trains(trains.units)):
                yield _Found(path, says, trains, None if trains.trials else (path, trains))
        elif (says or _RASTER.search(name)) and (_is_raster(value, others) or _is_binned(value)):
            yield _Found(path, True, partial(_read_raster, value, path, others, source))
        elif (
            isinstance(value, np.ndarray)
            and value.dtype.kind in "fiub"
            and ((says and value.size > 2) or holds_spikes(value))
        ):
            yield _Found(path, says, partial(_read_matrix, value, path, others, source))


def _read_matrix(value: NDArray[Any], path: str, beside: Values, source: Source) -> Table:
    facts = Facts(beside)
    table = read_matrix(
        value.reshape(-1, 1) if value.ndim == 1 else value,
        replace(source.wanted, columns={}),
        f"{source.form}, {path}",
        stated=facts.stated(path),
        rate_hz=facts.rate_hz,
        usual=source.usual,
        first=source.first,
    )
    return _with_end(without_repeats(table), facts)


def _is_raster(value: Any, beside: Values) -> bool:
    """Whether a matrix says for each unit and bin if there was a spike, and the file how long a bin is."""
    numbers = value.data if scipy.sparse.issparse(value) else value
    if not isinstance(numbers, np.ndarray) or numbers.dtype.kind not in "fiub" or value.ndim != 2:
        return False
    return Facts(beside).bin_width() is not None and value.size > 2 and bool(np.isin(numbers, (0, 1)).all())


def _is_binned(value: Any) -> bool:
    """Whether a matrix holds counts of spikes: small whole numbers, many of them 0."""
    if scipy.sparse.issparse(value):
        return True
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiub" or min(value.shape, default=0) < 2:
        return False
    return bool(((value >= 0) & (value <= _COUNTS) & (value % 1 == 0)).all() and (value == 0).any())


def _read_raster(value: Any, path: str, beside: Values, source: Source) -> Table:
    """Spikes at the ends of the bins in which there is one, as simulators count time."""
    matrix = scipy.sparse.coo_array(value)
    found = Facts(beside).bin_width()
    if found is None or not np.isin(matrix.data, (0, 1)).all():
        raise RecordingError(
            f"holds a matrix of counts or of spikes in bins, {path}: if no bin has several spikes, "
            "save the width of a bin beside it, such as dt_ms = 1"
        )
    if matrix.shape[0] > matrix.shape[1]:
        matrix = matrix.T
    name, width, unit = found
    unit = unit or source.wanted.time_unit
    if unit is None:
        raise RecordingError(
            f'says with {name} = {width:g} how long a bin is, but not whether in "s" or "ms": say time_unit'
        )
    matrix = scipy.sparse.coo_array(matrix)
    rows = matrix.row[matrix.data != 0]
    times = (matrix.col[matrix.data != 0] + 1) * width * MS[unit]
    units = [Unit(source.first + k, np.sort(times[rows == k])) for k in range(matrix.shape[0])]
    said = f"{source.form}, the raster {path} in bins of {width:g} {unit} ({name})"
    table = make_table_of_units(units, replace(source.wanted, columns={}), understood=said)
    table.start_ms, table.stop_ms = 0.0, matrix.shape[1] * width * MS[unit]
    table.time_from = "its bins"
    return table


def _with_end(table: Table, facts: Facts) -> Table:
    """The table with the end that the file gives, if that fits to its spikes."""
    last = float(np.nanmax(table.time_ms, initial=0.0))
    found = facts.stop_ms(last)
    if table.stop_ms is None and found is not None and last > 0:
        table.time_from, table.stop_ms = found
        table.start_ms = min(0.0, float(np.nanmin(table.time_ms)))
    return table


def _read_trains(found: Trains, source: Source) -> Table:
    facts = Facts({**source.values, **found.beside})
    trains = [train for unit in found.units for train in unit]
    factor, why = find_unit(trains, source.wanted, facts.stated(found.name), facts.rate_hz, source.usual)
    columns = Facts(found.beside).per_unit(len(found.units))
    if "population" not in found.beside:
        columns |= {key: one for key, one in facts.per_unit(len(found.units)).items() if key not in columns}
    label = facts.label(len(found.units))
    labels = found.labels or [as_text(one) for one in (columns.pop(label) if label in columns else ())]
    if len(set(labels)) < len(found.units):
        labels = [str(source.first + number) for number in range(len(found.units))]
    numbers = read_labels("unit", np.array(labels)).tolist()
    said = f"{source.form}, {found.form}, {why}"
    scaled = [[train * factor for train in unit] for unit in found.units]
    trials = _trials(scaled, facts, factor) if found.trials else None
    units = [
        Unit(
            label=numbers[k],
            times_ms=trials.concatenate(unit) if trials else unit[0],
            observed=trials.intervals[: len(unit)] if trials else None,
            columns={key: values[k] for key, values in columns.items()},
        )
        for k, unit in enumerate(scaled)
    ]
    wanted = replace(source.wanted, columns={})
    if trials is None:
        return _with_end(make_table_of_units(units, wanted, understood=said), facts)
    conditions = facts.conditions(len(trials.windows))
    periods = trials.periods(conditions[1], conditions[0]) if conditions else {"trials": trials.intervals}
    return make_table_of_units(units, wanted, understood=f"{said}; {trials.in_words}", periods=periods)


def _trials(units: Sequence[Sequence[Train]], facts: Facts, factor: float) -> Trials:
    """The trials: as long as the file says, else from 0 or the first spike of all to the last."""
    window = facts.window_ms(factor)
    if window is None:
        every = np.concatenate([train for unit in units for train in unit])
        window = np.array([min(0.0, every.min()), every.max()])
    return Trials(np.tile(window, (max(map(len, units)), 1)))
