"""`calibrate selftest`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from calibrate.cli.arguments import parse_settings
from calibrate.cli.exits import INTERRUPTED, FailedError, resumable, simulating
from calibrate.cli.options import Seed, StudyFile, Trials, Workers
from calibrate.cli.output import QuietOutput
from calibrate.cli.tables.listing import print_table
from calibrate.cli.tables.trials import format_ends, format_value, print_fit, print_trial
from calibrate.tasks.lines import print_line
from calibrate.tasks.selftest import Recovered, SelfTest, as_json
from calibrate.tasks.selftest import selftest as test_study


def selftest(
    *,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Set a free parameter of the known network (repeatable); the others are drawn at random.",
        ),
    ] = None,
    trials: Trials = None,
    seed: Seed = None,
    workers: Workers,
    file: StudyFile,
    output: QuietOutput,
) -> None:
    """Test whether a study finds a known network, and how well it recovers the parameters."""
    study = file.read({"study.seed": seed, "budget.trials": trials, **workers.changes})
    with resumable(), simulating():
        test = test_study(
            study,
            parse_settings(study, settings or []),
            storage=file.storage,
            slots=workers.slots,
            progress=output.progress(),
            say=output.say,
        )
    if test is None:
        raise typer.Exit(INTERRUPTED)
    if output.as_json:
        output.emit(as_json(test))
    else:
        _print(output.console, test)
    if not test.met:
        raise FailedError("the known network was not found: not all of its statistics are met")


def _print(console: Console, test: SelfTest) -> None:
    print_trial(console, test.best)
    table = Table(title="Parameters", title_justify="left", title_style="bold")
    table.add_column("parameter")
    for name in ("known", "found", "error (of range)", "Δloss ≤ 1", "loosest direction"):
        table.add_column(name, justify="right")
    for parameter in test.parameters:
        table.add_row(*_make_row(test, parameter))
    print_table(console, table)
    if test.looseness is not None:
        print_fit(console, test.looseness)
    print_line(console, f"Results: study {test.name} in {test.storage}")


def _make_row(test: SelfTest, parameter: Recovered) -> list[str]:
    within = along = ""
    if parameter.low is not None and parameter.high is not None:
        within = format_ends(parameter.low, parameter.high)
    if test.looseness is not None and parameter.name in test.looseness.loosest:
        along = format_ends(*test.looseness.loosest[parameter.name])
    error = "" if parameter.off is None else f"{parameter.off:.0%}"
    values = (format_value(parameter.truth), format_value(parameter.found))
    return [parameter.name, *values, error, within, along]
