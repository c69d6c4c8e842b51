"""The pool on this machine: one process per slot, each with its prepared simulator.

Every process has its own pipe: if it dies, even while it sends, only its own batch is affected, and it is
replaced. All processes end with their parent. What GeNN's compiler and NEST print to file descriptor 1 goes
to a log, never to the user's standard output.
"""

from __future__ import annotations

import math
import re
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from multiprocessing.connection import wait
from pathlib import Path
from types import TracebackType
from typing import Self

from calibrate import simulators
from calibrate.simulation.capacity import cores, pinning
from calibrate.simulation.jobs import Job, Outcome, Setup, Timing, failures, own_name
from calibrate.simulation.pool import BasePool, batched
from calibrate.simulation.slot import Deaths, DiedError, Slot
from calibrate.simulators.device_turn import Phase
from calibrate.simulators.genn import cuda

# Time limit of a batch: this factor times the slowest so far, scaled by simulated time, but at least this
# time. Runaway networks take tens of times as long as others.
PATIENCE = 20.0
SHORTEST_PATIENCE_S = 600.0

# Phases that are the same for all members of a batch.
DOING: Mapping[Phase | None, str] = {
    "starting": "it started",
    "building": "it built the network",
    "loading": "it loaded the network",
}

# GeNN ends its process if CUDA reports an error, for which no job is to blame.
_OF_CUDA = re.compile(r"cuda (driver|runtime) error", re.IGNORECASE)


class Pool(BasePool):
    """Simulates jobs on `slots` processes. Use it as a context manager.

    A process that dies or takes too long is replaced. If it took too long, its jobs fail. If it died while it
    started, built or loaded the network, or because of a CUDA error, its jobs fail at once; if it was killed
    from outside, after a second try. Otherwise its batch is tried again in halves, until the job of which it
    dies is known, which is tried twice by itself.

    timing     of jobs that have none of their own
    slots      default: one per core; see `slots_for` for large networks
    timeout_s  a batch that takes longer is stopped and reported as failed; default: 20 times the slowest
               batch so far, scaled by simulated time, but at least 10 min (before one has returned: no limit,
               or 10 min for a simulation of one's own)
    say        called with a message if a simulation of one's own prints
    """

    def __init__(
        self,
        setup: Setup,
        timing: Timing,
        *,
        slots: int | None = None,
        timeout_s: float | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__(setup, timing)
        self._say = say
        self._n_slots = slots or cores()
        self._timeout_s = timeout_s
        self._own, self._noticed = own_name(setup), False
        self._slowest = 0.0  # largest ratio of time to simulated time of the batches that returned
        self._slots: list[Slot] = []
        self._folder: Path | None = None
        self.keeps_logs = False
        """Whether the logs are kept when the pool ends, because a message refers to them."""
        self._devices = self._n_slots

    @property
    def slots(self) -> int:
        """Number of processes."""
        return self._n_slots

    @property
    def logs(self) -> list[Path]:
        """The files of the simulators' own output, one per slot."""
        return [slot.log for slot in self._slots]

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="calibrate-"))
        logs = [self._folder / f"slot{number}.log" for number in range(self.slots)]
        if simulators.on_gpu(self.setup.backend):
            self._devices = min(cuda.count(), self.slots)
            self._slots = [self._start_on_gpu(log, number % self._devices) for number, log in enumerate(logs)]
        else:
            self._slots = [
                Slot(self.setup, log, core=core) for log, core in zip(logs, pinning(self.slots), strict=True)
            ]
        return self

    def _start_on_gpu(self, log: Path, gpu: int) -> Slot:
        turns = log.with_name(f"gpu{gpu}.turn")
        turns.touch()
        return Slot(self.setup, log, gpu=gpu, turns=turns)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for slot in self._slots:
            slot.stop()
        self._slots = []
        if self._folder is None:
            return
        for entry in self._folder.glob("*"):
            # Temporary files that the slots' processes left, because they were killed.
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
        if not self.keeps_logs:
            shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def processes(self) -> list[int]:
        """Process ids of the slots."""
        return [slot.pid for slot in self._slots]

    def _simulate(self, jobs: Sequence[Job]) -> Generator[Outcome, None, None]:
        deaths = Deaths()
        queue = deque(batched(jobs, batch_size=self.setup.batch_size, devices=self._devices))
        idle, busy = deque(self._slots), list[Slot]()
        arrived: list[Outcome] = []
        while queue or busy:
            while queue and idle:
                batch = queue.popleft()
                if (reason := deaths.why_not(batch)) is not None:
                    arrived += failures(batch, reason)
                    continue
                slot = idle.popleft()
                slot.submit(batch)
                busy.append(slot)
            # Only now, so that no slot waits while the caller is busy with them.
            yield from arrived
            arrived.clear()
            if not busy:  # the remaining batches were given up
                break
            left_s = [slot.left_s(self._limit_s(slot.timing)) for slot in busy]
            ready = wait([slot.connection for slot in busy], timeout=_until_late(left_s))
            late = [slot for slot in busy if slot.left_s(self._limit_s(slot.timing)) < 0]
            for slot in [slot for slot in busy if slot.connection in ready or slot in late]:
                outcomes: list[Outcome] | None
                if slot.connection not in ready:
                    outcomes = self._stop(slot)
                else:
                    try:
                        outcomes = slot.receive()
                    except DiedError:
                        outcomes, again = self._handle_death(slot, deaths)
                        queue.extend(again)
                    else:
                        if outcomes is None:
                            continue
                        took = max(o.wall_s + o.build_s + o.scoring_s for o in outcomes)
                        self._slowest = max(self._slowest, took / slot.timing.whole_ms)
                        self._notice_output(slot)
                busy.remove(slot)
                idle.append(slot)
                arrived += outcomes
        yield from arrived

    def _notice_output(self, slot: Slot) -> None:
        """Say once that a simulation of one's own prints, which would otherwise be seen nowhere."""
        if self._own and slot.has_printed and not self._noticed:
            self._noticed = True
            self._say(f"{self._own} prints while it simulates: see {slot.log}, as long as the run lasts")

    def _limit_s(self, timing: Timing) -> float | None:
        """The longest time that a batch can take; None: any."""
        if self._timeout_s is not None:
            return self._timeout_s
        if not self._slowest:
            # A function may hang in its first call; the simulators here do not, but may compile for long.
            return SHORTEST_PATIENCE_S if self._own else None
        return max(PATIENCE * self._slowest * timing.whole_ms, SHORTEST_PATIENCE_S)

    def _stop(self, slot: Slot) -> list[Outcome]:
        took_s, limit_s = slot.busy_s, self._limit_s(slot.timing)
        slot.replace()
        reason = f"{self._own or 'the simulation'} took longer than {limit_s or 0:.6g} s and was stopped"
        if self._timeout_s is None:
            reason += "; set [simulation] timeout_s if it needs longer"
        return failures(slot.batch, reason, wall_s=took_s)

    def _handle_death(self, slot: Slot, deaths: Deaths) -> tuple[list[Outcome], Sequence[Sequence[Job]]]:
        """After a process died: outcomes of jobs that are given up, and batches to try again."""
        batch, phase, took_s = slot.batch, slot.phase, slot.busy_s
        cause, of_itself = slot.last_words(), slot.died_of_itself
        slot.replace()
        who = f"the process of {self._own}" if self._own else "the simulator's process"
        if phase in DOING or _OF_CUDA.search(cause):
            # Halves would be built and loaded in the same way.
            again = [] if of_itself else deaths.once_more(batch)
            reason = f"{who} died while {DOING.get(phase, 'it simulated')}"
        else:
            again = deaths.in_parts(batch)
            reason = f"{who} died more than once"
        if again:
            return [], again
        reason = self._explain(reason, cause, slot.log)
        deaths.give_up(batch, reason)
        return failures(batch, reason, wall_s=took_s), []

    def _explain(self, reason: str, cause: str, log: Path) -> str:
        """A reason with the process's last error, and the log, which is then kept."""
        self.keeps_logs = True
        return f"{reason}{f': {cause}' if cause else ''} (its output is in {log})"


def _until_late(left_s: Sequence[float]) -> float | None:
    """Time until the first batch is late (s), from the time that each has left; None: no batch will be."""
    first_s = min(left_s)
    return None if math.isinf(first_s) else max(first_s, 0.0) + 0.01
