"""What code a study file names, told without running any of it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any


def code_of(path: Path) -> list[str]:
    """The references "file.py:Name" and "package.module:Name" in a study file, in its order.

    Reading a study imports them; all else in the file is data. Empty for what is no TOML: that is said when
    the study is read.
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
        named += [one.get("statistic") for one in _tables(tables.get(table))]
    return list(dict.fromkeys(name for name in named if isinstance(name, str) and ":" in name))


def _tables(found: Any) -> list[dict[str, Any]]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
