"""`calibrate doctor`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from calibrate.cli.exits import FailedError
from calibrate.cli.output import Output
from calibrate.store import urls
from calibrate.store.study_names import ENVIRONMENT
from calibrate.tasks import doctor as checks
from calibrate.tasks.doctor import Check
from calibrate.tasks.lines import print_line

_STYLES = {"ok": "green", "optional": "dim", "missing": "yellow", "broken": "red"}


def doctor(
    *,
    storage: Annotated[
        str | None,
        typer.Option(
            help="Database URL (default: $OPTUNA_STORAGE, else a file in the current folder).", metavar="URL"
        ),
    ] = None,
    fast: Annotated[bool, typer.Option("--fast", help="Skip the test simulations.")] = False,
    output: Output,
) -> None:
    """Check what is installed and working on this machine. Leaves no files behind."""
    asked = storage or os.environ.get(ENVIRONMENT)
    url = urls.parse(asked, Path.cwd()) if asked else None
    results: dict[str, Check] = {}
    with output.messages.status("") as status:
        for name, check in checks.examine(storage=url, fast=fast):
            status.update(f"{name} ...")
            results[name] = check()
    if output.as_json:
        output.emit(checks.as_json(results))
    else:
        _print(output.console, results)
    if not any(results[name].state == "ok" for name in checks.SIMULATORS):
        raise FailedError("no simulator works here")
    if not checks.works(results):
        raise FailedError("the database cannot be used")


def _print(console: Console, results: dict[str, Check]) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in results.values():
        lines = Text(check.detail)
        if check.remedy:
            lines.append(f"\n-> {check.remedy}", "cyan")
        table.add_row(Text(check.state, _STYLES[check.state]), Text(check.name, "bold"), lines)
    console.print(table)
    if checks.works(results):
        print_line(console, "Studies can run here.")
