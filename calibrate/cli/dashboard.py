"""`calibrate dashboard`."""

from __future__ import annotations

from typing import Annotated

import typer

from calibrate.cli.options import StudyFile
from calibrate.cli.output import Messages


def dashboard(
    *,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port (default: first free port from 8080).")
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on. Any address other than a loopback address gives everyone on the "
            "network access."
        ),
    ] = "127.0.0.1",
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the dashboard in a browser.")
    ] = True,
    file: StudyFile,
    output: Messages,
) -> None:
    """Open Optuna's dashboard on a study, also during a run, with figures of its best trials."""
    study, url = file.find()
    from calibrate.report.dashboard import serve  # matplotlib takes half a second

    serve(study, url, host=host, port=port, browser=browser, say=output.say)
