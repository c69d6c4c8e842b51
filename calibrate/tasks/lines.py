"""Lines of text in a terminal, where a line that is too long breaks between words."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from calibrate.masking import printable

if TYPE_CHECKING:
    from rich.console import Console

# Stands for a space at which no line breaks.
_GLUE = "\0"


def print_line(console: Console, text: str, *, hang: int = 0, keep: str = "", style: str = "") -> None:
    """Print `text` without markup; in a terminal, `wrapped`."""
    shown = printable(text)
    if console.is_terminal:
        shown = wrapped(shown, console.width, hang=hang, keep=printable(keep))
    console.print(shown, soft_wrap=True, markup=False, highlight=False, style=style)


def wrapped(text: str, width: int, *, hang: int = 0, keep: str = "") -> str:
    """Break the lines of `text` that are longer than `width` between words.

    hang  by how much the rest of a line is indented, in addition to its first line
    keep  a part that is not broken, such as a command to be copied

    Longer words, such as paths, are left to the terminal, which breaks them without changing what is copied.
    """
    glued = text.replace(keep, keep.replace(" ", _GLUE)) if keep else text
    lines = (_wrap(line, width, hang) if len(line) > width else line for line in glued.split("\n"))
    return "\n".join(lines).replace(_GLUE, " ")


def flowed(text: str) -> str:
    """Join the lines of each paragraph, except of equations, which are indented, and of aligned lists."""
    blocks = text.split("\n\n")
    return "\n\n".join(block if "  " in block else " ".join(block.split("\n")) for block in blocks)


def _wrap(line: str, width: int, hang: int) -> str:
    indented = len(line) - len(line.lstrip())
    return textwrap.fill(
        line,
        width,
        subsequent_indent=" " * (indented + hang),
        break_long_words=False,
        break_on_hyphens=False,
    )
