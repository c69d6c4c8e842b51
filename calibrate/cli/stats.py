"""`calibrate stats`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from calibrate.calibration.trials.averages import format_statistic
from calibrate.calibration.trials.summary import finite
from calibrate.cli.output import QuietOutput
from calibrate.cli.tables.trials import print_notes
from calibrate.errors import CalibrateError
from calibrate.objective import find_statistic
from calibrate.objective.resampling import REPEATS, Measured, measure_recording
from calibrate.objective.rounding import counted, rounded
from calibrate.observation.recording import Recording, read_recording
from calibrate.study.rules.recorded_targets import ERRORS
from calibrate.tasks.lines import print_line


def stats(
    *,
    path: Annotated[
        Path,
        typer.Argument(metavar="RECORDING", help="Spike times: CSV, NPZ, NWB, or any format that Neo reads."),
    ],
    statistic: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Compute this statistic (repeatable; default: all)."),
    ] = None,
    population: Annotated[
        str, typer.Option(metavar="NAME", help="Population of the units, if the file names none.")
    ] = "E",
    start_ms: Annotated[
        float | None,
        typer.Option(metavar="MS", help="Start of the analysed interval (default: that of the recording)."),
    ] = None,
    duration_ms: Annotated[
        float | None,
        typer.Option(
            metavar="MS", help="Length of the analysed interval (default: to the end of the recording)."
        ),
    ] = None,
    block_ms: Annotated[
        float | None,
        typer.Option(metavar="MS", help="Length of the blocks of time that are left out in turn."),
    ] = None,
    repeats: Annotated[
        int, typer.Option(min=1, help="How often the units are divided into random halves.")
    ] = REPEATS,
    write: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write these values to a file, as the \\[\\[objectives]] of a study."
        ),
    ] = None,
    sampled: Annotated[
        bool,
        typer.Option("--sampled", help="With --write: measure as many simulated neurons as were recorded."),
    ] = False,
    output: QuietOutput,
) -> None:
    """Compute the statistics of recorded spike trains, with standard errors."""
    if write is not None and write.exists():
        raise CalibrateError(f"{write} already exists: name another file")
    recording = read_recording(path, population=population, start_ms=start_ms, duration_ms=duration_ms)
    chosen = [find_statistic(name, folder=Path.cwd()) for name in statistic] if statistic else None
    rows = measure_recording(recording, chosen, repeats=repeats, block_ms=block_ms)
    if write is not None:
        _write(write, "\n".join(_format_objectives(rows, path, recording if sampled else None)))
    if output.as_json:
        output.emit(_as_json(path, recording, rows))
    else:
        _print(output.console, path, recording, rows)
    if write is not None:
        output.say(f"Objectives: {write}")


def _as_json(path: Path, recording: Recording, rows: Sequence[Measured]) -> dict[str, Any]:
    return {
        "recording": str(path),
        "units": recording.units,
        "duration_ms": recording.duration_ms,
        "statistics": {
            row.statistic.name: {
                "value": finite(row.estimate.value),
                "error": finite(row.error),
                "unit": row.statistic.unit,
                "support": finite(row.estimate.support),
                "note": row.estimate.note,
            }
            for row in rows
        },
    }


def _print(console: Console, path: Path, recording: Recording, rows: Sequence[Measured]) -> None:
    print_line(console, f"{path}: {counted(recording.units, 'unit')}, {recording.duration_ms / 1000:g} s")
    table = Table()
    for column in ("statistic", "value", "error", "unit"):
        table.add_column(column, justify="right" if column in ("value", "error") else "left")
    for row in rows:
        error = rounded(row.error, 2) if math.isfinite(row.error) else ""
        value = format_statistic(finite(row.estimate.value), lower_bound=row.estimate.lower_bound)
        table.add_row(row.statistic.name, value, error, Text(row.statistic.unit))
    console.print(table)
    print_notes(console, {row.statistic.name: row.estimate.note for row in rows})


def _format_objectives(rows: Sequence[Measured], path: Path, sampled: Recording | None) -> Iterator[str]:
    """Write objectives as lines of TOML; with `sampled`, for as many neurons as it has units."""
    yield f"# Targets from {path.name}; a tolerance is {ERRORS:g} standard errors."
    for row in rows:
        if not (row.estimate.defined and row.error > 0) or row.estimate.lower_bound:
            continue
        unit = f"  # {row.statistic.unit}" if row.statistic.unit else ""
        yield ""
        yield "[[objectives]]"
        yield f'statistic = "{row.statistic.name}"'
        yield f"target = {row.estimate.value:.5g}{unit}"
        yield f"tolerance = {ERRORS * row.error:.2g}"
        yield f'source = "{path.name}"'
        population = str(row.statistic.options.get("population"))
        if sampled is not None and population in sampled.trains:
            yield f"neurons = {len(sampled.trains[population])}"
    yield ""


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CalibrateError(f"{path} cannot be written: {error.strerror}") from None
