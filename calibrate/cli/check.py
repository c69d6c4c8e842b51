"""`calibrate check`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from calibrate import simulators
from calibrate.calibration.resources.estimate import Cost, estimate
from calibrate.calibration.resources.noise import noise_warnings
from calibrate.calibration.study_pool import warnings_of
from calibrate.cli.arguments import hide_password
from calibrate.cli.exits import FailedError
from calibrate.cli.options import StudyFile
from calibrate.cli.output import Output
from calibrate.cli.tables.study import check_json, print_check
from calibrate.errors import SimulatorError, StudyError
from calibrate.store import storage_url
from calibrate.study import Study
from calibrate.study.file.user_code import code_of
from calibrate.study.viability import viability_of


def check(
    *,
    fast: Annotated[
        bool, typer.Option("--fast", help="Skip the simulations that measure time and noise.")
    ] = False,
    graphs: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="Graphs to measure the noise on (default: as many as take less than a minute, up to 8).",
        ),
    ] = None,
    file: StudyFile,
    output: Output,
) -> None:
    """Check a study file, and measure time and noise of its trials on this machine. Stores nothing."""
    if code := code_of(file.path):  # before any of it is imported
        output.say(f"This study runs code: {', '.join(code)}")
    study = file.read()
    url = storage_url(study, file.storage)
    doubts = _doubts(study)
    output.warn(doubts)
    ready, cost = _estimate_cost(study, output, timed=not fast, graphs=graphs)
    if cost is not None and cost.note and study.model.simulation is not None:
        raise FailedError(f"{file.path}: a simulation in the middle of the ranges failed: {cost.note}")
    noise = noise_warnings(ready, cost.noise) if cost else []
    output.warn(noise)
    if output.as_json:
        output.emit(check_json(ready, cost, warnings=[*doubts, *noise]))
        return
    output.console.print("OK", style="bold green", end=" ")
    output.print(str(file.path))
    print_check(output.console, ready, cost, database=hide_password(url))


def _doubts(study: Study) -> Sequence[str]:
    """What may keep the study from working. Raises StudyError if it cannot work."""
    found = viability_of(study)
    if found.undefined or found.hopeless:
        raise StudyError("\n".join(f"{study.path}: {line}" for line in (*found.undefined, *found.hopeless)))
    return found.doubts


def _estimate_cost(
    study: Study, output: Output, *, timed: bool, graphs: int | None
) -> tuple[Study, Cost | None]:
    """Choose the simulator and estimate the cost; failures are warnings, and the cost is then None."""
    try:
        ready = study.on(simulators.choose(study.simulation.backend, study.network))
    except SimulatorError as error:
        output.warn([*study.warnings, str(error)])
        return study, None
    output.warn(warnings_of(ready))
    try:
        return ready, estimate(ready, timed=timed, graphs=graphs, say=output.say)
    except SimulatorError as error:
        output.warn([str(error)])
        return ready, None
