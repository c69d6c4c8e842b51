"""Lists to choose from, as a table or, in a terminal too narrow for it, entry by entry."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from calibrate.tasks.lines import print_line

# Wider than any row.
WIDE = 1000


def print_listing(
    console: Console, columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: int | None = None
) -> None:
    """Print a table without lines; `right` is a column of numbers. Outside a terminal, no row is wrapped."""
    rows = list(rows)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for number, column in enumerate(columns):
        style = "" if number else "bold"
        justify: Literal["right", "left"] = "right" if number == right else "left"
        table.add_column(column, justify=justify, no_wrap=number == 0, style=style)
    for row in rows:
        table.add_row(*map(Text, row))
    if not console.is_terminal:
        Console(file=console.file, width=WIDE).print(table)
    elif Measurement.get(console, console.options.update(width=WIDE), table).minimum <= console.width:
        console.print(table)
    else:  # words would be broken
        _print_entries(console, rows)


def _print_entries(console: Console, rows: Sequence[Sequence[str]]) -> None:
    """Print each row as a line, with its longest text below it."""
    sizes = [max(map(len, column)) for column in zip(*rows, strict=True)]
    longest = sizes.index(max(sizes[1:], default=0), 1)
    for row in rows:
        cells = [cell for number, cell in enumerate(row) if number != longest and cell]
        print_line(console, "  ".join(cells), hang=4, style="bold")
        if row[longest]:
            print_line(console, f"    {row[longest]}")
