"""`calibrate report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calibrate.cli.exits import FailedError
from calibrate.cli.options import StudyFile
from calibrate.cli.output import QuietOutput
from calibrate.errors import CalibrateError, SimulatorError


def report(
    *,
    to: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="HTML page (default: STUDY.html next to the study).", metavar="FILE"
        ),
    ] = None,
    figures: Annotated[
        Path | None,
        typer.Option(help="Also write the figures to this folder, as PNG and PDF.", metavar="FOLDER"),
    ] = None,
    simulation: Annotated[
        bool,
        typer.Option(
            "--simulation/--no-simulation",
            help="Simulate the best network again for its raster plot if its spikes were not stored.",
        ),
    ] = True,
    file: StudyFile,
    output: QuietOutput,
) -> None:
    """Write a one-page report of a study: targets, activity, search, verdict and methods."""
    results = file.results()
    path = to or file.path.with_name(f"{results.study.name}.html")
    if path.is_dir():
        raise CalibrateError(f"cannot write the report {path}: it is a folder")
    if not path.parent.is_dir():
        raise CalibrateError(f"cannot write the report {path}: the folder {path.parent} does not exist")
    from calibrate.report import make_report, write_figures, write_report  # matplotlib takes half a second

    try:
        page = make_report(results, simulate=simulation, say=output.say)
    except SimulatorError as error:
        raise FailedError(f"{error}; --no-simulation omits the raster plot") from error
    write_report(page, path)
    written = write_figures(page, figures) if figures is not None else []
    if output.as_json:
        output.emit({"report": str(path), "figures": [str(figure) for figure in written]})
        return
    output.print(f"Report: {path}")
    if figures is not None:
        output.print(f"Figures: {len(written)} in {figures}")
