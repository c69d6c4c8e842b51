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

from calibrate.calibration.trials.summary import finite
from calibrate.cli import tables
from calibrate.cli.options import Debug, Json, Quiet
from calibrate.cli.output import errors, output
from calibrate.errors import CalibrateError
from calibrate.objective import find_statistic
from calibrate.objective.resampling import REPEATS, Bootstrapped, bootstrap
from calibrate.observation.recording import Recording, read_recording
from calibrate.study.rules.recorded_targets import ERRORS


def stats(
    recording: Annotated[
        Path, typer.Argument(metavar="RECORDING", help="Spike times: CSV, NPZ, NWB, or what neo reads.")
    ],
    statistic: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Compute this one, as often as you like (default: all)."),
    ] = None,
    population: Annotated[
        str, typer.Option(metavar="NAME", help="Population of the units, where the file says none.")
    ] = "E",
    start_ms: Annotated[
        float | None, typer.Option(metavar="MS", help="Where to begin (default: at its start).")
    ] = None,
    duration_ms: Annotated[
        float | None,
        typer.Option(
            metavar="MS", help="Length of the analysed interval (default: to the end of the recording)."
        ),
    ] = None,
    block_ms: Annotated[
        float | None, typer.Option(metavar="MS", help="Length of the blocks of time that are resampled.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=2, help="Number of bootstrap samples.")] = REPEATS,
    write: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write the \\[\\[objectives]] of a study that aims at these values."
        ),
    ] = None,
    sampled: Annotated[
        bool,
        typer.Option("--sampled", help="With --write: look at as many simulated neurons as were recorded."),
    ] = False,
    quiet: Quiet = False,
    json_: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Compute the statistics of recorded spikes, with bootstrap errors."""
    with output(json_) as (emit, console):
        if write is not None and write.exists():
            raise CalibrateError(f"{write} is there already: name another file")
        found = read_recording(recording, population=population, start_ms=start_ms, duration_ms=duration_ms)
        chosen = [find_statistic(name, folder=Path.cwd()) for name in statistic] if statistic else None
        rows = bootstrap(found, chosen, repeats=repeats, block_ms=block_ms)
        if write is not None:
            _write(write, "\n".join(_objectives(rows, recording, found if sampled else None)))
        if json_:
            emit(_json(recording, found, rows))
        else:
            _print(console, recording, found, rows)
        if write is not None and not quiet:
            tables.print_line(errors(), f"Objectives: {write}")


def _json(path: Path, found: Recording, rows: Sequence[Bootstrapped]) -> dict[str, Any]:
    return {
        "recording": str(path),
        "units": found.units,
        "duration_ms": found.duration_ms,
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


def _print(console: Console, path: Path, found: Recording, rows: Sequence[Bootstrapped]) -> None:
    tables.print_line(console, f"{path}: {found.units} units, {found.duration_ms / 1000:g} s")
    table = Table()
    for name, right in (("statistic", False), ("value", True), ("error", True), ("unit", False)):
        table.add_column(name, justify="right" if right else "left")
    for row in rows:
        error = f"{row.error:.2g}" if math.isfinite(row.error) else ""
        value = tables.number(finite(row.estimate.value))
        table.add_row(row.statistic.name, value, error, Text(row.statistic.unit))
    console.print(table)
    for row in rows:
        if row.estimate.note:
            tables.print_line(console, f"  {row.statistic.name}: {row.estimate.note}")


def _objectives(rows: Sequence[Bootstrapped], path: Path, sampled: Recording | None) -> Iterator[str]:
    """The lines of the objectives; of as many neurons as `sampled` has, where it is given."""
    yield f"# Targets from {path.name}; a tolerance is {ERRORS:g} bootstrap standard errors."
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
