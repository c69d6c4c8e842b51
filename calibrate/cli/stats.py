"""`calibrate stats`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from calibrate.calibration.trials.averages import format_statistic
from calibrate.calibration.trials.summary import finite
from calibrate.cli.output import QuietOutput
from calibrate.cli.recording_options import RecordingOptions, names_of
from calibrate.cli.tables.listing import print_table
from calibrate.cli.tables.sessions import measured_json, pooled_json, print_pooled, print_sessions
from calibrate.cli.tables.trials import print_notes
from calibrate.cli.written_targets import format_objectives, format_recordings
from calibrate.errors import CalibrateError
from calibrate.objective import find_statistic
from calibrate.objective.resampling import REPEATS
from calibrate.objective.rounding import counted, rounded
from calibrate.objective.sessions import Pooled, differing, measure_recordings
from calibrate.observation.periods import list_periods
from calibrate.observation.pieces import Piece, in_words
from calibrate.observation.recording import Recording, division
from calibrate.study.file.sections import SimulationSection
from calibrate.tasks.lines import print_line

DURATION_MS = float(SimulationSection.model_fields["duration_ms"].default)


def stats(
    *,
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="RECORDING",
            help="Spike times: text, NPZ, MATLAB, NWB, files of NEST, the folder of a spike sorter, or one "
            "of neo's formats; several are pooled.",
        ),
    ],
    statistic: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Compute this statistic (repeatable; default: all)."),
    ] = None,
    source: RecordingOptions,
    piece_ms: Annotated[
        float | None,
        typer.Option(
            metavar="MS",
            help="Measure in pieces as long as the simulations to compare with (default: as long as there is "
            f"no gap; with --write {DURATION_MS:g}, the default duration_ms of a study).",
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
    """Compute the statistics of recorded spike trains, with standard errors; of several, also pooled."""
    if write is not None and write.exists():
        raise CalibrateError(f"{write} already exists: name another file")
    files = names_of(paths)
    recordings = {name: source.read(path) for name, path in files.items()}
    chosen = [find_statistic(name, folder=Path.cwd()) for name in statistic] if statistic else None
    if piece_ms is None and write is not None:
        piece_ms = DURATION_MS
    rows = measure_recordings(recordings, chosen, repeats=repeats, piece_ms=piece_ms, block_ms=block_ms)
    pieces = {name: division(recording, piece_ms) for name, recording in recordings.items()}
    several = len(files) > 1
    if write is not None:
        if several:
            lines = format_recordings(rows, files, source.keys, recordings, pieces, write, sampled=sampled)
        else:
            ((name, path),) = files.items()
            text = f"{path.name}, {in_words(pieces[name])}"
            lines = format_objectives(rows, text, recordings[name], pieces[name], sampled=sampled)
        _write(write, "\n".join(lines))
    if output.as_json:
        output.emit(_all_as_json(files, recordings, pieces, rows))
    else:
        _print(output.console, files, recordings, pieces, rows, piece_ms)
    if write is not None:
        output.say(f"{'Recordings and objectives' if several else 'Objectives'}: {write}")


def _all_as_json(
    files: Mapping[str, Path],
    recordings: Mapping[str, Recording],
    pieces: Mapping[str, Sequence[Piece]],
    rows: Sequence[Pooled],
) -> dict[str, Any]:
    """One recording with its statistics; or several by name, and what they have together."""
    each = {
        name: {
            **_as_json(path, recordings[name], pieces[name]),
            "statistics": {
                row.statistic.name: measured_json(row.sessions[name]) for row in rows if name in row.sessions
            },
        }
        for name, path in files.items()
    }
    if len(files) == 1:
        return next(iter(each.values()))
    return {
        "recordings": each,
        "statistics": {row.statistic.name: pooled_json(row) for row in rows},
        "differing": [row.statistic.name for row in differing(rows)],
    }


def _as_json(path: Path, recording: Recording, pieces: Sequence[Piece]) -> dict[str, Any]:
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
        "periods": {name: len(one) for name, one in recording.periods.items()},
        "notes": list(recording.notes),
    }


def _print(
    console: Console,
    files: Mapping[str, Path],
    recordings: Mapping[str, Recording],
    pieces: Mapping[str, Sequence[Piece]],
    rows: Sequence[Pooled],
    piece_ms: float | None,
) -> None:
    several = len(files) > 1
    for name, path in files.items():
        recording = recordings[name]
        _print_heading(console, path, recording, pieces[name])
        if several and piece_ms is not None and recording.longest_ms < piece_ms:
            print_line(console, f"note: {_too_short(piece_ms)}")
    if several:
        print_sessions(console, list(files), rows)
        print_pooled(console, rows)
        return
    _print_statistics(console, rows)
    (recording,) = recordings.values()
    if piece_ms is not None and recording.longest_ms < piece_ms:
        print_line(console, f"  {_too_short(piece_ms)}")


def _too_short(piece_ms: float) -> str:
    return f"pieces: shorter than {piece_ms / 1000:g} s, since there is no more without a gap"


def _print_heading(console: Console, path: Path, recording: Recording, pieces: Sequence[Piece]) -> None:
    start_s, stop_s = recording.start_ms / 1000, recording.stop_ms / 1000
    heading = f"{path}: {counted(recording.units, 'unit')}, {recording.duration_ms / 1000:g} s"
    print_line(console, f"{heading} (from {start_s:.10g} to {stop_s:.10g} s)")
    print_line(console, f"Read as {recording.understood}")
    if recording.periods:
        print_line(console, f"Periods: {list_periods(recording)}")
    held = sum(piece.n_units * piece.duration_ms for piece in pieces) / recording.observed_ms
    if len(pieces) > 1 or held < 0.999:
        rest = f"; {100 * (1 - held):.2g} % of the observed time is in none" if held < 0.999 else ""
        print_line(console, f"Measured in {in_words(pieces)}{rest}")
    for note in recording.notes:
        print_line(console, f"note: {note}")


def _print_statistics(console: Console, rows: Sequence[Pooled]) -> None:
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
