"""`calibrate doctor`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from calibrate.cli import tables
from calibrate.cli.options import Debug, Json, Storage
from calibrate.cli.output import FailedError, errors, output
from calibrate.store import urls
from calibrate.store.naming import ENVIRONMENT
from calibrate.tasks import doctor as checks
from calibrate.tasks.doctor import Check

_STYLES = {"ok": "green", "optional": "dim", "missing": "yellow", "broken": "red"}


def doctor(
    storage: Storage = None,
    fast: Annotated[bool, typer.Option("--fast", help="Simulate nothing.")] = False,
    json_: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Check what is installed and working on this machine. Leaves no files behind."""
    with output(json_) as (emit, console):
        asked = storage or os.environ.get(ENVIRONMENT)
        url = urls.parse(asked, Path.cwd()) if asked else None
        found: dict[str, Check] = {}
        with errors().status("") as status:
            for name, check in checks.examine(storage=url, fast=fast):
                status.update(f"{name} ...")
                found[name] = check()
        if json_:
            emit(checks.as_json(found))
        else:
            _print(console, found)
        if not any(found[name].state == "ok" for name in checks.SIMULATORS):
            raise FailedError("no simulator works here")
        if not checks.works(found):
            raise FailedError("the database cannot be used")


def _print(console: Console, found: dict[str, Check]) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in found.values():
        lines = Text(check.detail)
        if check.remedy:
            lines.append(f"\n-> {check.remedy}", "cyan")
        table.add_row(Text(check.state, _STYLES[check.state]), Text(check.name, "bold"), lines)
    console.print(table)
    if checks.works(found):
        tables.print_line(console, "Studies can run here.")
