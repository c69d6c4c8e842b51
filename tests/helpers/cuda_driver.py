"""A stand-in for the CUDA driver, for machines without a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from calibrate.simulators.genn import cuda

GIB = 2**30
H100 = cuda.Device(name="H100", capability="9.0", free_bytes=80 * GIB, l2_bytes=50 * 2**20)


@dataclass
class Driver:
    """What is asked of libcuda, of these devices; `error` is what it says when it starts."""

    devices: Sequence[cuda.Device]
    error: int = 0
    contexts: int = 0

    def cuInit(self, _: int) -> int:  # noqa: N802
        return self.error

    def cuGetErrorName(self, error: int, name: Any) -> int:  # noqa: N802
        name._obj.value = {803: b"CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"}.get(error)
        return 0

    def cuDeviceGetCount(self, number: Any) -> int:  # noqa: N802
        number._obj.value = len(self.devices)
        return 0

    def cuDeviceGet(self, handle: Any, number: int) -> int:  # noqa: N802
        handle._obj.value = number
        return 0

    def cuDeviceGetName(self, name: Any, _: int, handle: Any) -> int:  # noqa: N802
        name.value = self.devices[handle.value].name.encode()
        return 0

    def cuDeviceGetAttribute(self, value: Any, which: int, handle: Any) -> int:  # noqa: N802
        device = self.devices[handle.value]
        major, minor = map(int, device.capability.split("."))
        mode = 3 if device.exclusive else 0
        value._obj.value = {20: mode, 38: device.l2_bytes, 75: major, 76: minor}[which]
        return 0

    def cuDevicePrimaryCtxRetain(self, _: Any, handle: Any) -> int:  # noqa: N802
        self.contexts += 1
        self._of_context = self.devices[handle.value]
        return 0 if self._of_context.free_bytes else 2  # CUDA_ERROR_OUT_OF_MEMORY

    def cuDevicePrimaryCtxRelease_v2(self, _: Any) -> int:  # noqa: N802
        self.contexts -= 1
        return 0

    def cuCtxPushCurrent_v2(self, _: Any) -> int:  # noqa: N802
        return 0

    def cuCtxPopCurrent_v2(self, _: Any) -> int:  # noqa: N802
        return 0

    def cuMemGetInfo_v2(self, free: Any, total: Any) -> int:  # noqa: N802
        free._obj.value = total._obj.value = self._of_context.free_bytes
        return 0


def install(monkeypatch: pytest.MonkeyPatch, *devices: cuda.Device, error: int = 0) -> Driver:
    """Let calibrate find a driver with these devices."""
    driver = Driver(devices, error)
    monkeypatch.setattr(cuda, "_driver", lambda: driver)
    return driver
