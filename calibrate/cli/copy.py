"""`calibrate copy`."""

from __future__ import annotations

from typing import Annotated

import typer

from calibrate.cli.arguments import hide_password
from calibrate.cli.options import StudyFile
from calibrate.cli.output import Output
from calibrate.store import copy_study, storage_url


def copy(
    *,
    to: Annotated[str, typer.Option("--to", help="URL of the target database.", metavar="URL")],
    file: StudyFile,
    output: Output,
) -> None:
    """Copy a study and all its simulations to another database; continue there with --storage."""
    study, url = file.find()
    target = storage_url(study, to)
    copied = copy_study(study, url, target)
    if output.as_json:
        output.emit({"name": study.name, "storage": hide_password(target), **copied})
    else:
        counts = ", ".join(f"{count:,} {name}" for name, count in copied.items())
        output.print(f"Copied study {study.name} to {hide_password(target)}: {counts}")
