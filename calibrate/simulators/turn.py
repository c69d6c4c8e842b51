"""Turns on a device that several processes share: one loads and simulates while others observe and score."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Literal, Self

Phase = Literal["starting", "building", "waiting", "loading", "simulating"]
"""What a process does: start, build a batch's network, wait for the device, load it, or all the rest."""


class Turn:
    """One batch's time on its device, as a context manager.

    file  the processes that share a device take turns by this file's lock, which ends with its holder; None:
          the device is this process's alone
    tell  told each phase when it begins
    """

    def __init__(self, file: Path | None = None, *, tell: Callable[[Phase], None] = lambda _: None) -> None:
        self._file, self._tell = file, tell
        self._held: IO[bytes] | None = None
        self.waited_s = 0.0

    def __enter__(self) -> Self:
        if self._file is not None:
            self._tell("waiting")
            began = time.perf_counter()
            self._held = self._file.open("rb")
            fcntl.flock(self._held, fcntl.LOCK_EX)
            self.waited_s = time.perf_counter() - began
        self._tell("loading")
        return self

    def loaded(self) -> None:
        """The batch lies on the device and is about to run."""
        self._tell("simulating")

    def __exit__(self, *_: object) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None
