"""Trials: the best one against its targets, the Pareto front, and how well the targets fix the parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from calibrate.calibration.trials.averages import format_statistic
from calibrate.calibration.trials.summary import TargetResult, TrialSummary
from calibrate.cli.tables.listing import print_table
from calibrate.objective.rounding import counted
from calibrate.results.looseness import Looseness
from calibrate.study import Study
from calibrate.tasks.lines import print_line


def print_trial(console: Console, trial: TrialSummary, *, heading: str = "Best parameters") -> None:
    """Print the targets and the parameters of a trial, by default the best one."""
    print_line(console, _make_title(trial), style="bold")
    fresh = any(target.fresh for target in trial.targets)
    table = Table()
    table.add_column("statistic")
    for name in ("target", "reached", *(["fresh graphs"] if fresh else [])):
        table.add_column(name, justify="right")
    table.add_column("unit")
    table.add_column("met")
    for target in trial.targets:
        cells = [target.name, target.aim, format_statistic(target.reached, lower_bound=target.lower_bound)]
        if target.fresh is not None:
            cells.append(str(target.fresh))
        table.add_row(*cells, target.unit, _format_whether_met(target))
    print_table(console, table)
    print_notes(console, {target.name: target.note for target in trial.targets})
    if trial.predictions:
        _print_predictions(console, trial)
    print_line(console, f"{heading}: {format_assignments(trial.params)}", hang=2)


def print_constraints(console: Console, study: Study, trial: TrialSummary | None = None) -> None:
    """Print the constraints of a study, with the values of a trial and whether it violates them."""
    for constraint in study.constraints:
        ends = ((constraint.low, "at least"), (constraint.high, "at most"))
        bounds = " and ".join(f"{words} {end:g}" for end, words in ends if math.isfinite(end))
        unit = f" {constraint.statistic.unit}" if constraint.statistic.unit else ""
        text = f"Constraint: {constraint.name} must be {bounds}{unit}"
        if trial is not None:
            value = trial.statistics.get(constraint.name)
            kept = value is not None and constraint.low <= value <= constraint.high
            text += f"; it is {format_statistic(value)}" + ("" if kept else ", which violates it")
        print_line(console, text)


def _print_predictions(console: Console, trial: TrialSummary) -> None:
    """Print the targets of conditions that are held out, apart from those that were fitted."""
    print_line(console, f"{trial.predicted[0].upper()}{trial.predicted[1:]}", style="bold")
    table = Table()
    table.add_column("statistic, not fitted")
    for name in ("target", "predicted"):
        table.add_column(name, justify="right")
    table.add_column("unit")
    table.add_column("met")
    for target in trial.predictions:
        table.add_row(target.name, target.aim, str(target.fresh), target.unit, format_yes_or_no(target.met))
    print_table(console, table)
    print_notes(console, {target.name: target.note for target in trial.predictions})


def _make_title(best: TrialSummary) -> str:
    total, met = len(best.targets), sum(target.met for target in best.targets)
    over = f" over {best.graphs} graphs" if best.graphs > 1 else ""
    title = f"Trial {best.number}, loss {best.loss:.4g}{over}, meets {met} of {total} targets"
    graphs = next((target.fresh.graphs for target in best.targets if target.fresh), 0)
    if graphs:
        met = sum(bool(target.fresh_met) for target in best.targets)
        title += f"; on {graphs} fresh graph{'s' * (graphs != 1)} {met} of {total}"
    return title


def _format_whether_met(target: TargetResult) -> Text:
    text = format_yes_or_no(target.met)
    if target.fresh_met is not None and target.fresh_met != target.met:
        text = Text.assemble(text, ", fresh graphs: ", format_yes_or_no(target.fresh_met))
    return text


def print_looseness(console: Console, best: TrialSummary, looseness: Looseness) -> None:
    """Print how far each parameter can move from the best trial."""
    table = Table()
    table.add_column("parameter")
    for name in ("best", "Δloss ≤ 1", "loosest direction"):
        table.add_column(name, justify="right")
    for name, ends in looseness.parameters.items():
        along = looseness.loosest[name]
        table.add_row(name, format_value(best.params[name]), format_ends(*ends), format_ends(*along))
    print_table(console, table)
    print_fit(console, looseness)


def print_fit(console: Console, looseness: Looseness) -> None:
    """Print the fit on which the looseness of the parameters rests."""
    explained = f"explains {looseness.explained:.0%} of their variance"
    print_line(console, f"  from a linear fit to {looseness.trials} trials, which {explained}")


def print_front(console: Console, study: Study, front: Sequence[TrialSummary]) -> None:
    """Print the Pareto front, one row for each trial: the values of its targets, and its parameters."""
    table = Table(
        title=f"Pareto front: {counted(len(front), 'trial')}", title_justify="left", title_style="bold"
    )
    table.add_column("trial", justify="right")
    for objective in study.objectives:
        table.add_column(objective.name, justify="right")
    table.add_column("parameters")
    for trial in front:
        cells = [
            Text(
                format_statistic(target.reached, lower_bound=target.lower_bound),
                "green" if target.met else "",
            )
            for target in trial.targets
        ]
        table.add_row(str(trial.number), *cells, format_assignments(trial.params))
    print_table(console, table)


def print_notes(console: Console, notes: Mapping[str, str]) -> None:
    """Print the notes on statistics that have one."""
    for name, note in notes.items():
        if note:
            print_line(console, f"  {name}: {note}")


def format_yes_or_no(met: bool) -> Text:
    """Format whether a target is met."""
    return Text("yes", "green") if met else Text("no", "red")


def format_value(value: Any) -> str:
    """Format the value of a parameter: a number or a choice."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def format_ends(low: float, high: float) -> str:
    """Format the ends of a range."""
    return f"{low:.4g} to {high:.4g}"


def format_assignments(parameters: Mapping[str, Any]) -> str:
    """Format parameters as NAME = VALUE, separated by commas."""
    return ", ".join(
        f"{name} = {value:.6g}" if isinstance(value, float) else f"{name} = {value}"
        for name, value in parameters.items()
    )
