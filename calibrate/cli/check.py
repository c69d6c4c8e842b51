"""`calibrate check`."""

from __future__ import annotations

from typing import Annotated

import typer

from calibrate import simulators
from calibrate.calibration.resources.estimate import estimate
from calibrate.calibration.study_pool import warnings_of
from calibrate.cli import tables
from calibrate.cli.arguments import hidden, read
from calibrate.cli.options import Backend, Debug, Json, Storage, StudyPath
from calibrate.cli.output import errors, output
from calibrate.errors import SimulatorError
from calibrate.store import storage_url
from calibrate.study.file.user_code import code_of


def check(
    study: StudyPath,
    backend: Backend = None,
    storage: Storage = None,
    fast: Annotated[bool, typer.Option("--fast", help="Do not time a short simulation.")] = False,
    json_: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Check a study file and estimate what it costs here; nothing is written."""
    with output(json_) as (emit, console):
        messages = errors()
        if code := code_of(study):  # before any of it is imported
            tables.print_line(messages, f"This study runs code: {', '.join(code)}")
        found = read(study, {"simulation.backend": backend})
        url = storage_url(found, storage)
        try:
            ready = found.on(simulators.choose(found.simulation.backend))
        except SimulatorError as error:
            tables.print_warnings(messages, [*found.warnings, str(error)])
            ready, cost = found, None
        else:
            tables.print_warnings(messages, warnings_of(ready))
            cost = None
            try:
                cost = estimate(ready, timed=not fast)
            except SimulatorError as error:
                tables.print_warnings(messages, [str(error)])
        if json_:
            emit(tables.check_json(ready, cost))
            return
        console.print("OK", style="bold green", end=" ")
        tables.print_line(console, f"{study}")
        tables.print_check(console, ready, cost, database=hidden(url))
