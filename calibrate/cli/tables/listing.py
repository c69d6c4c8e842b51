"""Lists to choose from, narrow enough for 80 columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

# Wider than any row.
WIDE = 1000


def print_listing(
    console: Console, columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: int | None = None
) -> None:
    """Print a table without lines; `right` is a column of numbers. Outside a terminal, no row is wrapped."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for number, column in enumerate(columns):
        style = "" if number else "bold"
        justify: Literal["right", "left"] = "right" if number == right else "left"
        table.add_column(column, justify=justify, no_wrap=number == 0, style=style)
    for row in rows:
        table.add_row(*map(Text, row))
    (console if console.is_terminal else Console(file=console.file, width=WIDE)).print(table)
