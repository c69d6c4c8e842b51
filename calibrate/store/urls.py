"""The URL of a study's database: what it names, and how it may be shown."""

from __future__ import annotations

from pathlib import Path

import psutil
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from calibrate.errors import StoreError
from calibrate.masking import keep_secret, without_password


def parse(url: str, folder: Path) -> URL:
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


def mask(url: URL) -> str:
    """The URL without its password."""
    return without_password(url.render_as_string(hide_password=True))


def folder_of(url: URL, otherwise: Path) -> Path:
    """Where the files of a study lie: beside an SQLite database, else in another folder."""
    local = is_sqlite(url) and not str(url.database).startswith("file:")
    return Path(str(url.database)).parent if local else otherwise.resolve()


def identify(url: URL) -> tuple[int, int] | None:
    """Which file an SQLite database is; None: no file, or none there."""
    try:
        found = Path(str(url.database)).stat() if is_sqlite(url) else None
    except OSError:
        return None
    return None if found is None else (found.st_dev, found.st_ino)
