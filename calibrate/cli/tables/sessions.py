"""Statistics of several recordings: of each, pooled, and whether one network can have them all."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from calibrate.calibration.trials.averages import format_statistic
from calibrate.calibration.trials.summary import finite
from calibrate.cli.tables.listing import print_table
from calibrate.cli.tables.trials import print_notes
from calibrate.objective.resampling import Measured
from calibrate.objective.rounding import rounded
from calibrate.objective.sessions import LEVEL, Pooled, differing
from calibrate.tasks.lines import print_line

# The widest table that is readable anywhere.
_WIDTH = 80
# With fewer sessions, their SD is a guess: with 5, its 95 % interval is from 0.6 to 2.9 times the estimate.
_FEW = 5


def print_sessions(console: Console, names: Sequence[str], rows: Sequence[Pooled]) -> None:
    """Print what each session has, as many beside one another as a narrow terminal holds."""
    cells = {name: [_cell(row.sessions.get(name)) for row in rows] for name in names}
    first = max(map(len, ["statistic", *(row.statistic.name for row in rows)]))
    for together in _fitting({name: max(map(len, [name, *column])) for name, column in cells.items()}, first):
        table = Table()
        table.add_column("statistic")
        for name in together:
            table.add_column(Text(name), justify="right")
        for k, row in enumerate(rows):
            table.add_row(row.statistic.name, *(Text(cells[name][k]) for name in together))
        print_table(console, table)


def _fitting(widths: Mapping[str, int], first: int) -> Iterator[list[str]]:
    """The names of columns that fit beside the first one."""
    together: list[str] = []
    used = first + 4
    for name, width in widths.items():
        if together and used + width + 3 > _WIDTH:
            yield together
            together, used = [], first + 4
        together.append(name)
        used += width + 3
    yield together


def _cell(measured: Measured | None) -> str:
    if measured is None:
        return ""
    value = format_statistic(
        finite(measured.estimate.value), lower_bound=measured.estimate.lower_bound, digits=3
    )
    return f"{value} ± {rounded(measured.error, 2)}" if math.isfinite(measured.error) else value


def print_pooled(console: Console, rows: Sequence[Pooled]) -> None:
    """Print the pooled values with their errors, and how far sessions differ."""
    table = Table()
    for column in ("statistic", "pooled", "error", "SD between", "p", "unit"):
        table.add_column(column, justify="left" if column in ("statistic", "unit") else "right")
    for row in rows:
        value = format_statistic(finite(row.estimate.value), lower_bound=row.estimate.lower_bound)
        error = rounded(row.error, 2) if math.isfinite(row.error) else ""
        between = rounded(row.between, 2) if len(row.sessions) > 1 and row.estimate.defined else ""
        probability = _probability(row.p_value) if math.isfinite(row.p_value) else ""
        table.add_row(row.statistic.name, value, error, between, probability, Text(row.statistic.unit))
    print_table(console, table)
    print_notes(console, {row.statistic.name: row.estimate.note for row in rows})
    for note in dict.fromkeys(row.note for row in rows if row.note):
        noted = [row.statistic.name for row in rows if row.note == note]
        print_notes(console, {"all" if len(noted) == len(rows) > 1 else ", ".join(noted): note})
    for line in in_words(rows):
        print_line(console, line)


def _probability(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.2g}"


def in_words(rows: Sequence[Pooled]) -> Iterator[str]:
    """Whether one network can have the values of all sessions, and what to know about their spread."""
    tested = sum(math.isfinite(row.p_value) for row in rows)
    found = differing(rows)
    how = f"by Cochran's Q at {100 * LEVEL:g} %"
    if tested > 1:
        how += f", corrected for {tested} statistics"
    if not tested:
        yield "Whether one network can serve all sessions cannot be tested: standard errors are unknown."
    elif not found:
        yield f"One network can serve all sessions: none differs by more than the errors ({how})."
    else:
        yield f"No network has the values of all sessions: they differ by more than their errors ({how}):"
        for row in found:
            p = f"p {_probability(row.p_value)}" if row.p_value < 0.001 else f"p = {row.p_value:.2g}"
            share = f"{100 * row.i_squared:.0f} % of the variance is between sessions"
            yield f"  {row.statistic.name} (Q = {row.q:.3g}, {p}; {share})"
        yield "A target from them has the spread between sessions in its tolerance."
    most = max((len(row.sessions) for row in rows), default=0)
    if 1 < most < _FEW:
        yield f"Of {most} sessions, the SD between them is only roughly known."


def pooled_json(row: Pooled) -> dict[str, Any]:
    """A pooled statistic."""
    return {
        **measured_json(row),
        "between": finite(row.between) if row.estimate.defined else None,
        "sessions": [name for name, one in row.sessions.items() if one.estimate.defined],
        "q": finite(row.q),
        "p": finite(row.p_value),
        "i_squared": finite(row.i_squared),
    }


def measured_json(row: Measured) -> dict[str, Any]:
    """A statistic of a recording."""
    return {
        "value": finite(row.estimate.value),
        "error": finite(row.error),
        "unit": row.statistic.unit,
        "support": finite(row.estimate.support),
        "note": "; ".join(filter(None, (row.estimate.note, row.note))),
    }
