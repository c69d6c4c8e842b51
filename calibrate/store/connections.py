"""Connections to the database of a study: engines, transactions, locks and retries."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import optuna
from filelock import FileLock, Timeout
from sqlalchemy import URL, Connection, Engine, create_engine, event, func, select

from calibrate.errors import StoreError
from calibrate.store import urls
from calibrate.store.database_errors import LOCK_TIMEOUT_S, MEANINGS, is_unreachable, translating_errors

# How long to retry if a server does not answer (s): it may be restarting.
SERVER_TIMEOUT_S = 300.0

# Settings of each session on a server. If a host loses the network in the middle of a transaction, the server
# then releases its locks, for which the other hosts wait.
_SESSION_SETTINGS = {
    "idle_in_transaction_session_timeout": "60s",
    "tcp_keepalives_idle": 10,
    "tcp_keepalives_interval": 5,
    "tcp_keepalives_count": 4,
}

# Execution option that marks connections with transactions that write; SQLite needs to know.
WRITES = "calibrate_writes"


def connect(url: URL, *, reading: bool = False) -> Engine:
    """An engine for our own tables, not connected yet. Raises StoreError if the driver is missing.

    reading  the engine only reads, so that a file on which the user may not write is enough
    """
    with translating_errors(url):
        if reading and (read_only := urls.read_only(url)) is not None:
            return create_engine(read_only)
        if not urls.is_sqlite(url):
            engine = create_engine(url, **_server_options(url))
            _limit_sessions(engine)
            return engine
        engine = create_engine(url, connect_args={"timeout": LOCK_TIMEOUT_S})
        event.listen(engine, "connect", _configure)
        event.listen(engine, "connect", _take_over_transactions)
        event.listen(engine, "begin", _begin)
        return engine


def optuna_storage(url: URL, *, reading: bool = False) -> optuna.storages.RDBStorage:
    """Optuna's own storage in the same database; creates its tables unless `reading`. Raises StoreError."""
    url = (urls.read_only(url) if reading else None) or url
    options = {"connect_args": {"timeout": LOCK_TIMEOUT_S}} if urls.is_sqlite(url) else _server_options(url)
    # Optuna interprets braces as a template.
    text = url.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}")
    with translating_errors(url):
        try:
            storage = optuna.storages.RDBStorage(text, engine_kwargs=options, skip_table_creation=reading)
        except RuntimeError as error:  # Optuna compares the revision of the tables with its own
            raise StoreError(
                f"database {urls.mask(url)}: its tables were made by another version of Optuna than the "
                f"installed {optuna.__version__}; install that version, or run `optuna storage upgrade` on a "
                "copy of the database"
            ) from error
        if urls.is_sqlite(url) and not reading:
            event.listen(storage.engine, "connect", _configure)
            storage.engine.dispose()  # closes connections that were opened before, without this configuration
        if not urls.is_sqlite(url):
            _limit_sessions(storage.engine)
            storage.engine.dispose()
        return storage


def number_of(storage: optuna.storages.RDBStorage, study: int, trial_id: int, expected: int) -> int:
    """The number of a trial. If it is as `expected`, one query says so; a whole trial takes seven."""
    with contextlib.suppress(KeyError):
        if storage.get_trial_id_from_study_id_trial_number(study, expected) == trial_id:
            return expected
    return storage.get_trial(trial_id).number


def study_id(storage: optuna.storages.RDBStorage, name: str) -> int | None:
    """The id of a study in Optuna's tables; None if there is no such study."""
    try:
        return storage.get_study_id_from_name(name)
    except KeyError:
        return None


def _limit_sessions(engine: Engine) -> None:
    if engine.dialect.name != "postgresql":
        return

    def configure(connection: Any, _: object) -> None:
        with connection.cursor() as cursor:
            for name, value in _SESSION_SETTINGS.items():
                cursor.execute(f"SET {name} = '{value}'")
        connection.commit()

    event.listen(engine, "connect", configure)


def _server_options(url: URL) -> dict[str, Any]:
    # An unreachable host sends nothing, not even an error, so the client needs time limits.
    patience = {"connect_timeout": 10, "tcp_user_timeout": 30_000}
    to_postgres = {"connect_args": patience} if url.drivername == "postgresql+psycopg" else {}
    return {"pool_pre_ping": True, "pool_size": 2, **to_postgres}


def _configure(connection: sqlite3.Connection, _: object) -> None:
    for setting in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {setting}")


def _take_over_transactions(connection: sqlite3.Connection, _: object) -> None:
    # By default, Python's sqlite3 does not begin a transaction before it creates tables.
    connection.isolation_level = None


def _begin(connection: Connection) -> None:
    # A transaction that reads first and then writes fails at once if another one holds the write lock.
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes: it is committed at the end and rolled back after an exception."""
    with engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
        yield connection


@contextmanager
def opening(url: URL, engine: Engine) -> Iterator[None]:
    """Let only one process at a time create tables and begin studies."""
    number = int.from_bytes(hashlib.sha256(b"calibrate").digest()[:4], "big")
    if url.get_backend_name() == "postgresql":
        # Not in a transaction: it would be idle while the body runs, and the server ends idle transactions.
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(select(func.pg_advisory_lock(number)))
            try:
                yield
            finally:
                connection.execute(select(func.pg_advisory_unlock(number)))
        return
    # The lock file is not beside the database, because runs leave only results there. The operating system
    # releases the lock when a process dies.
    folder = Path(tempfile.gettempdir()) / f"calibrate-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    name = hashlib.sha256(urls.mask(url).encode()).hexdigest()[:32]
    try:
        with FileLock(folder / f"{name}.lock").acquire(timeout=LOCK_TIMEOUT_S):
            yield
    except Timeout:
        raise StoreError(f"database {urls.mask(url)}: {MEANINGS['database is locked']}") from None


class Waits(Protocol):
    """What `retry` needs: a function for messages, and an attribute that says whether a connection broke."""

    say: Callable[[str], None]
    broken: bool


_S = TypeVar("_S", bound=Waits)
_P = ParamSpec("_P")
_T = TypeVar("_T")


def retry(method: Callable[Concatenate[_S, _P], _T], /) -> Callable[Concatenate[_S, _P], _T]:
    """Repeat an idempotent method while the database server does not answer."""

    @functools.wraps(method)
    def again(self: _S, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        began, pause_s = time.monotonic(), 0.25
        while True:
            try:
                return method(self, *args, **kwargs)
            except StoreError as error:
                waited_s = time.monotonic() - began
                if not is_unreachable(error) or waited_s + pause_s > SERVER_TIMEOUT_S:
                    raise
                if not self.broken:
                    self.say(f"waiting for the database server: {error}")
                self.broken = True
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, 10.0)

    return again
