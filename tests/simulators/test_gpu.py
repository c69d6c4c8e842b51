"""Whether a GPU is used, decided in one place: driver, PyGeNN's CUDA back end, toolkit, memory."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from calibrate import simulators
from calibrate.calibration.resources.batch_size import with_batch_size
from calibrate.calibration.study_pool import footprint_of, pool_for, warnings_of
from calibrate.cli.commands import execute
from calibrate.errors import SimulatorError
from calibrate.simulators.genn import cuda
from calibrate.simulators.genn import simulator as genn
from calibrate.simulators.genn.footprint import CONTEXT_BYTES, SHARE, Footprint
from calibrate.tasks import doctor
from tests.helpers.cuda_driver import GIB, H100, install
from tests.helpers.studies import small_study, write_study

FIND_SPEC, IMPORT = importlib.util.find_spec, importlib.import_module


@pytest.fixture
def toolkit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A CUDA toolkit: its compiler finds no header that is not in its own folder."""
    root = tmp_path / "cuda"
    for name in ("bin", "include"):
        (root / name).mkdir(parents=True)
    (root / "bin/nvcc").write_text('#!/bin/sh\n[ "$1" = --version ] && echo release 13.0 || exit 1\n')
    (root / "bin/nvcc").chmod(0o755)
    (root / "include/curand_kernel.h").write_text("")
    monkeypatch.setenv("CUDA_PATH", str(root))
    monkeypatch.delenv("CPATH", raising=False)
    return root


@pytest.fixture
def gpu(toolkit: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    """A machine with an H100 and PyGeNN with CUDA."""
    install(monkeypatch, H100)
    back_ends(monkeypatch, "cuda", "single_threaded_cpu")


def back_ends(monkeypatch: pytest.MonkeyPatch, *loaded: str, error: str | None = None) -> None:
    """A PyGeNN whose back ends `loaded`; its CUDA one is there and does not load where `error` says why."""
    found = SimpleNamespace(genn_model=SimpleNamespace(backend_modules=dict.fromkeys(loaded)))
    there = {"pygenn"} | {f"pygenn.{name}_backend" for name in loaded}
    if error is not None:
        there.add("pygenn.cuda_backend")

    def find_spec(name: str) -> object:
        if name.split(".")[0] != "pygenn":
            return FIND_SPEC(name)
        return FIND_SPEC("json") if name in there else None

    def import_module(name: str) -> object:
        if name == "pygenn.cuda_backend" and error is not None:
            raise ImportError(error)
        return IMPORT(name)

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    monkeypatch.setattr(importlib, "import_module", import_module)
    monkeypatch.setattr(genn, "_load_pygenn", lambda: found)


def gpu_check() -> doctor.Check:
    return doctor._check_gpu()


@pytest.mark.usefixtures("gpu")
def test_a_gpu_that_everything_is_there_for_is_used():
    assert simulators.on_gpu("genn")
    assert simulators.gpu_obstacle("genn") is None
    assert simulators.warnings("genn") == []
    assert simulators.batch_size("genn") == simulators.GPU_BATCH_SIZE
    assert gpu_check().state == "ok"
    assert gpu_check().detail == "H100 (80.0 GiB free), CUDA compiler found"
    for backend in ("nest", "poisson"):
        assert not simulators.on_gpu(backend)
        assert simulators.warnings(backend) == []


def test_without_a_driver_there_is_no_gpu_and_nothing_to_say(monkeypatch):
    monkeypatch.setattr(cuda, "_driver", lambda: None)
    assert cuda.devices() == ()
    assert not simulators.on_gpu("genn")
    assert simulators.warnings("genn") == []
    assert gpu_check().state == "optional"


def test_a_driver_without_a_device_is_nothing_to_say_either(monkeypatch):
    install(monkeypatch, error=100)  # CUDA_ERROR_NO_DEVICE
    assert simulators.warnings("genn") == []
    assert gpu_check().state == "optional"


def test_a_driver_that_does_not_start_is_named_with_its_error(monkeypatch):
    install(monkeypatch, H100, error=803)
    assert not simulators.on_gpu("genn")
    (warning,) = simulators.warnings("genn")
    assert "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH" in warning
    assert gpu_check().state == "broken"
    install(monkeypatch, H100, error=4711)
    assert "error 4711" in simulators.warnings("genn")[0]


@pytest.mark.usefixtures("toolkit")
def test_a_back_end_that_does_not_load_is_said_with_the_loaders_own_error(monkeypatch):
    install(monkeypatch, H100)
    back_ends(monkeypatch, "single_threaded_cpu", error="libcudart.so.13: cannot open shared object file")
    assert not simulators.on_gpu("genn")
    assert simulators.batch_size("genn") == 1
    check = gpu_check()
    assert check.state == "broken"
    assert "libcudart.so.13: cannot open shared object file" in check.detail
    assert "set LD_LIBRARY_PATH to its folder" in check.remedy
    assert "libcudart.so.13" in simulators.warnings("genn")[0]


@pytest.mark.usefixtures("toolkit")
def test_a_pygenn_without_cuda_is_said(monkeypatch):
    install(monkeypatch, H100)
    back_ends(monkeypatch, "single_threaded_cpu")
    assert "built without CUDA" in gpu_check().detail
    assert "CUDA_PATH" in gpu_check().remedy


def test_without_pygenn_a_gpu_is_of_no_use(monkeypatch):
    install(monkeypatch, H100, H100)
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == "pygenn" else FIND_SPEC(n))
    assert not simulators.on_gpu("genn")
    check = gpu_check()
    assert (check.state, check.remedy) == ("optional", doctor.GENN)
    assert check.detail.startswith("H100 (80.0 GiB free), H100 (80.0 GiB free)")


def test_a_runtime_that_is_newer_than_the_driver_is_said_in_its_own_words(tmp_path):
    assert cuda.runtime_obstacle() is None
    code = """
    int cudaGetDeviceCount(int *number) { *number = 0; return 35; }
    const char *cudaGetErrorString(int error) { return "driver version is insufficient"; }
    """
    (tmp_path / "runtime.c").write_text(code)
    library = tmp_path / "libcudart.so.13"
    subprocess.run(["gcc", "-shared", "-o", library, tmp_path / "runtime.c"], check=True)
    # In another process: this one would keep it.
    script = f"""
    import ctypes
    from calibrate.simulators import cuda
    ctypes.CDLL({str(library)!r})
    print(cuda.runtime_obstacle())
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("CUDA reports: driver version is insufficient; the driver must be as new")


@pytest.mark.usefixtures("gpu")
def test_an_unset_cuda_path_is_said_with_the_folder_to_set(toolkit, monkeypatch):
    monkeypatch.delenv("CUDA_PATH")
    monkeypatch.setenv("PATH", f"{toolkit}/bin", prepend=os.pathsep)
    assert not simulators.on_gpu("genn")
    obstacle = simulators.gpu_obstacle("genn")
    assert obstacle == cuda.Obstacle("CUDA_PATH is not set", f"export CUDA_PATH={toolkit}")


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize(
    ("missing", "message"),
    [("bin/nvcc", "there is no CUDA compiler"), ("include/curand_kernel.h", "header curand_kernel.h")],
)
def test_what_is_missing_of_the_toolkit_is_said(toolkit, missing, message):
    (toolkit / missing).unlink()
    assert not simulators.on_gpu("genn")
    assert message in str(simulators.gpu_obstacle("genn"))
    assert str(toolkit) in gpu_check().detail


@pytest.mark.usefixtures("gpu")
def test_a_missing_make_is_said(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert "make" in gpu_check().detail
    assert gpu_check().remedy == "sudo apt install make"


@pytest.mark.usefixtures("gpu")
def test_the_header_may_lie_where_the_compiler_finds_it(toolkit, tmp_path, monkeypatch):
    (toolkit / "include/curand_kernel.h").unlink()
    monkeypatch.setenv("CPATH", f"{tmp_path}/none:{tmp_path}")
    assert not simulators.on_gpu("genn")
    (tmp_path / "curand_kernel.h").write_text("")
    assert simulators.on_gpu("genn")


@pytest.mark.usefixtures("gpu")
def test_batches_beyond_what_genn_takes_are_refused():
    assert simulators.batch_size("genn", 1023) == 1023
    with pytest.raises(SimulatorError, match="at most 1023 networks at once, not 1024"):
        simulators.batch_size("genn", 1024)
    assert simulators.batch_size("poisson", 5000) == 5000


@pytest.mark.usefixtures("toolkit")
def test_a_batch_without_a_usable_gpu_is_refused_with_the_reason(monkeypatch):
    install(monkeypatch, H100)
    back_ends(monkeypatch, "single_threaded_cpu")
    with pytest.raises(SimulatorError, match=r"there is one, but PyGeNN was built without CUDA.*not 8"):
        simulators.batch_size("genn", 8)


@pytest.fixture
def unusable(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `gpu_obstacle` would say of GeNN, said of the simulator of a small study."""
    obstacle = cuda.Obstacle("CUDA_PATH is not set", "export CUDA_PATH=/opt/cuda")
    monkeypatch.setattr(simulators, "gpu_obstacle", lambda _: obstacle)


@pytest.mark.usefixtures("unusable")
@pytest.mark.parametrize("command", ["check", "run"])
def test_check_and_run_say_why_a_gpu_is_not_used(command, tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert execute([command, str(write_study(tmp_path))]) == 0
    said = " ".join("".join(capfd.readouterr()).split())
    assert "warning: the GPU is not used: CUDA_PATH is not set; export CUDA_PATH=/opt/cuda" in said


def test_doctor_shows_the_reason_and_the_remedy(capfd, monkeypatch):
    install(monkeypatch, error=803)
    execute(["doctor", "--fast", "--json"])
    (check,) = [c for c in json.loads(capfd.readouterr().out)["checks"] if c["name"] == "GPU"]
    assert check["state"] == "broken"
    assert "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH" in check["detail"]
    assert "nvidia-smi" in check["remedy"]


@pytest.mark.usefixtures("unusable")
def test_a_login_node_of_a_cluster_is_not_warned_of_its_own_gpu(tmp_path):
    study = small_study(tmp_path)
    assert len(warnings_of(study)) == 1
    cluster = {"engine": "dask", "address": "tcp://127.0.0.1:1"}
    assert warnings_of(small_study(tmp_path, pool=cluster)) == []


# --- memory -------------------------------------------------------------------------------------------


@pytest.fixture
def small_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Studies on a GPU with so much free memory."""

    def made(free_bytes: float, batch_size: int | None = None, *, host: float = 64 * GIB, gpus: int = 1):
        install(monkeypatch, *[replace(H100, free_bytes=int(free_bytes))] * gpus)
        monkeypatch.setattr(simulators, "on_gpu", lambda _: True)
        memory = SimpleNamespace(available=host)
        monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
        return small_study(tmp_path, simulation={"batch_size": batch_size})

    return made


def room_for(members: int, needs: Footprint) -> float:
    """Free memory of a GPU on which one process simulates batches of so many members."""
    return (CONTEXT_BYTES + needs.shared_bytes + (members + 0.5) * needs.member_bytes) / SHARE


def test_memory_that_is_full_is_one_line_before_anything_is_built(small_gpu):
    with pytest.raises(SimulatorError, match=r"needs about 0\.7 GiB on the GPU \(H100\).* 0\.0 GiB are free"):
        pool_for(small_gpu(0))
    with pytest.raises(SimulatorError, match="one network needs"):
        with_batch_size(small_gpu(0))
    with pytest.raises(SimulatorError, match=r"GiB of memory, .* 0\.1 GiB are free"):
        pool_for(small_gpu(80 * GIB, host=0.1 * GIB))


def test_a_batch_that_does_not_fit_is_refused_with_one_that_does(small_gpu):
    free_bytes = room_for(30, footprint_of(small_gpu(GIB)))
    with pytest.raises(SimulatorError, match=r"500 networks at once do not fit .* but 30 do"):
        pool_for(small_gpu(free_bytes, 500))
    assert pool_for(small_gpu(free_bytes, 30)).batch_size == 30


def test_a_size_that_nobody_asked_for_becomes_what_fits(small_gpu):
    pool = pool_for(small_gpu(room_for(30, footprint_of(small_gpu(GIB)))))
    assert (pool.batch_size, pool.slots) == (30, 1)


def test_two_processes_share_each_gpu_or_one_where_memory_is_short(small_gpu):
    assert pool_for(small_gpu(80 * GIB)).slots == 2
    assert pool_for(small_gpu(80 * GIB, gpus=3)).slots == 6
    assert pool_for(small_gpu(1.0 * GIB)).slots == 1
    assert pool_for(small_gpu(80 * GIB), slots=1).slots == 1
    assert pool_for(small_gpu(80 * GIB), at_once=30).slots == 1
    short = small_gpu(room_for(30, footprint_of(small_gpu(GIB))))
    with pytest.raises(SimulatorError, match="not enough memory for 4 processes on 1 GPU: use fewer --slots"):
        pool_for(short, slots=4)


def test_a_gpu_that_takes_one_process_gets_one(small_gpu, monkeypatch):
    study = small_gpu(80 * GIB)
    install(monkeypatch, H100, replace(H100, exclusive=True))
    assert pool_for(study).slots == 2
