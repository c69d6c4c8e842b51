"""What the memory allows: bandwidth of this machine, and synaptic events that it could deliver at best.

    python -m benchmarks.bandwidth [--processes 1 2] [--gpu]

Loops in C, as in STREAM (McCalpin 1995), on arrays of 256 MB, which no cache holds; each is the best of five.
`read` sums an array, `triad` is a = b + 3 c (three arrays are moved; a write may read first, which is not
counted). `deliver` is the inner loop of every simulator of spikes and nothing else: narrow (2-byte) indices
of targets are read from memory, and 1 is added to each of 25,000 inputs, which lie in the cache. So its
events per second are what a simulator with such a loop can reach. On a GPU, copies on the device.
"""

from __future__ import annotations

import argparse
import ctypes
import functools
import multiprocessing
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SIZE_BYTES = 256 << 20
NEURONS = 25_000
TARGETS = 7_680  # of a spike in the published scan's network, sorted
REPEATS = 5

_CODE = r"""
#include <stddef.h>
#include <stdint.h>
double sum(const double *a, size_t n) {
    double s[8] = {0};
    for (size_t i = 0; i + 8 <= n; i += 8)
        for (int k = 0; k < 8; k++) s[k] += a[i + k];
    return s[0] + s[1] + s[2] + s[3] + s[4] + s[5] + s[6] + s[7];
}
void triad(double *a, const double *b, const double *c, size_t n) {
    for (size_t i = 0; i < n; i++) a[i] = b[i] + 3.0 * c[i];
}
void deliver(float *inputs, const uint16_t *targets, size_t n) {
    for (size_t i = 0; i < n; i++) inputs[targets[i]] += 1.0f;
}
"""


@functools.cache
def _library() -> ctypes.CDLL:
    compiler = os.environ.get("CC", "cc")
    if shutil.which(compiler) is None:
        raise SystemExit(f"a C compiler is needed, and there is no {compiler}")
    with tempfile.TemporaryDirectory() as name:
        source, library = Path(name) / "loops.c", Path(name) / "loops.so"
        source.write_text(_CODE)
        flags = ["-O3", "-march=native", "-shared", "-fPIC"]
        subprocess.run([compiler, *flags, "-o", str(library), str(source)], check=True)
        loaded = ctypes.CDLL(str(library))
    loaded.sum.restype = ctypes.c_double
    return loaded


def _pointer(array: np.ndarray[Any, Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _best(work: Callable[[], object], barrier: Any) -> float:
    """Seconds of the fastest repeat, which all processes begin together."""
    found = []
    for _ in range(REPEATS):
        barrier.wait()
        started = time.perf_counter()
        work()
        found.append(time.perf_counter() - started)
    return min(found)


def _measure(barrier: Any, results: Any, size_bytes: int) -> None:
    """Bytes a second read and moved by the triad, and events delivered a second, of one process."""
    library = _library()
    n = size_bytes // 8
    arrays = [np.ones(n) for _ in range(3)]
    a, b, c = map(_pointer, arrays)
    size = ctypes.c_size_t(n)
    read = 8 * n / _best(lambda: library.sum(a, size), barrier)
    moved = 3 * 8 * n / _best(lambda: library.triad(a, b, c, size), barrier)
    arrays.clear()
    rows = size_bytes // 2 // TARGETS
    one = np.random.default_rng(0)
    targets = np.concatenate([np.sort(one.integers(NEURONS, size=TARGETS)) for _ in range(64)])
    narrow = np.resize(targets.astype(np.uint16), rows * TARGETS)
    inputs = np.zeros(NEURONS, dtype=np.float32)
    count = ctypes.c_size_t(narrow.size)
    took = _best(lambda: library.deliver(_pointer(inputs), _pointer(narrow), count), barrier)
    results.put((read, moved, narrow.size / took))


def measure(processes: int, *, size_bytes: int = SIZE_BYTES) -> dict[str, float]:
    """`read` and `triad` (bytes a second) and `deliver` (events a second) of so many processes together."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(processes), context.Queue()
    workers = [
        context.Process(target=_measure, args=(barrier, results, size_bytes)) for _ in range(processes)
    ]
    for worker in workers:
        worker.start()
    found = [results.get(timeout=300) for _ in workers]
    for worker in workers:
        worker.join()
    return dict(zip(("read", "triad", "deliver"), map(float, np.sum(found, axis=0)), strict=True))


def gpu_copy(*, size_bytes: int = 1 << 30) -> float | None:
    """Bytes a second (read and written) of copies on the first CUDA device; None where there is none."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None

    def call(name: str, *values: Any) -> None:
        code = getattr(driver, name)(*values)
        if code:
            raise OSError(f"{name} returned {code}")

    count, device, context = ctypes.c_int(), ctypes.c_int(), ctypes.c_void_p()
    one, other = ctypes.c_uint64(), ctypes.c_uint64()
    size = ctypes.c_size_t(size_bytes)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)) or not count.value:
        return None
    call("cuDeviceGet", ctypes.byref(device), 0)
    call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
    call("cuCtxSetCurrent", context)
    try:
        for address in (one, other):
            call("cuMemAlloc_v2", ctypes.byref(address), size)
        best = float("inf")
        for _ in range(REPEATS):
            call("cuCtxSynchronize")
            started = time.perf_counter()
            for _ in range(20):
                call("cuMemcpyDtoD_v2", other, one, size)
            call("cuCtxSynchronize")
            best = min(best, time.perf_counter() - started)
        return 20 * 2 * size_bytes / best
    finally:
        for address in (one, other):
            driver.cuMemFree_v2(address)
        driver.cuDevicePrimaryCtxRelease_v2(device)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--processes", type=int, nargs="+", default=sorted({1, cores}))
    parser.add_argument("--gpu", action="store_true", help="the first CUDA device too")
    options = parser.parse_args()
    print("| processes | read GB/s | triad GB/s | deliver 10^9 events/s |")
    print("|---|---|---|---|")
    for processes in options.processes:
        found = measure(processes)
        print(f"| {processes} | " + " | ".join(f"{value / 1e9:.2f}" for value in found.values()) + " |")
    if options.gpu:
        copied = gpu_copy()
        print("no CUDA device" if copied is None else f"copies on the GPU: {copied / 1e9:.0f} GB/s")


if __name__ == "__main__":
    main()
