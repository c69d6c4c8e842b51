"""`calibrate validate`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from calibrate.calibration.validation.verdict import as_json
from calibrate.cli.exits import INTERRUPTED, FailedError, resumable, simulating
from calibrate.cli.options import StudyFile, Workers
from calibrate.cli.output import QuietOutput
from calibrate.cli.tables.study import print_limits
from calibrate.cli.tables.verdicts import print_conclusion, print_verdict
from calibrate.errors import CalibrateError
from calibrate.tasks.run import Validation
from calibrate.tasks.run import validate as validate_study


def validate(
    *,
    top: Annotated[
        int | None,
        typer.Option(
            help="Number of best trials to validate (default: 1, or the whole Pareto front).", metavar="K"
        ),
    ] = None,
    trial: Annotated[
        list[int] | None,
        typer.Option(min=0, help="Validate this trial instead (repeatable).", metavar="N"),
    ] = None,
    replicates: Annotated[
        int | None,
        typer.Option(help="Number of graphs to simulate each trial on (default: 24).", metavar="R"),
    ] = None,
    duration_ms: Annotated[
        float | None, typer.Option(help="Length of the measurement (overrides the study).", metavar="MS")
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Compare spike trains on one graph, in double precision.")
    ] = False,
    workers: Workers,
    file: StudyFile,
    output: QuietOutput,
) -> None:
    """Simulate the best trials on fresh graphs, also in NEST, and report whether they are confirmed."""
    if exact and replicates is not None:
        raise CalibrateError(
            "--exact cannot be combined with --replicates: it simulates one graph of each trial"
        )
    changes = {
        "validation.top": top,
        "validation.replicates": replicates,
        "validation.duration_ms": duration_ms,
    }
    study, url = file.find({**changes, **workers.changes})
    with resumable(), simulating():
        validation = validate_study(
            study,
            trial or (),
            exact=exact,
            storage=url,
            slots=workers.slots,
            progress=output.progress(),
        )
    if validation.interrupted:
        raise typer.Exit(INTERRUPTED)
    if output.as_json:
        output.emit(_as_json(validation))
    else:
        for verdict in validation.verdicts:
            print_verdict(output.console, verdict)
        print_limits(output.console, study)
        output.print("")
        for verdict in validation.verdicts:  # again, below tables that may be longer than the terminal
            print_conclusion(output.console, verdict)
    if not validation.verdicts[0].good:
        raise FailedError(str(validation.verdicts[0]))


def _as_json(validation: Validation) -> dict[str, Any]:
    return {
        "name": validation.name,
        "storage": validation.storage,
        "verdict": validation.verdicts[0].verdict,
        "trials": [as_json(verdict) for verdict in validation.verdicts],
    }
