"""Whether a database can be written, found out without leaving a trace."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path

import psutil
from sqlalchemy import URL

from calibrate.errors import StoreError
from calibrate.store import database

NETWORK_FILE_SYSTEMS = (
    "nfs", "cifs", "smb", "afs", "lustre", "gpfs", "beegfs", "ceph", "gluster", "9p", "fuse.sshfs"
)  # fmt: skip


def write_sqlite(path: Path, url: URL) -> None:
    """Write into the file and take it back; where there is none, into another one in its folder.

    Raises StoreError.
    """
    if not path.exists():
        try:
            with tempfile.TemporaryDirectory(prefix=".calibrate-doctor-", dir=path.parent) as folder:
                write(url.set(database=str(Path(folder) / "probe.db")))
        except OSError as error:
            raise StoreError(f"{path.parent} cannot be written: {error.strerror}") from error
        return
    # Not as studies open it: that would change its journal.
    with database.reported(url):
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw",
            uri=True,
            isolation_level=None,
            timeout=database.LOCK_TIMEOUT_S,
        )
        try:
            for statement in ("BEGIN IMMEDIATE", "CREATE TABLE calibrate_doctor (x INTEGER)", "ROLLBACK"):
                connection.execute(statement)
        finally:
            connection.close()


def write(url: URL) -> None:
    """Make a table and drop it. Raises StoreError."""
    engine = database.connect(url)
    try:
        with database.reported(url), database.writing(engine) as connection:
            connection.exec_driver_sql("CREATE TABLE calibrate_doctor (x INTEGER)")
            connection.exec_driver_sql("DROP TABLE calibrate_doctor")
    finally:
        engine.dispose()


def network_file_system(folder: Path) -> str:
    """The type of the file system of `folder` where that is on another machine, else an empty text."""
    mounts = {Path(mount.mountpoint): mount.fstype for mount in psutil.disk_partitions(all=True)}
    place = next((parent for parent in (folder, *folder.parents) if parent in mounts), None)
    kind = mounts[place] if place else ""
    return kind if kind.startswith(NETWORK_FILE_SYSTEMS) else ""
