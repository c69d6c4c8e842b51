"""`calibrate harden`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from calibrate.calibration.hardening.hardening import as_json
from calibrate.cli.arguments import hide_password, parse_limits
from calibrate.cli.exits import INTERRUPTED, FailedError, resumable, simulating
from calibrate.cli.options import StudyFile, Workers
from calibrate.cli.output import QuietOutput
from calibrate.cli.tables.hardenings import print_hardening
from calibrate.tasks.harden import harden as harden_study


def harden(
    *,
    trial: Annotated[
        int | None,
        typer.Option(min=0, help="Harden this trial (default: the best one).", metavar="N"),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            help="Platform: spinnaker, loihi, brainscales2, dynapse or custom (default: from \\[hardware]).",
            metavar="NAME",
        ),
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(help="Change a limit of the platform (repeatable).", metavar="NAME=VALUE"),
    ] = None,
    bits: Annotated[
        list[int] | None,
        typer.Option(
            help="Bits of the weights on the ladder (repeatable; default: from 12 or those of the platform).",
            metavar="N",
        ),
    ] = None,
    graphs: Annotated[
        int | None, typer.Option(help="Number of graphs of every rung (default: 6).", metavar="N")
    ] = None,
    chips: Annotated[int | None, typer.Option(help="Number of chips (default: 24).", metavar="N")] = None,
    units: Annotated[
        str,
        typer.Option(
            help="Units of ladder and chips: those with the smallest rounding error, or those of the study.",
            metavar="best|given",
        ),
    ] = "best",
    duration_ms: Annotated[
        float | None, typer.Option(help="Length of the measurement (overrides the study).", metavar="MS")
    ] = None,
    workers: Workers,
    file: StudyFile,
    output: QuietOutput,
) -> None:
    """Test whether a network survives on neuromorphic hardware: fit, units, bits of the weights, chips."""
    study, url = file.find_as_run({"validation.duration_ms": duration_ms, **workers.changes})
    with resumable(), simulating():
        hardening = harden_study(
            study,
            trial,
            target=target,
            limits=parse_limits(limit or []),
            bits=bits or None,
            graphs=graphs,
            chips=chips,
            units=units,  # type: ignore[arg-type]  # checked there
            backend=file.backend,
            storage=url,
            slots=workers.slots,
            progress=output.progress(),
        )
    if hardening is None:
        raise typer.Exit(INTERRUPTED)
    if output.as_json:
        named: dict[str, Any] = {"name": study.name, "storage": hide_password(url)}
        output.emit(named | as_json(hardening))
    else:
        print_hardening(output.console, hardening)
    if not hardening.good:
        raise FailedError(str(hardening))
