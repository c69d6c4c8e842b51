"""Facts to be found in processes of their own, which import this module only."""

from __future__ import annotations

import os
import time
from typing import Any


def a_fact(number: int) -> dict[str, Any]:
    print("not for the terminal")
    return {"doubled": 2 * number}


def a_failure() -> dict[str, Any]:
    raise ValueError("it is wrong")


def a_death() -> dict[str, Any]:
    print("backend.cc: 12: cuda runtime error 2: out of memory", flush=True)
    os._exit(1)


def a_long_time() -> dict[str, Any]:
    time.sleep(60)
    return {}
