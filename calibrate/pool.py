"""Simulators on the cores there are: one process per slot, each keeping its prepared simulator.

The processes are spawned one by one, not shared in one executor: a process that dies takes only its own
batch with it and is replaced. They end with their parent. What GeNN's compiler and NEST print to file
descriptor 1 goes to a log, never to the user's standard output.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from calibrate import simulators
from calibrate.errors import CalibrateError, SimulatorError
from calibrate.network import Model, Network, find_model
from calibrate.observation import Observation, SimulationFailure
from calibrate.simulators.base import Member, Precision, Prepared, Recording, Simulator, simulate


@dataclass(frozen=True, kw_only=True)
class Setup:
    """How every candidate of a study is simulated.

    model       name of an installed model, "package.module:Name" or "file.py:Name"
    folder      where such a file is looked up
    backend     "genn", "nest" or "poisson"
    batch_size  candidates that one slot simulates at once
    """

    model: str
    folder: Path | None = None
    backend: str
    precision: Precision = "single"
    dt_ms: float = 0.1
    warmup_ms: float = 1000.0
    duration_ms: float = 10_000.0
    recording: Recording = field(default_factory=Recording)
    wiring_seed: int = 0
    batch_size: int = 1

    def load_model(self) -> Model:
        return find_model(self.model, folder=self.folder)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A parameter set to simulate: all its results carry its `uuid`."""

    uuid: str
    parameters: Mapping[str, Any]
    seed: int


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a candidate.

    build_s  time spent building the network (0 where it was there already)
    wall_s   time of the simulation; members of one batch share it
    backend  the simulator's own description: name, version, device, precision
    """

    uuid: str
    result: Observation | SimulationFailure
    wall_s: float = 0.0
    build_s: float = 0.0
    backend: Mapping[str, str] = field(default_factory=dict)


class Worker:
    """What lives in a slot's process: the simulator and the last network it built."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._model = setup.load_model()
        self._simulator: Simulator = simulators.create(
            setup.backend, dt_ms=setup.dt_ms, precision=setup.precision
        )
        self._network: object = None
        self._prepared: Prepared | None = None

    def run(self, candidates: Sequence[Candidate], realisation: int) -> list[Outcome]:
        """Simulate at most a batch of candidates; a candidate that cannot run is an Outcome too."""
        setup, backend = self._setup, self._simulator.describe()
        outcomes: dict[str, Outcome] = {}
        batches: dict[Network, list[tuple[Candidate, Member]]] = {}
        for candidate in candidates:
            try:
                network = self._model.network(candidate.parameters)
                values = self._model.values(network, candidate.parameters)
            except Exception as error:
                outcomes[candidate.uuid] = Outcome(
                    uuid=candidate.uuid, result=_failure(error), backend=backend
                )
            else:
                member = Member(values=values, seed=candidate.seed)
                batches.setdefault(network, []).append((candidate, member))
        for network, batch in batches.items():
            build_s, wall_s = 0.0, 0.0
            results: Sequence[Observation | SimulationFailure]
            try:
                started = time.perf_counter()
                prepared = self._prepare(network)
                build_s = time.perf_counter() - started
                started = time.perf_counter()
                results = simulate(
                    prepared,
                    [member for _, member in batch],
                    realisation=realisation,
                    warmup_ms=setup.warmup_ms,
                    duration_ms=setup.duration_ms,
                )
                wall_s = time.perf_counter() - started
            except Exception as error:
                self._close()
                reason = (
                    str(error) if isinstance(error, CalibrateError) else f"{type(error).__name__}: {error}"
                )
                results = [SimulationFailure(reason)] * len(batch)
            for (candidate, _), result in zip(batch, results, strict=True):
                outcomes[candidate.uuid] = Outcome(
                    uuid=candidate.uuid, result=result, wall_s=wall_s, build_s=build_s, backend=backend
                )
        return [outcomes[candidate.uuid] for candidate in candidates]

    def _prepare(self, network: Any) -> Prepared:
        if self._prepared is None or network != self._network:
            self._close()
            self._prepared = self._simulator.prepare(
                network,
                batch_size=self._setup.batch_size,
                recording=self._setup.recording,
                wiring_seed=self._setup.wiring_seed,
            )
            self._prepared.__enter__()
            self._network = network
        return self._prepared

    def _close(self) -> None:
        if self._prepared is not None:
            prepared, self._prepared = self._prepared, None
            prepared.__exit__(None, None, None)


def _failure(error: Exception) -> SimulationFailure:
    expected = isinstance(error, CalibrateError)
    return SimulationFailure(str(error) if expected else f"{type(error).__name__}: {error}")


# Ctrl-C and a batch system's SIGTERM reach all processes of a run, and are the coordinator's to handle.
_FOR_THE_COORDINATOR = (signal.SIGINT, signal.SIGTERM)

_worker: Worker | None = None


def _start(log: str, parent: int) -> None:
    """Initialise a slot's process."""
    _end_with(parent)
    for number in _FOR_THE_COORDINATOR:
        signal.signal(number, signal.SIG_IGN)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    os.close(descriptor)


def _run(setup: Setup, candidates: Sequence[Candidate], realisation: int) -> list[Outcome]:
    global _worker
    try:
        _worker = _worker or Worker(setup)
    except Exception as error:
        return [Outcome(uuid=candidate.uuid, result=_failure(error)) for candidate in candidates]
    return _worker.run(candidates, realisation)


def _end_with(parent: int) -> None:
    """Let the kernel end this process when its parent ends, however that happens (Linux)."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may change, and only it receives, signals
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _FOR_THE_COORDINATOR}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Slot:
    """One process and the executor that talks to it; replaced as a whole when the process dies."""

    def __init__(self, setup: Setup, log: Path) -> None:
        self._setup, self._log = setup, log
        self._executor = self._spawn()

    def _spawn(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            max_workers=1,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start,
            initargs=(str(self._log), os.getpid()),
        )

    def submit(self, candidates: Sequence[Candidate], realisation: int) -> Future[list[Outcome]]:
        # The first submission starts the process, which inherits that Ctrl-C is not for it.
        with _interrupts_ignored():
            try:
                return self._executor.submit(_run, self._setup, candidates, realisation)
            except BrokenProcessPool:  # it died while it had nothing to do
                self.replace()
                return self._executor.submit(_run, self._setup, candidates, realisation)

    @property
    def processes(self) -> list[int]:
        return list(self._executor._processes or ())

    def replace(self) -> None:
        self.stop()
        self._executor = self._spawn()

    def stop(self) -> None:
        for pid in self.processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(pid).kill()
        # No waiting: a process killed while it sends a result leaves the executor's thread stuck.
        self._executor.shutdown(wait=False, cancel_futures=True)


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
    return max(1, min(len(psutil.Process().cpu_affinity()), int(0.9 * available / each)))


class Pool:
    """Simulates candidates on `slots` processes. Use it as a context manager.

    slots      by default one per core; see `slots_for` where networks are large
    timeout_s  a batch that takes longer is stopped and reported failed; None: never
    """

    def __init__(self, setup: Setup, *, slots: int | None = None, timeout_s: float | None = None) -> None:
        self.setup = setup
        self.slots = slots or len(psutil.Process().cpu_affinity())
        self._timeout_s = timeout_s
        self._slots: list[_Slot] = []
        self._log: Path | None = None
        self._keep_log = False  # where a message refers to it

    @property
    def capacity(self) -> int:
        """Candidates that are simulated at once: slots times batch size."""
        return self.slots * self.setup.batch_size

    @property
    def log(self) -> Path | None:
        """Where the simulators' own output goes."""
        return self._log

    def __enter__(self) -> Self:
        descriptor, name = tempfile.mkstemp(prefix="calibrate-", suffix=".log")
        os.close(descriptor)
        self._log = Path(name)
        self._slots = [_Slot(self.setup, self._log) for _ in range(self.slots)]
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
        if self._log is not None and kind is None and not self._keep_log:
            self._log.unlink(missing_ok=True)

    @property
    def processes(self) -> list[int]:
        """Process ids of the slots that have started."""
        return [pid for slot in self._slots for pid in slot.processes]

    def run(
        self,
        candidates: Sequence[Candidate],
        *,
        realisation: int = 0,
        progress: Callable[[Outcome], None] = lambda _: None,
    ) -> list[Outcome]:
        """Simulate `candidates` on graph number `realisation`; outcomes come back in their order.

        `progress` is called with each outcome as soon as it is known. A process that dies or takes too
        long is replaced, and the candidates it had are reported failed.
        """
        found: dict[str, Outcome] = {}
        queue = deque(self._batches(candidates))
        idle = deque(self._slots)
        running: dict[Future[list[Outcome]], tuple[_Slot, Sequence[Candidate], float]] = {}
        while queue or running:
            while queue and idle:
                slot, batch = idle.popleft(), queue.popleft()
                running[slot.submit(batch, realisation)] = (slot, batch, time.monotonic())
            done, _ = wait(running, timeout=1.0, return_when=FIRST_COMPLETED)
            late = [
                future
                for future, (_, _, started) in running.items()
                if future not in done
                and self._timeout_s is not None
                and time.monotonic() - started > self._timeout_s
            ]
            for future in [*done, *late]:
                slot, batch, started = running.pop(future)
                outcomes = self._collect(future, slot, batch, started, timed_out=future in late)
                idle.append(slot)
                for outcome in outcomes:
                    found[outcome.uuid] = outcome
                    progress(outcome)
        return [found[candidate.uuid] for candidate in candidates]

    def _batches(self, candidates: Sequence[Candidate]) -> Iterator[Sequence[Candidate]]:
        # Spread evenly: 5 candidates on 2 slots of batch size 4 are 3 + 2, not 4 + 1.
        size = min(self.setup.batch_size, -(-len(candidates) // self.slots))
        for start in range(0, len(candidates), max(size, 1)):
            yield candidates[start : start + size]

    def _collect(
        self,
        future: Future[list[Outcome]],
        slot: _Slot,
        batch: Sequence[Candidate],
        started: float,
        *,
        timed_out: bool,
    ) -> list[Outcome]:
        if timed_out:
            slot.replace()
            reason = f"the simulation took longer than {self._timeout_s:g} s and was stopped"
        else:
            try:
                return future.result()
            except BrokenProcessPool:
                slot.replace()
                self._keep_log = True
                reason = f"the simulator's process died; what it printed is in {self._log}"
        failure = SimulationFailure(reason)
        wall_s = time.monotonic() - started
        return [Outcome(uuid=candidate.uuid, result=failure, wall_s=wall_s) for candidate in batch]
