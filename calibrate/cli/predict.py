"""`calibrate predict`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.table import Table

from calibrate.calibration.trials.averages import format_statistic
from calibrate.cli.arguments import parse_settings
from calibrate.cli.options import Settings, StudyFile
from calibrate.cli.output import Output
from calibrate.cli.tables.listing import print_table
from calibrate.cli.tables.trials import format_assignments
from calibrate.errors import StudyError
from calibrate.results import prediction as predictions
from calibrate.results.prediction import FAR, Prediction
from calibrate.study import Study
from calibrate.tasks.lines import print_line


def predict(
    *,
    settings: Settings = None,
    trial: Annotated[
        int | None,
        typer.Option(
            min=0, help="Start from the parameters of this trial (default: the best one).", metavar="N"
        ),
    ] = None,
    statistic: Annotated[
        list[str] | None,
        typer.Option(help="Statistic to predict (repeatable; default: those judged).", metavar="NAME"),
    ] = None,
    file: StudyFile,
    output: Output,
) -> None:
    """Predict the statistics of a network from the trials, without simulating it. Stores nothing."""
    results = file.results()
    start = results.best if trial is None else results.trial(trial)
    if start is None:
        name = results.study.name
        raise StudyError(f"study '{name}' has no trial that satisfies all constraints: name one with --trial")
    changed = parse_settings(results.study, settings or [])
    prediction = predictions.predict(results, {**start.params, **changed}, statistics=statistic)
    if output.as_json:
        output.emit(as_json(prediction))
        return
    if len(changed) < len(results.study.space):
        unchanged = {name: value for name, value in start.params.items() if name not in changed}
        print_line(output.console, f"As in trial {start.number}: {format_assignments(unchanged)}")
    print_table(output.console, _table(results.study, prediction))
    near = f"{100 * prediction.distance:.2g} % of a range"
    print_line(output.console, f"The nearest trial is {prediction.nearest}, {near} away")
    if prediction.is_far:
        print_line(
            output.console,
            f"note: no trial is within {100 * FAR:g} % of every range: this is hardly more than a guess",
        )


def as_json(prediction: Prediction) -> dict[str, Any]:
    """The prediction as JSON, with its statistics by name."""
    printed = asdict(prediction)
    printed["statistics"] = {one.pop("name"): one for one in printed["statistics"]}
    return printed


def _table(study: Study, prediction: Prediction) -> Table:
    targets = {objective.name: objective.aim for objective in study.objectives}
    table = Table()
    columns = ("statistic", "predicted", "90 % of simulations", "unit", "target", "met")
    for column in columns:
        table.add_column(column, justify="left" if column in ("statistic", "unit") else "right")
    for one in prediction.statistics:
        ends = "" if one.low is None else f"{format_statistic(one.low)} to {format_statistic(one.high)}"
        value = format_statistic(one.median)
        value += f" (defined in {100 * one.defined:.0f} %)" if one.defined < 0.995 else ""
        met = "" if one.met is None else f"{100 * one.met:.0f} %"
        table.add_row(one.name, value, ends, one.unit, targets.get(one.name, ""), met)
    return table
