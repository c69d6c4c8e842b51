"""Several runs of one study at a time: which of them are alive, and which of them owns each candidate.

Every run has a heartbeat: a thread that increments the run's counter in the database. A run is dead if its
counter stands still during several heartbeats of another run. Clocks of different computers are never
compared, so they may disagree. While the database is down, no run's heartbeat advances, and no run is taken
for dead. A run on the same computer is also dead if its process no longer exists.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import Connection, Engine, Row, delete, func, select, update

from calibrate.calibration.search.optuna_trials import Claim
from calibrate.errors import StoreError
from calibrate.store.connections import connect, writing
from calibrate.store.database_errors import translating_errors
from calibrate.store.schema import CLAIM, COORDINATOR, SIMULATION, STUDY
from calibrate.store.study_names import list_studies
from calibrate.store.urls import parse
from calibrate.study import Study

# Seconds between heartbeats. A run without one during this many heartbeats of another run is dead.
BEAT_S = 5.0
SILENT_BEATS = 6


class Coordinator:
    """One run of study number `study` among others, from `join` to `leave`."""

    def __init__(self, engine: Engine, study: int) -> None:
        self._engine, self._study = engine, study
        self._id: int | None = None
        self._ours: set[int] = set()  # candidates that the run knows it owns
        self._silent: dict[int, tuple[int, int]] = {}  # of other runs: last counter, our heartbeats since
        self._dead: set[int] = set()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def join(self) -> None:
        """Register this run, so that other runs of the study see it."""
        if self._id is not None:
            return
        with writing(self._engine) as connection:
            result = connection.execute(
                COORDINATOR.insert().values(
                    study=self._study,
                    host=socket.gethostname(),
                    place=place(),
                    process=os.getpid(),
                    beat=0,
                    began=datetime.now(UTC).isoformat(timespec="seconds"),
                )
            )
            (self._id,) = result.inserted_primary_key or (None,)
        self._beat()
        self._thread = threading.Thread(target=self._keep_beating, daemon=True)
        self._thread.start()

    def leave(self) -> bool:
        """Unregister this run and release its claims; returns whether other runs of the study are alive."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(BEAT_S)  # the thread may be waiting for an unreachable database
            self._thread = None
        if self._id is None:
            return False
        with writing(self._engine) as connection:
            self.lock(connection)
            _remove(connection, [self._id])
            self._id = None
            return self.has_others(connection)

    def has_others(self, connection: Connection) -> bool:
        """Whether other runs of the study are alive."""
        rows = connection.execute(select(COORDINATOR).where(COORDINATOR.c.study == self._study)).all()
        return any(row.id not in {*self._dead, self._id} and not is_gone(row) for row in rows)

    def check(self, connection: Connection) -> None:
        """Raise StoreError if another run took this one for dead, and took over its candidates."""
        if self._id is None:
            return
        own = select(COORDINATOR.c.id).where(COORDINATOR.c.id == self._id).with_for_update(read=True)
        if connection.execute(own).first() is None:
            raise StoreError(
                f"this run showed no sign of life for {BEAT_S * SILENT_BEATS:.0f} s, so another run of the "
                "study took over its candidates; no results are lost: run again"
            )

    def claim(self, wanted: Sequence[Claim]) -> list[Claim]:
        """Claim the wanted candidates that no run has.

        Returns the candidates that are taken already, from the lowest wanted index on.
        """
        first = min(claim.index for claim in wanted)
        with writing(self._engine) as connection:
            self.lock(connection)
            self.check(connection)
            claims = connection.execute(
                select(CLAIM).where(CLAIM.c.study == self._study, CLAIM.c.candidate >= first)
            ).all()
            simulated = connection.execute(
                select(SIMULATION.c.candidate, SIMULATION.c.parameters, SIMULATION.c.origin).where(
                    SIMULATION.c.study == self._study, SIMULATION.c.candidate >= first
                )
            ).all()
            taken = {
                row.candidate: Claim(index=row.candidate, parameters=row.parameters)
                for row in claims
                if row.coordinator != self._id
            } | {
                row.candidate: Claim(
                    index=row.candidate, parameters=row.parameters, adopted=row.origin is not None
                )
                for row in simulated
            }
            # Our own claims exist already if the connection broke after they were committed.
            own = {row.candidate for row in claims if row.coordinator == self._id}
            new = [claim for claim in wanted if claim.index not in taken.keys() | own]
            self._insert(connection, new)
        self.keep([claim.index for claim in wanted if claim.index not in taken])
        return list(taken.values())

    def take_over(self, connection: Connection) -> list[int]:
        """Remove dead runs and claim the candidates that they left untold; returns these candidates.

        Every call returns them until `keep` is called with them. `connection` must be in a transaction that
        writes.
        """
        self.lock(connection)
        self.check(connection)
        _remove(connection, sorted(self._dead))
        self._dead.clear()
        claimed = select(CLAIM.c.candidate).where(CLAIM.c.study == self._study)
        orphaned = connection.scalars(
            select(SIMULATION.c.candidate)
            .where(
                SIMULATION.c.study == self._study,
                SIMULATION.c.trial.is_(None),
                SIMULATION.c.candidate.not_in(claimed),
            )
            .distinct()
        ).all()
        self._insert(connection, [Claim(index=candidate) for candidate in orphaned])
        own = connection.scalars(select(CLAIM.c.candidate).where(CLAIM.c.coordinator == self._id))
        return sorted(set(own) - self._ours)

    def keep(self, candidates: Sequence[int]) -> None:
        """Record that the run owns these candidates."""
        self._ours.update(candidates)

    def give_back(self, connection: Connection, candidates: Mapping[int, str]) -> bool:
        """Release claims to untold candidates, and delete their failed simulations, for other live runs.

        candidates  their UUIDs, by index

        Returns whether there are other runs; if not, nothing is changed.
        """
        self.lock(connection)
        self.check(connection)
        if not self.has_others(connection):
            return False
        for uuid in candidates.values():
            failed = (SIMULATION.c.uuid == uuid, SIMULATION.c.status == "failed")
            connection.execute(delete(SIMULATION).where(SIMULATION.c.study == self._study, *failed))
        self.release(connection, list(candidates))
        return True

    def release(self, connection: Connection, candidates: Sequence[int]) -> None:
        """Release the claims to candidates, which have been told."""
        for candidate in candidates:
            connection.execute(
                delete(CLAIM).where(
                    CLAIM.c.study == self._study,
                    CLAIM.c.candidate == candidate,
                    CLAIM.c.coordinator == self._id,
                )
            )
        self._ours.difference_update(candidates)

    def list_claimed(self, connection: Connection) -> list[int]:
        """The candidates that any run has asked for and not told yet."""
        return list(connection.scalars(select(CLAIM.c.candidate).where(CLAIM.c.study == self._study)))

    def elsewhere(self, connection: Connection) -> int:
        """Number of candidates that other runs have asked for and not told yet."""
        others = select(func.count()).where(CLAIM.c.study == self._study, CLAIM.c.coordinator != self._id)
        return int(connection.execute(others).scalar_one())

    def _insert(self, connection: Connection, claims: Sequence[Claim]) -> None:
        if claims:
            connection.execute(
                CLAIM.insert(),
                [
                    {
                        "study": self._study,
                        "candidate": claim.index,
                        "coordinator": self._id,
                        "parameters": dict(claim.parameters),
                    }
                    for claim in claims
                ],
            )

    def lock(self, connection: Connection) -> None:
        """Prevent other runs from claiming or taking over candidates until this transaction ends."""
        # Has no effect in SQLite, where transactions that write never overlap.
        connection.execute(select(STUDY.c.id).where(STUDY.c.id == self._study).with_for_update())

    def _keep_beating(self) -> None:
        while not self._ended.wait(BEAT_S):
            # Whatever goes wrong, this thread must try again: the database may come back, and if it does not,
            # the run reports it.
            with contextlib.suppress(Exception):
                self._beat()

    def _beat(self) -> None:
        with writing(self._engine) as connection:
            connection.execute(
                update(COORDINATOR).where(COORDINATOR.c.id == self._id).values(beat=COORDINATOR.c.beat + 1)
            )
            others = connection.execute(
                select(COORDINATOR).where(COORDINATOR.c.study == self._study, COORDINATOR.c.id != self._id)
            ).all()
        for row in others:
            beat, silent = self._silent.get(row.id, (row.beat, -1))
            self._silent[row.id] = row.beat, 0 if row.beat != beat else silent + 1
        self._dead = {row.id for row in others if is_gone(row) or self._silent[row.id][1] >= SILENT_BEATS}


def runs_of(study: Study, url: str) -> list[str]:
    """The live runs of `study`, as "process 12 on host". Reads the database only."""
    where = parse(url, Path.cwd())
    if not any(row.name == study.name for row in list_studies(where)):
        return []
    engine = connect(where, reading=True)
    try:
        with translating_errors(where):
            return find_living(engine, study.name)
    finally:
        engine.dispose()


def find_living(engine: Engine, study: str) -> list[str]:
    """The live runs of `study`, as "process 12 on host".

    Watches runs on other computers for some heartbeats.
    """
    query = (
        select(COORDINATOR)
        .join_from(COORDINATOR, STUDY, COORDINATOR.c.study == STUDY.c.id)
        .where(STUDY.c.name == study)
    )

    def look() -> dict[int, Row[Any]]:
        with engine.connect() as connection:
            return {row.id: row for row in connection.execute(query) if not is_gone(row)}

    rows = look()
    if any(row.place != place() for row in rows.values()):
        time.sleep(3 * BEAT_S)
        rows = {
            number: row
            for number, row in look().items()
            if row.place == place() or number not in rows or row.beat != rows[number].beat
        }
    return [f"process {row.process} on {row.host}" for row in rows.values()]


def is_gone(row: Row[Any]) -> bool:
    """Whether a run belongs to this computer and its process no longer exists."""
    if row.place != place():
        return False
    try:
        return bool(psutil.Process(row.process).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def place() -> str:
    """The scope in which process numbers are unique: this boot of this computer, and the container in it."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(parts)[:255]


def _remove(connection: Connection, coordinators: Sequence[int]) -> None:
    if coordinators:
        connection.execute(delete(CLAIM).where(CLAIM.c.coordinator.in_(coordinators)))
        connection.execute(delete(COORDINATOR).where(COORDINATOR.c.id.in_(coordinators)))
