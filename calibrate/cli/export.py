"""`calibrate export`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from calibrate.cli import tables
from calibrate.cli.arguments import read
from calibrate.cli.options import Backend, Debug, Json, Storage, StudyPath
from calibrate.cli.output import output
from calibrate.cli.show import results_json
from calibrate.errors import CalibrateError
from calibrate.results.results import Results, read_results


def export(
    study: StudyPath,
    to: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The folder (default: STUDY.export).", metavar="FOLDER"),
    ] = None,
    backend: Backend = None,
    storage: Storage = None,
    json_: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Write trials, simulations and statistics as CSV, and the study as JSON, for other programs."""
    with output(json_) as (emit, console):
        results = read_results(read(study, {"simulation.backend": backend}, searched=False), storage=storage)
        folder = to or study.with_name(f"{results.study.name}.export")
        try:
            files = _written(results, folder)
        except OSError as error:
            raise CalibrateError(f"cannot write into {folder}: {error.strerror}") from None
        if json_:
            emit({"files": [str(file) for file in files]})
        else:
            for file in files:
                tables.print_line(console, str(file))


def _written(results: Results, folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    frames = {
        "trials": (results.trials, True),
        "simulations": (results.simulations, False),
        "statistics": (results.statistics, False),
    }
    files = [folder / f"{name}.csv" for name in frames]
    for file, (frame, index) in zip(files, frames.values(), strict=True):
        frame.to_csv(file, index=index)
    file = folder / "study.json"
    whole = {**results_json(results), "content": results.study.content, "text": results.study.text}
    file.write_text(json.dumps(whole, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return [*files, file]
