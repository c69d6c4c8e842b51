"""Testing whether a database is writable, without leaving a trace."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path

from sqlalchemy import URL

from calibrate.errors import StoreError
from calibrate.store import connections, database_errors


def write_sqlite(path: Path, url: URL) -> None:
    """Write to the database file and roll back; if there is none, write to a temporary one in its folder.

    Raises StoreError.
    """
    if not path.exists():
        try:
            with tempfile.TemporaryDirectory(prefix=".calibrate-doctor-", dir=path.parent) as folder:
                write(url.set(database=str(Path(folder) / "probe.db")))
        except OSError as error:
            raise StoreError(f"cannot write to {path.parent}: {error.strerror}") from error
        return
    # Not with `connections.connect`: that would change the journal mode of the file.
    with database_errors.translating_errors(url):
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw",
            uri=True,
            isolation_level=None,
            timeout=database_errors.LOCK_TIMEOUT_S,
        )
        try:
            for statement in ("BEGIN IMMEDIATE", "CREATE TABLE calibrate_doctor (x INTEGER)", "ROLLBACK"):
                connection.execute(statement)
        finally:
            connection.close()


def write(url: URL) -> None:
    """Create a table and drop it. Raises StoreError."""
    engine = connections.connect(url)
    try:
        with database_errors.translating_errors(url), connections.writing(engine) as connection:
            connection.exec_driver_sql("CREATE TABLE calibrate_doctor (x INTEGER)")
            connection.exec_driver_sql("DROP TABLE calibrate_doctor")
    finally:
        engine.dispose()
