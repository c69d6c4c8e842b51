"""How a command can end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from calibrate.errors import SimulatorError

INTERRUPTED = 130


class FailedError(Exception):
    """The request is valid, but it failed: exit code 1."""


class StoppedError(Exception):
    """A second Ctrl-C stopped a run at once: exit code 130. (Typer hides a KeyboardInterrupt.)"""


@contextlib.contextmanager
def resumable() -> Iterator[None]:
    """Report Ctrl-C as StoppedError: the same command resumes."""
    try:
        yield
    except KeyboardInterrupt:
        raise StoppedError from None


@contextlib.contextmanager
def simulating() -> Iterator[None]:
    """Report a SimulatorError as FailedError: the study is valid, but simulating it failed."""
    try:
        yield
    except SimulatorError as error:
        raise FailedError(str(error)) from error
