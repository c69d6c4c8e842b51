"""`calibrate selftest`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from calibrate.cli import tables
from calibrate.cli.arguments import read, settings
from calibrate.cli.options import (
    Address,
    Backend,
    Debug,
    Json,
    PoolEngine,
    Quiet,
    Seed,
    Slots,
    Storage,
    StudyPath,
    Trials,
)
from calibrate.cli.output import INTERRUPTED, FailedError, StoppedError, errors, output
from calibrate.errors import SimulatorError
from calibrate.tasks.display import display
from calibrate.tasks.selftest import SelfTest, as_json
from calibrate.tasks.selftest import selftest as test_study


def selftest(
    study: StudyPath,
    settings_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A free parameter of the network to be found; others are drawn.",
        ),
    ] = None,
    trials: Trials = None,
    slots: Slots = None,
    pool: PoolEngine = None,
    address: Address = None,
    backend: Backend = None,
    storage: Storage = None,
    seed: Seed = None,
    quiet: Quiet = False,
    json_: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Let a study search for a known network: is it found, and how well are its parameters recovered?"""
    with output(json_) as (emit, console):
        found = read(
            study,
            {
                "simulation.backend": backend,
                "study.seed": seed,
                "budget.trials": trials,
                "pool.engine": pool,
                "pool.address": address,
            },
        )
        messages = errors()
        try:
            tested = test_study(
                found,
                settings(found, settings_ or []),
                storage=storage,
                slots=slots,
                progress=display(messages, quiet=quiet),
                say=(lambda _: None) if quiet else (lambda line: tables.print_line(messages, line)),
            )
        except KeyboardInterrupt:
            raise StoppedError from None
        except SimulatorError as error:
            raise FailedError(str(error)) from error
        if tested is None:
            raise typer.Exit(INTERRUPTED)
        if json_:
            emit(as_json(tested))
        else:
            _print(console, tested)
        if not tested.met:
            raise FailedError("the known network was not found: not all of its statistics are met")


def _print(console: Console, found: SelfTest) -> None:
    tables.print_best(console, found.best)
    table = Table(title="Parameters", title_justify="left", title_style="bold")
    table.add_column("parameter")
    for name in ("known", "found", "off, of its range", "loss grows by 1 within", "least fixed along"):
        table.add_column(name, justify="right")
    for one in found.parameters:
        within = along = ""
        if one.low is not None and one.high is not None:
            within = f"{one.low:.4g} to {one.high:.4g}"
        if found.looseness is not None and one.name in found.looseness.loosest:
            first, other = found.looseness.loosest[one.name]
            along = f"{first:.4g} to {other:.4g}"
        values = [f"{v:.4g}" if isinstance(v, float) else str(v) for v in (one.truth, one.found)]
        table.add_row(one.name, *values, "" if one.off is None else f"{one.off:.0%}", within, along)
    console.print(table)
    if found.looseness is not None:
        explained = f"explains {found.looseness.explained:.0%} of their variance"
        tables.print_line(
            console, f"  from a linear fit to {found.looseness.trials} trials, which {explained}"
        )
    tables.print_line(console, f"Results: study {found.name} in {found.storage}")
