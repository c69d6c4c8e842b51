"""Subnormal numbers count as 0 while a simulator steps.

What decays exponentially becomes subnormal in time: a current of 2 ms after 1.4 s without a spike in double
precision, and after 0.2 s in single. No potential depends on it, but processors take up to a hundred times as
long for such numbers, so that quiet networks would be the slow ones.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager

# Where C's fenv_t has the control word of the processor, in words of 32 bits, and the bits of this word for
# subnormal results and operands: MXCSR on x86-64, FPCR on AArch64.
_WORDS = {"x86_64": (7, 0x8040), "aarch64": (0, 1 << 24)}
_SIZE = 16  # words: larger than any fenv_t
_LIBM = ctypes.CDLL(None)


@contextmanager
def subnormals_are_zero() -> Iterator[None]:
    """Count subnormal numbers as 0 in this thread, where the processor and the system are known."""
    found = _WORDS.get(platform.machine()) if platform.system() == "Linux" else None
    if found is None:
        yield
        return
    at, bits = found
    before = (ctypes.c_uint32 * _SIZE)()
    _LIBM.fegetenv(before)
    now = type(before)(*before)
    now[at] |= bits
    _LIBM.fesetenv(now)
    try:
        yield
    finally:
        _LIBM.fesetenv(before)
