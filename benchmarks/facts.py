"""Facts of a machine that is lent for minutes: written as they come, and a failure costs only itself."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from calibrate.simulation.slot import last_error

Values = dict[str, Any]

# A fact may take so many times as long as it is expected to.
PATIENCE = 4.0


class Facts:
    """A file of JSON lines, one for each fact: its name, what was found, and when (s after the start).

    What the file holds already is not found again, except for what failed. All its facts are of one `place`:
    SystemExit for a file of another.
    """

    def __init__(self, path: Path, *, budget_s: float, place: Values | None = None) -> None:
        self._path, self._began, self._budget_s = path, time.monotonic(), budget_s
        self.found: dict[str, Values] = {}
        for line in path.read_text().splitlines() if path.exists() else ():
            try:
                fact = json.loads(line)
            except ValueError:  # cut off where the machine was taken away
                continue
            if "failed" not in fact:
                self.found[fact.pop("fact")] = fact
        if place is None:
            return
        before = {key: value for key, value in self.found.get("place", {}).items() if key != "t"}
        if before and before != place:
            raise SystemExit(f"{path} holds facts of another place ({before}): name another file with --out")
        if not before:
            self.add("place", place)

    @property
    def left_s(self) -> float:
        """Of the time budget."""
        return self._budget_s - (time.monotonic() - self._began)

    def add(self, name: str, values: Values) -> None:
        """Write a fact, to the disk at once, and print it."""
        if "failed" not in values:
            self.found[name] = values
        line = json.dumps({"fact": name, **values, "t": round(time.monotonic() - self._began, 1)})
        print(line, flush=True)
        with self._path.open("a") as file:
            file.write(f"\n{line}\n")  # on a line of its own, also after one that was cut off
            file.flush()
            os.fsync(file.fileno())

    def find(self, name: str, function: Callable[..., Values], *given: Any, takes_s: float) -> None:
        """Add what `function` returns in a process of its own, or why it does not.

        takes_s  what it needs of the time budget: with less left it is not begun, and it gets some times more
        """
        if name in self.found:
            return
        if self.left_s < takes_s:
            print(json.dumps({"no time left for": name}), flush=True)
            return
        try:
            self.add(name, apart(function, *given, timeout_s=min(self.left_s, PATIENCE * takes_s)))
        except RuntimeError as error:
            self.add(name, {"failed": str(error)})


def apart(function: Callable[..., Values], *given: Any, timeout_s: float) -> Values:
    """What `function` returns in a process of its own, whose output goes to a file.

    Raises RuntimeError with the reason where it raises, dies or takes too long.
    """
    (found,) = all_apart(function, [given], timeout_s=timeout_s)
    if "failed" in found:
        raise RuntimeError(found["failed"])
    return found


def all_apart(
    function: Callable[..., Values], jobs: list[tuple[Any, ...]], *, timeout_s: float
) -> list[Values]:
    """What `function` returns of each job, all at once in processes of their own; "failed" tells why not."""
    context, ends = multiprocessing.get_context("spawn"), time.monotonic() + timeout_s
    with tempfile.TemporaryDirectory() as folder:
        running = []
        for number, given in enumerate(jobs):
            ours, theirs = context.Pipe(duplex=False)
            log = Path(folder) / f"{number}.log"
            process = context.Process(target=_run, args=(theirs, str(log), function, given), daemon=False)
            process.start()
            theirs.close()
            running.append((process, ours, log))
        return list(_collected(running, ends))


def _collected(running: list[tuple[Any, Connection, Path]], ends: float) -> Iterator[Values]:
    for process, ours, log in running:
        found: Values
        if not ours.poll(max(ends - time.monotonic(), 0.0)):
            found = {"failed": "it took too long"}
        else:
            try:
                found = ours.recv()
            except EOFError:
                process.join(10)
                printed = log.read_text(errors="replace") if log.exists() else ""
                found = {"failed": f"its process died ({process.exitcode}): {last_error(printed)}"}
        process.join(5)  # it removes what it has left in temporary folders
        process.kill()
        process.join()
        yield found


def _run(theirs: Connection, log: str, function: Callable[..., Values], given: tuple[Any, ...]) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for standard in (sys.stdout, sys.stderr):
        os.dup2(descriptor, standard.fileno())
    try:
        theirs.send(function(*given))
    except BaseException:  # SystemExit of a benchmark, too
        lines = traceback.format_exc().strip().splitlines()
        theirs.send({"failed": f"{lines[-1]} ({lines[-3].strip() if len(lines) > 2 else ''})"})
