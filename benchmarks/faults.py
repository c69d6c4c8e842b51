"""What a user sees when something breaks, and how many trials are lost.

    sudo python -m benchmarks.faults                 # a table; some minutes

Every fault strikes `calibrate run` in the middle of a study whose simulations take no time (Poisson neurons);
then what broke is mended and the study is run to its end. Lost are trials that were in the database when the
fault struck and are not there at the end, doubled those whose candidate is there twice, open those that are
left running in Optuna's tables. Full and read-only disks are mounts in memory, which only root can make; for
jumps of the clock libfaketime is needed (Debian: faketime). What cannot be had is said and left out.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

STUDY = """
[study]
seed = 1

[model]
name = "ei_clustered"

[parameters]
N_E = 240
N_I = 60
N_Q = 3
"J_E+" = 2.0
R_J = 0.75
I_th_E = { low = 1.0, high = 3.0 }
I_th_I = { low = 1.0, high = 3.0 }

[simulation]
backend = "poisson"
warmup_ms = 0.0
duration_ms = 20000

[[objectives]]
statistic = "rate_E"
target = 10.0
tolerance = 1.0

[[objectives]]
statistic = "rate_I"
target = 12.0
tolerance = 1.0

[sampler]
name = "random"

[budget]
trials = 120

[replicates]
confirm = 4
fresh = 8
"""
TRIALS = 120

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


class CannotBeHadError(Exception):
    """This machine cannot make the fault."""


@dataclass(frozen=True)
class Row:
    """What came of a fault: what the user saw, and what the database holds at the end."""

    fault: str
    saw: str
    code: int
    lost: int
    doubled: int
    open: int


class Study:
    """A study in a folder of its own, and the processes that run it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "study.toml").write_text(STUDY)
        self.database = folder / "study.db"

    def start(self, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "calibrate.cli", "run", "study.toml"],
            cwd=self.folder,
            env={**{k: v for k, v in os.environ.items() if k != "OPTUNA_STORAGE"}, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with (
            contextlib.suppress(sqlite3.Error),
            contextlib.closing(sqlite3.connect(self.database)) as connection,
        ):
            return connection.execute(query).fetchall()
        return []

    @property
    def trials(self) -> set[object]:
        return {uuid for (uuid,) in self.rows(UUIDS)}

    def until(self, n: int, process: subprocess.Popen[str]) -> None:
        """Wait until there are `n` trials."""
        while len(self.trials) < n:
            if process.poll() is not None:
                raise RuntimeError(f"the run ended early: {saw(process)}")
            time.sleep(0.05)


UUIDS = "select value_json from trial_user_attributes where key = 'uuid'"
INDICES = "select value_json from trial_user_attributes where key = 'index'"
CLAIMS = "select 1 from calibrate_claim join calibrate_coordinator on coordinator = id"
Struck = tuple[set[object], str, int]  # the trials before, what the user saw, the exit code
Fault = Callable[[Study], Struck]


def saw(process: subprocess.Popen[str]) -> str:
    """What the user reads last, without the lines of progress."""
    _, text = process.communicate(timeout=300)
    lines = [line for line in text.splitlines() if line.strip() and not re.match(r"study: \d+/", line)]
    quiet = ("Show the results", "Plot the best", "Validate in", "Write a report", "Browse all trials")
    return " / ".join(line for line in lines[-2:] if not line.startswith(quiet)) or "nothing: it goes on"


def struck(process: subprocess.Popen[str], before: set[object]) -> Struck:
    text = saw(process)
    return before, text, process.returncode


def killed(study: Study) -> Struck:
    process = study.start()
    study.until(40, process)
    before = study.trials
    os.kill(process.pid, signal.SIGKILL)
    return struck(process, before)


def worker_killed(study: Study) -> Struck:
    process = study.start()
    study.until(40, process)
    before = study.trials
    psutil.Process(process.pid).children()[0].kill()
    return struck(process, before)


def interrupted(n: int, times: int) -> Fault:
    def strike(study: Study) -> Struck:
        process = study.start()
        if n:
            study.until(n, process)
        else:
            time.sleep(2.0)
        before = study.trials
        for _ in range(times):
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.05)
        return struck(process, before)

    return strike


def interrupted_on_fresh_graphs(study: Study) -> Struck:
    process = study.start()
    study.until(TRIALS, process)
    before = study.trials
    for _ in range(2):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.02)
    return struck(process, before)


@contextlib.contextmanager
def mounted(study: Study, size: str) -> Iterator[None]:
    """The study's folder in memory, of this size."""
    if os.getuid() != 0:
        raise CannotBeHadError("needs root")
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(study.folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        raise CannotBeHadError("nothing can be mounted here")
    try:
        (study.folder / "study.toml").write_text(STUDY)
        yield
    finally:
        subprocess.run(["umount", "-l", str(study.folder)], check=True)


def disk_full(study: Study) -> Struck:
    process = study.start()
    study.until(40, process)
    before = study.trials
    filler = study.folder / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    found = struck(process, before)
    filler.unlink()
    return found


def read_only(study: Study) -> Struck:
    process = study.start()
    study.until(40, process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = study.trials
    subprocess.run(["mount", "-o", "remount,ro", str(study.folder)], check=True)
    found = struck(study.start(), before)
    subprocess.run(["mount", "-o", "remount,rw", str(study.folder)], check=True)
    return found


def deleted(study: Study) -> Struck:
    process = study.start()
    study.until(40, process)
    hidden = study.folder / "away"
    hidden.mkdir()
    for file in study.folder.glob("study.db*"):
        file.rename(hidden / file.name)
    found = struck(process, set())
    for file in study.folder.glob("study.db*"):
        file.unlink()
    for file in hidden.iterdir():
        file.rename(study.folder / file.name)
    return study.trials, *found[1:]


def clock_jump(by: str) -> Fault:
    def strike(study: Study) -> Struck:
        if FAKETIME is None:
            raise CannotBeHadError("needs libfaketime")
        clock = study.folder / "clock"
        clock.write_text("+0d\n")
        process = study.start(
            LD_PRELOAD=str(FAKETIME),
            FAKETIME_TIMESTAMP_FILE=str(clock),
            FAKETIME_CACHE_DURATION="1",
            FAKETIME_DONT_FAKE_MONOTONIC="1",
        )
        study.until(40, process)
        before = study.trials
        clock.write_text(f"{by}\n")
        return struck(process, before)

    return strike


def two_at_once(study: Study) -> Struck:
    first, second = study.start(), study.start()
    text = f"{saw(first)}; {saw(second)}"
    return study.trials, text, max(first.returncode, second.returncode)


def one_of_two_asleep(study: Study) -> Struck:
    first, second = study.start(), study.start()
    study.until(20, first)
    before = study.trials
    while True:  # in the middle of a batch
        os.kill(first.pid, signal.SIGSTOP)
        time.sleep(0.2)
        if study.rows(f"{CLAIMS} where process = {first.pid}"):
            break
        os.kill(first.pid, signal.SIGCONT)
        time.sleep(0.01)
    second.wait(timeout=300)
    os.kill(first.pid, signal.SIGCONT)
    return struck(first, before)


def dashboard(study: Study) -> Struck:
    process = study.start()
    study.until(10, process)
    port = 8123
    command = ["dashboard", "study.toml", "--port", str(port), "--no-browser"]
    server = subprocess.Popen(
        [sys.executable, "-m", "calibrate.cli", *command],
        cwd=study.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    reads = errors = 0
    while process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/api/studies/1?after=0", timeout=20).read()
            reads += 1
        except OSError:
            errors += bool(reads)
        time.sleep(0.05)
    server.terminate()
    server.wait()
    code = process.returncode
    return study.trials, f"the run ends as ever; {reads} reads of the dashboard, {errors} errors", code


FAULTS: dict[str, tuple[Fault, str | None]] = {
    "kill -9": (killed, None),
    "kill -9 of a simulating process": (worker_killed, None),
    "Ctrl-C while it starts": (interrupted(0, 1), None),
    "Ctrl-C": (interrupted(40, 1), None),
    "Ctrl-C twice": (interrupted(40, 2), None),
    "Ctrl-C twice on fresh graphs": (interrupted_on_fresh_graphs, None),
    "disk full": (disk_full, "64m"),
    "read-only folder": (read_only, "64m"),
    "database moved away meanwhile": (deleted, None),
    "clock one day ahead": (clock_jump("+1d"), None),
    "clock one day back": (clock_jump("-1d"), None),
    "two runs on one SQLite file": (two_at_once, None),
    "one of two runs asleep": (one_of_two_asleep, None),
    "dashboard open meanwhile": (dashboard, None),
}


def result_of(name: str) -> Row:
    strike, size = FAULTS[name]
    folder = Path(tempfile.mkdtemp(prefix="calibrate-fault-"))
    study = Study(folder)
    try:
        with mounted(study, size) if size else contextlib.nullcontext():
            before, text, code = strike(study)
            again = study.start()
            told = saw(again)
            if again.returncode:
                raise RuntimeError(f"{name}: it does not go on: {told}")
            after = study.trials
            indices = study.rows(INDICES)
            if {int(str(index)) for (index,) in indices} != set(range(TRIALS)):
                raise RuntimeError(f"{name}: candidates are missing")
            doubled = len(indices) - len(set(indices))
            unfinished = study.rows("select 1 from trials where state not in ('COMPLETE', 'FAIL')")
            return Row(name, text, code, len(before - after), doubled, len(unfinished))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("faults", nargs="*", choices=[[], *FAULTS], help="by default all")
    chosen = parser.parse_args().faults or list(FAULTS)
    print("| fault | what the user sees | exit code | lost | doubled | open |")
    print("|---|---|---:|---:|---:|---:|")
    for name in chosen:
        try:
            row = result_of(name)
        except CannotBeHadError as why:
            print(f"| {name} | (not made: {why}) | | | | |")
        else:
            print(
                f"| {row.fault} | {row.saw} | {row.code} | {row.lost} | {row.doubled} | {row.open} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
