"""`calibrate copy`."""

from __future__ import annotations

from typing import Annotated

import typer

from calibrate.cli import tables
from calibrate.cli.arguments import hidden, read
from calibrate.cli.options import Backend, Debug, Json, Storage, StudyPath
from calibrate.cli.output import output
from calibrate.store import copy_study, find, storage_url


def copy(
    study: StudyPath,
    to: Annotated[str, typer.Option("--to", help="URL of the other database.", metavar="URL")],
    backend: Backend = None,
    storage: Storage = None,
    json_: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Copy a study to another database, with all that it simulated; runs go on there with --storage."""
    with output(json_) as (emit, console):
        found = read(study, {"simulation.backend": backend}, searched=False)
        url = storage_url(found, storage)
        ready = find(found, url)
        copied = copy_study(ready, url, storage_url(ready, to))
        shown = hidden(storage_url(ready, to))
        if json_:
            emit({"name": ready.name, "storage": shown, **copied})
        else:
            what = ", ".join(f"{n:,} {name}" for name, n in copied.items())
            tables.print_line(console, f"Study {ready.name} is in {shown} now: {what}")
