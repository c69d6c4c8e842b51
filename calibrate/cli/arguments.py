"""From the text of arguments to studies, parameters and simulators."""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from calibrate import simulators
from calibrate.errors import CalibrateError, ModelError
from calibrate.masking import without_password
from calibrate.study import Study, read_study


def read(path: Path, changes: Mapping[str, object], *, searched: bool = True) -> Study:
    """Read the study file at `path`, with the `changes` to its keys that are not None."""
    return read_study(path, changes=given(changes), searched=searched)


def given(changes: Mapping[str, object]) -> dict[str, object]:
    """Return the changes that are not None."""
    return {key: value for key, value in changes.items() if value is not None}


def with_simulator(study: Study, say: Callable[[str], None]) -> Study:
    """Replace the back end "auto" by an installed one, and report which."""
    asked = study.simulation.backend
    backend = simulators.choose(asked, study.network)
    if asked == "auto":
        own = study.model.simulation
        say(f"Simulating with {backend if own is None else own.name}.")
    return study.on(backend)


def parse_settings(study: Study, settings: Sequence[str]) -> dict[str, Any]:
    """Parse and check the values of --set NAME=VALUE."""
    values: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        name, text = name.strip().strip("\"'"), text.strip()
        if not equals or not name or not text:
            raise CalibrateError(f"--set {setting}: write NAME=VALUE")
        try:
            values[name] = study.model.parameter(name).checked(_parse_value(text))
        except ModelError as error:
            raise CalibrateError(f"--set {setting}: {error}") from None
    return values


def parse_limits(settings: Sequence[str]) -> dict[str, Any]:
    """Parse the values of --limit NAME=VALUE, which the platform checks."""
    values: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = (part.strip() for part in setting.partition("="))
        if not equals or not name or not text:
            raise CalibrateError(f"--limit {setting}: write NAME=VALUE")
        values[name] = _parse_value(text)
    return values


def _parse_value(text: str) -> Any:
    """Parse `text` as TOML or as a number (.75 is not valid TOML); otherwise it is a string."""
    with contextlib.suppress(tomllib.TOMLDecodeError):
        return tomllib.loads(f"value = {text}")["value"]
    with contextlib.suppress(ValueError):
        return float(text)
    return text


def hide_password(url: str) -> str:
    """Mask the password in a database URL."""
    from sqlalchemy import make_url

    return without_password(make_url(url).render_as_string(hide_password=True))
