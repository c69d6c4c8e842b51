"""`calibrate map`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calibrate.cli.options import StudyFile
from calibrate.cli.output import Output


def map_(
    *,
    x: Annotated[str, typer.Option("--x", help="Parameter on the horizontal axis.", metavar="NAME")],
    y: Annotated[str, typer.Option("--y", help="Parameter on the vertical axis.", metavar="NAME")],
    statistic: Annotated[
        list[str] | None,
        typer.Option(help="Statistic to plot (repeatable; default: the objectives).", metavar="NAME"),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Figure: .png, .pdf or .svg (default: STUDY_map.png next to the study).",
            metavar="FILE",
        ),
    ] = None,
    file: StudyFile,
    output: Output,
) -> None:
    """Plot statistics over two parameters, with the boundaries between regimes."""
    results = file.results()
    path = to or file.path.with_name(f"{results.study.name}_map.png")
    from calibrate.figures import map_figure, style  # matplotlib takes half a second

    style.check_path(path)
    names = statistic or [objective.name for objective in results.study.objectives]
    style.save(map_figure(results, x, y, names), path)
    if output.as_json:
        output.emit({"figure": str(path), "x": x, "y": y, "statistics": names})
    else:
        output.print(f"Map: {path}")
