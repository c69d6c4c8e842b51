"""Turns on a device that processes share: one loads and simulates while the others observe and score."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Literal, Self

Phase = Literal["starting", "building", "waiting", "loading", "simulating"]
"""What a process does: start, build a batch's network, wait for the device, load the batch, or anything else
("simulating")."""


class Turn:
    """One batch's time on its device, as a context manager.

    file  its lock is held during the turn, and released if the process ends; None: no other process uses the
          device
    tell  called with each phase when it begins
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
        """Report that the batch is on the device and about to run."""
        self._tell("simulating")

    def __exit__(self, *_: object) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None
