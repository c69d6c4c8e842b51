"""Compiled GeNN code in the user's cache folder, which several processes can use at once.

Code is built in a temporary folder under a lock, and the folder is renamed once it is complete. So a folder
with its final name is always complete, and a process that is killed while it compiles leaves only a temporary
folder behind.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock
import platformdirs

from calibrate.errors import SimulatorError
from calibrate.simulators.genn.environment_variable import environment_variable


def folder() -> Path:
    """The folder of all compiled code: CALIBRATE_CACHE, else in the user's cache folder."""
    chosen = os.environ.get("CALIBRATE_CACHE")
    return Path(chosen) if chosen else platformdirs.user_cache_path("calibrate") / "genn"


@contextmanager
def elsewhere() -> Iterator[Path]:
    """Use an empty temporary folder as the cache while the body runs."""
    with (
        tempfile.TemporaryDirectory(prefix="calibrate-cache-") as path,
        environment_variable("CALIBRATE_CACHE", path),
    ):
        yield Path(path)


def compiler() -> str:
    """Name and version of the C++ compiler; raises SimulatorError if there is none."""
    command = os.environ.get("CXX", "g++").split()
    try:
        completed = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SimulatorError(f"GeNN needs a C++ compiler, but {command[0]} cannot be run: {error}") from error
    if shutil.which("make") is None:
        raise SimulatorError("GeNN needs make, which is not installed")
    return completed.stdout.partition("\n")[0]


def digest(*parts: str) -> str:
    """Key of a build: a hash of `parts`, the machine's architecture and the sources that make the code."""
    sha256 = hashlib.sha256()
    for part in (*parts, platform.machine()):
        sha256.update(part.encode() + b"\0")
    here = Path(__file__).parent
    for source in (*sorted(here.glob("*.py")), here.parent.parent / "network" / "wiring.py"):
        sha256.update(source.read_bytes())
    return sha256.hexdigest()[:32]


def processor() -> str:
    """The processor's features: code is compiled for exactly these, and machines can share a cache."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def built(key: str, build: Callable[[Path], None]) -> Path:
    """The folder with the code of `key`; built by `build` in a temporary folder if it does not exist yet."""
    root = folder()
    ready = root / key
    if ready.is_dir():
        return ready
    try:
        root.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(root / f"{key}.lock"):
            if not ready.is_dir():
                temporary = Path(tempfile.mkdtemp(prefix=f"{key}.", dir=root))
                try:
                    build(temporary)
                    temporary.rename(ready)
                except BaseException:
                    shutil.rmtree(temporary, ignore_errors=True)
                    raise
    except OSError as error:
        raise SimulatorError(f"compiled code cannot be stored in {root}: {error}") from error
    return ready
