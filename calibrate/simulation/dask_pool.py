"""The pool on a Dask cluster: the workers of a scheduler simulate, on any number of computers.

A worker stands for one core or one GPU. In it, a local pool of a single process simulates. So everything that
`calibrate.simulation.local_pool` guarantees also holds there: time limits, replacement of processes that die,
simulators' output in a log. Dask's own heartbeat never waits for a simulator. If a worker is lost, Dask gives
its batch to another.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import platform
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

from calibrate.errors import CalibrateError, SimulatorError, one_line
from calibrate.plugins import version_of
from calibrate.simulation.jobs import Job, Key, Outcome, Setup, Timing, failures
from calibrate.simulation.local_pool import Pool
from calibrate.simulation.pool import BasePool, batched, timing_of
from calibrate.simulation.slot import pack

CONNECT_S = 30.0

# Interval at which to look for workers (s).
LOOK_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The cluster of a run.

    address    of the scheduler ("tcp://host:8786"), or its scheduler file (.json)
    resources  that a worker must declare and that a batch occupies, such as {"GPU": 1}
    wait_s     longest time to wait for the first worker
    """

    address: str
    resources: Mapping[str, float]
    wait_s: float = 600.0


class DaskPool(BasePool):
    """Simulates jobs on the workers of a Dask cluster. Use it as a context manager.

    If Dask gives up a batch because too many workers were lost with it, each of its jobs is tried once more
    by itself, and then reported as failed.

    timing     of jobs that have none of their own
    timeout_s  see `calibrate.simulation.local_pool.Pool`
    say        called with messages about what the pool is waiting for

    Entering it raises SimulatorError if the scheduler cannot be reached, no worker appears in time, or a
    worker has another version of Python or calibrate.
    """

    def __init__(
        self,
        setup: Setup,
        timing: Timing,
        *,
        cluster: Cluster,
        timeout_s: float | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__(setup, timing)
        self._cluster, self._timeout_s, self._say = cluster, timeout_s, say
        self._packed = pack(setup)
        self._key = hashlib.sha256(self._packed).hexdigest()
        self._client: Any = None

    @property
    def slots(self) -> int:
        """Number of workers, which can change during a run; at least 1."""
        return max(1, len(self._workers()))

    def __enter__(self) -> Self:
        try:
            from distributed import Client
        except ImportError as error:
            remedy = "pip install 'calibrate-snn[cluster]'"
            raise SimulatorError(f"a Dask cluster needs Dask ({error}): {remedy}") from None
        address = self._cluster.address
        if address.endswith(".json"):
            address = _read_scheduler_file(Path(address))
        _check_address(address)
        try:
            self._client = Client(address, timeout=CONNECT_S, set_as_default=False)
        except (OSError, TimeoutError):
            # Dask's own messages are about coroutines.
            raise SimulatorError(
                f"no Dask scheduler was reached at {address} within {CONNECT_S:.0f} s: it does not answer"
            ) from None
        try:
            self._await_workers()
            self._compare_versions()
        except BaseException:
            self._client.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            # Pools in the workers end with the run; if the cluster is gone, they have ended already.
            self._client.run(_close, self._key, workers=self._workers(), on_error="ignore")
        except Exception as failure:  # a cluster that is gone must not hide how the run ended
            self._say(f"the Dask cluster could not be told that the run has ended: {type(failure).__name__}")
        finally:
            self._client.close()

    def _simulate(self, jobs: Sequence[Job]) -> Generator[Outcome, None, None]:
        from distributed import as_completed

        batches = batched(jobs, batch_size=self.setup.batch_size, devices=self.slots)
        pending: dict[Any, Sequence[Job]] = {self._submit(batch): batch for batch in batches}
        given_up: set[Key] = set()
        completed = as_completed(list(pending), loop=self._client.loop)
        try:
            for future in completed:
                batch = pending.pop(future)
                outcomes = self._outcomes(future, batch, last=all(job.key in given_up for job in batch))
                if outcomes is None:
                    given_up.update(job.key for job in batch)
                    for job in batch:
                        again = self._submit([job])
                        pending[again] = [job]
                        completed.add(again)
                    continue
                yield from outcomes
        finally:
            for future in pending:
                future.cancel()

    def _submit(self, batch: Sequence[Job]) -> Any:
        return self._client.submit(
            _simulate_here,
            self._packed,
            self._key,
            list(batch),
            self._timeout_s,
            pure=False,
            resources=dict(self._cluster.resources) or None,
        )

    def _outcomes(self, future: Any, batch: Sequence[Job], *, last: bool) -> list[Outcome] | None:
        """The outcomes of a batch; None if its workers were lost, and each job should be tried by itself."""
        from distributed.scheduler import KilledWorker

        try:
            outcomes: list[Outcome] = future.result()
        except KilledWorker:
            reason = "the workers of the Dask cluster that simulated it were lost, one after another"
            return failures(batch, reason) if last else None
        except CalibrateError:
            raise
        except Exception as error:  # Dask passes on whatever its workers raise
            what = one_line(error)
            raise SimulatorError(f"the Dask cluster at {self._cluster.address} failed: {what}") from error
        return outcomes

    def _workers(self) -> list[str]:
        """The addresses of the workers with the resources that a batch occupies."""
        workers = self._client.scheduler_info(n_workers=-1)["workers"]
        return [
            address
            for address, worker in workers.items()
            if all(worker["resources"].get(name, 0) >= n for name, n in self._cluster.resources.items())
        ]

    def _await_workers(self) -> None:
        began = time.monotonic()
        required = ", ".join(f"{name}={n:g}" for name, n in self._cluster.resources.items())
        what = f"a worker with {required}" if required else "a worker"
        while not self._workers():
            if time.monotonic() - began > self._cluster.wait_s:
                raise SimulatorError(
                    f"the Dask scheduler at {self._cluster.address} had no worker after "
                    f"{self._cluster.wait_s:g} s: start some with 'dask worker'; {what} is needed"
                )
            if time.monotonic() - began < LOOK_S:
                self._say(f"waiting for {what} of the Dask cluster at {self._cluster.address}")
            time.sleep(LOOK_S)

    def _compare_versions(self) -> None:
        own = _versions()
        try:
            of_workers = self._client.run(_versions, workers=self._workers())
        except Exception as error:  # Dask raises whatever unpickling `_versions` does in a worker
            raise SimulatorError(
                f"workers of the Dask cluster cannot import calibrate ({error}): start them in this "
                "environment"
            ) from None
        for worker, versions in of_workers.items():
            for name, here in own.items():
                if versions[name] != here:
                    raise SimulatorError(
                        f"the Dask worker {worker} has {name} {versions[name]}, but here it is {here}: "
                        "use the same environment"
                    )


def _read_scheduler_file(path: Path) -> str:
    """The address in a scheduler file. A scheduler that has just created the file may still be writing it."""
    until = time.monotonic() + CONNECT_S
    while True:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            remedy = "the Dask scheduler writes it"
            raise SimulatorError(
                f"cannot read the scheduler file {path} ({error.strerror}): {remedy}"
            ) from None
        except ValueError as error:
            if time.monotonic() > until:
                raise SimulatorError(f"the scheduler file {path} is incomplete or damaged: {error}") from None
            time.sleep(0.1)
            continue
        address = content.get("address") if isinstance(content, dict) else None
        if not isinstance(address, str):
            raise SimulatorError(f"{path} is not a file of a Dask scheduler: it has no address")
        return address


def _check_address(address: str) -> None:
    """Raise SimulatorError unless `address` can be that of a scheduler, with which Dask's client can end."""
    from distributed.comm.addressing import parse_address, parse_host_port

    try:
        scheme, location = parse_address(address)
        if scheme in ("tcp", "tls"):
            parse_host_port(location)
    except ValueError as error:
        raise SimulatorError(
            f"{address!r} is not the address of a Dask scheduler, such as tcp://node1:8786: {error}"
        ) from None


# --- in the workers -----------------------------------------------------------------------------------

# The pool of the run that this worker serves, by the hash of its setup.
_pools: dict[str, Pool] = {}
_lock = Lock()


def _simulate_here(setup: bytes, key: str, batch: Sequence[Job], timeout_s: float | None) -> list[Outcome]:
    """Simulate a batch in this worker, in a separate process that stays for the next batch."""
    with _lock:  # a worker simulates one batch at a time, even if it has several threads
        if key not in _pools:
            for other in list(_pools):
                _pools.pop(other).__exit__(None, None, None)
            # Pickled by the run that sent it; Dask's own messages are pickles, too.
            timing = timing_of(batch)
            _pools[key] = Pool(pickle.loads(setup), timing, slots=1, timeout_s=timeout_s).__enter__()
        return _pools[key].run(batch)


def _close(key: str) -> None:
    """End the pool of a run, even during a batch."""
    pool = _pools.pop(key, None)
    if pool is not None:
        pool.__exit__(None, None, None)


def _versions() -> dict[str, str]:
    own = version_of("calibrate-snn") or "not installed"
    # Pickled jobs need the same minor version of Python.
    return {"calibrate": own, "Python": ".".join(platform.python_version_tuple()[:2])}
