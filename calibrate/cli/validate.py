"""`calibrate validate`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from calibrate.calibration.validation.verdict import as_json
from calibrate.cli.arguments import read
from calibrate.cli.options import (
    Address,
    Backend,
    Debug,
    Json,
    PoolEngine,
    Quiet,
    Slots,
    Storage,
    StudyPath,
)
from calibrate.cli.output import INTERRUPTED, FailedError, StoppedError, errors, output
from calibrate.cli.verdicts import print_verdict
from calibrate.errors import CalibrateError, SimulatorError
from calibrate.tasks import run as session
from calibrate.tasks.display import display
from calibrate.tasks.run import Validation


def validate(
    study: StudyPath,
    top: Annotated[
        int | None,
        typer.Option(
            help="Number of best trials to validate (default: 1, or the whole Pareto front).", metavar="K"
        ),
    ] = None,
    trial: Annotated[
        list[int] | None,
        typer.Option(min=0, help="Validate this trial instead; as often as you like.", metavar="N"),
    ] = None,
    replicates: Annotated[
        int | None,
        typer.Option(help="Graphs to simulate each on (default: 24).", metavar="R"),
    ] = None,
    duration_ms: Annotated[
        float | None, typer.Option(help="A longer measurement than the study's.", metavar="MS")
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Compare spike trains on one graph, in double precision.")
    ] = False,
    slots: Slots = None,
    pool: PoolEngine = None,
    address: Address = None,
    backend: Backend = None,
    storage: Storage = None,
    quiet: Quiet = False,
    json_: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Simulate the best trials again on fresh graphs, in NEST too, and say whether they are confirmed."""
    with output(json_) as (emit, console):
        if exact and replicates is not None:
            raise CalibrateError("--exact looks at one graph of each trial: leave out --replicates")
        changes = {
            "simulation.backend": backend,
            "validation.top": top,
            "validation.replicates": replicates,
            "validation.duration_ms": duration_ms,
            "pool.engine": pool,
            "pool.address": address,
        }
        found = read(study, changes, searched=False)
        try:
            validation = session.validate(
                found,
                trial or (),
                exact=exact,
                storage=storage,
                slots=slots,
                progress=display(errors(), quiet=quiet),
            )
        except KeyboardInterrupt:
            raise StoppedError from None
        except SimulatorError as error:
            raise FailedError(str(error)) from error
        if validation.interrupted:
            raise typer.Exit(INTERRUPTED)
        if json_:
            emit(validation_json(validation))
        else:
            for verdict in validation.verdicts:
                print_verdict(console, verdict)
        if not validation.verdicts[0].good:
            raise FailedError(str(validation.verdicts[0]))


def validation_json(validation: Validation) -> dict[str, Any]:
    """A validation as JSON has it."""
    return {
        "name": validation.name,
        "storage": validation.storage,
        "verdict": validation.verdicts[0].verdict,
        "trials": [as_json(verdict) for verdict in validation.verdicts],
    }
