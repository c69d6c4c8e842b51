"""`calibrate map`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calibrate.cli import tables
from calibrate.cli.arguments import read
from calibrate.cli.options import Backend, Debug, Json, Storage, StudyPath
from calibrate.cli.output import output
from calibrate.results.results import read_results


def map_(
    study: StudyPath,
    x: Annotated[str, typer.Option("--x", help="Parameter along the horizontal axis.", metavar="NAME")],
    y: Annotated[str, typer.Option("--y", help="Parameter along the vertical axis.", metavar="NAME")],
    statistic: Annotated[
        list[str] | None,
        typer.Option(help="What to draw; as often as you like (default: the objectives).", metavar="NAME"),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help=".png, .pdf or .svg (default: STUDY_map.png beside the study).",
            metavar="FILE",
        ),
    ] = None,
    backend: Backend = None,
    storage: Storage = None,
    json_: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Draw statistics over two parameters, with the boundaries between regimes."""
    with output(json_) as (emit, console):
        results = read_results(read(study, {"simulation.backend": backend}, searched=False), storage=storage)
        path = to or study.with_name(f"{results.study.name}_map.png")
        from calibrate.figures import map_figure, style  # matplotlib takes half a second

        style.check_path(path)
        names = statistic or [objective.name for objective in results.study.objectives]
        style.save(map_figure(results, x, y, names), path)
        if json_:
            emit({"figure": str(path), "x": x, "y": y, "statistics": names})
        else:
            tables.print_line(console, f"Map: {path}")
