"""Processes that end with their parent."""

from __future__ import annotations

import ctypes
import os
import signal
import sys


def end_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, for whatever reason (Linux).

    parent  process id of the parent
    """
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
