"""GeNN: a batch of networks on a CUDA device, or one network on a CPU core."""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from calibrate import simulators
from calibrate.errors import SimulatorError
from calibrate.network import Network
from calibrate.simulators.base import Precision, RecordingPlan
from calibrate.simulators.genn import cache as genn_cache
from calibrate.simulators.genn import cpu_loops, cuda
from calibrate.simulators.genn.batch import PreparedGenn
from calibrate.simulators.genn.code import Build, assemble, check_size
from calibrate.simulators.genn.cuda import Obstacle
from calibrate.simulators.genn.environment_variable import environment_variable


def _load_pygenn() -> ModuleType:
    try:
        import pygenn
    except ImportError as error:
        raise SimulatorError(
            f"PyGeNN cannot be imported ({error}): see GeNN's documentation for its installation"
        ) from error
    return pygenn  # type: ignore[no-any-return]


def gpu_obstacle() -> Obstacle | None:
    """Why GeNN cannot use the GPUs that the driver reports; None if it can.

    Raises SimulatorError if PyGeNN itself cannot be imported.
    """
    pygenn = _load_pygenn()
    if "cuda" not in pygenn.genn_model.backend_modules:
        # PyGeNN silently omits back ends that do not load.
        if importlib.util.find_spec("pygenn.cuda_backend") is None:
            remedy = "set CUDA_PATH and reinstall PyGeNN as described in its documentation"
            return Obstacle("PyGeNN was built without CUDA", remedy)
        try:
            importlib.import_module("pygenn.cuda_backend")
        except ImportError as error:
            return Obstacle(
                f"PyGeNN's CUDA back end does not load ({error})",
                "if a library is missing, set LD_LIBRARY_PATH to its folder, such as $CUDA_PATH/lib64; "
                "otherwise reinstall PyGeNN",
            )
    return cuda.runtime_obstacle() or cuda.toolkit()


class GeNN:
    """The GeNN code generator (https://genn-team.github.io): on a CUDA device if it can, else on one core."""

    def __init__(self, *, dt_ms: float, precision: Precision) -> None:
        self._pygenn = _load_pygenn()
        self._dt_ms, self._precision = dt_ms, precision
        self._device = "cuda" if simulators.on_gpu("genn") else "single_threaded_cpu"

    def prepare(
        self, network: Network, *, batch_size: int, recording: RecordingPlan, wiring_seed: int
    ) -> PreparedGenn:
        on_gpu = self._device == "cuda"
        if not on_gpu and batch_size != 1:
            raise SimulatorError(f"GeNN on the CPU simulates one network at a time, not {batch_size}")
        if batch_size > cuda.LARGEST_BATCH:
            raise SimulatorError(
                f"GeNN simulates at most {cuda.LARGEST_BATCH} networks at once, not {batch_size}"
            )
        build = Build.of(
            network,
            dt_ms=self._dt_ms,
            batch_size=batch_size,
            precision=self._precision,
            record_spikes=recording.spikes,
        )
        check_size(build)
        target = self._target()
        folder = genn_cache.built(
            genn_cache.digest(build.text(), self._pygenn.__version__, *target),
            lambda path: self._compile(build, path),
        )
        model = self._model(build)
        if not on_gpu:
            model.build(str(folder), never_rebuild=True)
            return PreparedGenn(model, build, recording, wiring_seed)
        # A copy, because GeNN measures its kernels again and writes the results there, even without a build.
        copied = tempfile.TemporaryDirectory(prefix="calibrate-genn-")
        shutil.copytree(folder, copied.name, dirs_exist_ok=True)
        model.build(copied.name, never_rebuild=True)
        return PreparedGenn(model, build, recording, wiring_seed, folder=copied)

    def _target(self) -> tuple[str, ...]:
        """What compiled code depends on besides the network."""
        if self._device == "cuda":
            device = cuda.devices(with_memory=False)[0]
            flags = [os.environ.get(f"NVCC_{place}_FLAGS", "") for place in ("PREPEND", "APPEND")]
            return "cuda", device.name, device.capability, cuda.compiler(), genn_cache.compiler(), *flags
        return self._device, genn_cache.compiler(), genn_cache.processor()

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
            # Fast maths would round double precision differently from NEST, and would let a CPU's compiler
            # treat an undefined potential as a spike.
            optimize_code=single and self._device == "cuda",
        )
        assemble(self._pygenn, model, build)
        return model

    def _compile(self, build: Build, folder: Path) -> None:
        try:
            if self._device == "cuda":
                self._compile_for_gpu(build, folder)
            else:
                self._compile_for_cpu(build, folder)
        except Exception as error:  # GeNN raises various types, and so do compilers and the disk
            raise SimulatorError(f"GeNN could not compile this network: {error}") from error

    def _compile_for_gpu(self, build: Build, folder: Path) -> None:
        flags = os.environ.get("NVCC_APPEND_FLAGS", "")
        if self._precision == "double":
            flags += " -fmad=false"  # as on the CPU: a fused operation rounds differently from NEST's two
        with environment_variable("NVCC_APPEND_FLAGS", flags.strip()):
            self._model(build).build(str(folder), always_rebuild=True)

    def _compile_for_cpu(self, build: Build, folder: Path) -> None:
        flags = "-O3 -march=native -fno-math-errno -fno-trapping-math"
        flags += " -ffp-contract=fast" if self._precision == "single" else " -ffp-contract=off"
        if platform.machine() in ("x86_64", "AMD64"):
            # With wider vectors, most of a small population falls to the scalar remainder of the loop.
            flags += " -mprefer-vector-width=256"
        # Here GeNN only generates the code, which is rewritten before it is compiled.
        with environment_variable("CXX", "true"):
            self._model(build).build(str(folder), always_rebuild=True)
        code = folder / "network_CODE"
        cpu_loops.rewrite(code)
        with environment_variable("CXX", f"{os.environ.get('CXX', 'g++')} {flags}"):
            jobs = f"-j{len(os.sched_getaffinity(0))}"
            subprocess.run(["make", "--silent", jobs, "-C", str(code)], check=True)
