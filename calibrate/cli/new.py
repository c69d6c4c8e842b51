"""`calibrate new`."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from calibrate.cli import tables
from calibrate.cli.listing import print_listing
from calibrate.cli.models import default
from calibrate.cli.options import Debug, Json
from calibrate.cli.output import errors, output
from calibrate.errors import CalibrateError, StudyError
from calibrate.network import Model, Parameter, find_model
from calibrate.study import draft
from calibrate.study import suggestions as suggest
from calibrate.study.draft import Aim, Draft
from calibrate.study.suggestions import SearchRange


def new(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model of `calibrate models`, or FILE.py:NAME.")
    ],
    file: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="The study file (default: MODEL.toml)."),
    ] = None,
    free: Annotated[
        list[str] | None,
        typer.Option(
            "--free",
            metavar="NAME[=LOW:HIGH]",
            help="A parameter to search; as often as you like. In a terminal, you are asked.",
        ),
    ] = None,
    objective: Annotated[
        list[str] | None,
        typer.Option(
            "--objective",
            metavar="NAME=TARGET[+-TOLERANCE]",
            help="A statistic and its target; as often as you like (default: rates, for you to replace).",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the study in the database (default: the file's).")
    ] = None,
    json_: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Write a study file for a model, with every setting explained."""
    with output(json_) as (emit, console):
        path = file or Path(f"{name or model.rpartition(':')[2]}.toml")
        _check_place(path)
        found = find_model(model)
        aims = [_aim(text, path.parent) for text in objective or ()]
        if free:
            searches = dict(_search(found, text) for text in free)
        elif sys.stdin.isatty() and console.is_terminal:
            searches = _ask(console, found)
        else:
            names = ", ".join(parameter.name for parameter in suggest.searchable(found))
            raise CalibrateError(f"say which parameters to search with --free NAME[=LOW:HIGH]: {names}")
        study = Draft(
            path=path,
            reference=draft.beside(model, path.parent),
            model=found,
            free=searches,
            aims=aims,
            name=name,
        ).write()
        tables.print_warnings(errors(), study.warnings)
        steps = [shlex.join(["calibrate", command, str(path)]) for command in ("check", "run")]
        if json_:
            emit({"file": str(path), "free": searches, "next": steps})
            return
        tables.print_line(console, f"Wrote {path}: {_summary(searches)}")
        if not aims:
            tables.print_line(console, "Replace the targets in it by yours. Then:")
        for step in steps:
            tables.print_line(console, f"  {step}")


def _check_place(path: Path) -> None:
    """Before anything is asked."""
    if path.exists():
        raise StudyError(draft.already_there(path))
    if not path.parent.is_dir():
        raise StudyError(f"there is no folder {path.parent} for {path.name}; create it first")


def _summary(searches: dict[str, SearchRange]) -> str:
    return "; ".join(f"{name} {suggest.described(search)}" for name, search in searches.items())


def _aim(text: str, folder: Path) -> Aim:
    name, _, value = text.rpartition("=")
    target, given, tolerance = value.replace("±", "+-").partition("+-")
    try:
        return Aim(
            statistic=draft.beside(name.strip(), folder),
            target=_finite(target),
            tolerance=_finite(tolerance) if given else None,
        )
    except ValueError:
        raise CalibrateError(f"--objective {text}: write NAME=TARGET or NAME=TARGET+-TOLERANCE") from None


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


def _search(model: Model, text: str) -> tuple[str, SearchRange]:
    """A parameter and its values from --free NAME[=LOW:HIGH]."""
    name, equals, ends = text.partition("=")
    try:
        parameter = model.parameter(name.strip())
        return parameter.name, _between(model, parameter, ends) if equals else _suggested(model, parameter)
    except CalibrateError as error:
        raise CalibrateError(f"--free {text}: {error}") from None


def _suggested(model: Model, parameter: Parameter) -> SearchRange:
    if parameter not in suggest.searchable(model):
        raise CalibrateError(f"{parameter.name} cannot be searched: it is no number and has no choices")
    found = suggest.suggestion(model, parameter)
    if found is None:
        shown = default(parameter) if parameter.default is not None else "derived from others"
        raise CalibrateError(
            f"its default is {shown}, which suggests no range: write {parameter.name}=LOW:HIGH"
        )
    return found


def _between(model: Model, parameter: Parameter, ends: str) -> SearchRange:
    low, _, high = ends.partition(":")
    try:
        numbers = float(low), float(high)
    except ValueError:
        raise CalibrateError(f"write {parameter.name}=LOW:HIGH, two numbers") from None
    return suggest.between(model, parameter, *numbers)


def _ask(console: Console, model: Model) -> dict[str, SearchRange]:
    """The free parameters and their ranges, from the user."""
    offered = suggest.searchable(model)
    ranges = {parameter.name: suggest.suggestion(model, parameter) for parameter in offered}
    rows = []
    for number, parameter in enumerate(offered, start=1):
        found = ranges[parameter.name]
        rows.append((str(number), parameter.name, suggest.described(found) if found else "-", parameter.doc))
    print_listing(console, ("", "parameter", "suggested range", ""), rows, right=0)
    searches: dict[str, SearchRange] = {}
    for parameter in _ask_which(console, offered, suggest.handful(model)):
        suggested = ranges[parameter.name]
        if parameter.kind in (int, float):
            searches[parameter.name] = _ask_range(console, model, parameter, suggested)
        elif suggested:
            searches[parameter.name] = suggested
    return searches


def _ask_which(console: Console, offered: Sequence[Parameter], usual: Sequence[str]) -> list[Parameter]:
    by_name = {parameter.name: parameter for parameter in offered}
    by_number = {str(number): parameter for number, parameter in enumerate(offered, start=1)}
    known = by_number | by_name
    empty = f" (Enter for {', '.join(usual)})" if usual else ""
    while True:
        answer = _input(console, f"Search which? Numbers or names{empty}: ")
        words = answer.replace(",", " ").split() or list(usual)
        unknown = [word for word in words if word not in known]
        if words and not unknown:
            return list({known[word].name: known[word] for word in words}.values())
        tables.print_line(console, f"There is no {', '.join(unknown)}." if unknown else "Name at least one.")


def _ask_range(
    console: Console, model: Model, parameter: Parameter, suggested: SearchRange | None
) -> SearchRange:
    usual = f"default {default(parameter)}" if parameter.default is not None else parameter.unit
    usual = f" ({usual})" if usual else ""
    empty = f", Enter for {suggest.described(suggested)}" if suggested else ""
    while True:
        answer = _input(console, f"{parameter.name}{usual}, LOW:HIGH{empty}: ")
        if not answer and suggested:
            return suggested
        try:
            return _between(model, parameter, answer)
        except CalibrateError as error:
            tables.print_line(console, f"{error}.")


def _input(console: Console, question: str) -> str:
    try:
        console.print(Text(question), end="", soft_wrap=True)
        return console.input().strip()
    except EOFError:
        raise typer.Abort from None
