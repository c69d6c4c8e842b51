"""`calibrate models`."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console

from calibrate.cli import tables
from calibrate.cli.listing import print_listing
from calibrate.cli.options import Debug, Json
from calibrate.cli.output import output
from calibrate.errors import CalibrateError
from calibrate.network import Model, Parameter, find_model
from calibrate.tasks import catalogue


def models(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="Show the parameters of this model, or of FILE.py:NAME."),
    ] = None,
    json_: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """List the models, or the parameters of one."""
    with output(json_) as (emit, console):
        if name is not None:
            model = find_model(name)
            if json_:
                emit(catalogue.model_json(model))
            else:
                _print_model(console, model)
            return
        found = dict(catalogue.models())
        if json_:
            emit({"models": [_json(name, model) for name, model in found.items()]})
            return
        rows = [(name, _count(model), _doc(model)) for name, model in found.items()]
        print_listing(console, ("model", "parameters", ""), rows, right=1)
        tables.print_line(console, "The parameters of one: calibrate models NAME")


def _count(model: Model | CalibrateError) -> str:
    return "" if isinstance(model, CalibrateError) else str(len(model.parameters))


def _doc(model: Model | CalibrateError) -> str:
    return str(model) if isinstance(model, CalibrateError) else model.doc.partition("\n")[0]


def _json(name: str, model: Model | CalibrateError) -> dict[str, Any]:
    if isinstance(model, CalibrateError):
        return {"name": name, "error": str(model)}
    return {"name": name, "parameters": len(model.parameters), "doc": _doc(model)}


def _print_model(console: Console, model: Model) -> None:
    tables.print_line(console, f"{model.name}: {model.doc}" if model.doc else model.name)
    rows = [(p.name, default(p), catalogue.allowed(p), p.tier, p.doc) for p in model.parameters]
    print_listing(console, ("parameter", "default", "allowed", "tier", ""), rows)
    console.print()
    for tier, meaning in catalogue.TIERS.items():
        tables.print_line(console, f"{tier:<8}{meaning}")
    tables.print_line(console, f"A study of it: calibrate new {model.name}")


def default(parameter: Parameter) -> str:
    """A parameter's default with its unit, for a reader."""
    value = parameter.default
    if value is None:
        return f"- {parameter.unit}".rstrip()
    if isinstance(value, tuple):
        return str(list(value))
    shown = f"{value:g}" if isinstance(value, float) else str(value)
    return f"{shown.lower() if isinstance(value, bool) else shown} {parameter.unit}".rstrip()
