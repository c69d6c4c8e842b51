"""Time that stands still while the whole process is paused.

Ctrl-Z, a batch system that suspends a job, or a frozen virtual machine stops a run together with the
processes that simulate for it. Nothing is late because of that.
"""

from __future__ import annotations

import threading
import time
from functools import cache

# Interval at which the time is read (s).
TICK_S = 0.5

# The process was paused if the time was not read for longer than this (s), and it hardly computed meanwhile.
PAUSE_S = 2.0
COMPUTING = 0.1


class RunningTime:
    """Counts the pauses between readings; as long as it runs, a thread reads it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read_at, self._computed_s = time.monotonic(), time.process_time()
        self._paused_s = 0.0

    def start(self) -> None:
        threading.Thread(target=self._keep_reading, daemon=True).start()

    def read(self) -> tuple[float, float]:
        """The time, and how long the process was paused so far (s)."""
        with self._lock:
            now, computed_s = time.monotonic(), time.process_time()
            gap_s = now - self._read_at
            if gap_s > PAUSE_S and computed_s - self._computed_s < COMPUTING * gap_s:
                self._paused_s += gap_s
            self._read_at, self._computed_s = now, computed_s
            return now - self._paused_s, self._paused_s

    def _keep_reading(self) -> None:
        while True:
            time.sleep(TICK_S)
            self.read()


@cache
def _of_this_process() -> RunningTime:
    found = RunningTime()
    found.start()
    return found


def running_s() -> float:
    """As `time.monotonic`, but without the time during which this process was paused (s)."""
    return _of_this_process().read()[0]


def paused_s() -> float:
    """How long this process was paused (s) since the first call of a function of this module."""
    return _of_this_process().read()[1]
