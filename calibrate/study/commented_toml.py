"""TOML for people: tables in which every key stands, with its meaning behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from calibrate.study.file.base import Section

# Column in which comments begin.
COLUMN = 44


def table(
    header: str,
    section: type[Section],
    written: Mapping[str, Any],
    *,
    meanings: Mapping[str, str] | None = None,
    off: bool = False,
) -> Iterator[str]:
    """Write a table with all its keys: those in `written`, and comments that show the other defaults.

    header    its name in brackets
    meanings  what is said of a key, if it is not the description in the section
    off       the whole table is a comment: an example
    """
    yield "# " * off + header
    for key, field in section.model_fields.items():
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        value = written.get(key, default)
        meaning = (meanings or {}).get(key, field.description or "")
        yield line(key, value, meaning, shown_only=off or key not in written)
    yield ""


def line(key: str, value: object, meaning: str, *, shown_only: bool = False) -> str:
    """Write a key, with its meaning as a comment; `shown_only`: the key is a comment too."""
    setting = f"{_key(key)} = {'...' if value is None else toml(value)}"
    return f"{'# ' * shown_only + setting:<{COLUMN - 2}}  # {' '.join(meaning.split())}"


def toml(value: object) -> str:
    """Write a value."""
    if isinstance(value, Mapping):
        items = ", ".join(f"{_key(str(key))} = {toml(item)}" for key, item in value.items())
        return f"{{ {items} }}" if items else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    return json.dumps(value, ensure_ascii=False)  # numbers, strings and booleans look as in JSON


def _key(name: str) -> str:
    """Write a key, in quotes if it has special characters."""
    bare = name.replace("_", "").replace("-", "").isalnum() and name.isascii()
    return name if bare else json.dumps(name, ensure_ascii=False)
