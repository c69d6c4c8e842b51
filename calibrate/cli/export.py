"""`calibrate export`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from calibrate.cli.options import StudyFile
from calibrate.cli.output import Output
from calibrate.cli.show import results_json
from calibrate.errors import CalibrateError
from calibrate.results.results import Results


def export(
    *,
    to: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Target folder (default: STUDY.export).", metavar="FOLDER"),
    ] = None,
    file: StudyFile,
    output: Output,
) -> None:
    """Export trials, simulations and statistics as CSV, and the study as JSON."""
    results = file.results()
    folder = to or file.path.with_name(f"{results.study.name}.export")
    try:
        written = _write(results, folder)
    except OSError as error:
        raise CalibrateError(
            f"cannot write into {folder}: {error.strerror}; name a folder with --output"
        ) from None
    if output.as_json:
        output.emit({"files": [str(path) for path in written]})
    else:
        for path in written:
            output.print(str(path))


def _write(results: Results, folder: Path) -> list[Path]:
    """Write the files; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = {
        "trials": (results.trials, True),
        "simulations": (results.simulations, False),
        "statistics": (results.statistics, False),
    }
    paths = [folder / f"{name}.csv" for name in frames]
    for path, (frame, index) in zip(paths, frames.values(), strict=True):
        frame.to_csv(path, index=index)
    study = folder / "study.json"
    content = {**results_json(results), "content": results.study.content, "text": results.study.text}
    study.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return [*paths, study]
