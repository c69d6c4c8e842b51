"""Text files: a row per spike, a line or a column of times per unit, or times alone."""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from calibrate.errors import RecordingError
from calibrate.observation.recording_files.columns import Columns, find_columns, make_table
from calibrate.observation.recording_files.labels import read_labels
from calibrate.observation.recording_files.matrices import Train, as_train, make_units, read_matrix
from calibrate.observation.recording_files.names import is_called, read_unit, split_name
from calibrate.observation.recording_files.table import Table, Wanted
from calibrate.observation.recording_files.time_units import Stated

_EMPTY = ["", "nan", "NaN", "NA", "<NA>", "None", "null"]
_ENDS = ("start_ms", "stop_ms")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_WITH_COMMA = re.compile(r"[+-]?\d+(,\d+)?(e[+-]?\d+)?", re.IGNORECASE)
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", " ": "spaces"}
# "3: 0.1 0.2" and "unit 3 = 0.1 0.2"
_LABELLED = re.compile(r"^\s*([^:=]+?)\s*[:=]\s*(.*)$")
# "spike times in ms", "time (s)"
_UNIT_IN_COMMENT = re.compile(r"\btimes?\b[^.;,\n]*?(?:\bin\s+|[(\[]\s*)([a-zµμ]+)\b", re.IGNORECASE)
_NAMED_UNIT = re.compile(
    r"(unit|neuron|cell|cluster|train|channel|ch|sig|spk|n|u)?[ _-]?\d+\w*", re.IGNORECASE
)
# So many lines tell how a text is laid out.
_HEAD = 100


@dataclass(frozen=True)
class _Layout:
    """How a text is laid out.

    comments   at its beginning, without their sign
    lines      its first lines after them that are not empty
    before     how many lines are before these
    """

    comments: Sequence[str]
    lines: Sequence[str]
    before: int
    separator: str = ","
    decimal: str = "."
    names: Sequence[str] | None = None

    @property
    def named_in_line(self) -> bool:
        """Whether the first line names the columns."""
        return self.names is not None and self.split(self.lines[0]) == self.names

    @property
    def form(self) -> str:
        """What it is, in words."""
        if self.separator == "," and self.names is not None:
            return "CSV"
        comma = " and decimal commas" if self.decimal == "," else ""
        return f"text with {_SEPARATORS[self.separator]}{comma}"

    @property
    def stated(self) -> Stated | None:
        """The unit of time that the comments name."""
        found = {read_unit(word) for line in self.comments for word in _UNIT_IN_COMMENT.findall(line)} - {
            None
        }
        if {"first_id", "dt"} <= self.facts.keys():
            return Stated("ms", "as in PyNN")
        return Stated(str(found.pop()), "as its comments say") if len(found) == 1 else None

    @property
    def facts(self) -> dict[str, str]:
        """What the comments say as "name = value"."""
        pairs = (line.split("=", 1) for line in self.comments if "=" in line)
        return {name.strip(): value.strip() for name, value in pairs}

    def split(self, line: str) -> list[str]:
        """The cells of a line."""
        return _split(line, self.separator)

    def is_number(self, cell: str) -> bool:
        """Whether a cell is a number, or empty."""
        return cell in _EMPTY or bool((_WITH_COMMA if self.decimal == "," else _NUMBER).fullmatch(cell))

    def numbers(self, cells: Sequence[str]) -> Train | None:
        """The times in cells; None if they do not ascend."""
        if not all(map(self.is_number, cells)):
            return None
        cells = [cell.replace(",", ".") if self.decimal == "," else cell for cell in cells]
        return as_train(np.array([float("nan") if cell in _EMPTY else float(cell) for cell in cells]))


def read_text(path: Path, wanted: Wanted) -> Table:
    """Read a text file."""
    layout = _look(path)
    if layout.names is not None:
        _check_names(layout)
        if columns := find_columns(layout.names, wanted):
            return _read_rows(path, layout, columns, wanted)
        return _read_columns(path, layout, wanted)
    first = layout.lines[0]
    if not _LABELLED.match(first) and layout.is_number(layout.split(first)[0]) and _is_table(path, layout):
        matrix = _frame(path, layout).to_numpy(dtype=float)
        return read_matrix(matrix, wanted, layout.form, stated=layout.stated)
    return _read_lines(path, layout, wanted)


def _is_table(path: Path, layout: _Layout) -> bool:
    """Whether all lines have the same number of cells."""
    lines = (line for line in islice(_lines(path), layout.before, None) if line.strip())
    if layout.separator == " ":
        return len({len(line.split()) for line in lines}) == 1
    return len({line.count(layout.separator) for line in lines}) == 1


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            for line in file:
                if "\0" in line:
                    raise RecordingError("is not a text")
                yield line.rstrip("\n")
    except UnicodeDecodeError:
        raise RecordingError("is not a text in UTF-8: save it as CSV (UTF-8)") from None


def _look(path: Path) -> _Layout:
    comments: list[str] = []
    lines: list[str] = []
    before = 0
    for line in _lines(path):
        if not lines and (line.startswith(("#", "%")) or not line.strip()):
            comments += [line.lstrip("#% ").strip()] if line.strip() else []
            before += 1
        elif line.strip():
            lines.append(line)
        if len(lines) == _HEAD:
            break
    if not lines:
        raise RecordingError("is empty: it needs the columns time_ms (or time_s) and unit")
    try:
        separator, decimal = _separator(lines)
        layout = _Layout(comments, lines, before, separator, decimal)
        return replace(layout, names=_find_names(layout))
    except csv.Error as error:
        raise RecordingError(f"is not a CSV table: {error}") from None


def _separator(lines: Sequence[str]) -> tuple[str, str]:
    """What stands between cells, and before decimals."""
    first = _split(lines[0], ",")
    if "time_ms" in first or "time_s" in first:
        return ",", "."
    words = [line.split() for line in lines]
    if max(map(len, words)) > 1 and all(_WITH_COMMA.fullmatch(one) for line in words for one in line):
        return ("\t" if "\t" in lines[-1] else " "), "," if any("," in line for line in lines) else "."
    line = max(lines, key=len) if _NUMBER.fullmatch(first[0] if first else "") else lines[0]
    separator = next((one for one in (";", "\t", ",", " ") if one in line.strip()), ",")
    cells = [cell for one in lines for cell in _split(one, separator)]
    comma = separator != "," and any("," in one and _WITH_COMMA.fullmatch(one) for one in cells)
    return separator, "," if comma and not any(
        "." in one and _NUMBER.fullmatch(one) for one in cells
    ) else "."


def _split(line: str, separator: str) -> list[str]:
    if separator == " ":
        return line.split()
    if '"' not in line:
        return [cell.strip() for cell in line.split(separator)]
    rows = csv.reader([line], delimiter=separator, skipinitialspace=True)
    return [cell.strip() for cell in next(rows, [])]


def _find_names(layout: _Layout) -> Sequence[str] | None:
    """The names of the columns: in the first line, or in the last comment before it."""
    first = layout.split(layout.lines[0])
    label = _LABELLED.match(layout.lines[0])
    if label and all(map(layout.is_number, layout.split(label[2]))):
        return None
    if not all(map(layout.is_number, first)):
        with_label = len(first) > 1 and all(map(layout.is_number, first[1:]))
        return None if with_label and not layout.is_number(first[0]) else first
    named = first[1:] if first[0] == "" else first  # pandas writes numbers of rows without a name
    if len(named) > 1 and named in [[str(k + start) for k in range(len(named))] for start in (0, 1)]:
        return first  # as pandas names columns
    if layout.comments:
        names = _split(layout.comments[-1], layout.separator)
        if len(names) == len(first) and not any(map(layout.is_number, names)):
            return names
    return None


def _check_names(layout: _Layout) -> None:
    names = layout.names or []
    for name in _ENDS:
        if name in names:
            raise RecordingError(
                f"has a column {name}, which only an NPZ file can give: take it out, and say with start_ms "
                "and duration_ms what to analyse"
            )
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise RecordingError(f"has several columns with the name '{twice[0]}'")
    cells = [len(layout.split(line)) for line in layout.lines[layout.named_in_line :][:1]]
    if cells and cells[0] > len(names):
        raise RecordingError(
            f"names {len(names)} columns in its first line, but has {cells[0]} in the second"
        )


def _frame(path: Path, layout: _Layout, columns: Columns | None = None) -> Any:
    """The table as pandas reads it. Labels are text until all are known: nothing is guessed from some."""
    import pandas as pd

    names = None if layout.names is None else list(layout.names)
    labels = dict.fromkeys(columns.labels.values(), str) if columns else {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # later versions of pandas read all digits by default, and say so
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                path,
                names=names,
                header=None,
                skiprows=layout.before + layout.named_in_line,
                sep=r"\s+" if layout.separator == " " else layout.separator,
                decimal=layout.decimal,
                index_col=False,
                skipinitialspace=True,
                encoding="utf-8-sig",
                dtype=labels or None,
                float_precision="round_trip" if layout.decimal == "." else None,
                low_memory=False,
                keep_default_na=False,
                na_values={columns.time: _EMPTY} if columns else _EMPTY,
            )
    except (pd.errors.ParserError, pd.errors.ParserWarning, ValueError) as error:
        what = " ".join(str(error).removeprefix("Error tokenizing data. C error: ").split())
        raise RecordingError(f"cannot be read as a table of times and labels: {what}") from None


def _read_rows(path: Path, layout: _Layout, columns: Columns, wanted: Wanted) -> Table:
    import pandas as pd

    names = list(layout.names or [])
    frame = _frame(path, layout, columns)
    if frame.empty:
        raise RecordingError("has a line of names, but no rows")
    arrays = {name: frame[name].to_numpy() for name in names if name not in columns.labels.values()}
    if arrays[columns.time].dtype.kind not in "fiu":
        cells = frame[columns.time]
        wrong = cells[pd.to_numeric(cells.astype(str), errors="coerce").isna() & cells.notna()]
        raise RecordingError(f"{columns.time} contains '{str(wrong.iloc[0])[:30]}', which is not a number")
    for role, name in columns.labels.items():
        code, words = pd.factorize(frame[name])  # far faster than to sort all cells
        arrays[name] = read_labels(role, words.to_numpy(dtype=object))[code]
    return make_table(arrays, columns, wanted, layout.form, stated=layout.stated)


def _read_columns(path: Path, layout: _Layout, wanted: Wanted) -> Table:
    """A column of times for each unit."""
    frame = _frame(path, layout)
    names = [name for name in layout.names or () if name]
    plain = [split_name(name) for name in names]
    trains = [as_train(frame[name].to_numpy()) for name in names]
    found = [train for train in trains if train is not None]
    padded = any(train.size < len(frame) for train in found)
    if len(found) < len(names) or not (padded or all(_NAMED_UNIT.fullmatch(name) for name in names)):
        named = sorted(names, key=lambda name: is_called(name, "units", "rather units"))
        time, unit = named[0], named[-1]
        raise RecordingError(
            f"needs times and units, but its columns are {', '.join(names)[:100]}; say which are, such as "
            f'columns = {{ time = "{time}", unit = "{unit}" }} (--columns time={time},unit={unit})'
        )
    units = {unit for _, unit in plain if unit}
    stated = Stated(units.pop(), "as the columns say") if len(units) == 1 else layout.stated
    return make_units(found, wanted, f"{layout.form}, a column per unit", labels=names, stated=stated)


def _read_lines(path: Path, layout: _Layout, wanted: Wanted) -> Table:
    """A line of times for each unit; an empty line is one that did not fire."""
    wanted.refuse_columns()
    labels, trains = [], []
    for number, line in enumerate(islice(_lines(path), layout.before, None), start=1):
        label = _LABELLED.match(line)
        cells = layout.split(label[2] if label else line)
        if not label and cells and not layout.is_number(cells[0]):
            labels.append(cells[0])
            cells = cells[1:]
        else:
            labels.append(label[1] if label else str(number))
        train = layout.numbers(cells)
        if train is None:
            raise RecordingError(
                f"is neither a table nor has it a line of ascending spike times for each unit (line {number} "
                f"after its comments): {line.strip()[:40]}"
            )
        trains.append(train)
    if len(set(labels)) < len(labels):
        raise RecordingError("has several lines with the same name of a unit")
    return make_units(trains, wanted, f"{layout.form}, a line per unit", labels=labels, stated=layout.stated)
