"""From what was typed to what it means: studies, settings, simulators."""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from calibrate import simulators
from calibrate.cli import tables
from calibrate.errors import CalibrateError, ModelError
from calibrate.masking import without_password
from calibrate.study import Study, read_study


def read(path: Path, changes: Mapping[str, object], *, searched: bool = True) -> Study:
    """The study in the file at `path`, with what options say (None: nothing) in place of its keys."""
    made = {key: value for key, value in changes.items() if value is not None}
    return read_study(path, changes=made, searched=searched)


def with_simulator(study: Study, console: Console, *, quiet: bool) -> Study:
    """`study` with a simulator that is here in place of "auto", which is said."""
    asked = study.simulation.backend
    backend = simulators.choose(asked)
    if asked == "auto" and not quiet:
        tables.print_line(console, f"Simulating with {backend}.")
    return study.on(backend)


def settings(study: Study, given: Sequence[str]) -> dict[str, Any]:
    """The values of --set NAME=VALUE, as the model takes them."""
    values: dict[str, Any] = {}
    for setting in given:
        name, equals, text = setting.partition("=")
        name, text = name.strip().strip("\"'"), text.strip()
        if not equals or not name or not text:
            raise CalibrateError(f"--set {setting}: write NAME=VALUE")
        try:
            values[name] = study.model.parameter(name).checked(_value(text))
        except ModelError as error:
            raise CalibrateError(f"--set {setting}: {error}") from None
    return values


def _value(text: str) -> Any:
    """What `text` says in TOML or as a number (TOML knows no .75); else itself."""
    with contextlib.suppress(tomllib.TOMLDecodeError):
        return tomllib.loads(f"value = {text}")["value"]
    with contextlib.suppress(ValueError):
        return float(text)
    return text


def hidden(url: str) -> str:
    """A database URL without its password."""
    from sqlalchemy import make_url

    return without_password(make_url(url).render_as_string(hide_password=True))
