"""Where a command's results and messages go, and the ways in which it can end before its end."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TextIO

from rich.console import Console

INTERRUPTED = 130
WIDTH = 140


class FailedError(Exception):
    """It went wrong although what was asked for was right: exit code 1."""


class StoppedError(Exception):
    """A second Ctrl-C stopped a run at once: exit code 130. (Typer keeps the KeyboardInterrupt to itself.)"""


@contextlib.contextmanager
def output(as_json: bool) -> Iterator[tuple[Callable[[Mapping[str, Any]], None], Console]]:
    """How to print a JSON result, and the console for results that people read.

    With JSON, all else that is printed meanwhile, by whatever code, goes to standard error.
    """
    out: TextIO = sys.stdout

    def emit(result: Mapping[str, Any]) -> None:
        out.write(json.dumps(result, indent=2, allow_nan=False) + "\n")
        out.flush()

    if not as_json:
        yield emit, _console(out)
        return
    with contextlib.redirect_stdout(sys.stderr):
        yield emit, errors()


def _console(out: TextIO) -> Console:
    # In a file or a pipe there is no edge to keep to, unless one is asked for.
    return Console(file=out) if out.isatty() or "COLUMNS" in os.environ else Console(file=out, width=WIDTH)


def errors() -> Console:
    """The console for all that is not a result."""
    return Console(stderr=True)
