"""`calibrate sensitivity`."""

from __future__ import annotations

import math
from typing import Annotated, Any

import typer
from rich.table import Table

from calibrate.calibration.trials.summary import finite
from calibrate.cli.options import StudyFile
from calibrate.cli.output import Output
from calibrate.cli.tables.listing import print_table
from calibrate.results import sensitivity as sensitivities
from calibrate.results.sensitivity import Index, Sensitivity
from calibrate.tasks.lines import print_line


def sensitivity(
    *,
    statistic: Annotated[
        list[str] | None,
        typer.Option(help="Statistic (repeatable; default: the objectives).", metavar="NAME"),
    ] = None,
    file: StudyFile,
    output: Output,
) -> None:
    """Show which parameters the statistics depend on, and how robust the best trial is. Stores nothing."""
    results = file.results()
    found = sensitivities.sensitivity(results, statistics=statistic)
    if output.as_json:
        output.emit(as_json(found))
        return
    print_line(output.console, "Total Sobol' indices (in brackets: of the parameter by itself)")
    print_table(output.console, _table(found, list(results.study.space)))
    errors = [index.error for by_name in found.total.values() for index in by_name.values()]
    known = [error for error in errors if math.isfinite(error)]
    if known:
        print_line(
            output.console, f"Their standard errors are {max(known):.2g} or less; those of each: --json"
        )
    for name, by_name in found.total.items():
        if not any(math.isfinite(index.value) for index in by_name.values()):
            print_line(
                output.console,
                f"note: {name} has no indices: it is the same in all trials, or was defined in hardly any",
            )
    partly = {name: share for name, share in found.defined.items() if share < 0.99}
    for name, share in partly.items():
        print_line(output.console, f"note: {name} is defined in {100 * share:.0f} % of the ranges")
    print_line(output.console, f"All targets are kept by networks around trial {found.trial}:")
    shares = (f"{100 * share:.0f} % within {100 * within:g} %" for within, share in found.robust.items())
    print_line(output.console, f"  {', '.join(shares)} of its parameters")


def as_json(found: Sensitivity) -> dict[str, Any]:
    """The sensitivity as JSON."""
    return {
        "first": {name: _indices(by_name) for name, by_name in found.first.items()},
        "total": {name: _indices(by_name) for name, by_name in found.total.items()},
        "defined": dict(found.defined),
        "trial": found.trial,
        "robust": {f"{within:g}": share for within, share in found.robust.items()},
    }


def _indices(by_parameter: Any) -> dict[str, dict[str, float | None]]:
    return {
        name: {"value": finite(index.value), "error": finite(index.error)}
        for name, index in by_parameter.items()
    }


def _table(found: Sensitivity, parameters: list[str]) -> Table:
    table = Table()
    table.add_column("statistic")
    for name in parameters:
        table.add_column(name, justify="right")
    for statistic, total in found.total.items():
        cells = [_cell(total[name], found.first[statistic][name]) for name in parameters]
        table.add_row(statistic, *cells)
    return table


def _cell(total: Index, first: Index) -> str:
    if finite(total.value) is None:
        return ""
    return f"{total.value:.2f} ({first.value:.2f})"
