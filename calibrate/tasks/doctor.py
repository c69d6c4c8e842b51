"""What works on this machine and what is missing: one check each, with what to do about it."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import tempfile
import uuid
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
from calibrate.observation import SimulationFailure
from calibrate.simulation.capacity import slots_for
from calibrate.simulation.jobs import Job, Outcome, Setup, Timing
from calibrate.simulation.local_pool import Pool
from calibrate.simulation.slot import last_error
from calibrate.simulators.genn import cache as genn_cache
from calibrate.simulators.genn import cpu_loops, cuda
from calibrate.store import probe, urls

State = Literal["ok", "optional", "missing", "broken"]

GENN = "https://github.com/genn-team/genn#installation"
SIMULATORS = ("NEST", "GeNN")
DATABASE = "database"

# A network of 50 neurons for 50 ms.
TINY = {"N_E": 40, "N_I": 10}
TIMING = Timing(warmup_ms=0.0, duration_ms=50.0)
PATIENCE_S = {"nest": 60.0, "genn": 300.0}  # GeNN compiles

LITTLE_ROOM = 2**29


@dataclass(frozen=True, kw_only=True)
class Check:
    """What was found of one thing.

    state   ok; optional: not there, and many do without; missing; broken: there, and does not work
    detail  one line
    remedy  what to type or read; with `ok`, what could be better
    """

    name: str
    state: State
    detail: str
    remedy: str = ""


def examine(*, storage: URL | None = None, fast: bool = False) -> Iterator[tuple[str, Callable[[], Check]]]:
    """The checks, each by name and as what makes it; nothing that they do leaves a file behind.

    storage  the database; by default a file in the current folder
    fast     simulate nothing
    """
    made: Mapping[str, Callable[[], Check]] = {
        "Python": _python,
        "NEST": partial(_nest, fast=fast),
        "GeNN": partial(_genn, fast=fast),
        "GPU": _gpu,
        DATABASE: partial(_database, storage),
        "PostgreSQL": _postgresql,
        "Optuna": _optuna,
        "PyTorch": _torch,
        "cache folder": _cache,
        "machine": _machine,
    }
    for name, make in made.items():
        yield name, partial(_attempt, name, make)


def _attempt(name: str, make: Callable[[], Check]) -> Check:
    try:
        return make()
    except Exception as error:  # what is broken in a way that nobody thought of must not hide the rest
        what = one_line(error)
        return Check(name=name, state="broken", detail=what, remedy="install it again")


def works(checks: Mapping[str, Check]) -> bool:
    """Whether studies can run: a simulator and the database work."""
    simulates = any(checks[name].state == "ok" for name in SIMULATORS)
    return simulates and checks[DATABASE].state == "ok"


def as_json(checks: Mapping[str, Check]) -> dict[str, Any]:
    """All checks as `calibrate doctor --json` prints them."""
    return {"checks": [asdict(check) for check in checks.values()], "works": works(checks)}


def _there(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _version(distribution: str) -> str:
    return plugins.version_of(distribution) or "of unknown version"


def _python() -> Check:
    detail = f"Python {platform.python_version()}, calibrate {_version('calibrate-snn')}"
    return Check(name="Python", state="ok", detail=detail)


def _nest(*, fast: bool) -> Check:
    install = "pip install nest-simulator"
    if not _there("nest"):
        return Check(name="NEST", state="missing", detail="not installed", remedy=install)
    if fast:
        detail = f"{_version('nest-simulator')}, installed (--fast: not tried)"
        return Check(name="NEST", state="ok", detail=detail)
    try:
        outcome = _simulated("nest")
    except SimulatorError as error:
        remedy = f"{install} --force-reinstall, or https://nest-simulator.readthedocs.io (Installation)"
        return Check(name="NEST", state="broken", detail=str(error), remedy=remedy)
    return Check(name="NEST", state="ok", detail=f"{outcome.backend['version']}, {_took(outcome)}")


def _genn(*, fast: bool) -> Check:
    if not _there("pygenn"):
        detail = "not installed; many times faster than NEST, on a GPU and on the CPU"
        return Check(name="GeNN", state="optional", detail=detail, remedy=GENN)
    try:
        genn_cache.compiler()
    except SimulatorError as error:
        remedy = "sudo apt install g++ make (or what your system has in its place)"
        return Check(name="GeNN", state="broken", detail=str(error), remedy=remedy)
    if fast:
        device = "a GPU (CUDA)" if simulators.on_gpu("genn") else "the CPU"
        detail = f"{_version('pygenn')} on {device}, compiler there (--fast: not tried)"
        return Check(name="GeNN", state="ok", detail=detail)
    rewritten: list[bool] = []
    try:
        outcome = _simulated("genn", rewritten)
    except SimulatorError as error:
        return Check(name="GeNN", state="broken", detail=str(error), remedy=GENN)
    device = "a GPU (CUDA)" if outcome.backend["device"] == "cuda" else "the CPU"
    detail = f"{outcome.backend['version']} on {device}, compiled and {_took(outcome)}"
    remedy = ""
    if outcome.backend["device"] == "cpu" and not all(rewritten):
        remedy = "this GeNN generates other code than calibrate speeds up: PyGeNN 5.4 is several times faster"
    return Check(name="GeNN", state="ok", detail=detail, remedy=remedy)


def _took(outcome: Outcome) -> str:
    return f"simulated a tiny network in {outcome.build_s + outcome.wall_s:.2g} s"


def _simulated(backend: str, rewritten: list[bool] | None = None) -> Outcome:
    """The tiny network, simulated in a process of its own. Raises SimulatorError.

    rewritten  is told of all code that GeNN generated for a CPU whether its loops were rewritten
    """
    size = simulators.batch_size(backend)
    job = Job(uuid=str(uuid.uuid4()), parameters=TINY, seed=1)
    setup = Setup(model="balanced", backend=backend, batch_size=size)
    with genn_cache.elsewhere() as cache, Pool(setup, TIMING, slots=1, timeout_s=PATIENCE_S[backend]) as pool:
        (outcome,) = pool.run([job])
        printed = last_error(pool.logs[0].read_text(errors="replace"))
        died = pool.keeps_logs
        pool.keeps_logs = False
        if rewritten is not None:
            rewritten += [cpu_loops.is_rewritten(code) for code in cache.glob("*/network_CODE")]
    if isinstance(outcome.result, SimulationFailure):
        reason = outcome.result.reason
        if died:
            reason = f"its process died: {printed or 'it printed nothing'}"
        raise SimulatorError(" ".join(reason.split()))
    return outcome


def _gpu() -> Check:
    obstacle, found = simulators.gpu_obstacle("genn"), cuda.devices()
    names = ", ".join(f"{one.name} ({one.free_bytes / 2**30:.1f} GiB free)" for one in found)
    if obstacle is not None:
        detail = f"{names}: not used, since {obstacle.reason}" if names else obstacle.reason
        return Check(name="GPU", state="broken", detail=detail, remedy=obstacle.remedy)
    if not found:
        detail = "no NVIDIA GPU with a working driver: simulations run on the CPU"
        return Check(name="GPU", state="optional", detail=detail)
    if simulators.on_gpu("genn"):
        return Check(name="GPU", state="ok", detail=f"{names}, CUDA compiler there")
    return Check(name="GPU", state="optional", detail=f"{names}: not used without GeNN", remedy=GENN)


def _database(url: URL | None) -> Check:
    folder = Path.cwd()
    found = url or urls.parse("sqlite:///calibrate.db", folder)
    remedy = "name another with --storage sqlite:////FOLDER/FILE.db or postgresql://USER@HOST/NAME"
    local = urls.is_sqlite(found) and not str(found.database).startswith("file:")
    try:
        if local:
            probe.write_sqlite(Path(str(found.database)), found)
        else:
            probe.write(found)
    except StoreError as error:
        return Check(name=DATABASE, state="broken", detail=" ".join(str(error).split()), remedy=remedy)
    if not local:
        return Check(name=DATABASE, state="ok", detail=f"{urls.mask(found)} can be written")
    folder = Path(str(found.database)).parent
    what = f"SQLite in {folder}" if url is None else urls.mask(found)
    remote = urls.network_file_system(folder.absolute())
    remedy = ""
    if remote:
        remedy = "SQLite locks files, which often fails on a network: a local disk, or PostgreSQL, is safer"
        what += f" (on a network file system, {remote})"
    return Check(name=DATABASE, state="ok", detail=f"{what} can be written", remedy=remedy)


def _postgresql() -> Check:
    if _there("psycopg"):
        return Check(name="PostgreSQL", state="ok", detail=f"driver psycopg {_version('psycopg')}")
    detail = "no driver; needed for a database server only"
    remedy = 'pip install "calibrate-snn[postgres]"'
    return Check(name="PostgreSQL", state="optional", detail=detail, remedy=remedy)


def _optuna() -> Check:
    detail = f"{_version('optuna')}"
    if _there("optuna_dashboard"):
        return Check(name="Optuna", state="ok", detail=f"{detail}, dashboard {_version('optuna-dashboard')}")
    remedy = "pip install optuna-dashboard"
    return Check(name="Optuna", state="optional", detail=f"{detail}, without its dashboard", remedy=remedy)


def _torch() -> Check:
    if _there("torch"):
        return Check(name="PyTorch", state="ok", detail=f"{_version('torch')}, for the gp sampler")
    detail = "not installed; needed for the gp sampler only"
    remedy = 'pip install "calibrate-snn[gp]"'
    return Check(name="PyTorch", state="optional", detail=detail, remedy=remedy)


def _cache() -> Check:
    folder = genn_cache.folder()
    remedy = "name another folder: export CALIBRATE_CACHE=FOLDER"
    try:
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        there = next(parent for parent in (folder, *folder.parents) if parent.exists())
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"calibrate")
        room = shutil.disk_usage(there).free
    except OSError as error:
        detail = f"{folder} cannot be written: {error.strerror}"
        return Check(name="cache folder", state="broken", detail=detail, remedy=remedy)
    detail = f"{folder}: {size / 2**20:.0f} MiB, {room / 2**30:.1f} GiB free"
    if room < LITTLE_ROOM:
        remedy = f"make room (what is in {folder} can be removed), or {remedy}"
        return Check(name="cache folder", state="broken", detail=detail, remedy=remedy)
    return Check(name="cache folder", state="ok", detail=detail)


def _machine() -> Check:
    cores = len(psutil.Process().cpu_affinity())
    memory = psutil.virtual_memory().available / 2**30
    detail = f"{cores} core{'s' * (cores != 1)}, {memory:.1f} GiB of memory free"
    model = find_model("ei_clustered")
    try:
        slots = slots_for("nest", model.network({}))
    except SimulatorError as error:
        return Check(name="machine", state="broken", detail=f"{detail}; {error}", remedy="close programs")
    detail += f": {slots} process{'es' * (slots != 1)} by default for a network of 1500 neurons"
    return Check(name="machine", state="ok", detail=detail)
