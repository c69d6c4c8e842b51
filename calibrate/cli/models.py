"""`calibrate models`."""

from __future__ import annotations

import shlex
from typing import Annotated, Any

import typer
from rich.console import Console

from calibrate.cli.output import Output
from calibrate.cli.tables.listing import print_listing
from calibrate.errors import CalibrateError
from calibrate.network import Model, Parameter, find_model
from calibrate.network.arguments import KEYWORDS
from calibrate.network.own_simulation import OwnSimulation
from calibrate.study import search_ranges
from calibrate.tasks import catalogue
from calibrate.tasks.lines import print_line


def models(
    *,
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Describe the parameters of this model, or of FILE.py:NAME."),
    ] = None,
    output: Output,
) -> None:
    """List the available models, or describe the parameters of one."""
    if name is not None:
        model = find_model(name)
        if output.as_json:
            output.emit(catalogue.model_json(model))
        else:
            _print_model(output.console, name, model)
        return
    installed = dict(catalogue.models())
    if output.as_json:
        output.emit({"models": [_summarise(name, model) for name, model in installed.items()]})
        return
    rows = [(name, _count_parameters(model), _first_line(model)) for name, model in installed.items()]
    print_listing(output.console, ("model", "parameters", ""), rows, right=1)
    output.print("To describe one: calibrate models NAME", keep="calibrate models NAME")


def _count_parameters(model: Model | CalibrateError) -> str:
    return "" if isinstance(model, CalibrateError) else str(len(model.parameters))


def _first_line(model: Model | CalibrateError) -> str:
    return str(model) if isinstance(model, CalibrateError) else model.doc.partition("\n")[0]


def _summarise(name: str, model: Model | CalibrateError) -> dict[str, Any]:
    if isinstance(model, CalibrateError):
        return {"name": name, "error": str(model)}
    return {"name": name, "parameters": len(model.parameters), "doc": _first_line(model)}


def _print_model(console: Console, reference: str, model: Model) -> None:
    print_line(console, f"{model.name}: {model.doc}" if model.doc else model.name)
    if model.simulation is not None:
        _print_simulation(console, model, model.simulation)
    else:
        rows = [(p.name, format_default(p), catalogue.allowed(p), p.tier, p.doc) for p in model.parameters]
        print_listing(console, ("parameter", "default", "allowed", "tier", ""), rows)
        console.print()
        for tier, meaning in catalogue.TIERS.items():
            print_line(console, f"{tier:<8}{meaning}", hang=8)
    if not (offered := search_ranges.searchable(model)):
        return
    free = search_ranges.handful(model) or [f"{offered[0].name}=LOW:HIGH"]
    options = [word for parameter in free for word in ("--free", parameter)]
    command = shlex.join(["calibrate", "new", reference, *options])
    print_line(console, f"To write a study of it: {command}", hang=2, keep=command)


def _print_simulation(console: Console, model: Model, simulation: OwnSimulation) -> None:
    """What a function takes and returns."""
    if model.parameters:
        rows = [(p.name, format_default(p), catalogue.allowed(p), p.doc) for p in model.parameters]
        print_listing(console, ("parameter", "default", "allowed", ""), rows)
    known = {p.name for p in model.parameters}
    if untyped := [name for name in simulation.arguments.parameters if name not in known]:
        print_line(console, f"Parameters without a default: {', '.join(untyped)}")
    if simulation.any_parameter:
        print_line(console, "It takes parameters of any name: those in [parameters] of the study file.")
    given = [(name, KEYWORDS[name]) for name in KEYWORDS if name in simulation.arguments.keywords]
    print_listing(console, ("it also takes", ""), given)
    returned = simulation.populations
    print_line(
        console,
        f"It returns {', '.join(f'{name} ({catalogue.size(size)})' for name, size in returned.items())}."
        if returned
        else "What it returns is in the study file, for example [model] populations = { E = 400, I = 100 }",
        hang=2,
    )


def format_default(parameter: Parameter) -> str:
    """Format the default of a parameter, with its unit."""
    value = parameter.default
    if value is None:
        return f"- {parameter.unit}".rstrip()
    if isinstance(value, tuple):
        return str(list(value))
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return f"{text.lower() if isinstance(value, bool) else text} {parameter.unit}".rstrip()
