"""CUDA devices as the driver reports them, without a toolkit, and the toolkit that compiles for them."""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

LARGEST_BATCH = 1023
"""GeNN 5.4 checks the batch size against the wrong limit of the device, 1024, and ends the process there."""

_NO_DEVICE = 100  # CUDA_ERROR_NO_DEVICE

# Attributes of CUdevice_attribute, and one value of the compute mode.
_COMPUTE_MODE, _L2_CACHE_SIZE, _CAPABILITY_MAJOR, _CAPABILITY_MINOR = 20, 38, 75, 76
_EXCLUSIVE_PROCESS = 3


@dataclass(frozen=True, kw_only=True)
class Device:
    """A GPU.

    capability  compute capability, such as "9.0", for which code is compiled
    free_bytes  memory that is free at present
    l2_bytes    size of its L2 cache
    exclusive   whether it accepts only one process at a time, as its administrator can set
    """

    name: str
    capability: str
    free_bytes: int
    l2_bytes: int
    exclusive: bool = False


@dataclass(frozen=True)
class Obstacle:
    """Why something cannot be used, in one line, and what to do about it."""

    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.reason}; {self.remedy}"


def count() -> int:
    """Number of CUDA devices that the driver reports; 0 if there is no driver, or if it does not work."""
    driver = _driver()
    number = ctypes.c_int(0)
    if driver is None or driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(number)):
        return 0
    return number.value


def driver_obstacle() -> Obstacle | None:
    """Why an installed driver does not start; None if it starts, or if no driver is installed."""
    driver = _driver()
    if driver is None:
        return None
    error = driver.cuInit(0)
    if error in (0, _NO_DEVICE):
        return None
    name = ctypes.c_char_p()
    driver.cuGetErrorName(error, ctypes.byref(name))
    cause = name.value.decode() if name.value else f"error {error}"
    return Obstacle(
        f"the NVIDIA driver does not start ({cause})",
        "nvidia-smi may show more details; restart or reinstall the driver",
    )


def devices(*, with_memory: bool = True) -> tuple[Device, ...]:
    """The CUDA devices, in the order of CUDA_VISIBLE_DEVICES; none without a driver.

    with_memory  whether to query the free memory, which takes a moment and some memory; otherwise it is 0
    """
    driver = _driver()
    if driver is None:
        return ()
    return tuple(_device(driver, number, with_memory=with_memory) for number in range(count()))


def alone(number: int) -> dict[str, str]:
    """Environment variables with which a process sees only this process's device `number`."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    names = [name.strip() for name in visible.split(",") if name.strip()]
    return {"CUDA_VISIBLE_DEVICES": names[number] if names else str(number)}


def _driver() -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None


def _device(driver: ctypes.CDLL, number: int, *, with_memory: bool) -> Device:
    handle = ctypes.c_int(0)
    name = ctypes.create_string_buffer(256)
    driver.cuDeviceGet(ctypes.byref(handle), number)
    driver.cuDeviceGetName(name, len(name), handle)

    def attribute(which: int) -> int:
        value = ctypes.c_int(0)
        driver.cuDeviceGetAttribute(ctypes.byref(value), which, handle)
        return value.value

    return Device(
        name=name.value.decode(errors="replace"),
        capability=f"{attribute(_CAPABILITY_MAJOR)}.{attribute(_CAPABILITY_MINOR)}",
        free_bytes=_free_bytes(driver, handle) if with_memory else 0,
        l2_bytes=attribute(_L2_CACHE_SIZE),
        exclusive=attribute(_COMPUTE_MODE) == _EXCLUSIVE_PROCESS,
    )


def _free_bytes(driver: ctypes.CDLL, handle: ctypes.c_int) -> int:
    """Free memory of a device; 0 if there is not even enough to query it."""
    context = ctypes.c_void_p()
    if driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), handle):
        return 0
    # The context is needed only for this query, and takes hundreds of megabytes: release it again.
    try:
        free, total = ctypes.c_size_t(0), ctypes.c_size_t(0)
        driver.cuCtxPushCurrent_v2(context)
        failed = driver.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total))
        driver.cuCtxPopCurrent_v2(ctypes.byref(context))
    finally:
        driver.cuDevicePrimaryCtxRelease_v2(handle)
    return 0 if failed else free.value


def runtime_obstacle() -> Obstacle | None:
    """Why the CUDA runtime in this process cannot use the driver; None if it can, or if none is loaded."""
    message = ""
    for library in _find_loaded("libcudart"):  # there can be several: PyTorch has its own
        runtime, number = ctypes.CDLL(library), ctypes.c_int(0)
        error = runtime.cudaGetDeviceCount(ctypes.byref(number))
        if not error:
            return None
        runtime.cudaGetErrorString.restype = ctypes.c_char_p
        message = runtime.cudaGetErrorString(error).decode(errors="replace")
    if not message:
        return None
    return Obstacle(
        f"CUDA reports: {message}",
        "the driver must be as new as PyGeNN's toolkit: update the driver, or build PyGeNN with an older "
        "toolkit",
    )


def _find_loaded(name: str) -> list[str]:
    """The files of the libraries loaded by this process whose names begin with `name` (Linux)."""
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return []
    return list(dict.fromkeys(line.split(maxsplit=5)[-1] for line in lines if f"/{name}" in line))


# --- what compiles for them ---------------------------------------------------------------------------


def toolkit() -> Obstacle | None:
    """What GeNN lacks to compile for CUDA; None if nothing is missing."""
    root = os.environ.get("CUDA_PATH")
    if not root:
        nvcc_on_path = shutil.which("nvcc")
        guess = Path(nvcc_on_path).resolve().parent.parent if nvcc_on_path else Path("/usr/local/cuda")
        if (guess / "bin" / "nvcc").is_file():
            return Obstacle("CUDA_PATH is not set", f"export CUDA_PATH={guess}")
        return Obstacle("CUDA_PATH is not set", "install the CUDA toolkit, then export CUDA_PATH=ITS_FOLDER")
    nvcc = Path(root) / "bin" / "nvcc"
    if not os.access(nvcc, os.X_OK):
        return Obstacle(
            f"there is no CUDA compiler at {nvcc}", "set CUDA_PATH to the folder of a CUDA toolkit"
        )
    if shutil.which("make") is None:
        return Obstacle("GeNN needs make, which is not installed", "sudo apt install make")
    if not _finds_curand(nvcc):
        return Obstacle(
            f"{nvcc} cannot find the header curand_kernel.h, which GeNN's code includes",
            "install the toolkit's cuRAND (libcurand-dev), or set CPATH to the folder of the header",
        )
    return None


def compiler() -> str:
    """Release and build of the compiler in CUDA_PATH, for the record; empty if it cannot be run."""
    nvcc = Path(os.environ.get("CUDA_PATH", "")) / "bin" / "nvcc"
    try:
        completed = subprocess.run([nvcc, "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return " ".join(completed.stdout.split())


def _finds_curand(nvcc: Path) -> bool:
    header = "curand_kernel.h"
    folders = [nvcc.parent.parent / "include", Path("/usr/include")]
    folders += [Path(folder) for folder in os.environ.get("CPATH", "").split(os.pathsep) if folder]
    return any((folder / header).is_file() for folder in folders) or _includes(nvcc, header)


@functools.cache
def _includes(nvcc: Path, header: str) -> bool:
    """Whether the compiler itself finds a header, which takes a second."""
    command = [str(nvcc), "-M", "-x", "cu", "-"]
    source = f"#include <{header}>\n"
    try:
        completed = subprocess.run(
            command, input=source, capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return completed.returncode == 0
