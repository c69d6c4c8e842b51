"""`calibrate objectives`."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from calibrate.cli.output import Output
from calibrate.cli.tables.listing import print_listing
from calibrate.errors import CalibrateError
from calibrate.objective import Statistic, find_statistic
from calibrate.tasks import catalogue
from calibrate.tasks.lines import flowed, print_line


def objectives(
    *,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="Describe this statistic: cv2, cv2_E (of population E), or FILE.py:NAME.",
        ),
    ] = None,
    output: Output,
) -> None:
    """List the available statistics, or describe one of them."""
    if name is not None:
        statistic = find_statistic(name)
        if output.as_json:
            output.emit(catalogue.statistic_json(statistic))
        else:
            _print_statistic(output.console, statistic)
        return
    installed = dict(catalogue.statistics())
    if output.as_json:
        output.emit({"objectives": [_summarise(name, statistic) for name, statistic in installed.items()]})
        return
    rows = [_make_row(name, statistic) for name, statistic in installed.items()]
    print_listing(output.console, ("statistic", "unit", "", "options"), rows)
    output.print("In a study, rate_E is the rate of population E.")
    output.print("To describe one: calibrate objectives NAME", keep="calibrate objectives NAME")


def _make_row(name: str, statistic: Statistic | CalibrateError) -> tuple[str, ...]:
    if isinstance(statistic, CalibrateError):
        return name, "", str(statistic), ""
    return name, statistic.unit, statistic.summary, ", ".join(statistic.options)


def _summarise(name: str, statistic: Statistic | CalibrateError) -> dict[str, Any]:
    if isinstance(statistic, CalibrateError):
        return {"name": name, "error": str(statistic)}
    return {
        "name": name,
        "unit": statistic.unit,
        "summary": statistic.summary,
        "options": dict(statistic.options),
    }


def _print_statistic(console: Console, statistic: Statistic) -> None:
    head = Text(statistic.name, "bold")
    head.append(f" ({statistic.unit or 'no unit'})", "not bold")
    console.print(head)
    text = catalogue.documentation(statistic)
    print_line(console, flowed(text) if console.is_terminal else text)
    lines = {
        "options": ", ".join(f"{name} = {_to_toml(value)}" for name, value in statistic.options.items()),
        "needs": _describe_needs(statistic),
        "compared": "as ratios" if statistic.scale == "log" else "as differences",
        "stages": "one second of simulation is enough to judge it" if statistic.screens else "",
    }
    table = Table.grid(padding=(0, 2))
    for name, line in lines.items():
        if line:
            table.add_row(Text(name, "bold"), Text(line))
    console.print()
    console.print(table)


def _describe_needs(statistic: Statistic) -> str:
    needs = statistic.needs
    parts = [
        f"spike counts of groups in bins of {needs.bin_ms:g} ms" if needs.bin_ms else "",
        f"spike counts of neurons in windows of {needs.window_ms:g} ms" if needs.window_ms else "",
        "interspike intervals" if needs.isi else "",
        "all spike times" if needs.spikes else "",
    ]
    return "; ".join(part for part in parts if part) or "only what is always recorded"


def _to_toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else f"{value}"
