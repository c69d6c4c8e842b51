"""`calibrate new`."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from calibrate.cli.models import format_default
from calibrate.cli.output import Output
from calibrate.cli.tables.listing import print_listing
from calibrate.errors import CalibrateError, StudyError
from calibrate.network import Model, Parameter, find_model
from calibrate.network.model_reference import with_simulation
from calibrate.study import draft, search_ranges
from calibrate.study.draft import Draft
from calibrate.study.search_ranges import SearchRange
from calibrate.tasks.lines import print_line


def new(
    *,
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model from `calibrate models`, or FILE.py:NAME.")
    ],
    file: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Study file to write (default: MODEL.toml)."),
    ] = None,
    free: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=LOW:HIGH]",
            help="Parameter to search (repeatable). Without it, the command asks in a terminal; elsewhere it "
            "takes those that the model suggests.",
        ),
    ] = None,
    objective: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=TARGET[+-TOLERANCE]",
            help="Statistic and its target (repeatable; default: those of the model, which known parameters "
            "reach; or firing rates with targets to replace).",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the study in the database (default: that of the file).")
    ] = None,
    output: Output,
) -> None:
    """Write a study file for a model, with every setting explained."""
    path = file or Path(f"{name or model.rpartition(':')[2]}.toml")
    _check_path(path)
    network, populations = _complete(find_model(model), free or ())
    objectives = [_parse_objective(text, path.parent) for text in objective or ()]
    searches = _with_types(network, _choose_searches(output.console, network, free or ()))
    written = Draft(
        path=path,
        reference=draft.beside(model, path.parent),
        model=network,
        free=searches,
        objectives=objectives,
        name=name,
        populations=populations,
    )
    output.warn(written.write().warnings)
    steps = [shlex.join(["calibrate", command, str(path)]) for command in ("check", "run")]
    if output.as_json:
        output.emit({"file": str(path), "free": searches, "next": steps})
        return
    output.print(f"Wrote {path}: {_summarise(searches)}")
    if populations:
        output.print("Replace its populations with what the function returns, and its targets, then:")
    elif written.placeholders:
        output.print("Replace its targets with your own, then:")
    elif not objectives:
        output.print("Its targets are those of known parameters. Run it as it is, or replace them first:")
    for step in steps:
        output.print(f"  {step}", keep=step)


def _complete(model: Model, free: Sequence[str]) -> tuple[Model, Mapping[str, int]]:
    """A simulation of one's own with the parameters that --free names, and stand-ins for its populations."""
    own = model.simulation
    if own is None:
        return model, {}
    known = [parameter.name for parameter in model.parameters]
    asked = [text.partition("=")[0].strip() for text in free if "=" in text]
    more = [
        Parameter(name=name, default=None, unit="", doc=f"parameter of {model.name}")
        for name in dict.fromkeys(asked)
        if name not in known and (own.any_parameter or name in own.arguments.parameters)
    ]
    model = replace(model, parameters=(*model.parameters, *more))
    if own.populations:
        return model, {}
    populations = {"E": 100}
    return with_simulation(model, own.with_populations(populations)), populations


def _with_types(model: Model, searches: Mapping[str, SearchRange]) -> dict[str, SearchRange]:
    """The ranges, with `type = "int"` where a default of 5 does not say whether 5.5 is possible."""
    unsure = () if model.simulation is None else model.simulation.arguments.unsure
    return {
        name: {**search, "type": "int"} if name in unsure and "low" in search else search
        for name, search in searches.items()
    }


def _check_path(path: Path) -> None:
    """Fail before the user is asked anything."""
    if path.exists():
        raise StudyError(draft.already_there(path))
    if not path.parent.is_dir():
        raise StudyError(f"the folder {path.parent} for {path.name} does not exist: create it first")


def _summarise(searches: dict[str, SearchRange]) -> str:
    return "; ".join(f"{name} {search_ranges.described(search)}" for name, search in searches.items())


def _parse_objective(text: str, folder: Path) -> dict[str, Any]:
    """Parse --objective NAME=TARGET[+-TOLERANCE] into keys of [[objectives]]."""
    name, _, value = text.rpartition("=")
    target, separator, tolerance = value.replace("±", "+-").partition("+-")
    try:
        aim = {"target": _parse_finite(target)}
        if separator:
            aim["tolerance"] = _parse_finite(tolerance)
    except ValueError:
        raise CalibrateError(f"--objective {text}: write NAME=TARGET or NAME=TARGET+-TOLERANCE") from None
    return {"statistic": draft.beside(name.strip(), folder), **aim}


def _parse_finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


def _choose_searches(console: Console, model: Model, free: Sequence[str]) -> dict[str, SearchRange]:
    """Choose the free parameters and their values: from --free, by asking, or as the model suggests."""
    if free:
        return dict(_parse_search(model, text) for text in free)
    if sys.stdin.isatty() and console.is_terminal:
        return _ask(console, model)
    if usual := search_ranges.handful(model):
        return dict(_parse_search(model, name) for name in usual)
    names = ", ".join(parameter.name for parameter in search_ranges.searchable(model)) or "any that it takes"
    raise CalibrateError(f"choose the parameters to search with --free NAME[=LOW:HIGH]: {names}")


def _parse_search(model: Model, text: str) -> tuple[str, SearchRange]:
    """Parse --free NAME[=LOW:HIGH] into a parameter and its values."""
    name, equals, ends = text.partition("=")
    try:
        parameter = model.parameter(name.strip())
        if equals:
            return parameter.name, _parse_range(model, parameter, ends)
        return parameter.name, _suggest_range(model, parameter)
    except CalibrateError as error:
        raise CalibrateError(f"--free {text}: {error}") from None


def _suggest_range(model: Model, parameter: Parameter) -> SearchRange:
    if parameter not in search_ranges.searchable(model):
        raise CalibrateError(f"{parameter.name} cannot be searched: it is not a number and has no choices")
    suggested = search_ranges.suggestion(model, parameter)
    if suggested is None:
        value = format_default(parameter) if parameter.default is not None else "derived from others"
        raise CalibrateError(
            f"its default is {value}, which suggests no range: write {parameter.name}=LOW:HIGH"
        )
    return suggested


def _parse_range(model: Model, parameter: Parameter, ends: str) -> SearchRange:
    low, _, high = ends.partition(":")
    try:
        numbers = float(low), float(high)
    except ValueError:
        raise CalibrateError(f"write {parameter.name}=LOW:HIGH, two numbers") from None
    return search_ranges.between(model, parameter, *numbers)


def _ask(console: Console, model: Model) -> dict[str, SearchRange]:
    """Ask the user for the free parameters and their ranges."""
    offered = search_ranges.searchable(model)
    suggested = {parameter.name: search_ranges.suggestion(model, parameter) for parameter in offered}
    rows = []
    for number, parameter in enumerate(offered, start=1):
        search = suggested[parameter.name]
        ends = search_ranges.described(search) if search else "-"
        rows.append((str(number), parameter.name, ends, parameter.doc))
    print_listing(console, ("", "parameter", "suggested range", ""), rows, right=0)
    searches: dict[str, SearchRange] = {}
    for parameter in _ask_which(console, offered, search_ranges.handful(model)):
        search = suggested[parameter.name]
        if parameter.kind in (int, float):
            searches[parameter.name] = _ask_range(console, model, parameter, search)
        elif search:
            searches[parameter.name] = search
    return searches


def _ask_which(console: Console, offered: Sequence[Parameter], usual: Sequence[str]) -> list[Parameter]:
    by_name = {parameter.name: parameter for parameter in offered}
    by_number = {str(number): parameter for number, parameter in enumerate(offered, start=1)}
    by_word = by_number | by_name
    empty = f" (Enter for {', '.join(usual)})" if usual else ""
    while True:
        answer = _input(console, f"Search which? Numbers or names{empty}: ")
        words = answer.replace(",", " ").split() or list(usual)
        unknown = [word for word in words if word not in by_word]
        if words and not unknown:
            return list({by_word[word].name: by_word[word] for word in words}.values())
        print_line(console, f"There is no {', '.join(unknown)}." if unknown else "Name at least one.")


def _ask_range(
    console: Console, model: Model, parameter: Parameter, suggested: SearchRange | None
) -> SearchRange:
    usual = f"default {format_default(parameter)}" if parameter.default is not None else parameter.unit
    usual = f" ({usual})" if usual else ""
    empty = f", Enter for {search_ranges.described(suggested)}" if suggested else ""
    while True:
        answer = _input(console, f"{parameter.name}{usual}, LOW:HIGH{empty}: ")
        if not answer and suggested:
            return suggested
        try:
            return _parse_range(model, parameter, answer)
        except CalibrateError as error:
            print_line(console, f"{error}.")


def _input(console: Console, question: str) -> str:
    try:
        console.print(Text(question), end="", soft_wrap=True)
        return console.input().strip()
    except EOFError:
        raise typer.Abort from None
