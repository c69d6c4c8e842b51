"""Waiting for what other processes do, without a clock that decides a test on a busy machine."""

from __future__ import annotations

import time
from collections.abc import Callable

# Only so that a test that hangs ends: what is waited for comes sooner on any machine.
PATIENCE_S = 300.0


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Return as soon as `condition` holds; AssertionError that says `what` did not come if it never does."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"waited {PATIENCE_S:g} s in vain: {what}"
        time.sleep(0.02)
