"""`calibrate scale`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from calibrate.calibration.resources import scaling
from calibrate.calibration.resources.scaling import SIZES, Growth, Scaling
from calibrate.cli import tables
from calibrate.cli.arguments import read
from calibrate.cli.arguments import settings as given_settings
from calibrate.cli.options import (
    Debug,
    Json,
    Quiet,
    Seed,
    Settings,
    StudyPath,
)
from calibrate.cli.output import FailedError, errors, output


def scale(
    study: StudyPath,
    sizes: Annotated[
        list[int] | None,
        typer.Option(
            min=1,
            metavar="N ...",
            help=f"Total numbers of neurons (default: {' '.join(map(str, SIZES))}).",
        ),
    ] = None,
    # An option takes one value: the others after --sizes come as arguments.
    more_sizes: Annotated[list[int] | None, typer.Argument(min=1, hidden=True, metavar="--sizes")] = None,
    backend: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Simulator, as often as you like (default: GeNN and NEST, where installed)."
        ),
    ] = None,
    batch: Annotated[
        list[int] | None,
        typer.Option(min=1, metavar="N", help="Networks at once, as often as you like; on a GPU only."),
    ] = None,
    duration_ms: Annotated[
        float | None,
        typer.Option(
            "--duration-ms", "--duration", metavar="MS", help="Simulated time (default: some seconds' work)."
        ),
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Measurements of each size; medians count.")] = 1,
    settings: Settings = None,
    seed: Seed = None,
    figure: Annotated[
        Path | None, typer.Option(help="Draw time and memory: .png, .pdf or .svg.", metavar="FILE")
    ] = None,
    quiet: Quiet = False,
    json_: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Measure how simulation time and memory grow with the number of neurons on this machine."""
    with output(json_) as (emit, console):
        found = read(study, {"study.seed": seed}, searched=False)
        if figure is not None:
            from calibrate.figures import scaling_figure, style  # matplotlib takes half a second

            style.check_path(figure)
        messages = errors()
        scaled = scaling.scale(
            found,
            (*(sizes or ()), *(more_sizes or ())) or SIZES,
            backends=backend or (),
            batch_sizes=batch or (1,),
            parameters=given_settings(found, settings or []),
            duration_ms=duration_ms,
            repeats=repeats,
            say=(lambda _: None) if quiet else (lambda line: tables.print_line(messages, line)),
        )
        drawn = figure if scaled.measurements else None
        if drawn is not None:
            style.save(scaling_figure(scaled), drawn)
        if json_:
            emit({**scaling.as_json(scaled), "figure": None if drawn is None else str(drawn)})
        else:
            _print(console, scaled)
        if drawn is not None and not quiet:
            tables.print_line(messages, f"Figure: {drawn}")
        if scaled.interrupted:
            tables.print_line(messages, "Interrupted: not all sizes were measured.")
            raise typer.Abort
        if not scaled.measurements:
            raise FailedError(f"no size was measured: {scaled.omitted[0].reason}")


def _print(console: Console, found: Scaling) -> None:
    batches = any(one.batch_size > 1 for one in found.measurements)
    table = Table()
    table.add_column("simulator")
    if batches:
        table.add_column("batch", justify="right")
    for name in ("neurons", "synapses", "build (s)", "simulated (s)", "took (s)", "factor"):
        table.add_column(name, justify="right")
    for name in ("rate (Hz)", "memory (GiB)"):
        table.add_column(name, justify="right")
    for one in found.measurements:
        simulated_s = one.duration_ms / 1000
        table.add_row(
            one.backend,
            *([str(one.batch_size)] if batches else []),
            f"{one.neurons:,}",
            f"{one.synapses:,}",
            f"{one.build_s:.1f}",
            f"{simulated_s:.3g}",
            f"{one.real_time_factor * simulated_s:.3g}",
            f"{one.real_time_factor:.3g}",
            f"{one.rate_hz:.3g}",
            f"{one.memory_bytes / 2**30:.2f}",
        )
    if found.measurements:
        console.print(table)
    for size in found.omitted:
        tables.print_line(console, f"{size.backend}, {size.neurons:,} neurons, left out: {size.reason}")
    for note in found.notes:
        tables.print_line(console, note)
    for growth in found.growth:
        tables.print_line(console, _grows(growth))


def _grows(found: Growth) -> str:
    """The fit in words."""
    name = f"{found.backend}, batches of {found.batch_size}" if found.batch_size > 1 else found.backend
    line = f"{name}: time grows as {found.time}, memory as {found.memory}"
    if found.real_time_neurons is None:
        return f"{line}; real time at all sizes" if found.time.coefficient < 1 else line
    beyond = ", extrapolated" if found.extrapolated else ""
    return f"{line}; real time up to about {_two_digits(found.real_time_neurons):,} neurons{beyond}"


def _two_digits(number: float) -> int:
    return int(float(f"{number:.2g}"))
