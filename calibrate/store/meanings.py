"""What the errors of a database mean, in one line."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import optuna
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, InterfaceError, NoSuchModuleError, OperationalError, SQLAlchemyError

from calibrate.errors import StoreError
from calibrate.masking import without_passwords
from calibrate.store import urls

# How long to wait for another process that writes (s).
LOCK_TIMEOUT_S = 20.0


def is_unreachable(error: BaseException) -> bool:
    cause = _cause(error)
    return isinstance(cause, InterfaceError | OperationalError) and not isinstance(cause.orig, sqlite3.Error)


@contextmanager
def translating_errors(url: URL) -> Iterator[None]:
    """Turns errors of the database into StoreErrors of one line."""
    try:
        yield
    except (SQLAlchemyError, optuna.exceptions.OptunaError, sqlite3.Error) as error:
        raise StoreError(f"database {urls.mask(url)}: {_meaning(error, url)}") from error
    except ImportError as error:
        raise StoreError(
            f"database {urls.mask(url)}: its driver is not installed ({error}); "
            "for PostgreSQL: pip install 'calibrate-snn[postgres]'"
        ) from error


@contextmanager
def translating_damage(url: URL) -> Iterator[None]:
    """As `translating_errors`, for reading what may be damaged, or not written by calibrate."""
    with translating_errors(url):
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
                f"database {urls.mask(url)} holds what calibrate did not write, or was damaged: {what[:300]}"
            ) from error


MEANINGS = {
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
    for sign, meaning in MEANINGS.items():
        if urls.is_sqlite(url) and sign in text.lower():
            return meaning
    return " ".join(without_passwords(text).split()) or type(error).__name__
