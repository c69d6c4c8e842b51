"""`calibrate scale`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from calibrate.calibration.resources import scaling
from calibrate.calibration.resources.scaling import SIZES, Growth, Scaling
from calibrate.cli.arguments import parse_settings, read
from calibrate.cli.exits import FailedError
from calibrate.cli.options import Seed, Settings, StudyPath
from calibrate.cli.output import QuietOutput
from calibrate.cli.tables.listing import print_table
from calibrate.objective.rounding import rounded
from calibrate.tasks.lines import print_line


def scale(
    path: StudyPath,
    *,
    sizes: Annotated[
        list[int] | None,
        typer.Option(
            min=1,
            metavar="N ...",
            help=f"Total numbers of neurons (default: {' '.join(map(str, SIZES))}).",
        ),
    ] = None,
    # An option takes one value: the others after --sizes come as arguments.
    more_sizes: Annotated[list[int] | None, typer.Argument(min=1, hidden=True, metavar="SIZE")] = None,
    backend: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Simulator (repeatable; default: GeNN and NEST, if installed)."),
    ] = None,
    batch: Annotated[
        list[int] | None,
        typer.Option(min=1, metavar="N", help="Batch size (repeatable); above 1 on a GPU only."),
    ] = None,
    duration_ms: Annotated[
        float | None,
        typer.Option(
            "--duration-ms",
            "--duration",
            metavar="MS",
            help="Simulated time (default: as much as takes a few seconds).",
        ),
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Measurements of each size, reported as medians.")] = 1,
    settings: Settings = None,
    seed: Seed = None,
    figure: Annotated[
        Path | None, typer.Option(help="Plot time and memory: .png, .pdf or .svg.", metavar="FILE")
    ] = None,
    output: QuietOutput,
) -> None:
    """Measure how simulation time and memory grow with the number of neurons on this machine."""
    study = read(path, {"study.seed": seed}, searched=False)
    if figure is not None:
        from calibrate.figures import scaling_figure, style  # matplotlib takes half a second

        style.check_path(figure)
    scaled = scaling.scale(
        study,
        (*(sizes or ()), *(more_sizes or ())) or SIZES,
        backends=backend or (),
        batch_sizes=batch or (1,),
        parameters=parse_settings(study, settings or []),
        duration_ms=duration_ms,
        repeats=repeats,
        say=output.say,
    )
    drawn = figure if scaled.measurements else None
    if drawn is not None:
        style.save(scaling_figure(scaled), drawn)
    if output.as_json:
        output.emit({**scaling.as_json(scaled), "figure": None if drawn is None else str(drawn)})
    else:
        _print(output.console, scaled)
    if drawn is not None:
        output.say(f"Figure: {drawn}")
    if scaled.interrupted:
        print_line(output.messages, "Interrupted: not all sizes were measured.")
        raise typer.Abort
    if not scaled.measurements:
        raise FailedError(f"no size was measured: {scaled.omitted[0].reason}")


def _print(console: Console, scaled: Scaling) -> None:
    if scaled.measurements:
        print_table(console, _tabulate_measurements(scaled))
    for size in scaled.omitted:
        print_line(console, f"{size.backend}, {size.neurons:,} neurons, omitted: {size.reason}")
    for note in scaled.notes:
        print_line(console, note)
    for growth in scaled.growth:
        print_line(console, _describe_growth(growth))


def _tabulate_measurements(scaled: Scaling) -> Table:
    batches = any(measurement.batch_size > 1 for measurement in scaled.measurements)
    table = Table()
    table.add_column("simulator")
    if batches:
        table.add_column("batch", justify="right")
    for name in ("neurons", "synapses", "build (s)", "simulated (s)", "took (s)", "factor"):
        table.add_column(name, justify="right")
    for name in ("rate (Hz)", "memory (GiB)"):
        table.add_column(name, justify="right")
    for measurement in scaled.measurements:
        simulated_s = measurement.duration_ms / 1000
        table.add_row(
            measurement.backend,
            *([str(measurement.batch_size)] if batches else []),
            f"{measurement.neurons:,}",
            f"{measurement.synapses:,}",
            f"{measurement.build_s:.1f}",
            rounded(simulated_s, 3),
            rounded(measurement.real_time_factor * simulated_s, 3),
            rounded(measurement.real_time_factor, 3),
            rounded(measurement.rate_hz, 3),
            f"{measurement.memory_bytes / 2**30:.2f}",
        )
    return table


def _describe_growth(growth: Growth) -> str:
    name = f"{growth.backend}, batches of {growth.batch_size}" if growth.batch_size > 1 else growth.backend
    line = f"{name}: time grows as {growth.time}, memory as {growth.memory}"
    if growth.real_time_neurons is None:
        return f"{line}; real time at all sizes" if growth.time.coefficient < 1 else line
    beyond = ", extrapolated" if growth.extrapolated else ""
    return f"{line}; real time up to about {_round(growth.real_time_neurons):,} neurons{beyond}"


def _round(number: float) -> int:
    """Round to two digits."""
    return int(float(f"{number:.2g}"))
