"""`calibrate run`."""

from __future__ import annotations

from typing import Annotated

import typer

from calibrate.calibration.result import Result, as_json
from calibrate.cli.exits import INTERRUPTED, FailedError, resumable
from calibrate.cli.options import Seed, StudyFile, Trials, Workers
from calibrate.cli.output import QuietOutput
from calibrate.cli.tables.result import print_result
from calibrate.cli.tables.verdicts import print_verdict
from calibrate.study import Study
from calibrate.tasks.run import run_study


def run(
    *,
    seed: Seed = None,
    trials: Trials = None,
    new: Annotated[
        bool, typer.Option("--new", help="Start a new study if the file has changed since the last run.")
    ] = False,
    import_: Annotated[
        bool, typer.Option("--import", help="With --new: import earlier trials inside the new ranges.")
    ] = False,
    workers: Workers,
    file: StudyFile,
    output: QuietOutput,
) -> None:
    """Run a study, or resume it from the results already in its database."""
    study = file.read({"study.seed": seed, "budget.trials": trials, **workers.changes})
    with resumable():
        result = run_study(
            study,
            storage=file.storage,
            slots=workers.slots,
            new=new,
            adopt=import_,
            progress=output.progress(),
        )
    if not output.quiet:
        print_result(output.console, study, result)
        _print_next_commands(output, file, study, result)
        for verdict in result.validation:
            print_verdict(output.console, verdict, whole=False)
    if output.as_json:
        output.emit(as_json(result))
    if result.stopped == "interrupted":
        raise typer.Exit(INTERRUPTED)
    if result.best is None and result.complete:
        raise FailedError(f"all {result.complete} completed trials violate a constraint")
    if result.best is None:
        raise FailedError(f"no simulation completed; last failure: {result.last_failure}")
    if result.validation and not result.validation[0].good:
        raise FailedError(str(result.validation[0]))


def _print_next_commands(output: QuietOutput, file: StudyFile, study: Study, result: Result) -> None:
    commands: dict[str, tuple[str, ...]] = {"Show the results": ("show",)}
    if result.best is not None:
        number = str(result.best.number)
        commands |= {
            "Plot the best network": ("simulate", "--trial", number, "--figure", f"trial{number}.png"),
            "Validate it": ("validate",),
            "Write a report": ("report",),
        }
        if study.hardware is not None:
            commands["Harden it"] = ("harden",)
    commands["Browse all trials"] = ("dashboard",)
    output.print(f"Results: {result.storage}")
    for purpose, (name, *options) in commands.items():
        command = file.command(name, *options, storage=result.storage)
        output.print(f"{purpose + ':':<23}{command}", keep=command)
