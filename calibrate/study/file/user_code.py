"""The code that a study file names, found without running any of it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from calibrate.plugins import imported_beside


def code_of(path: Path) -> list[str]:
    """Return the references "file.py:Name" and "package.module:Name" in a study file, in order.

    The files that are imported from beside such files follow.

    Reading a study imports them; everything else in the file is data. Empty for a file that is not TOML,
    which is reported when the study is read.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return []
    model = tables.get("model")
    named = [model.get("name")] if isinstance(model, dict) else []
    loop = tables.get("loop")
    named += [loop.get("environment")] if isinstance(loop, dict) else []
    for table in ("objectives", "constraints"):
        named += [section.get("statistic") for section in _tables(tables.get(table))]
    references = [name for name in named if isinstance(name, str) and ":" in name]
    files = [path.parent / name.rpartition(":")[0] for name in references]
    imported = [beside.name for file in files if file.is_file() for beside in imported_beside(file)]
    return list(dict.fromkeys([*references, *imported]))


def _tables(value: Any) -> list[dict[str, Any]]:
    return [table for table in value if isinstance(table, dict)] if isinstance(value, list) else []
