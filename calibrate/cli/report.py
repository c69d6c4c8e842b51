"""`calibrate report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calibrate.cli import tables
from calibrate.cli.arguments import read
from calibrate.cli.options import Backend, Debug, Json, Quiet, Storage, StudyPath
from calibrate.cli.output import FailedError, errors, output
from calibrate.errors import CalibrateError, SimulatorError
from calibrate.results.results import read_results


def report(
    study: StudyPath,
    to: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="The page (default: STUDY.html beside the study).", metavar="FILE"
        ),
    ] = None,
    figures: Annotated[
        Path | None,
        typer.Option(help="Write its figures into this folder, as PNG and PDF.", metavar="FOLDER"),
    ] = None,
    simulation: Annotated[
        bool,
        typer.Option(
            "--simulation/--no-simulation",
            help="Simulate the best network again for its raster, where its spikes were not kept.",
        ),
    ] = True,
    backend: Backend = None,
    storage: Storage = None,
    quiet: Quiet = False,
    json_: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Write what a study has found as one page: targets, activity, search, verdict, methods."""
    with output(json_) as (emit, console):
        messages = errors()
        results = read_results(read(study, {"simulation.backend": backend}, searched=False), storage=storage)
        path = to or study.with_name(f"{results.study.name}.html")
        if path.is_dir():
            raise CalibrateError(f"cannot write the report {path}: it is a folder")
        if not path.parent.is_dir():
            raise CalibrateError(f"cannot write the report {path}: the folder {path.parent} does not exist")
        from calibrate.report import (  # matplotlib takes half a second
            make_report,
            write_figures,
            write_report,
        )

        try:
            made = make_report(
                results,
                simulate=simulation,
                say=(lambda _: None) if quiet else (lambda line: tables.print_line(messages, line)),
            )
        except SimulatorError as error:
            raise FailedError(f"{error}; --no-simulation leaves the raster out") from error
        write_report(made, path)
        files = write_figures(made, figures) if figures is not None else []
        if json_:
            emit({"report": str(path), "figures": [str(file) for file in files]})
        else:
            tables.print_line(console, f"Report: {path}")
            if figures is not None:
                tables.print_line(console, f"Figures: {len(files)} in {figures}")
