"""Connections to the database of a study, and what its errors mean in one line."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import psutil
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from calibrate.errors import StoreError
from calibrate.masking import keep_secret, without_password, without_passwords

# Another process that writes is waited for so long.
LOCK_TIMEOUT_S = 20.0

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


# Where several computers may see one file, and locks and memory maps cannot be relied on.
NETWORK = ("nfs", "cifs", "smb", "afs", "lustre", "gpfs", "beegfs", "ceph", "glusterfs", "fuse.sshfs", "9p")


def warning(url: URL) -> str | None:
    """What is to be said of a database before a run begins; None: nothing."""
    if not is_sqlite(url):
        return None
    path = Path(str(url.database)).absolute()
    mounts = [one for one in psutil.disk_partitions(all=True) if path.is_relative_to(one.mountpoint)]
    kind = max(mounts, key=lambda one: len(one.mountpoint)).fstype.lower() if mounts else ""
    if not kind.startswith(NETWORK):
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


def connect(url: URL) -> Engine:
    """An engine for our own tables; nothing is connected yet. Raises StoreError if the driver is missing."""
    with reported(url):
        if not is_sqlite(url):
            return create_engine(url, pool_pre_ping=True, pool_size=2)
        engine = create_engine(url, connect_args={"timeout": LOCK_TIMEOUT_S})
        event.listen(engine, "connect", _configure)
        event.listen(engine, "connect", _take_over_transactions)
        event.listen(engine, "begin", _begin)
        return engine


def optuna_storage(url: URL, *, reading: bool = False) -> optuna.storages.RDBStorage:
    """Optuna's own storage in the same database; creates its tables unless `reading`. Raises StoreError."""
    options: dict[str, Any] = {"connect_args": {"timeout": LOCK_TIMEOUT_S}}
    if not is_sqlite(url):
        options = {"pool_pre_ping": True, "pool_size": 2}
    # Optuna reads braces as a template.
    text = url.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}")
    with reported(url):
        storage = optuna.storages.RDBStorage(text, engine_kwargs=options, skip_table_creation=reading)
        if is_sqlite(url) and not reading:
            event.listen(storage.engine, "connect", _configure)
            storage.engine.dispose()  # so that connections opened so far are configured too
        return storage


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


_MEANINGS = {
    "unable to open database file": "cannot be opened; check that its folder is there and can be written",
    "readonly database": "is read-only; check the permissions of the file and its folder",
    "disk is full": "the disk is full; make room and run again: finished trials are kept",
    "disk i/o error": "the disk reported an error; run again when it is back: finished trials are kept",
    "not a database": "the file is not an SQLite database; name another one with --storage",
    "malformed": "the file is damaged; name another one with --storage",
    "database is locked": f"another process has held it for {LOCK_TIMEOUT_S:g} s; try again",
}


def _meaning(error: BaseException, url: URL) -> str:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, DBAPIError | sqlite3.Error | NoSuchModuleError):
        cause = cause.__cause__
    found = cause or error
    text = str(found.orig if isinstance(found, DBAPIError) else found)
    for sign, meaning in _MEANINGS.items():
        if is_sqlite(url) and sign in text.lower():
            return meaning
    return " ".join(without_passwords(text).split()) or type(error).__name__
