"""Where the result and the messages of a command go."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.console import Console

from calibrate.tasks.display import Display, display
from calibrate.tasks.lines import print_line

# Of a result that goes to a file or a pipe.
WIDTH = 140


@dataclass(kw_only=True)
class Messages:
    """Standard error: everything that is not the result of a command."""

    # `execute` looks for it among the arguments.
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False

    def __post_init__(self) -> None:
        self.messages = Console(stderr=True)

    def opened(self) -> AbstractContextManager[object]:
        """Keep standard output free for the JSON: whatever else is printed goes to standard error."""
        return contextlib.nullcontext()

    def say(self, line: str) -> None:
        """Print a message, unless --quiet was given."""
        print_line(self.messages, line)

    def warn(self, warnings: Iterable[str]) -> None:
        """Print warnings, even with --quiet."""
        for warning in warnings:
            print_line(self.messages, f"warning: {warning}")


@dataclass(kw_only=True)
class Output(Messages):
    """The result of a command, as JSON or for a reader, besides its messages."""

    as_json: Annotated[bool, typer.Option("--json", help="Print only the result, as JSON.")] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._out = sys.stdout
        self.console = self.messages if self.as_json else _console_for_results()

    def opened(self) -> AbstractContextManager[object]:
        return contextlib.redirect_stdout(sys.stderr) if self.as_json else super().opened()

    def print(self, line: str, *, keep: str = "") -> None:
        """Print a line of the result for a reader, without breaking the part to `keep`."""
        print_line(self.console, line, hang=2, keep=keep)

    def emit(self, result: Mapping[str, Any]) -> None:
        """Print the result as JSON."""
        self._out.write(json.dumps(result, indent=2, allow_nan=False) + "\n")
        self._out.flush()


@dataclass(kw_only=True)
class QuietOutput(Output):
    """The output of a command that shows progress, which --quiet hides."""

    quiet: Annotated[bool, typer.Option("--quiet", help="Hide progress and closing messages.")] = False

    def say(self, line: str) -> None:
        if not self.quiet:
            super().say(line)

    def progress(self) -> Display:
        """The display of a run or a validation."""
        return display(self.messages, quiet=self.quiet)


def _console_for_results() -> Console:
    # A file or a pipe has no width, unless COLUMNS sets one.
    if sys.stdout.isatty() or "COLUMNS" in os.environ:
        return Console(file=sys.stdout)
    return Console(file=sys.stdout, width=WIDTH)
