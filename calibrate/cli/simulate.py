"""`calibrate simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from calibrate.calibration import single_simulation
from calibrate.calibration.single_simulation import Simulated
from calibrate.calibration.trials.summary import target_results
from calibrate.cli import tables
from calibrate.cli.arguments import read, with_simulator
from calibrate.cli.arguments import settings as given_settings
from calibrate.cli.options import (
    Backend,
    Debug,
    Json,
    Quiet,
    Seed,
    Settings,
    Storage,
    StudyPath,
)
from calibrate.cli.output import FailedError, errors, output
from calibrate.errors import CalibrateError, SimulatorError
from calibrate.figures.activity import find_up_states
from calibrate.results.results import read_results
from calibrate.study import Study


def simulate(
    study: StudyPath,
    settings: Settings = None,
    trial: Annotated[
        int | None, typer.Option(min=0, help="Simulate this trial of the study once more.", metavar="N")
    ] = None,
    graph: Annotated[
        int, typer.Option(min=0, help="Number of the graph (realisation of the connectivity).", metavar="N")
    ] = 0,
    backend: Backend = None,
    storage: Storage = None,
    seed: Seed = None,
    duration_ms: Annotated[
        float | None, typer.Option(help="Length of the measurement, instead of the study's.", metavar="MS")
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(help="Save a raster plot: .png, .pdf or .svg.", metavar="FILE")
    ] = None,
    quiet: Quiet = False,
    json_: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Simulate one network of a study and print all statistics; nothing goes to the database."""
    with output(json_) as (emit, console):
        given: dict[str, Any] = {}
        index = 0
        if trial is not None:
            if seed is not None:
                raise CalibrateError("--seed cannot be combined with --trial, which has its own seed")
            results = read_results(read(study, {}, searched=False), storage=storage)
            given, index = results.candidate(trial)
            backend = backend or results.study.simulation.backend
        changes = {"simulation.backend": backend, "study.seed": seed, "simulation.duration_ms": duration_ms}
        found = read(study, changes, searched=False)
        given |= given_settings(found, settings or [])
        if figure is not None:
            from calibrate.figures import raster, style  # matplotlib takes half a second

            style.check_path(figure)
        messages = errors()
        ready = with_simulator(found, messages, quiet=quiet)
        middle = {name: value for name, value in ready.parameters(given).items() if name in found.space}
        middle = {name: value for name, value in middle.items() if name not in given}
        if middle and not quiet:
            tables.print_line(messages, f"In the middle of their ranges: {tables.assignments(middle)}")
        try:
            simulated = single_simulation.simulate(
                ready, given, spikes=figure is not None, graph=graph, index=index
            )
        except SimulatorError as error:
            raise FailedError(str(error)) from error
        if figure is not None:
            states = find_up_states(ready, simulated.observation)
            style.save(raster.raster_figure(simulated.observation, up_states=states), figure)
        if json_:
            emit(_simulated_json(ready, simulated))
        else:
            units = {statistic.name: statistic.unit for statistic in ready.statistics}
            tables.print_simulated(console, simulated, target_results(ready, simulated.estimates), units)
        if figure is not None and not quiet:
            tables.print_line(messages, f"Figure: {figure}")


def _simulated_json(study: Study, simulated: Simulated) -> dict[str, Any]:
    return {
        "statistics": simulated.statistics,
        "backend": study.simulation.backend,
        "simulator": dict(simulated.simulator),
        "wall_s": simulated.wall_s,
        "build_s": simulated.build_s,
        "parameters": dict(simulated.parameters),
        "seed": study.seed,
    }
