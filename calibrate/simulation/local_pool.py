"""Simulators on the cores there are: one process per slot, each keeping its prepared simulator.

Every process has a pipe of its own: one that dies, even while it sends, takes only its own batch with it and
is replaced. They end with their parent. What GeNN's compiler and NEST print to file descriptor 1 goes to a
log, never to the user's standard output.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from multiprocessing.connection import wait
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from calibrate import simulators
from calibrate.errors import SimulatorError
from calibrate.network import Network
from calibrate.simulation.jobs import Job, Outcome, Setup, Timing, failures
from calibrate.simulation.slot import Deaths, DiedError, Slot
from calibrate.simulators.genn import cuda
from calibrate.simulators.turn import Phase

# A batch may take so many times as long as the slowest one so far, for as long a simulation, and so long at
# least: networks run away and cost tens of times as much as others.
PATIENCE = 20.0
SHORTEST_PATIENCE_S = 600.0

# What a process does that is the same for all members of its batch.
DOING: Mapping[Phase | None, str] = {
    "starting": "it started",
    "building": "it built the network",
    "loading": "it loaded the network",
}

# GeNN ends its process where CUDA reports an error, of which no job is guilty.
_OF_CUDA = re.compile(r"cuda (driver|runtime) error", re.IGNORECASE)


def batched(jobs: Sequence[Job], *, batch_size: int, devices: int) -> Iterator[Sequence[Job]]:
    """Batches of one graph each for `devices` that simulate at once.

    The graphs are in order, so that slots change theirs seldom.
    """
    by_graph = sorted(jobs, key=lambda job: job.realisation)
    for _, group in groupby(by_graph, key=lambda job: job.realisation):
        members = list(group)
        # Spread evenly: 5 jobs on 2 devices of batch size 4 are 3 + 2, not 4 + 1.
        size = max(min(batch_size, -(-len(members) // devices)), 1)
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


def processes_per_gpu() -> int:
    """Two, of which one simulates while the other observes and scores; one if a GPU takes no more."""
    return 1 if any(device.exclusive for device in cuda.devices(with_memory=False)) else 2


def slots_for(backend: str, network: Network) -> int:
    """Processes that this machine has cores and memory for: two for each GPU, else one per core.

    Raises SimulatorError if not even one fits.
    """
    if simulators.on_gpu(backend):
        return processes_per_gpu() * cuda.count()
    available = psutil.virtual_memory().available
    each = simulators.memory_bytes(backend, network)
    if each > available:
        raise SimulatorError(
            f"one network needs about {each / 2**30:.1f} GiB in {backend}, and {available / 2**30:.1f} GiB "
            "of memory are free: use fewer neurons or a smaller connection probability"
        )
    return max(1, min(cores(), int(0.9 * available / each)))


class Pool:
    """Simulates jobs on `slots` processes. Use it as a context manager.

    timing     of a simulation where `run` is given none
    slots      by default one per core; see `slots_for` where networks are large
    timeout_s  a batch that takes longer is stopped and reported failed; by default 20 times what the slowest
               took so far for as long a simulation, at least 10 min (none before one has returned)
    """

    def __init__(
        self, setup: Setup, timing: Timing, *, slots: int | None = None, timeout_s: float | None = None
    ) -> None:
        self.setup, self.timing = setup, timing
        self.slots = slots or cores()
        self._timeout_s = timeout_s
        self._slowest = 0.0  # of the batches that returned, time over simulated time
        self._slots: list[Slot] = []
        self._folder: Path | None = None
        self.keeps_logs = False
        """Whether its logs stay when it ends, since a message refers to them."""
        self._devices = self.slots

    @property
    def capacity(self) -> int:
        """Jobs that are simulated at once: slots times batch size."""
        return self.slots * self.batch_size

    @property
    def batch_size(self) -> int:
        """Jobs of one graph that are simulated together."""
        return self.setup.batch_size

    @property
    def logs(self) -> list[Path]:
        """Where the simulators' own output goes, a file for each slot."""
        return [slot.log for slot in self._slots]

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="calibrate-"))
        logs = [self._folder / f"slot{number}.log" for number in range(self.slots)]
        if simulators.on_gpu(self.setup.backend):
            self._devices = min(cuda.count(), self.slots)
            self._slots = [self._on_gpu(log, number % self._devices) for number, log in enumerate(logs)]
        else:
            self._slots = [
                Slot(self.setup, log, core=core) for log, core in zip(logs, pinning(self.slots), strict=True)
            ]
        return self

    def _on_gpu(self, log: Path, gpu: int) -> Slot:
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
            # What the slots' processes left, which were not asked whether they had finished.
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
        if not self.keeps_logs:
            shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def processes(self) -> list[int]:
        """Process ids of the slots."""
        return [slot.pid for slot in self._slots]

    def run(
        self,
        jobs: Sequence[Job],
        *,
        timing: Timing | None = None,
        progress: Callable[[Outcome], None] = lambda _: None,
    ) -> list[Outcome]:
        """Simulate `jobs`, each on its graph; outcomes come back in their order.

        `progress` is called with each outcome as soon as it is known. A process that dies or takes too long
        is replaced, and jobs of one that took too long are reported failed. Of one that died while it
        built or loaded their network, or by CUDA's word, all fail. Otherwise they are tried again in halves,
        until it is known of which one it dies, which is tried twice by itself.
        """
        timing = timing or self.timing
        found: dict[tuple[str, int], Outcome] = {}
        deaths = Deaths()
        queue = deque(batched(jobs, batch_size=self.setup.batch_size, devices=self._devices))
        idle, busy = deque(self._slots), list[Slot]()
        arrived: list[Outcome] = []
        while queue or busy:
            while queue and idle:
                batch = queue.popleft()
                if (reason := deaths.verdict(batch)) is not None:
                    arrived += failures(batch, reason)
                    continue
                slot = idle.popleft()
                slot.submit(batch, timing)
                busy.append(slot)
            # Not before: whatever is done with them, no slot waits for it.
            _hand_over(arrived, found, progress)
            if not busy:  # all that was left was given up
                break
            limit_s = self._limit_s(timing)
            ready = wait([slot.connection for slot in busy], timeout=_until_late(busy, limit_s))
            for slot in [slot for slot in busy if slot.connection in ready or _is_late(slot, limit_s)]:
                outcomes: list[Outcome] | None
                if slot.connection not in ready:
                    outcomes = self._late(slot, limit_s)
                else:
                    try:
                        outcomes = slot.receive()
                    except DiedError:
                        outcomes, again = self._died(slot, deaths)
                        queue.extend(again)
                    else:
                        if outcomes is None:
                            continue
                        took = max(one.wall_s + one.build_s + one.scoring_s for one in outcomes)
                        self._slowest = max(self._slowest, took / (timing.warmup_ms + timing.duration_ms))
                busy.remove(slot)
                idle.append(slot)
                arrived += outcomes
        _hand_over(arrived, found, progress)
        return [found[job.key] for job in jobs]

    def _limit_s(self, timing: Timing) -> float | None:
        """How long a batch may take; None: for ever."""
        if self._timeout_s is not None:
            return self._timeout_s
        if not self._slowest:
            return None
        return max(PATIENCE * self._slowest * (timing.warmup_ms + timing.duration_ms), SHORTEST_PATIENCE_S)

    def _late(self, slot: Slot, limit_s: float | None) -> list[Outcome]:
        took_s = slot.busy_s
        slot.replace()
        reason = f"the simulation took longer than {limit_s or 0:.6g} s and was stopped"
        return failures(slot.batch, reason, wall_s=took_s)

    def _died(self, slot: Slot, deaths: Deaths) -> tuple[list[Outcome], Sequence[Sequence[Job]]]:
        """After a process died: outcomes of jobs that it is given up with, and batches to try again."""
        batch, phase, took_s = slot.batch, slot.phase, slot.busy_s
        cause, of_itself = slot.last_words(), slot.died_of_itself
        slot.replace()
        if phase in DOING or _OF_CUDA.search(cause):
            # Each member by itself would be built and loaded in the same way.
            again = [] if of_itself else deaths.once_more(batch)
            reason = f"the simulator's process died while {DOING.get(phase, 'it simulated')}"
        else:
            again = deaths.in_parts(batch)
            reason = "the simulator's process died of it more than once"
        if again:
            return [], again
        reason = self._explained(reason, cause, slot.log)
        deaths.give_up(batch, reason)
        return failures(batch, reason, wall_s=took_s), []

    def _explained(self, reason: str, cause: str, log: Path) -> str:
        """A reason with the process's last words; its log is kept."""
        self.keeps_logs = True
        return f"{reason}{f': {cause}' if cause else ''} (its output is in {log})"


def _hand_over(
    arrived: list[Outcome], found: dict[tuple[str, int], Outcome], progress: Callable[[Outcome], None]
) -> None:
    while arrived:
        outcome = arrived.pop(0)
        found[outcome.key] = outcome
        progress(outcome)


def _is_late(slot: Slot, limit_s: float | None) -> bool:
    return limit_s is not None and slot.busy_s > limit_s


def _until_late(busy: Sequence[Slot], limit_s: float | None) -> float | None:
    """Until the first batch is late (s); None: for ever."""
    if limit_s is None:
        return None
    return max(limit_s - max(slot.busy_s for slot in busy), 0.0) + 0.01
