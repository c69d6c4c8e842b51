"""The text of a study file, and what it says about where results are."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from calibrate.errors import StudyError
from calibrate.masking import without_password, without_passwords
from calibrate.study.file.problems import Place, Problems, key_lines, syntax_problem
from calibrate.study.file.sections import StorageSection
from calibrate.study.file.toml_tables import read_tables
from calibrate.study.identity import data_files


@dataclass(frozen=True)
class StudyText:
    """The tables of a study, and the text they come from, without a password; `lines` are those of keys."""

    path: Path
    text: str
    tables: Mapping[str, Any]
    lines: Mapping[Place, int]


def read_text(path: Path, changes: Mapping[str, object] | None) -> StudyText:
    """Read a study file, with the `changes` to its keys. Raises StudyError if it is not valid TOML."""
    text = _text(path)
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise StudyError(syntax_problem(error, text, str(path))) from None
    except (ValueError, RecursionError):  # Python's parser rejects these without giving the line
        rule = "[TOML] not valid: a number with thousands of digits, or lists nested as deeply"
        raise StudyError(f"{path}: {rule}; shorten it") from None
    lines = key_lines(text)
    text = without_password_of(text, tables)
    for key, value in (changes or {}).items():
        table, _, name = key.partition(".")
        if isinstance(tables.setdefault(table, {}), dict):
            tables[table][name] = value
            lines.pop((table, name), None)
    return StudyText(path, text, tables, lines)


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError:
        raise StudyError(f"{path}: the study file does not exist") from None
    except IsADirectoryError:
        raise StudyError(f"{path}: is a folder, not a TOML file") from None
    except UnicodeDecodeError as error:
        raise StudyError(f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise StudyError(f"{path}: cannot be read: {error.strerror}") from None


def without_password_of(text: str, tables: Mapping[str, Any]) -> str:
    """Return the text of a study file without the password of its database, safe to store and print."""
    masked = without_passwords(text)
    storage = tables.get("storage")
    url = storage.get("url") if isinstance(storage, dict) else None
    if not isinstance(url, str) or without_password(url) == url:
        return masked
    masked = masked.replace(url, without_password(url))
    masked_tables = tomllib.loads(masked)
    # The file can contain the URL with escapes, such as "\u0040" for @.
    if masked_tables["storage"]["url"] != without_password(url):
        masked_tables["storage"]["url"] = without_password(url)
        return tomli_w.dumps(masked_tables)
    return masked


@dataclass(frozen=True)
class Outline:
    """What a study file says about where its results are, without anything that it names.

    data     names of its data files
    missing  names of those that do not exist
    """

    path: Path
    name: str
    storage: StorageSection
    data: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """Folder of the study file."""
        return self.path.parent


def read_outline(path: Path | str, *, changes: Mapping[str, object] | None = None) -> Outline | None:
    """Read the outline of a study; None if a table of it breaks a rule. Raises StudyError as `read_study`."""
    text = read_text(Path(path), changes)
    file = read_tables(Problems(), text.tables)
    if file is None:
        return None
    data = tuple(data_files(file))
    missing = tuple(name for name in data if not (text.path.parent / name).exists())
    return Outline(text.path, file.study.name or text.path.stem, file.storage, data, missing)
