"""Where a command's results and messages go, and the ways in which it can end before its end."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TextIO

from rich.console import Console

INTERRUPTED = 130


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
        yield emit, Console(file=out)
        return
    with contextlib.redirect_stdout(sys.stderr):
        yield emit, errors()


def errors() -> Console:
    """The console for all that is not a result."""
    return Console(stderr=True)
