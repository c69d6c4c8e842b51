"""`calibrate objectives`."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from calibrate.cli import tables
from calibrate.cli.listing import print_listing
from calibrate.cli.options import Debug, Json
from calibrate.cli.output import output
from calibrate.errors import CalibrateError
from calibrate.objective import Statistic, find_statistic
from calibrate.tasks import catalogue


def objectives(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="Show all of this statistic: cv2, cv2_E (of population E), or FILE.py:NAME.",
        ),
    ] = None,
    json_: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """List the available statistics, or describe one of them."""
    with output(json_) as (emit, console):
        if name is not None:
            statistic = find_statistic(name)
            if json_:
                emit(catalogue.statistic_json(statistic))
            else:
                _print_statistic(console, statistic)
            return
        found = dict(catalogue.statistics())
        if json_:
            emit({"objectives": [_json(name, statistic) for name, statistic in found.items()]})
            return
        rows = [_row(name, statistic) for name, statistic in found.items()]
        print_listing(console, ("statistic", "unit", "", "options"), rows)
        tables.print_line(console, "In a study, rate_E is the rate of population E.")
        tables.print_line(console, "All about one: calibrate objectives NAME")


def _row(name: str, statistic: Statistic | CalibrateError) -> tuple[str, ...]:
    if isinstance(statistic, CalibrateError):
        return name, "", str(statistic), ""
    return name, statistic.unit, statistic.summary, ", ".join(statistic.options)


def _json(name: str, statistic: Statistic | CalibrateError) -> dict[str, Any]:
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
    tables.print_line(console, catalogue.documentation(statistic))
    lines = {
        "options": ", ".join(f"{name} = {_toml(value)}" for name, value in statistic.options.items()),
        "needs": _needs(statistic),
        "compared": "by ratios" if statistic.scale == "log" else "by differences",
        "stages": "a simulation of a second can judge it" if statistic.screens else "",
    }
    for graph, spread in statistic.spread.items():
        more = f", {spread.between:.0%} more from graph to graph" if spread.between else ""
        lines[f"spread, {graph}"] = f"{spread.within:.0%} from one run of 10 s to another{more}"
    table = Table.grid(padding=(0, 2))
    for name, line in lines.items():
        if line:
            table.add_row(Text(name, "bold"), Text(line))
    console.print()
    console.print(table)


def _needs(statistic: Statistic) -> str:
    needs = statistic.needs
    found = [
        f"counts of groups in bins of {needs.bin_ms:g} ms" if needs.bin_ms else "",
        f"counts of neurons in windows of {needs.window_ms:g} ms" if needs.window_ms else "",
        "intervals between spikes" if needs.isi else "",
        "every spike" if needs.spikes else "",
    ]
    return "; ".join(need for need in found if need) or "what is always kept"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else f"{value}"
