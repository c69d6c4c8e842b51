"""Stopping a run from outside: first politely, then at once."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Self


class Interrupt:
    """Ctrl-C (or a batch system's SIGTERM) asks a run to stop; a second one stops it at once."""

    def __init__(self) -> None:
        self._asked = False

    @classmethod
    def unless(cls, asked: Callable[[], bool] | None) -> AbstractContextManager[Callable[[], bool]]:
        """`asked` as it is; where it is None, a new one, in the main thread, which alone receives signals."""
        if asked is None and threading.current_thread() is threading.main_thread():
            return cls()
        return contextlib.nullcontext(asked or (lambda: False))

    def __call__(self) -> bool:
        return self._asked

    def __enter__(self) -> Self:
        self._before = {
            number: signal.signal(number, self._handle) for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, *_: object) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        # Straight to the descriptor: the signal may have come while something else was being printed.
        message = "Stopping when this batch is finished and saved; press Ctrl-C again to stop at once."
        os.write(2, f"\n{message}\n".encode())
