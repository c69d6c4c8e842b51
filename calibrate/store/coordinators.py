"""Several runs of one study at a time: which of them live, and which candidate is whose.

Every run beats: a thread counts up a number of its own in the database. One whose number stands still while
another run has beaten several times is dead; no clock is compared with another, so none can be wrong, and a
database that cannot be reached for a while kills nobody. On one computer a process that is gone is dead.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import Connection, Engine, Row, delete, func, select, update

from calibrate.calibration.search.trials import Claim
from calibrate.errors import StoreError
from calibrate.store.connections import connect, writing
from calibrate.store.meanings import translating_errors
from calibrate.store.naming import begun
from calibrate.store.schema import CLAIM, COORDINATOR, SIMULATION, STUDY
from calibrate.store.urls import parse
from calibrate.study import Study

# Seconds between beats, and beats of one's own after which another that did not beat is dead.
BEAT_S = 5.0
SILENT_BEATS = 6


class Coordinator:
    """One run of study number `study` among others, from `join` to `leave`."""

    def __init__(self, engine: Engine, study: int) -> None:
        self._engine, self._study = engine, study
        self._id: int | None = None
        self._ours: set[int] = set()  # candidates that the run knows to be its own
        self._silent: dict[int, tuple[int, int]] = {}  # of others: the last beat, beats of ours since
        self._dead: set[int] = set()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def join(self) -> None:
        """Take part in the study's run; the others see it."""
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
        self._thread = threading.Thread(target=self._go_on_beating, daemon=True)
        self._thread.start()

    def leave(self) -> bool:
        """Take part no more, and give back what is claimed; returns whether others go on."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(BEAT_S)  # it may be waiting for a database that is gone
            self._thread = None
        if self._id is None:
            return False
        with writing(self._engine) as connection:
            self.lock(connection)
            _remove(connection, [self._id])
            self._id = None
            rows = connection.execute(select(COORDINATOR).where(COORDINATOR.c.study == self._study)).all()
        return any(row.id not in self._dead and not is_gone(row) for row in rows)

    def check(self, connection: Connection) -> None:
        """Raise StoreError where others took this run for dead: what it did is theirs now."""
        if self._id is None:
            return
        own = select(COORDINATOR.c.id).where(COORDINATOR.c.id == self._id).with_for_update(read=True)
        if connection.execute(own).first() is None:
            raise StoreError(
                f"this run showed no sign of life for {BEAT_S * SILENT_BEATS:.0f} s, so another run of the "
                "study took over its candidates; nothing of them is lost: run again"
            )

    def claim(self, wanted: Sequence[Claim]) -> list[Claim]:
        """Take candidates that nobody has; returns those that others have, from the first wanted one on."""
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
            # Claimed already where a connection broke after it was done.
            own = {row.candidate for row in claims if row.coordinator == self._id}
            new = [claim for claim in wanted if claim.index not in taken.keys() | own]
            self._insert(connection, new)
        self.keep([claim.index for claim in wanted if claim.index not in taken])
        return list(taken.values())

    def take_over(self, connection: Connection) -> list[int]:
        """Bury the dead and claim what they left: the untold candidates that nobody has; returns those.

        They are returned again until `keep` says that the run has them. `connection` must be in a transaction
        that writes.
        """
        self.lock(connection)
        self.check(connection)
        _remove(connection, sorted(self._dead))
        self._dead.clear()
        claimed = select(CLAIM.c.candidate).where(CLAIM.c.study == self._study)
        left = connection.scalars(
            select(SIMULATION.c.candidate)
            .where(
                SIMULATION.c.study == self._study,
                SIMULATION.c.trial.is_(None),
                SIMULATION.c.candidate.not_in(claimed),
            )
            .distinct()
        ).all()
        self._insert(connection, [Claim(index=candidate) for candidate in left])
        own = connection.scalars(select(CLAIM.c.candidate).where(CLAIM.c.coordinator == self._id))
        return sorted(set(own) - self._ours)

    def keep(self, candidates: Sequence[int]) -> None:
        """Note that the run has these candidates."""
        self._ours.update(candidates)

    def release(self, connection: Connection, candidates: Sequence[int]) -> None:
        """Give up the claims to candidates, which have been told."""
        for candidate in candidates:
            connection.execute(
                delete(CLAIM).where(
                    CLAIM.c.study == self._study,
                    CLAIM.c.candidate == candidate,
                    CLAIM.c.coordinator == self._id,
                )
            )
        self._ours.difference_update(candidates)

    def claimed(self, connection: Connection) -> list[int]:
        """The candidates that runs have asked and not told yet."""
        return list(connection.scalars(select(CLAIM.c.candidate).where(CLAIM.c.study == self._study)))

    def elsewhere(self, connection: Connection) -> int:
        """Number of candidates that other runs have asked and not told yet."""
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
        """Let no other run claim or take over until this transaction ends."""
        # SQLite's transactions that write come one after the other anyway.
        connection.execute(select(STUDY.c.id).where(STUDY.c.id == self._study).with_for_update())

    def _go_on_beating(self) -> None:
        while not self._ended.wait(BEAT_S):
            # A database that cannot be reached is the run's to report, and may come back.
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
    """Where runs of `study` go on, as "process 12 on host"; nothing is changed."""
    where = parse(url, Path.cwd())
    if not any(row.name == study.name for row in begun(where)):
        return []
    engine = connect(where)
    try:
        with translating_errors(where):
            return living(engine, study.name)
    finally:
        engine.dispose()


def living(engine: Engine, study: str) -> list[str]:
    """Where runs of `study` go on, as "process 12 on host"; one elsewhere is watched for some beats."""
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
    """Whether a run was of this computer, and its process is no more."""
    if row.place != place():
        return False
    try:
        return bool(psutil.Process(row.process).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def place() -> str:
    """Where process numbers mean the same: this computer since it started, and in it this container."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(parts)[:255]


def _remove(connection: Connection, coordinators: Sequence[int]) -> None:
    if coordinators:
        connection.execute(delete(CLAIM).where(CLAIM.c.coordinator.in_(coordinators)))
        connection.execute(delete(COORDINATOR).where(COORDINATOR.c.id.in_(coordinators)))
