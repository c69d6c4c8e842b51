"""`calibrate simulate`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from calibrate.calibration import single_simulation
from calibrate.calibration.single_simulation import Simulated
from calibrate.calibration.trials.summary import lower_bounds
from calibrate.cli.arguments import with_simulator
from calibrate.cli.exits import simulating
from calibrate.cli.options import OneNetwork, StudyFile
from calibrate.cli.output import QuietOutput
from calibrate.cli.tables.statistics import print_simulated
from calibrate.cli.tables.trials import format_assignments
from calibrate.observation.spike_files import check_spike_file, write_spikes
from calibrate.study import Study
from calibrate.study.conditions import Condition, find_condition
from calibrate.study.rules.whole_steps import simulated_otherwise
from calibrate.study.up_states import find_up_states


def simulate(
    *,
    network: OneNetwork,
    condition: Annotated[
        str | None,
        typer.Option(help="Condition of the study (default: the first).", metavar="NAME"),
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(help="Save a raster plot: .png, .pdf or .svg.", metavar="FILE")
    ] = None,
    spikes: Annotated[
        Path | None, typer.Option(help="Save all spikes: .csv, .npz or .nwb.", metavar="FILE")
    ] = None,
    file: StudyFile,
    output: QuietOutput,
) -> None:
    """Simulate one network of a study and print all statistics. Stores nothing."""
    study, parameters, index = network.read(file)
    if figure is not None:
        from calibrate.figures import raster, style  # matplotlib takes half a second

        style.check_path(figure)
    if spikes is not None:
        check_spike_file(spikes)
    chosen = find_condition(study, condition)
    study = with_simulator(study, output.say)
    _say_defaults(output, study, parameters)
    _say_rounded(output, study, parameters, chosen)
    if chosen.name and condition is None:
        others = ", ".join(one.name for one in study.conditions[1:]) or "none"
        output.say(f"Condition: {chosen.name} (others with --condition: {others})")
    with simulating():
        simulated = single_simulation.simulate(
            study,
            parameters,
            spikes=figure is not None or spikes is not None,
            graph=network.graph,
            index=index,
            condition=chosen.name,
        )
    if figure is not None:
        states = find_up_states(study, simulated.observation)
        style.save(raster.raster_figure(simulated.observation, up_states=states), figure)
    if spikes is not None:
        write_spikes(simulated.observation, spikes)
    if output.as_json:
        output.emit(_as_json(study, simulated))
    else:
        print_simulated(output.console, study, simulated)
    if figure is not None:
        output.say(f"Figure: {figure}")
    if spikes is not None:
        # The other formats say themselves how long it lasted.
        length = f" (read it with duration_ms = {simulated.observation.duration_ms:g})"
        output.say(f"Spikes: {spikes}{length if spikes.suffix.lower() == '.csv' else ''}")


def _say_defaults(output: QuietOutput, study: Study, parameters: Mapping[str, Any]) -> None:
    middle = {
        name: value
        for name, value in study.parameters(parameters).items()
        if name in study.space and name not in parameters
    }
    if middle:
        output.say(f"Defaults (middle of the range): {format_assignments(middle)}")


def _say_rounded(
    output: QuietOutput, study: Study, parameters: Mapping[str, Any], condition: Condition
) -> None:
    simulation, complete = study.simulation, study.parameters_in(condition, parameters)
    lines = simulated_otherwise(study.model, lambda _: complete, {}, simulation.dt_ms, simulation.backend)
    for line in lines:
        output.say(line[0].upper() + line[1:])


def _as_json(study: Study, simulated: Simulated) -> dict[str, Any]:
    return {
        "statistics": simulated.statistics,
        "lower_bounds": list(lower_bounds(simulated.estimates)),
        "backend": study.simulation.backend,
        "simulator": dict(simulated.simulator),
        "wall_s": simulated.wall_s,
        "build_s": simulated.build_s,
        "parameters": dict(simulated.parameters),
        "seed": study.seed,
        **({"condition": simulated.condition} if simulated.condition else {}),
    }
