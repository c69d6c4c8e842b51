"""Connections to the database of a study, and what its errors mean in one line."""

from __future__ import annotations

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
import psutil
from filelock import FileLock, Timeout
from sqlalchemy import URL, Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)

from calibrate.errors import StoreError
from calibrate.masking import keep_secret, without_password, without_passwords

# Another process that writes is waited for so long.
LOCK_TIMEOUT_S = 20.0

# A server that does not answer is tried again for so long: it may be starting again.
SERVER_TIMEOUT_S = 300.0

# What a server is told of each connection, so that a host that falls off the network in the middle of a
# transaction does not keep its locks, for which the others wait.
_OF_A_SESSION = {
    "idle_in_transaction_session_timeout": "60s",
    "tcp_keepalives_idle": 10,
    "tcp_keepalives_interval": 5,
    "tcp_keepalives_count": 4,
}

# Marks connections whose transactions write, for SQLite.
WRITES = "calibrate_writes"


def parsed(url: str, folder: Path) -> URL:
    """The database that `url` names, SQLite files counted from `folder`.

    Raises StoreError for what is not the URL of a database, or of one that forgets everything at the end.
    """
    try:
        found = make_url(url)
    except (ArgumentError, ValueError):  # a port that is no number
        raise StoreError(
            f"'{without_password(url)}' is not the URL of a database; "
            "write sqlite:///FILE.db or postgresql://USER@HOST/NAME"
        ) from None
    if found.password:
        keep_secret(str(found.password))
    if found.drivername in ("postgres", "postgresql"):
        found = found.set(drivername="postgresql+psycopg")
    if not is_sqlite(found):
        if "@" in f"{found.host}{found.database}":  # what follows it belongs to the password
            raise StoreError(
                f"'{without_password(url)}' has a second @: in a password, write %40 for @ "
                "(and %2F for /, %3A for :, %25 for %)"
            )
        return found
    if found.database in (None, "", ":memory:"):
        raise StoreError(f"'{without_password(url)}' names no file; write sqlite:///FILE.db")
    if str(found.database).startswith("file:"):
        return found
    path = folder / str(found.database)
    try:
        there = path.parent.is_dir()
    except OSError as error:
        raise StoreError(f"no database can have this name: {error.strerror}") from None
    if not there:
        raise StoreError(f"there is no folder {path.parent} for the database {path.name}; create it first")
    return found.set(database=str(path))


# Where several computers may see one file, and locks and memory maps cannot be relied on. Some of them are
# mounted by FUSE, and then have a prefix.
_NETWORK = ("nfs", "cifs", "smb", "afs", "lustre", "gpfs", "beegfs", "ceph", "gluster", "sshfs", "9p")


def network_file_system(path: Path) -> str:
    """The type of the file system of `path` if that is on another machine, else an empty text."""
    mounts = [mount for mount in psutil.disk_partitions(all=True) if path.is_relative_to(mount.mountpoint)]
    kind = max(mounts, key=lambda mount: len(mount.mountpoint)).fstype.lower() if mounts else ""
    return kind if kind.removeprefix("fuse.").startswith(_NETWORK) else ""


def warning(url: URL) -> str | None:
    """What is to be said of a database before a run begins; None: nothing."""
    if not is_sqlite(url):
        return None
    path = Path(str(url.database)).absolute()
    kind = network_file_system(path)
    if not kind:
        return None
    return (
        f"{path.name} lies on a network file system ({kind}), where SQLite may lock or lose data: "
        "name a local file or a PostgreSQL database with --storage"
    )


def is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def shown(url: URL) -> str:
    """The URL without its password."""
    return without_password(url.render_as_string(hide_password=True))


def folder(url: URL, otherwise: Path) -> Path:
    """Where the files of a study lie: beside an SQLite database, else in another folder."""
    local = is_sqlite(url) and not str(url.database).startswith("file:")
    return Path(str(url.database)).parent if local else otherwise.resolve()


def identity(url: URL) -> tuple[int, int] | None:
    """Which file an SQLite database is; None: no file, or none there."""
    try:
        found = Path(str(url.database)).stat() if is_sqlite(url) else None
    except OSError:
        return None
    return None if found is None else (found.st_dev, found.st_ino)


def connect(url: URL) -> Engine:
    """An engine for our own tables; nothing is connected yet. Raises StoreError if the driver is missing."""
    with reported(url):
        if not is_sqlite(url):
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
    options = {"connect_args": {"timeout": LOCK_TIMEOUT_S}} if is_sqlite(url) else _server_options(url)
    # Optuna reads braces as a template.
    text = url.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}")
    with reported(url):
        storage = optuna.storages.RDBStorage(text, engine_kwargs=options, skip_table_creation=reading)
        if is_sqlite(url) and not reading:
            event.listen(storage.engine, "connect", _configure)
            storage.engine.dispose()  # so that connections opened so far are configured too
        if not is_sqlite(url):
            _limit_sessions(storage.engine)
            storage.engine.dispose()
        return storage


def _limit_sessions(engine: Engine) -> None:
    if engine.dialect.name != "postgresql":
        return

    def configure(connection: Any, _: object) -> None:
        with connection.cursor() as cursor:
            for name, value in _OF_A_SESSION.items():
                cursor.execute(f"SET {name} = '{value}'")
        connection.commit()

    event.listen(engine, "connect", configure)


def _server_options(url: URL) -> dict[str, Any]:
    # A host that is gone says nothing: whoever waits for it must give up by himself.
    patience = {"connect_timeout": 10, "tcp_user_timeout": 30_000}
    to_postgres = {"connect_args": patience} if url.drivername == "postgresql+psycopg" else {}
    return {"pool_pre_ping": True, "pool_size": 2, **to_postgres}


def _configure(connection: sqlite3.Connection, _: object) -> None:
    for setting in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {setting}")


def _take_over_transactions(connection: sqlite3.Connection, _: object) -> None:
    # Left alone, Python's sqlite3 begins no transaction before it creates tables.
    connection.isolation_level = None


def _begin(connection: Connection) -> None:
    # A transaction that begins with reading and then writes may find the lock taken, and cannot wait for it.
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes: all of it or, where an exception leaves it, nothing."""
    with engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
        yield connection


@contextmanager
def opening(url: URL, engine: Engine) -> Iterator[None]:
    """Lets one process at a time create tables and begin studies."""
    number = int.from_bytes(hashlib.sha256(b"calibrate").digest()[:4], "big")
    if url.get_backend_name() == "postgresql":
        # No transaction: it would be idle meanwhile.
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(select(func.pg_advisory_lock(number)))
            try:
                yield
            finally:
                connection.execute(select(func.pg_advisory_unlock(number)))
        return
    # Not beside the database: what a run leaves there is results. The system frees it when a process dies.
    folder = Path(tempfile.gettempdir()) / f"calibrate-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    name = hashlib.sha256(shown(url).encode()).hexdigest()[:32]
    try:
        with FileLock(folder / f"{name}.lock").acquire(timeout=LOCK_TIMEOUT_S):
            yield
    except Timeout:
        raise StoreError(f"database {shown(url)}: {_MEANINGS['database is locked']}") from None


class Waits(Protocol):
    """What `patient` needs: whom to tell, and a place to note that a connection broke."""

    say: Callable[[str], None]
    broken: bool


_S = TypeVar("_S", bound=Waits)
_P = ParamSpec("_P")
_T = TypeVar("_T")


def patient(method: Callable[Concatenate[_S, _P], _T], /) -> Callable[Concatenate[_S, _P], _T]:
    """A method that may be done twice, done again while the database's server does not answer."""

    @functools.wraps(method)
    def again(self: _S, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        began, pause_s = time.monotonic(), 0.25
        while True:
            try:
                return method(self, *args, **kwargs)
            except StoreError as error:
                waited_s = time.monotonic() - began
                if not _is_unreachable(error) or waited_s + pause_s > SERVER_TIMEOUT_S:
                    raise
                if not self.broken:
                    self.say(f"waiting for the database's server: {error}")
                self.broken = True
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, 10.0)

    return again


def _is_unreachable(error: BaseException) -> bool:
    cause = _cause(error)
    return isinstance(cause, InterfaceError | OperationalError) and not isinstance(cause.orig, sqlite3.Error)


@contextmanager
def reported(url: URL) -> Iterator[None]:
    """Turns errors of the database into StoreErrors of one line."""
    try:
        yield
    except (SQLAlchemyError, optuna.exceptions.OptunaError, sqlite3.Error) as error:
        raise StoreError(f"database {shown(url)}: {_meaning(error, url)}") from error
    except ImportError as error:
        raise StoreError(
            f"database {shown(url)}: its driver is not installed ({error}); "
            "for PostgreSQL: pip install 'calibrate-snn[postgres]'"
        ) from error


@contextmanager
def understood(url: URL) -> Iterator[None]:
    """As `reported`; what is read here may also be damaged, or not have been written by calibrate."""
    with reported(url):
        try:
            yield
        except (
            ArithmeticError,
            AssertionError,
            AttributeError,
            LookupError,
            RecursionError,
            TypeError,
            ValueError,
        ) as error:
            what = without_passwords(" ".join(str(error).split()) or type(error).__name__)
            raise StoreError(
                f"database {shown(url)} holds what calibrate did not write, or was damaged: {what[:300]}"
            ) from error


_MEANINGS = {
    "unable to open database file": "cannot be opened; check that its folder is there and can be written",
    "readonly database": "is read-only; check the permissions of the file and its folder",
    "disk is full": "the disk is full; make room and run again: finished trials are kept",
    "disk i/o error": "the disk reported an error; run again when it is back: finished trials are kept",
    "not a database": "the file is not an SQLite database; name another one with --storage",
    "malformed": "the file is damaged; name another one with --storage",
    "database is locked": f"another process has held it for {LOCK_TIMEOUT_S:g} s; try again",
}


def _cause(error: BaseException) -> BaseException | None:
    """The database's own error behind another one."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, DBAPIError | sqlite3.Error | NoSuchModuleError):
        cause = cause.__cause__ or cause.__context__
    return cause


def _meaning(error: BaseException, url: URL) -> str:
    found = _cause(error) or error
    text = str(found.orig if isinstance(found, DBAPIError) else found)
    for sign, meaning in _MEANINGS.items():
        if is_sqlite(url) and sign in text.lower():
            return meaning
    return " ".join(without_passwords(text).split()) or type(error).__name__
