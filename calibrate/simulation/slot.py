"""A slot: one process that keeps a prepared simulator, the pipe to it, and the log of its output."""

from __future__ import annotations

import contextlib
import math
import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing import Pipe
from pathlib import Path

import cloudpickle

from calibrate import plugins
from calibrate.errors import ModelError, one_line
from calibrate.simulation.jobs import Job, Key, Outcome, Setup, Timing
from calibrate.simulation.pool import timing_of
from calibrate.simulation.running_time import paused_s, running_s
from calibrate.simulation.worker import FOR_THE_COORDINATOR
from calibrate.simulators.device_turn import Phase
from calibrate.simulators.genn import cuda


@contextlib.contextmanager
def _ignore_interrupts() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread can set handlers, and only it receives signals
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in FOR_THE_COORDINATOR}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def last_error(printed: str) -> str:
    """The last line that reports an error; empty if none does."""
    lines = (line.strip() for line in reversed(printed.splitlines()))
    return next((line for line in lines if _ERROR.search(line)), "")


_ERROR = re.compile(r"error|fatal|assert|what\(\)|cannot|failed|killed", re.IGNORECASE)


class DiedError(Exception):
    """A slot's process ended unexpectedly."""


class Slot:
    """One process and the pipe to it; replaced as a whole when the process dies.

    log    file of its output
    core   the core that it is pinned to; None: any
    gpu    number of the only GPU that it sees; None: all
    turns  file whose lock gives turns on the GPU; None: no turns are needed
    """

    def __init__(
        self,
        setup: Setup,
        log: Path,
        *,
        core: int | None = None,
        gpu: int | None = None,
        turns: Path | None = None,
    ) -> None:
        self._setup, self.log, self._core, self._turns = pack(setup), log, core, turns
        # For functions that were pickled by value and import a file beside theirs when they are called.
        self._path = [*sys.path, *([] if setup.folder is None else [str(setup.folder)])]
        folder = log.with_suffix("")
        folder.mkdir(exist_ok=True)
        # The process is killed in the end, so its temporary files go to a folder that the pool can remove.
        self._environment = {**os.environ, "TMPDIR": str(folder), **({} if gpu is None else cuda.alone(gpu))}
        self._spawn()

    def _spawn(self) -> None:
        # Not by multiprocessing, which would run the user's script again in every process.
        self.connection, theirs = Pipe()
        code = (
            f"import sys; sys.path[:] = {self._path!r}; "
            "from calibrate.simulation.worker import serve; "
            f"serve({theirs.fileno()}, {os.getpid()}, {self._core}, {self._turns and str(self._turns)!r})"
        )
        # It inherits which signals are ignored, until it sets its own handlers.
        with self.log.open("ab") as log, _ignore_interrupts():
            self._process = subprocess.Popen(
                [sys.executable, "-c", code],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[theirs.fileno()],
                env=self._environment,
            )
        # Leaves the process as the only writer: if it dies while sending, the message ends.
        theirs.close()
        with contextlib.suppress(OSError):  # it died at once, which the first batch will show
            self.connection.send_bytes(self._setup)

    @property
    def pid(self) -> int:
        return self._process.pid

    def submit(self, batch: Sequence[Job]) -> None:
        self.batch: Sequence[Job] = batch
        self.timing: Timing = timing_of(batch)
        self.phase: Phase | None = None
        self._printed = self.log.stat().st_size
        self._began, self._paused_s = running_s(), paused_s()
        self._waits_since: float | None = None
        try:
            self.connection.send((batch, self.timing))
        except OSError:  # it died while it was idle
            self.replace()
            self.connection.send((batch, self.timing))

    def receive(self) -> list[Outcome] | None:
        """The outcomes of its batch; None if it reported a phase. Raises DiedError.

        Its connection must be ready.
        """
        try:
            message: list[Outcome] | Phase = self.connection.recv()
        except (EOFError, OSError):
            raise DiedError from None
        if not isinstance(message, str):
            return self._without_pauses(message)
        self.phase, now = message, running_s()
        if self._waits_since is not None:
            self._began += now - self._waits_since
        self._waits_since = now if message == "waiting" else None
        return None

    def _without_pauses(self, outcomes: list[Outcome]) -> list[Outcome]:
        """Its process, which was paused together with this one, counted the pauses of a simulation."""
        if not (paused := paused_s() - self._paused_s):
            return outcomes
        return [replace(outcome, wall_s=max(outcome.wall_s - paused, 0.0)) for outcome in outcomes]

    @property
    def busy_s(self) -> float:
        """How long it has worked on its batch, without pauses and the time it waited for turns."""
        return (running_s() if self._waits_since is None else self._waits_since) - self._began

    @property
    def has_printed(self) -> bool:
        """Whether its process has printed anything since it got its batch."""
        return self.log.stat().st_size > self._printed

    def left_s(self, limit_s: float | None) -> float:
        """How much of the time limit of its batch is left; inf without a limit."""
        return math.inf if limit_s is None else limit_s - self.busy_s

    def last_words(self) -> str:
        """The last error that its process has printed since it got its batch; empty if there is none."""
        with self.log.open("rb") as log:
            log.seek(self._printed)
            return last_error(log.read().decode(errors="replace"))

    @property
    def died_of_itself(self) -> bool:
        """Whether the process, which has closed its pipe, ended without being killed (SIGKILL or SIGTERM)."""
        try:
            return self._process.wait(timeout=5) not in (-signal.SIGKILL, -signal.SIGTERM)
        except subprocess.TimeoutExpired:  # it hangs, and will be killed
            return True

    def replace(self) -> None:
        self.stop()
        self._spawn()

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self.connection.close()


def pack(setup: Setup) -> bytes:
    """Pickle a setup for other processes. Raises ModelError if that is impossible."""
    # What other processes cannot import is pickled by value: functions of notebooks and of plug-in files.
    for name, module in list(sys.modules.items()):
        if name.startswith(plugins.FILE_MODULE):
            cloudpickle.register_pickle_by_value(module)
    try:
        content: bytes = cloudpickle.dumps(setup)
    except Exception as error:  # pickling calls methods of the user's objects, which can raise anything
        raise ModelError(f"the model cannot be sent to other processes: {one_line(error)}") from error
    return content


# One death can be unrelated to the batch; what a process dies of twice is not tried again.
TRIES = 2

# Finding one guilty job takes a death per halving; this is how many are searched for.
GUILTY = 4


@dataclass
class _Tally:
    """Deaths during a batch and its parts, their limit, and why the batch was given up."""

    most: int
    deaths: int = 0
    reason: str | None = None


class Deaths:
    """Decides what is tried again after processes died during batches, within one run of a pool."""

    def __init__(self) -> None:
        # For each job, the tally of the batch that it was in at first.
        self._tallies: dict[Key, _Tally] = {}
        self._alone: Counter[Key] = Counter()

    def once_more(self, batch: Sequence[Job]) -> Sequence[Sequence[Job]]:
        """The whole batch, unless it was tried again before; then nothing."""
        self._alone[batch[0].key] += 1
        return [batch] if self._alone[batch[0].key] < TRIES else []

    def in_parts(self, batch: Sequence[Job]) -> Sequence[Sequence[Job]]:
        """Its halves, or a single job once more; nothing if it was tried again before, or too many died."""
        if batch[0].key not in self._tallies:
            tally = _Tally(TRIES + GUILTY * math.ceil(math.log2(len(batch))))
            self._tallies.update((job.key, tally) for job in batch)
        tally = self._tallies[batch[0].key]
        tally.deaths += 1
        if tally.deaths > tally.most:
            return []
        half = len(batch) // 2
        return [batch[:half], batch[half:]] if half else self.once_more(batch)

    def give_up(self, batch: Sequence[Job], reason: str) -> None:
        """Note why a batch is not tried again; after too many deaths, no part of the first batch is."""
        tally = self._tallies.get(batch[0].key)
        if tally is not None and tally.deaths > tally.most:
            tally.reason = reason

    def why_not(self, batch: Sequence[Job]) -> str | None:
        """Why a waiting batch is not tried; None if it is."""
        tally = self._tallies.get(batch[0].key)
        return None if tally is None else tally.reason
