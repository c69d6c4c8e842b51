"""Errors of databases, explained in one line."""

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

# How long to wait for a lock that another process holds (s).
LOCK_TIMEOUT_S = 20.0


def is_unreachable(error: BaseException) -> bool:
    cause = _cause(error)
    return isinstance(cause, InterfaceError | OperationalError) and not isinstance(cause.orig, sqlite3.Error)


@contextmanager
def translating_errors(url: URL) -> Iterator[None]:
    """Convert errors of the database into StoreErrors of one line."""
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
    """As `translating_errors`, for reading data that may be damaged or written by another program."""
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
                f"database {urls.mask(url)} is damaged, or calibrate did not write it: {what[:300]}"
            ) from error


MEANINGS = {
    "unable to open database file": "cannot be opened; check that its folder exists and is writable",
    "readonly database": "is read-only; check the permissions of the file and its folder",
    "disk is full": "the disk is full; free some space and run again: finished trials are stored",
    "disk i/o error": "the disk reported an error; run again when it works: finished trials are stored",
    "not a database": "the file is not an SQLite database; name another one with --storage",
    "malformed": "the file is damaged; name another one with --storage",
    "database is locked": f"another process has locked it for {LOCK_TIMEOUT_S:g} s; try again",
}


def _cause(error: BaseException) -> BaseException | None:
    """The error of the database that caused `error`, if there is one."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, DBAPIError | sqlite3.Error | NoSuchModuleError):
        cause = cause.__cause__ or cause.__context__
    return cause


def _meaning(error: BaseException, url: URL) -> str:
    cause = _cause(error) or error
    text = str(cause.orig if isinstance(cause, DBAPIError) else cause)
    for sign, meaning in MEANINGS.items():
        if urls.is_sqlite(url) and sign in text.lower():
            return meaning
    return " ".join(without_passwords(text).split()) or type(error).__name__
