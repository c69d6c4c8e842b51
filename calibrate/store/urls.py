"""The URL of a study's database: what it refers to, and how to print it."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from calibrate.errors import StoreError
from calibrate.masking import keep_secret, without_password


def parse(url: str, folder: Path) -> URL:
    """The database that `url` refers to; paths of SQLite files are relative to `folder`.

    Raises StoreError if it is not the URL of a database, or if the database would be in memory only.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # ValueError: the port is not a number
        raise StoreError(
            f"'{without_password(url)}' is not the URL of a database; "
            "write sqlite:///FILE.db or postgresql://USER@HOST/NAME"
        ) from None
    if parsed.password:
        keep_secret(str(parsed.password))
    if parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if not is_sqlite(parsed):
        if "@" in f"{parsed.host}{parsed.database}":  # then the first one is part of the password
            raise StoreError(
                f"'{without_password(url)}' has a second @: in a password, write %40 for @ "
                "(and %2F for /, %3A for :, %25 for %)"
            )
        return parsed
    if parsed.database in (None, "", ":memory:"):
        raise StoreError(f"'{without_password(url)}' does not name a file; write sqlite:///FILE.db")
    if str(parsed.database).startswith("file:"):
        return parsed
    path = folder / str(parsed.database)
    try:
        exists = path.parent.is_dir()
    except OSError as error:
        raise StoreError(f"invalid name of a database: {error.strerror}") from None
    if not exists:
        raise StoreError(f"there is no folder {path.parent} for the database {path.name}; create it first")
    return parsed.set(database=str(path))


# File systems that several computers share, on which locks and memory maps are unreliable. The type of a file
# system that is mounted by FUSE has a prefix.
_NETWORK = ("nfs", "cifs", "smb", "afs", "lustre", "gpfs", "beegfs", "ceph", "gluster", "sshfs", "9p")


def network_file_system(path: Path) -> str:
    """The type of the file system of `path` if it is a network file system, else an empty string."""
    mounts = [mount for mount in psutil.disk_partitions(all=True) if path.is_relative_to(mount.mountpoint)]
    kind = max(mounts, key=lambda mount: len(mount.mountpoint)).fstype.lower() if mounts else ""
    return kind if kind.removeprefix("fuse.").startswith(_NETWORK) else ""


def warning(url: URL) -> str | None:
    """A warning about the database before a run begins; None if there is none."""
    if not is_sqlite(url):
        return None
    path = Path(str(url.database)).absolute()
    kind = network_file_system(path)
    if not kind:
        return None
    return (
        f"{path.name} is on a network file system ({kind}), where SQLite can block or lose data: "
        "name a local file or a PostgreSQL database with --storage"
    )


def is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def mask(url: URL) -> str:
    """The URL without its password."""
    return without_password(url.render_as_string(hide_password=True))


def folder_of(url: URL, otherwise: Path) -> Path:
    """The folder of a study's files: that of its SQLite database, else the folder `otherwise`."""
    local = is_sqlite(url) and not str(url.database).startswith("file:")
    return Path(str(url.database)).parent if local else otherwise.resolve()


def read_only(url: URL) -> URL | None:
    """The URL for reading an SQLite file that this user cannot write to; None for any other database.

    SQLite needs to write beside a database with a write-ahead log even to read it, unless it is told that
    nobody writes (immutable) or finds the files of a run that writes (mode=ro).
    """
    if not is_sqlite(url) or str(url.database).startswith("file:"):
        return None
    path = Path(str(url.database)).absolute()
    if not path.is_file() or (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        return None
    log = path.with_name(f"{path.name}-wal")
    being_written = log.exists() and log.stat().st_size > 0
    mode = {"mode": "ro"} if being_written else {"immutable": "1"}
    return URL.create("sqlite", database=path.as_uri(), query={**mode, "uri": "true"})


def identify(url: URL) -> tuple[int, int] | None:
    """Device and inode of an SQLite file; None if the database is not a file or does not exist."""
    try:
        status = Path(str(url.database)).stat() if is_sqlite(url) else None
    except OSError:
        return None
    return None if status is None else (status.st_dev, status.st_ino)


def check_identity(url: URL, expected: tuple[int, int] | None) -> None:
    """Raise StoreError if an SQLite file is not the `expected` one that was opened: writes would be lost."""
    if expected is not None and identify(url) != expected:
        raise StoreError(
            f"the database {mask(url)} was removed or replaced during this run; put it back and run "
            "again: the results in it are kept"
        )
