"""What the command line prints: tables and closing lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from calibrate.cli.progress import duration
from calibrate.result import Best, Reached, Reason, Result
from calibrate.session import Simulated
from calibrate.study import Study

_REASONS: Mapping[Reason, str] = {
    "trials": "all trials of its budget are done",
    "loss": "the loss of its budget is reached",
    "wall_s": "the time of its budget is used",
    "grid": "the grid is complete",
    "interrupted": "you interrupted it",
}


def print_line(console: Console, text: str) -> None:
    """A line as it is, however long."""
    console.print(text, soft_wrap=True, markup=False, highlight=False)


def print_result(console: Console, study: Study, result: Result) -> None:
    """The targets against the values reached, the best parameters, and how the time went."""
    done = result.complete + result.failed
    failed = f", {result.failed} of them failed" if result.failed else ""
    print_line(console, f"{study.name}: {done} trials{failed}; stopped because {_REASONS[result.stopped]}")
    if result.last_failure is not None:
        print_line(console, f"The last failure: {result.last_failure}")
    if result.best is not None:
        print_best(console, result.best)
    times = result.times
    shares = {
        "starting": times.starting_s,
        "simulating": times.simulating_s,
        "asking": times.asking_s,
        "scoring": times.scoring_s,
        "storing": times.storing_s,
    }
    parts = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in shares.items())
    print_line(console, f"Time: {duration(times.wall_s)} ({parts})")


def print_best(console: Console, best: Best) -> None:
    """The best trial: targets and parameters."""
    met = sum(target.met for target in best.targets)
    title = f"Trial {best.number}, loss {best.loss:.4g}, meets {met} of {len(best.targets)} targets"
    table = Table(title=title, title_justify="left", title_style="bold")
    for name, right in (
        ("statistic", False),
        ("target", True),
        ("reached", True),
        ("unit", False),
        ("met", False),
    ):
        table.add_column(name, justify="right" if right else "left")
    for target in best.targets:
        met_text = Text("yes", "green") if target.met else Text("no", "red")
        table.add_row(target.name, aim(target), number(target.reached), target.unit, met_text)
    console.print(table)
    _print_notes(console, {target.name: target.note for target in best.targets})
    print_line(console, f"Best parameters: {assignments(best.params)}")


def print_simulated(
    console: Console, simulated: Simulated, targets: Sequence[Reached], units: Mapping[str, str]
) -> None:
    """The panel of one simulation, with the study's targets beside it."""
    aims = {target.name: target for target in targets}
    table = Table()
    for name, right in (
        ("statistic", False),
        ("value", True),
        ("unit", False),
        ("target", True),
        ("met", False),
    ):
        table.add_column(name, justify="right" if right else "left")
    for name, value in simulated.statistics.items():
        row = [name, number(value), units.get(name, "")]
        if name in aims:
            met = aims[name].met
            table.add_row(*row, aim(aims[name]), Text("yes" if met else "no", "green" if met else "red"))
        else:
            table.add_row(*row, "", "")
    console.print(table)
    _print_notes(console, {name: found.note for name, found in simulated.estimates.items()})
    simulator = " ".join(
        simulated.simulator.get(key, "") for key in ("name", "version", "device", "precision")
    )
    print_line(
        console, f"{simulator}: simulated in {simulated.wall_s:.2f} s, built in {simulated.build_s:.2f} s"
    )


def _print_notes(console: Console, notes: Mapping[str, str]) -> None:
    for name, note in notes.items():
        if note:
            print_line(console, f"  {name}: {note}")


def aim(target: Reached) -> str:
    """A target for a reader: 5 ± 0.5, or 1 to 2."""
    if isinstance(target.target, tuple):
        return f"{target.target[0]:g} to {target.target[1]:g}"
    return f"{target.target:g} ± {target.tolerance:g}"


def number(value: float | None) -> str:
    """A value for a reader."""
    return "undefined" if value is None else f"{value:.4g}"


def assignments(parameters: Mapping[str, Any]) -> str:
    """NAME = VALUE of each parameter."""
    return ", ".join(
        f"{name} = {value:.6g}" if isinstance(value, float) else f"{name} = {value}"
        for name, value in parameters.items()
    )
