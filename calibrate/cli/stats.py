"""`calibrate stats`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from calibrate.calibration.trials.averages import format_statistic
from calibrate.calibration.trials.summary import finite
from calibrate.cli.output import QuietOutput
from calibrate.cli.tables.listing import print_table
from calibrate.cli.tables.trials import print_notes
from calibrate.cli.written_targets import format_objectives
from calibrate.errors import CalibrateError
from calibrate.objective import find_statistic
from calibrate.objective.resampling import REPEATS, Measured, measure_recording
from calibrate.objective.rounding import counted, rounded
from calibrate.observation.pieces import Piece, in_words
from calibrate.observation.recorded_file import read_recording
from calibrate.observation.recording import Recording, division
from calibrate.study.file.sections import SimulationSection
from calibrate.tasks.lines import print_line

DURATION_MS = float(SimulationSection.model_fields["duration_ms"].default)


def stats(
    *,
    path: Annotated[
        Path,
        typer.Argument(
            metavar="RECORDING",
            help="Spike times: text, NPZ, MATLAB, NWB, files of NEST, the folder of a spike sorter, or one "
            "of neo's formats.",
        ),
    ],
    statistic: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Compute this statistic (repeatable; default: all)."),
    ] = None,
    population: Annotated[
        str, typer.Option(metavar="NAME", help="Population of the units, if the file names none.")
    ] = "E",
    time_unit: Annotated[
        Literal["s", "ms"] | None,
        typer.Option(metavar="UNIT", help="Unit of the times (s or ms), if the file does not say it."),
    ] = None,
    sampling_rate_hz: Annotated[
        float | None,
        typer.Option(
            metavar="HZ",
            help="How many samples (or steps of a simulation) a second has, if the file counts time in them "
            "and does not say it.",
        ),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROLE=NAME",
            help="What the file calls the time and the unit of each spike, if that is not clear, such as "
            "time=ts,unit=clu.",
        ),
    ] = None,
    n_units: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="Number of units, if the file lists only those that fired; of several populations, such as "
            "E=400,I=100.",
        ),
    ] = None,
    start_ms: Annotated[
        float | None,
        typer.Option(
            metavar="MS",
            help="Start of the analysed interval (default: that of the file; if it names none, 0, or the "
            "first spike if the clock started earlier or later).",
        ),
    ] = None,
    duration_ms: Annotated[
        float | None,
        typer.Option(
            metavar="MS", help="Length of the analysed interval (default: to the end of the recording)."
        ),
    ] = None,
    piece_ms: Annotated[
        float | None,
        typer.Option(
            metavar="MS",
            help="Measure in pieces as long as the simulations to compare with (default: as long as there is "
            f"no gap; with --write {DURATION_MS:g}, the default duration_ms of a study).",
        ),
    ] = None,
    units: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=VALUE",
            help="Use only units with this value in this column of the file, such as quality=good; several "
            "values are separated by commas (repeatable).",
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
        typer.Option(
            "--sampled",
            help="With --write: compute every statistic from as many simulated neurons as were recorded, not "
            "only those that depend on it.",
        ),
    ] = False,
    output: QuietOutput,
) -> None:
    """Compute the statistics of recorded spike trains, with standard errors."""
    if write is not None and write.exists():
        raise CalibrateError(f"{write} already exists: name another file")
    recording = read_recording(
        path,
        population=population,
        start_ms=start_ms,
        duration_ms=duration_ms,
        units=dict(_choice(one) for one in units or ()),
        time_unit=time_unit,
        sampling_rate_hz=sampling_rate_hz,
        columns=dict(_role(one) for text in columns or () for one in text.split(",")),
        n_units=_number_of_units(n_units),
    )
    chosen = [find_statistic(name, folder=Path.cwd()) for name in statistic] if statistic else None
    if piece_ms is None and write is not None:
        piece_ms = DURATION_MS
    rows = measure_recording(recording, chosen, repeats=repeats, piece_ms=piece_ms, block_ms=block_ms)
    pieces = division(recording, piece_ms)
    if write is not None:
        source = f"{path.name}, {in_words(pieces)}"
        _write(write, "\n".join(format_objectives(rows, source, recording, pieces, sampled=sampled)))
    if output.as_json:
        output.emit(_as_json(path, recording, pieces, rows))
    else:
        _print(output.console, path, recording, pieces, rows)
        if piece_ms is not None and recording.longest_ms < piece_ms:
            note = f"shorter than {piece_ms / 1000:g} s, since there is no more without a gap"
            print_line(output.console, f"  pieces: {note}")
    if write is not None:
        output.say(f"Objectives: {write}")


def _choice(text: str) -> tuple[str, list[str]]:
    column, equals, values = text.partition("=")
    if not (column.strip() and equals):
        raise CalibrateError(f"--units {text}: write COLUMN=VALUE, such as quality=good")
    return column.strip(), values.split(",")


def _number_of_units(text: str | None) -> int | dict[str, int] | None:
    if text is None:
        return None
    pairs = [one.partition("=") for one in text.split(",")]
    if not all(number.strip().isdecimal() for _, _, number in pairs) and not text.isdecimal():
        raise CalibrateError(f"--n-units {text}: write a number, or NAME=N for each population: E=400,I=100")
    return int(text) if text.isdecimal() else {name.strip(): int(number) for name, _, number in pairs}


def _role(text: str) -> tuple[str, str]:
    role, equals, name = text.partition("=")
    if not (role.strip() and equals and name.strip()):
        raise CalibrateError(f"--columns {text}: write ROLE=NAME, such as time=ts,unit=clu")
    return role.strip(), name.strip()


def _as_json(
    path: Path, recording: Recording, pieces: Sequence[Piece], rows: Sequence[Measured]
) -> dict[str, Any]:
    return {
        "recording": str(path),
        "understood": recording.understood,
        "units": recording.units,
        "start_ms": recording.start_ms,
        "duration_ms": recording.duration_ms,
        "pieces": [
            {"start_ms": piece.start_ms, "duration_ms": piece.duration_ms, "units": piece.n_units}
            for piece in pieces
        ],
        "notes": list(recording.notes),
        "statistics": {
            row.statistic.name: {
                "value": finite(row.estimate.value),
                "error": finite(row.error),
                "unit": row.statistic.unit,
                "support": finite(row.estimate.support),
                "note": "; ".join(filter(None, (row.estimate.note, row.note))),
            }
            for row in rows
        },
    }


def _print(
    console: Console, path: Path, recording: Recording, pieces: Sequence[Piece], rows: Sequence[Measured]
) -> None:
    start_s, stop_s = recording.start_ms / 1000, recording.stop_ms / 1000
    heading = f"{path}: {counted(recording.units, 'unit')}, {recording.duration_ms / 1000:g} s"
    print_line(console, f"{heading} (from {start_s:.10g} to {stop_s:.10g} s)")
    print_line(console, f"Read as {recording.understood}")
    held = sum(piece.n_units * piece.duration_ms for piece in pieces) / recording.observed_ms
    if len(pieces) > 1 or held < 0.999:
        rest = f"; {100 * (1 - held):.2g} % of the observed time is in none" if held < 0.999 else ""
        print_line(console, f"Measured in {in_words(pieces)}{rest}")
    for note in recording.notes:
        print_line(console, f"note: {note}")
    table = Table()
    for column in ("statistic", "value", "error", "unit"):
        table.add_column(column, justify="right" if column in ("value", "error") else "left")
    for row in rows:
        error = rounded(row.error, 2) if math.isfinite(row.error) else ""
        value = format_statistic(finite(row.estimate.value), lower_bound=row.estimate.lower_bound)
        table.add_row(row.statistic.name, value, error, Text(row.statistic.unit))
    print_table(console, table)
    print_notes(console, {row.statistic.name: row.estimate.note for row in rows})
    for note in dict.fromkeys(row.note for row in rows if row.note):
        noted = [row.statistic.name for row in rows if row.note == note]
        print_notes(console, {"all" if len(noted) == len(rows) > 1 else ", ".join(noted): note})


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CalibrateError(f"{path} cannot be written: {error.strerror}") from None
