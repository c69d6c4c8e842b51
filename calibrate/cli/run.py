"""`calibrate run`."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer
from rich.console import Console

from calibrate.cli import tables
from calibrate.cli.given import hidden, read, with_simulator
from calibrate.cli.interrupt import Interrupt
from calibrate.cli.options import Backend, Debug, Json, Quiet, Seed, Storage, StudyPath
from calibrate.cli.output import INTERRUPTED, FailedError, StoppedError, errors, output
from calibrate.cli.progress import display
from calibrate.errors import CalibrateError
from calibrate.result import as_json
from calibrate.session import run_study
from calibrate.store import Adopted, named, storage_url


def run(
    study: StudyPath,
    backend: Backend = None,
    storage: Storage = None,
    seed: Seed = None,
    trials: Annotated[
        int | None, typer.Option(help="Number of trials in all, instead of the study's.")
    ] = None,
    slots: Annotated[int | None, typer.Option(min=1, help="Processes (default: one a core).")] = None,
    new: Annotated[
        bool, typer.Option("--new", help="Begin another study where the file was changed since it began.")
    ] = False,
    import_: Annotated[
        bool, typer.Option("--import", help="With --new: take over earlier trials inside the new ranges.")
    ] = False,
    quiet: Quiet = False,
    json_: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Run a study, or go on with it: what is in its database counts."""
    with output(json_) as (emit, console):
        found = read(study, {"simulation.backend": backend, "study.seed": seed, "budget.trials": trials})
        if not found.space:
            raise CalibrateError(
                f"{study}: no parameter is free; give one a range: NAME = {{low = ..., high = ...}}"
            )
        if import_ and not new:
            raise CalibrateError("--import takes over trials into a new study: it goes with --new")
        url = storage_url(found, storage)
        messages = errors()
        place = named(with_simulator(found, messages, quiet=quiet), url, new=new)
        ready = place.study
        if not quiet:
            tables.print_warnings(messages, ready.warnings)

        def adopted(name: str, what: Adopted) -> None:
            if not quiet:
                tables.print_adopted(messages, name, what)

        with Interrupt() as interrupt, display(messages, ready.name, quiet=quiet) as shown:
            try:
                result = run_study(
                    ready,
                    url=url,
                    slots=slots,
                    origins=[place.predecessor] if import_ and place.predecessor else [],
                    adopted=adopted,
                    progress=shown,
                    interrupted=interrupt,
                )
            except KeyboardInterrupt:
                raise StoppedError from None
        if not quiet:
            tables.print_result(console, ready, result)
            _print_where(console, url)
        if json_:
            emit(as_json(result))
        if result.stopped == "interrupted":
            raise typer.Exit(INTERRUPTED)
        if result.best is None and result.complete:
            raise FailedError(f"all {result.complete} trials that completed break a constraint")
        if result.best is None:
            raise FailedError(f"no simulation completed; the last failure: {result.last_failure}")


def _print_where(console: Console, url: str) -> None:
    shown = hidden(url)
    tables.print_line(console, f"Results: {shown}")
    tables.print_line(console, f"Look at them: optuna-dashboard {shlex.quote(shown)}")
