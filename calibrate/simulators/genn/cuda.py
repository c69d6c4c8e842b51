"""CUDA devices as their driver shows them, without a toolkit, and the toolkit that compiles for them."""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

LARGEST_BATCH = 1023
"""GeNN 5.4 compares the batch size with the wrong limit of the device, 1024, and ends the process."""

_NO_DEVICE = 100  # CUDA_ERROR_NO_DEVICE

# Numbers of CUdevice_attribute, and a value of the first.
_COMPUTE_MODE, _L2_CACHE_SIZE, _CAPABILITY_MAJOR, _CAPABILITY_MINOR = 20, 38, 75, 76
_EXCLUSIVE_PROCESS = 3


@dataclass(frozen=True, kw_only=True)
class Device:
    """A GPU.

    capability  compute capability, such as "9.0": code is compiled for it
    free_bytes  memory that nobody uses now; l2_bytes: size of its L2 cache
    exclusive   whether it takes one process at a time, as its administrator can set
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
    """Number of CUDA devices that the driver shows; 0 without a driver, or where it does not work."""
    driver = _driver()
    number = ctypes.c_int(0)
    if driver is None or driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(number)):
        return 0
    return number.value


def driver_obstacle() -> Obstacle | None:
    """Why the driver shows no device although it is installed; None where it shows some or there is none."""
    driver = _driver()
    if driver is None:
        return None
    error = driver.cuInit(0)
    if error in (0, _NO_DEVICE):
        return None
    name = ctypes.c_char_p()
    driver.cuGetErrorName(error, ctypes.byref(name))
    said = name.value.decode() if name.value else f"error {error}"
    return Obstacle(
        f"the NVIDIA driver does not start ({said})", "nvidia-smi may say more; restart or reinstall it"
    )


def devices(*, with_memory: bool = True) -> tuple[Device, ...]:
    """The CUDA devices, in the order of CUDA_VISIBLE_DEVICES; none without a driver.

    with_memory  whether to ask for the free memory, which takes a moment, and some of it; else it is 0
    """
    driver = _driver()
    if driver is None:
        return ()
    return tuple(_device(driver, number, with_memory=with_memory) for number in range(count()))


def alone(number: int) -> dict[str, str]:
    """The environment in which a process sees device `number` of this one's only."""
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
    """0 where there is not even the memory to ask."""
    context = ctypes.c_void_p()
    if driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), handle):
        return 0
    # Of no use beyond this question, and it takes hundreds of megabytes of the device.
    try:
        free, total = ctypes.c_size_t(0), ctypes.c_size_t(0)
        driver.cuCtxPushCurrent_v2(context)
        failed = driver.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total))
        driver.cuCtxPopCurrent_v2(ctypes.byref(context))
    finally:
        driver.cuDevicePrimaryCtxRelease_v2(handle)
    return 0 if failed else free.value


def runtime_obstacle() -> Obstacle | None:
    """Why the CUDA runtime in this process cannot use the driver; None if it can, or there is none."""
    said = ""
    for library in _loaded("libcudart"):  # PyTorch has one of its own
        runtime, number = ctypes.CDLL(library), ctypes.c_int(0)
        error = runtime.cudaGetDeviceCount(ctypes.byref(number))
        if not error:
            return None
        runtime.cudaGetErrorString.restype = ctypes.c_char_p
        said = runtime.cudaGetErrorString(error).decode(errors="replace")
    if not said:
        return None
    return Obstacle(
        f"CUDA says: {said}",
        "the driver must be as new as PyGeNN's toolkit: update it, or build PyGeNN with an older toolkit",
    )


def _loaded(name: str) -> list[str]:
    """The files of libraries that this process has loaded whose name begins so (Linux)."""
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return []
    return list(dict.fromkeys(line.split(maxsplit=5)[-1] for line in lines if f"/{name}" in line))


# --- what compiles for them ---------------------------------------------------------------------------


def toolkit() -> Obstacle | None:
    """What GeNN lacks of the CUDA toolkit; None if all is there."""
    root = os.environ.get("CUDA_PATH")
    if not root:
        found = shutil.which("nvcc")
        guess = Path(found).resolve().parent.parent if found else Path("/usr/local/cuda")
        if (guess / "bin" / "nvcc").is_file():
            return Obstacle("CUDA_PATH is not set", f"export CUDA_PATH={guess}")
        return Obstacle("CUDA_PATH is not set", "install the CUDA toolkit, then export CUDA_PATH=ITS_FOLDER")
    nvcc = Path(root) / "bin" / "nvcc"
    if not os.access(nvcc, os.X_OK):
        return Obstacle(f"there is no CUDA compiler {nvcc}", "set CUDA_PATH to the folder of a CUDA toolkit")
    if shutil.which("make") is None:
        return Obstacle("GeNN needs make, which is not installed", "sudo apt install make")
    if not _finds_curand(nvcc):
        return Obstacle(
            f"{nvcc} does not find the header curand_kernel.h, which GeNN's code includes",
            "install the toolkit's cuRAND (libcurand-dev), or set CPATH to the folder of the header",
        )
    return None


def compiler() -> str:
    """Release and build of CUDA_PATH's compiler, for the record; empty where it does not run."""
    nvcc = Path(os.environ.get("CUDA_PATH", "")) / "bin" / "nvcc"
    try:
        shown = subprocess.run([nvcc, "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return " ".join(shown.stdout.split())


def _finds_curand(nvcc: Path) -> bool:
    header = "curand_kernel.h"
    folders = [nvcc.parent.parent / "include", Path("/usr/include")]
    folders += [Path(one) for one in os.environ.get("CPATH", "").split(os.pathsep) if one]
    return any((folder / header).is_file() for folder in folders) or _includes(nvcc, header)


@functools.cache
def _includes(nvcc: Path, header: str) -> bool:
    """Whether the compiler itself finds a header; it takes a second to say."""
    command = [str(nvcc), "-M", "-x", "cu", "-"]
    source = f"#include <{header}>\n"
    try:
        done = subprocess.run(command, input=source, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
