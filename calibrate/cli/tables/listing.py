"""Tables and lists that, in a terminal too narrow for their words, are printed entry by entry."""

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
    elif _fits(console, table):
        console.print(table)
    else:
        _print_entries(console, rows)


def print_table(console: Console, table: Table) -> None:
    """Print a table; in a terminal that is too narrow, each row as a list of its cells with their headers."""
    if not console.is_terminal or _fits(console, table):
        console.print(table)
        return
    if table.title:
        console.print(table.title, style="bold")
    first, *others = table.columns
    rows = zip(first.cells, *(column.cells for column in others), strict=True)
    for name, *cells in rows:
        console.print(name, style="bold")
        for column, cell in zip(others, cells, strict=True):
            if cell:
                console.print(
                    Text.assemble(f"  {column.header}: ", cell if isinstance(cell, Text) else str(cell))
                )


def _fits(console: Console, table: Table) -> bool:
    """Whether no word of a table would be broken."""
    return Measurement.get(console, console.options.update(width=WIDE), table).minimum <= console.width


def _print_entries(console: Console, rows: Sequence[Sequence[str]]) -> None:
    """Print each row as a line, with its longest text below it."""
    sizes = [max(map(len, column)) for column in zip(*rows, strict=True)]
    longest = sizes.index(max(sizes[1:], default=0), 1)
    for row in rows:
        cells = [cell for number, cell in enumerate(row) if number != longest and cell]
        print_line(console, "  ".join(cells), hang=4, style="bold")
        if row[longest]:
            print_line(console, f"    {row[longest]}")
