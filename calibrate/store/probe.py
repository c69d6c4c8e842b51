"""Whether a database can be written, found out without leaving a trace."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path

from sqlalchemy import URL

from calibrate.errors import StoreError
from calibrate.store import database


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
