"""Checks of what works on this machine and what is missing, with remedies."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import psutil
from sqlalchemy import URL

from calibrate import plugins, simulators
from calibrate.errors import SimulatorError, StoreError, one_line
from calibrate.network import find_model
from calibrate.simulation.capacity import slots_for
from calibrate.simulation.jobs import Outcome, Setup
from calibrate.simulation.probe import Probe
from calibrate.simulation.slot import last_error
from calibrate.simulators.genn import cache as genn_cache
from calibrate.simulators.genn import cpu_loops, cuda
from calibrate.store import urls, write_check

State = Literal["ok", "optional", "missing", "broken"]

GENN = "https://github.com/genn-team/genn#installation"
SIMULATORS = ("NEST", "GeNN")
DATABASE = "database"

# A network of 50 neurons for 50 ms.
TINY = {"N_E": 40, "N_I": 10}
DURATION_MS = 50.0
PATIENCE_S = {"nest": 60.0, "genn": 300.0}  # GeNN compiles

LITTLE_ROOM = 2**29


@dataclass(frozen=True, kw_only=True)
class Check:
    """The outcome of one check.

    state   ok; optional: not installed and not required; missing; broken: installed, but does not work
    detail  one line
    remedy  what to type or read; if the state is ok, a possible improvement
    """

    name: str
    state: State
    detail: str
    remedy: str = ""


def examine(*, storage: URL | None = None, fast: bool = False) -> Iterator[tuple[str, Callable[[], Check]]]:
    """Yield the name of each check and the function that makes it. No check leaves a file behind.

    storage  the database; by default a file in the current folder
    fast     skip the test simulations
    """
    checks: Mapping[str, Callable[[], Check]] = {
        "Python": _check_python,
        "NEST": partial(_check_nest, fast=fast),
        "GeNN": partial(_check_genn, fast=fast),
        "GPU": _check_gpu,
        DATABASE: partial(_check_database, storage),
        "PostgreSQL": _check_postgresql,
        "Optuna": _check_optuna,
        "PyTorch": _check_torch,
        "cache folder": _check_cache,
        "machine": _check_machine,
    }
    for name, make in checks.items():
        yield name, partial(_attempt, name, make)


def _attempt(name: str, make: Callable[[], Check]) -> Check:
    try:
        return make()
    except Exception as error:  # an unforeseen error must not hide the other checks
        return Check(name=name, state="broken", detail=one_line(error), remedy="reinstall it")


def works(checks: Mapping[str, Check]) -> bool:
    """Whether studies can run: at least one simulator and the database work."""
    simulates = any(checks[name].state == "ok" for name in SIMULATORS)
    return simulates and checks[DATABASE].state == "ok"


def as_json(checks: Mapping[str, Check]) -> dict[str, Any]:
    """All checks as `calibrate doctor --json` prints them."""
    return {"checks": [asdict(check) for check in checks.values()], "works": works(checks)}


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _find_version(distribution: str) -> str:
    return plugins.version_of(distribution) or "unknown version"


def _check_python() -> Check:
    detail = f"Python {platform.python_version()}, calibrate {_find_version('calibrate-snn')}"
    return Check(name="Python", state="ok", detail=detail)


def _check_nest(*, fast: bool) -> Check:
    install = "pip install nest-simulator"
    if not _is_installed("nest"):
        return Check(name="NEST", state="missing", detail="not installed", remedy=install)
    if fast:
        detail = f"{_find_version('nest-simulator')}, installed (--fast: not tested)"
        return Check(name="NEST", state="ok", detail=detail)
    try:
        outcome = _simulate("nest")
    except SimulatorError as error:
        remedy = f"{install} --force-reinstall, or https://nest-simulator.readthedocs.io (Installation)"
        return Check(name="NEST", state="broken", detail=str(error), remedy=remedy)
    return Check(name="NEST", state="ok", detail=f"{outcome.backend['version']}, {_describe_time(outcome)}")


def _check_genn(*, fast: bool) -> Check:
    if not _is_installed("pygenn"):
        detail = "not installed; many times faster than NEST, on a GPU and on the CPU"
        return Check(name="GeNN", state="optional", detail=detail, remedy=GENN)
    try:
        genn_cache.compiler()
    except SimulatorError as error:
        remedy = "sudo apt install g++ make (or the equivalent on your system)"
        return Check(name="GeNN", state="broken", detail=str(error), remedy=remedy)
    if fast:
        device = "a GPU (CUDA)" if simulators.on_gpu("genn") else "the CPU"
        detail = f"{_find_version('pygenn')} on {device}, compiler found (--fast: not tested)"
        return Check(name="GeNN", state="ok", detail=detail)
    rewritten: list[bool] = []
    try:
        outcome = _simulate("genn", rewritten)
    except SimulatorError as error:
        return Check(name="GeNN", state="broken", detail=str(error), remedy=GENN)
    device = "a GPU (CUDA)" if outcome.backend["device"] == "cuda" else "the CPU"
    detail = f"{outcome.backend['version']} on {device}, compiled and {_describe_time(outcome)}"
    remedy = ""
    if outcome.backend["device"] == "cpu" and not all(rewritten):
        remedy = "calibrate cannot optimise the code of this GeNN version: PyGeNN 5.4 is several times faster"
    return Check(name="GeNN", state="ok", detail=detail, remedy=remedy)


def _describe_time(outcome: Outcome) -> str:
    return f"simulated a tiny network in {outcome.build_s + outcome.wall_s:.1f} s"


def _simulate(backend: str, rewritten: list[bool] | None = None) -> Outcome:
    """Simulate the tiny network in a separate process. Raises SimulatorError.

    rewritten  receives, for each code that GeNN generated for a CPU, whether its loops were rewritten
    """
    setup = Setup(model="balanced", backend=backend, batch_size=simulators.batch_size(backend))
    with genn_cache.elsewhere() as cache, Probe(setup, TINY, timeout_s=PATIENCE_S[backend]) as probe:
        try:
            (outcome,) = probe.run(DURATION_MS)
        except SimulatorError as error:
            reason = str(error)
            if probe.pool.keeps_logs:  # its process died
                printed = last_error(probe.pool.logs[0].read_text(errors="replace"))
                reason = f"its process died: {printed or 'it printed nothing'}"
            raise SimulatorError(" ".join(reason.split())) from error
        finally:
            probe.pool.keeps_logs = False
        if rewritten is not None:
            rewritten += [cpu_loops.is_rewritten(code) for code in cache.glob("*/network_CODE")]
    return outcome


def _check_gpu() -> Check:
    obstacle, devices = simulators.gpu_obstacle("genn"), cuda.devices()
    names = ", ".join(f"{device.name} ({device.free_bytes / 2**30:.1f} GiB free)" for device in devices)
    if obstacle is not None:
        detail = f"{names}: not used, since {obstacle.reason}" if names else obstacle.reason
        return Check(name="GPU", state="broken", detail=detail, remedy=obstacle.remedy)
    if not devices:
        detail = "no NVIDIA GPU with a working driver: simulations run on the CPU"
        return Check(name="GPU", state="optional", detail=detail)
    if simulators.on_gpu("genn"):
        return Check(name="GPU", state="ok", detail=f"{names}, CUDA compiler found")
    return Check(name="GPU", state="optional", detail=f"{names}: not used without GeNN", remedy=GENN)


def _check_database(url: URL | None) -> Check:
    folder = Path.cwd()
    target = url or urls.parse("sqlite:///calibrate.db", folder)
    remedy = "choose another with --storage sqlite:////FOLDER/FILE.db or postgresql://USER@HOST/NAME"
    local = urls.is_sqlite(target) and not str(target.database).startswith("file:")
    try:
        if local:
            write_check.write_sqlite(Path(str(target.database)), target)
        else:
            write_check.write(target)
    except StoreError as error:
        return Check(name=DATABASE, state="broken", detail=" ".join(str(error).split()), remedy=remedy)
    if not local:
        return Check(name=DATABASE, state="ok", detail=f"{urls.mask(target)} can be written")
    folder = Path(str(target.database)).parent
    detail = f"SQLite in {folder}" if url is None else urls.mask(target)
    remote = urls.network_file_system(folder.absolute())
    remedy = ""
    if remote:
        remedy = "SQLite needs file locks, which often fail here: a local disk or PostgreSQL is safer"
        detail += f" (on a network file system, {remote})"
    return Check(name=DATABASE, state="ok", detail=f"{detail} can be written", remedy=remedy)


def _check_postgresql() -> Check:
    if _is_installed("psycopg"):
        return Check(name="PostgreSQL", state="ok", detail=f"driver psycopg {_find_version('psycopg')}")
    detail = "no driver; only needed for a database server"
    remedy = 'pip install "calibrate-snn[postgres]"'
    return Check(name="PostgreSQL", state="optional", detail=detail, remedy=remedy)


def _check_optuna() -> Check:
    version = _find_version("optuna")
    if _is_installed("optuna_dashboard"):
        detail = f"{version}, dashboard {_find_version('optuna-dashboard')}"
        return Check(name="Optuna", state="ok", detail=detail)
    remedy = "pip install optuna-dashboard"
    return Check(name="Optuna", state="optional", detail=f"{version}, without its dashboard", remedy=remedy)


def _check_torch() -> Check:
    if _is_installed("torch"):
        return Check(
            name="PyTorch", state="ok", detail=f"{_find_version('torch')}, for the gp sampler and sbi"
        )
    detail = "not installed; only needed for the gp sampler and posteriors by sbi"
    remedy = 'pip install "calibrate-snn[gp]" (gigabytes, unless the CPU build is installed first)'
    return Check(name="PyTorch", state="optional", detail=detail, remedy=remedy)


def _check_cache() -> Check:
    folder = genn_cache.folder()
    remedy = "choose another folder: export CALIBRATE_CACHE=FOLDER"
    try:
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
        with tempfile.TemporaryFile(dir=existing) as file:
            file.write(b"calibrate")
        room = shutil.disk_usage(existing).free
    except OSError as error:
        detail = f"{folder} cannot be written: {error.strerror}"
        return Check(name="cache folder", state="broken", detail=detail, remedy=remedy)
    detail = f"{folder}: {size / 2**20:.0f} MiB, {room / 2**30:.1f} GiB free"
    if room < LITTLE_ROOM:
        remedy = f"free some disk space (the contents of {folder} can be deleted), or {remedy}"
        return Check(name="cache folder", state="broken", detail=detail, remedy=remedy)
    return Check(name="cache folder", state="ok", detail=detail)


def _check_machine() -> Check:
    cores = len(psutil.Process().cpu_affinity())
    memory = psutil.virtual_memory().available / 2**30
    detail = f"{cores} core{'s' * (cores != 1)}, {memory:.1f} GiB of memory free"
    model = find_model("ei_clustered")
    try:
        slots = slots_for("nest", model.network({}))
    except SimulatorError as error:
        detail += f"; {error}"
        return Check(name="machine", state="broken", detail=detail, remedy="close other programs")
    detail += f": {slots} process{'es' * (slots != 1)} by default for a network of 1500 neurons"
    return Check(name="machine", state="ok", detail=detail)
