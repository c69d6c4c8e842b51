"""The CUDA device, as its driver shows it: no toolkit is needed."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass


@dataclass(frozen=True)
class Device:
    """A GPU: its name, and the memory that nobody uses now (bytes)."""

    name: str
    free_bytes: int


def device() -> Device | None:
    """The first CUDA device; None where the driver shows none."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    number, context = ctypes.c_int(0), ctypes.c_void_p()
    name = ctypes.create_string_buffer(256)
    if driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(number), 0):
        return None
    driver.cuDeviceGetName(name, len(name), number)
    if driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), number):
        return None
    # Of no use beyond this question, and it takes hundreds of megabytes of the device.
    try:
        free, total = ctypes.c_size_t(0), ctypes.c_size_t(0)
        driver.cuCtxPushCurrent_v2(context)
        failed = driver.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total))
        driver.cuCtxPopCurrent_v2(ctypes.byref(context))
    finally:
        driver.cuDevicePrimaryCtxRelease_v2(number)
    return None if failed else Device(name.value.decode(errors="replace"), free.value)


def architecture() -> str:
    """Compute capability of the first CUDA device, such as "9.0": code is compiled for it."""
    driver, number = ctypes.CDLL("libcuda.so.1"), ctypes.c_int(0)
    driver.cuInit(0)
    driver.cuDeviceGet(ctypes.byref(number), 0)
    words = []
    for attribute in (75, 76):  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, _MINOR
        value = ctypes.c_int(0)
        driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, number)
        words.append(str(value.value))
    return ".".join(words)
