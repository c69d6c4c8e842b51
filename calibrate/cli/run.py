"""`calibrate run`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from calibrate.calibration.result import Result, as_json
from calibrate.cli import tables
from calibrate.cli.arguments import read
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
from calibrate.cli.verdicts import print_verdict
from calibrate.tasks.display import display
from calibrate.tasks.run import run_study


def run(
    study: StudyPath,
    backend: Backend = None,
    storage: Storage = None,
    seed: Seed = None,
    trials: Trials = None,
    slots: Slots = None,
    pool: PoolEngine = None,
    address: Address = None,
    new: Annotated[
        bool, typer.Option("--new", help="Start a new study if the file has changed since the last run.")
    ] = False,
    import_: Annotated[
        bool, typer.Option("--import", help="With --new: take over earlier trials inside the new ranges.")
    ] = False,
    quiet: Quiet = False,
    json_: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Run a study, or resume it from the results already in its database."""
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
        try:
            result = run_study(
                found,
                storage=storage,
                slots=slots,
                new=new,
                adopt=import_,
                progress=display(errors(), quiet=quiet),
            )
        except KeyboardInterrupt:
            raise StoppedError from None
        if not quiet:
            tables.print_result(console, found, result)
            _print_next(console, study, storage, result)
            for verdict in result.validation:
                print_verdict(console, verdict, whole=False)
        if json_:
            emit(as_json(result))
        if result.stopped == "interrupted":
            raise typer.Exit(INTERRUPTED)
        if result.best is None and result.complete:
            raise FailedError(f"all {result.complete} trials that completed break a constraint")
        if result.best is None:
            raise FailedError(f"no simulation completed; the last failure: {result.last_failure}")
        if result.validation and not result.validation[0].good:
            raise FailedError(str(result.validation[0]))


def _print_next(console: Console, study: Path, storage: str | None, result: Result) -> None:
    more = ["--storage", result.storage] if storage else []
    again = [str(study), *more]
    tables.print_line(console, f"Results: {result.storage}")
    tables.print_line(console, f"Show them again:     {shlex.join(['calibrate', 'show', *again])}")
    if result.best is not None:
        figure = f"trial{result.best.number}.png"
        trial = ["--trial", str(result.best.number), "--figure", figure]
        tables.print_line(
            console, f"Its best network:    {shlex.join(['calibrate', 'simulate', *again, *trial])}"
        )
        tables.print_line(console, f"Confirm it in NEST:  {shlex.join(['calibrate', 'validate', *again])}")
        tables.print_line(console, f"All on a page:       {shlex.join(['calibrate', 'report', *again])}")
    tables.print_line(console, f"All trials, to look: {shlex.join(['calibrate', 'dashboard', *again])}")
