"""Ctrl-C during a run: the first stops it after the batch, the second immediately."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Self


class Interrupt:
    """Ctrl-C (or SIGTERM from a batch system) asks a run to stop; a second one stops it immediately.

    acknowledge  called by the signal handler, while anything else may be printing
    """

    def __init__(self, acknowledge: Callable[[], None]) -> None:
        self._asked, self._acknowledge = False, acknowledge

    @classmethod
    def unless(
        cls, asked: Callable[[], bool] | None, acknowledge: Callable[[], None]
    ) -> AbstractContextManager[Callable[[], bool]]:
        """Return `asked`; if it is None, a new Interrupt in the main thread, which alone receives signals."""
        if asked is None and threading.current_thread() is threading.main_thread():
            return cls(acknowledge)
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
        self._acknowledge()
