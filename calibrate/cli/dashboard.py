"""`calibrate dashboard`."""

from __future__ import annotations

from typing import Annotated

import typer

from calibrate.cli import tables
from calibrate.cli.arguments import read
from calibrate.cli.options import Backend, Debug, Storage, StudyPath
from calibrate.cli.output import errors
from calibrate.store import find, storage_url


def dashboard(
    study: StudyPath,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port (default: the first free one from 8080 on).")
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on. Any but a loopback address gives everyone on the network access."
        ),
    ] = "127.0.0.1",
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open it in a browser.")] = True,
    backend: Backend = None,
    storage: Storage = None,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Open Optuna's dashboard on a study, during a run too, with the pictures of its best trials."""
    found = read(study, {"simulation.backend": backend}, searched=False)
    url = storage_url(found, storage)
    ready = find(found, url)
    from calibrate.report.dashboard import serve  # matplotlib takes half a second

    messages = errors()
    serve(
        ready,
        url,
        host=host,
        port=port,
        browser=browser,
        say=lambda line: tables.print_line(messages, line),
    )
