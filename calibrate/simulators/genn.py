"""GeNN: a batch of networks at once on a CUDA device, or one on a core."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from calibrate.errors import SimulatorError
from calibrate.network import Network
from calibrate.simulators import cuda, genn_cache, genn_vector
from calibrate.simulators.base import Precision, Recording
from calibrate.simulators.genn_batch import PreparedGenn
from calibrate.simulators.genn_code import Build, assemble, check_size


def _load_pygenn() -> ModuleType:
    try:
        import pygenn
    except ImportError as error:
        raise SimulatorError(
            f"PyGeNN cannot be imported ({error}): GeNN's documentation says how to install it"
        ) from error
    return pygenn  # type: ignore[no-any-return]


def cuda_devices() -> int:
    """Number of CUDA devices that the driver shows; 0 without a driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


class GeNN:
    """The GeNN code generator (https://genn-team.github.io): CUDA where there is a device, else one core."""

    def __init__(self, *, dt_ms: float, precision: Precision) -> None:
        self._pygenn = _load_pygenn()
        self._dt_ms, self._precision = dt_ms, precision
        compiled_in = self._pygenn.genn_model.backend_modules
        self._device = "cuda" if cuda_devices() and "cuda" in compiled_in else "single_threaded_cpu"

    def prepare(
        self, network: Network, *, batch_size: int, recording: Recording, wiring_seed: int
    ) -> PreparedGenn:
        if self._device != "cuda" and batch_size != 1:
            raise SimulatorError(f"GeNN on the CPU simulates one network at a time, not {batch_size}")
        build = Build.of(
            network,
            dt_ms=self._dt_ms,
            batch_size=batch_size,
            precision=self._precision,
            record_spikes=recording.spikes,
        )
        check_size(build)
        device = f"{self._device} {cuda.architecture()}" if self._device == "cuda" else self._device
        folder = genn_cache.built(
            genn_cache.digest(build.text(), self._pygenn.__version__, device, genn_cache.compiler()),
            lambda path: self._compile(build, path),
        )
        model = self._model(build)
        model.build(str(folder), never_rebuild=True)
        return PreparedGenn(model, build, recording, wiring_seed)

    def describe(self) -> dict[str, str]:
        return {
            "name": "genn",
            "version": str(self._pygenn.__version__),
            "device": "cuda" if self._device == "cuda" else "cpu",
            "precision": self._precision,
        }

    def _model(self, build: Build) -> Any:
        single = self._precision == "single"
        model = self._pygenn.GeNNModel(
            "float" if single else "double",
            "network",
            backend=self._device,
            time_precision="double",
            # Fast mathematics would round double precision otherwise than NEST does, and let a CPU's
            # compiler take an undefined potential for a spike.
            optimize_code=single and self._device == "cuda",
        )
        assemble(self._pygenn, model, build)
        return model

    def _compile(self, build: Build, folder: Path) -> None:
        flags = "-O3 -march=native -fno-math-errno -fno-trapping-math"
        flags += " -ffp-contract=fast" if self._precision == "single" else " -ffp-contract=off"
        if platform.machine() in ("x86_64", "AMD64"):
            # Wider vectors leave most of a small population to the scalar rest of the loop.
            flags += " -mprefer-vector-width=256"
        command = f"{os.environ.get('CXX', 'g++')} {flags}"
        # On a CPU, GeNN is left to generate only: what it generates is rewritten before it is compiled.
        on_cpu = self._device != "cuda"
        try:
            with _environment("CXX", "true" if on_cpu else command):
                self._model(build).build(str(folder), always_rebuild=True)
            if on_cpu:
                code = folder / "network_CODE"
                genn_vector.rewrite(code)
                with _environment("CXX", command):
                    jobs = f"-j{len(os.sched_getaffinity(0))}"
                    subprocess.run(["make", "--silent", jobs, "-C", str(code)], check=True)
        except Exception as error:
            raise SimulatorError(f"GeNN could not compile this network: {error}") from error


@contextlib.contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
