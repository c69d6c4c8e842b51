"""Simulators on the cores there are: one process per slot, each keeping its prepared simulator.

Every process has a pipe of its own: one that dies, even while it sends, takes only its own batch with it and
is replaced. They end with their parent. What GeNN's compiler and NEST print to file descriptor 1 goes to a
log, never to the user's standard output.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from multiprocessing import Pipe
from multiprocessing.connection import wait
from pathlib import Path
from types import TracebackType
from typing import Self

import cloudpickle
import psutil

from calibrate import plugins, simulators
from calibrate.errors import ModelError, SimulatorError
from calibrate.network import Network
from calibrate.worker import FOR_THE_COORDINATOR, Candidate, Outcome, Setup, Timing, failures


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may change, and only it receives, signals
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in FOR_THE_COORDINATOR}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _DiedError(Exception):
    """A slot's process ended although nobody told it to."""


# A batch may take so many times as long as the slowest one so far, for as long a simulation, and so long at
# least: networks run away and cost tens of times as much as others.
PATIENCE = 20.0
SHORTEST_PATIENCE_S = 600.0

# A process may die for reasons of its own once; a candidate that it dies of twice is not tried again.
DEATHS = 2


class _Slot:
    """One process and the pipe to it; replaced as a whole when the process dies."""

    def __init__(self, setup: Setup, log: Path, core: int | None) -> None:
        self._setup, self._log, self._core = packed(setup), log, core
        self.batch: Sequence[Candidate] = ()
        self.started = 0.0
        self._spawn()

    def _spawn(self) -> None:
        # Not by multiprocessing: it would run the user's script again in every process.
        self.connection, theirs = Pipe()
        code = (
            f"import sys; sys.path[:] = {sys.path!r}; "
            f"from calibrate.worker import serve; serve({theirs.fileno()}, {os.getpid()}, {self._core})"
        )
        # What it ignores of signals it inherits, until it has set its own.
        with self._log.open("ab") as log, _interrupts_ignored():
            self._process = subprocess.Popen(
                [sys.executable, "-c", code],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[theirs.fileno()],
            )
        # With no other writer left, a process that dies while it sends ends the message.
        theirs.close()
        with contextlib.suppress(OSError):  # it died at once: the first batch will tell
            self.connection.send_bytes(self._setup)

    @property
    def pid(self) -> int:
        return self._process.pid

    def submit(self, batch: Sequence[Candidate], timing: Timing) -> None:
        self.batch, self.started = batch, time.monotonic()
        try:
            self.connection.send((batch, timing))
        except OSError:  # it died while it had nothing to do
            self.replace()
            self.connection.send((batch, timing))

    def collect(self) -> list[Outcome]:
        """The outcomes of its batch, once its connection is ready; raises _DiedError."""
        try:
            outcomes: list[Outcome] = self.connection.recv()
        except (EOFError, OSError):
            raise _DiedError from None
        return outcomes

    def replace(self) -> None:
        self.stop()
        self._spawn()

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self.connection.close()


def packed(setup: Setup) -> bytes:
    """A setup for other processes. Raises ModelError where it cannot travel."""
    # What no other process can import travels by value: a notebook's functions, and those of plug-in files.
    for name, module in list(sys.modules.items()):
        if name.startswith(plugins.FILE_MODULE):
            cloudpickle.register_pickle_by_value(module)
    try:
        content: bytes = cloudpickle.dumps(setup)
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise ModelError(f"the model cannot be sent to the processes that simulate it: {what}") from error
    return content


def batched(candidates: Sequence[Candidate], *, batch_size: int, slots: int) -> Iterator[Sequence[Candidate]]:
    """Batches of one graph each, the graphs in order, so that slots change theirs seldom."""
    by_graph = sorted(candidates, key=lambda candidate: candidate.realisation)
    for _, group in groupby(by_graph, key=lambda candidate: candidate.realisation):
        members = list(group)
        # Spread evenly: 5 candidates on 2 slots of batch size 4 are 3 + 2, not 4 + 1.
        size = max(min(batch_size, -(-len(members) // slots)), 1)
        for start in range(0, len(members), size):
            yield members[start : start + size]


def cores() -> int:
    """Cores that this process may use."""
    return len(psutil.Process().cpu_affinity())


def pinning(slots: int) -> Sequence[int | None]:
    """The core that each slot's process stays on; None where it is the system's choice.

    Only where every core that this process may use has a slot: with fewer slots, another run beside this one
    would choose the same ones; with more, they would have to share.
    """
    mine = sorted(psutil.Process().cpu_affinity())
    return mine if slots == len(mine) > 1 else [None] * slots


def slots_for(backend: str, network: Network) -> int:
    """Processes that this machine has cores and memory for: one for a GPU, else one per core.

    Raises SimulatorError if not even one fits.
    """
    if simulators.on_gpu(backend):
        return 1
    available = psutil.virtual_memory().available
    each = simulators.memory_bytes(backend, network)
    if each > available:
        raise SimulatorError(
            f"one network needs about {each / 2**30:.1f} GiB in {backend}, and {available / 2**30:.1f} GiB "
            "of memory are free: use fewer neurons or a smaller connection probability"
        )
    return max(1, min(cores(), int(0.9 * available / each)))


class Pool:
    """Simulates candidates on `slots` processes. Use it as a context manager.

    timing     of a simulation where `run` is given none
    slots      by default one per core; see `slots_for` where networks are large
    timeout_s  a batch that takes longer is stopped and reported failed; by default 20 times what the slowest
               took so far for as long a simulation, at least 10 min (none before one has returned)
    """

    def __init__(
        self, setup: Setup, timing: Timing, *, slots: int | None = None, timeout_s: float | None = None
    ) -> None:
        self.setup, self.timing = setup, timing
        self.slots = slots or len(psutil.Process().cpu_affinity())
        self._timeout_s = timeout_s
        self._slowest = 0.0  # of the batches that returned, time over simulated time
        self._deaths: Counter[tuple[str, int]] = Counter()  # of processes, by the candidate they had
        self._slots: list[_Slot] = []
        self._log: Path | None = None
        self._keep_log = False  # where a message refers to it

    @property
    def capacity(self) -> int:
        """Candidates that are simulated at once: slots times batch size."""
        return self.slots * self.batch_size

    @property
    def batch_size(self) -> int:
        """Candidates of one graph that are simulated together."""
        return self.setup.batch_size

    @property
    def log(self) -> Path | None:
        """Where the simulators' own output goes."""
        return self._log

    def __enter__(self) -> Self:
        descriptor, name = tempfile.mkstemp(prefix="calibrate-", suffix=".log")
        os.close(descriptor)
        self._log = Path(name)
        on_gpu = simulators.on_gpu(self.setup.backend)
        pinned: Sequence[int | None] = pinning(self.slots) if not on_gpu else [None] * self.slots
        self._slots = [_Slot(self.setup, self._log, core) for core in pinned]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for slot in self._slots:
            slot.stop()
        self._slots = []
        if self._log is not None and not self._keep_log:
            self._log.unlink(missing_ok=True)

    @property
    def processes(self) -> list[int]:
        """Process ids of the slots."""
        return [slot.pid for slot in self._slots]

    def run(
        self,
        candidates: Sequence[Candidate],
        *,
        timing: Timing | None = None,
        progress: Callable[[Outcome], None] = lambda _: None,
    ) -> list[Outcome]:
        """Simulate `candidates`, each on its graph; outcomes come back in their order.

        `progress` is called with each outcome as soon as it is known. A process that dies or takes too long
        is replaced. Candidates of one that took too long are reported failed; those of one that died are
        tried once more, each by itself.
        """
        timing = timing or self.timing
        found: dict[tuple[str, int], Outcome] = {}
        queue = deque(batched(candidates, batch_size=self.setup.batch_size, slots=self.slots))
        idle, busy = deque(self._slots), list[_Slot]()
        arrived: list[Outcome] = []
        while queue or busy:
            while queue and idle:
                slot = idle.popleft()
                slot.submit(queue.popleft(), timing)
                busy.append(slot)
            # Not before: whatever is done with them, no slot waits for it.
            _hand_over(arrived, found, progress)
            limit_s = self._limit_s(timing)
            ready = wait([slot.connection for slot in busy], timeout=_until_late(busy, limit_s))
            for slot in [slot for slot in busy if slot.connection in ready or _is_late(slot, limit_s)]:
                late = slot.connection not in ready
                try:
                    outcomes = self._late(slot, limit_s) if late else slot.collect()
                    if not late:
                        took = max(one.wall_s + one.build_s + one.scoring_s for one in outcomes)
                        self._slowest = max(self._slowest, took / (timing.warmup_ms + timing.duration_ms))
                except _DiedError:
                    outcomes, again = self._died(slot)
                    queue.extend([candidate] for candidate in again)
                busy.remove(slot)
                idle.append(slot)
                arrived += outcomes
        _hand_over(arrived, found, progress)
        return [found[candidate.key] for candidate in candidates]

    def _limit_s(self, timing: Timing) -> float | None:
        """How long a batch may take; None: for ever."""
        if self._timeout_s is not None:
            return self._timeout_s
        if not self._slowest:
            return None
        return max(PATIENCE * self._slowest * (timing.warmup_ms + timing.duration_ms), SHORTEST_PATIENCE_S)

    def _late(self, slot: _Slot, limit_s: float | None) -> list[Outcome]:
        slot.replace()
        reason = f"the simulation took longer than {limit_s or 0:.6g} s and was stopped"
        return failures(slot.batch, reason, wall_s=time.monotonic() - slot.started)

    def _died(self, slot: _Slot) -> tuple[list[Outcome], list[Candidate]]:
        """After a process died: outcomes of the candidates that it is given up with, and the others."""
        self._keep_log = True
        self._deaths.update(candidate.key for candidate in slot.batch)
        again = [candidate for candidate in slot.batch if self._deaths[candidate.key] < DEATHS]
        given_up = [candidate for candidate in slot.batch if candidate not in again]
        reason = f"the simulator's process died, {DEATHS} times; what it printed is in {self._log}"
        slot.replace()
        return failures(given_up, reason, wall_s=time.monotonic() - slot.started), again


def _hand_over(
    arrived: list[Outcome], found: dict[tuple[str, int], Outcome], progress: Callable[[Outcome], None]
) -> None:
    while arrived:
        outcome = arrived.pop(0)
        found[outcome.key] = outcome
        progress(outcome)


def _is_late(slot: _Slot, limit_s: float | None) -> bool:
    return limit_s is not None and time.monotonic() - slot.started > limit_s


def _until_late(busy: Sequence[_Slot], limit_s: float | None) -> float | None:
    """Until the first batch is late (s); None: for ever."""
    if limit_s is None:
        return None
    return max(min(slot.started for slot in busy) + limit_s - time.monotonic(), 0.0) + 0.01
