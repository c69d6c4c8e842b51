"""The generated part of the documentation: a line `<!-- generated: NAME ... -->` in a page becomes Markdown.

keys TABLE          the keys of a table of the study file, from `calibrate.study.file`
samplers            every sampler with its options
statistics, models  what is installed, from entry points and docstrings
neurons, plasticity  the neuron models and plasticity rules, with their parameters
commands            every command of the command line with its options
python              every name in `calibrate.__all__`
python MODULE       the classes and functions that a module offers beyond these
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from docstrings import code, docstring, named, prose, table

import calibrate
from calibrate import plugins
from calibrate.cli.commands import program
from calibrate.network import Model, Parameter, find_model
from calibrate.neurons import BUILT_IN
from calibrate.neurons.plasticity import RULES
from calibrate.objective import Statistic, find_statistic
from calibrate.study.file import base, sections
from calibrate.study.file.replicates import ConfirmSection
from calibrate.study.file.samplers import SAMPLERS
from calibrate.study.json_schema import json_schema

if TYPE_CHECKING:
    from sphinx.application import Sphinx

MARKER = re.compile(r"^<!-- generated: (.+?) -->$", re.MULTILINE)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("source-read", _replace_markers)
    app.connect("env-get-outdated", _pages_with_markers)
    return {"version": "1", "parallel_read_safe": True}


def _replace_markers(app: Sphinx, page: str, source: list[str]) -> None:
    del app, page
    source[0] = MARKER.sub(lambda found: generated(found[1]), source[0])


def _pages_with_markers(app: Sphinx, env: Any, *changes: set[str]) -> list[str]:
    """Pages to read again though their text is the same: the code may have changed."""
    del app, changes
    return [page for page in env.found_docs if MARKER.search(Path(env.doc2path(page)).read_text())]


def generated(what: str) -> str:
    """The Markdown that a marker stands for; KeyError for one that there is not."""
    name, *arguments = what.split()
    kinds: dict[str, Callable[..., Iterator[str]]] = {
        "keys": keys,
        "samplers": samplers,
        "statistics": statistics,
        "models": models,
        "neurons": neurons,
        "plasticity": plasticity,
        "commands": commands,
        "python": python,
    }
    return "\n".join(kinds[name](*arguments)) + "\n"


# Study file


SECTIONS = {
    **sections.TABLES,
    **sections.LISTS,
    "free": sections.FreeParameter,
    "derived": sections.DerivedParameter,
    "confirm": ConfirmSection,
}


def keys(table: str) -> Iterator[str]:
    yield from _keys(SECTIONS[table])


def samplers() -> Iterator[str]:
    for name, section in SAMPLERS.items():
        what = (inspect.getdoc(section) or "").partition(": ")[2]
        yield f"### `{name}`\n\n{prose(what[0].upper() + what[1:])}\n"
        if len(section.model_fields) > 1:
            yield from _keys(section, without="name")


def _keys(section: type[base.Section], *, without: str = "") -> Iterator[str]:
    described = json_schema()["$defs"][section.__name__]
    rows = []
    for name, field in section.model_fields.items():
        if name == without:
            continue
        default = field.get_default(call_default_factory=True)
        shown = "required" if field.is_required() else "" if default in (None, "", [], {}) else code(default)
        kind = described["properties"][name]
        rows.append((code(name, plain=True), _type(kind), shown, prose(field.description or "")))
    yield from table(("key", "type", "default", "what it is"), rows)


def _type(kind: Mapping[str, Any]) -> str:
    """What a key takes, for a reader: type and limits."""
    if "enum" in kind:
        return " ".join(code(value) for value in kind["enum"])
    if "const" in kind:
        return code(kind["const"])
    if "$ref" in kind:
        return "table"
    if several := kind.get("anyOf", kind.get("oneOf")):  # suggestions (an enum) are no type of their own
        return " or ".join(_type(one) for one in several if "enum" not in one)
    names = {"number": "number", "integer": "whole number", "string": "text", "boolean": "true or false"}
    name = {**names, "array": "list", "object": "table"}[kind["type"]]
    if kind["type"] == "array" and kind.get("items", {}).get("type"):
        name = f"list of {names.get(kind['items']['type'], 'table')}s"
    lower = f"≥\N{NO-BREAK SPACE}{kind['minimum']}" if "minimum" in kind else ""
    if "exclusiveMinimum" in kind:
        lower = f">\N{NO-BREAK SPACE}{kind['exclusiveMinimum']}"
    return f"{name} {lower}".strip()


# Statistics and models


def statistics() -> Iterator[str]:
    found = [find_statistic(name) for name in plugins.installed(plugins.STATISTICS)]
    texts = {key: text for one in reversed(found) for key, text in named(_doc(one.function)).items()}
    for statistic in found:
        yield f"## `{statistic.name}`\n"
        yield from _facts(statistic)
        yield from docstring(_doc(statistic.function), without=statistic.options)
        if statistic.options:
            own = {**texts, **named(_doc(statistic.function))}
            rows = [
                (code(k, plain=True), code(v), prose(own.get(k, ""))) for k, v in statistic.options.items()
            ]
            yield from table(("option", "default", "what it is"), rows)


def _facts(statistic: Statistic) -> Iterator[str]:
    facts = [f"Unit: {statistic.unit}" if statistic.unit else "No unit"]
    if statistic.scale == "log":
        facts.append("deviations are ratios (log scale)")
    if statistic.screens:
        facts.append("a simulation of a second can judge it")
    yield "*" + "; ".join(facts) + ".*\n"


def models() -> Iterator[str]:
    for name in plugins.installed(plugins.MODELS):
        model = find_model(name)
        yield f"## `{name}`\n"
        yield prose(f"{model.doc}.") + "\n"
        yield from docstring(inspect.getdoc(_module(model)) or "")
        rows = [
            (code(p.name, plain=True), _default(p), p.unit, p.tier, prose(p.doc) + _limits(p))
            for p in model.parameters
        ]
        yield from table(("parameter", "default", "unit", "tier", "what it is"), rows)


def neurons() -> Iterator[str]:
    for neuron in BUILT_IN:
        yield f"## `{neuron.name}`\n"
        yield prose(f"{neuron.doc}. Weights in {neuron.weight_unit}.") + "\n"
        rows = [(code(p.name, plain=True), code(p.default), p.unit, prose(p.doc)) for p in neuron.parameters]
        yield from table(("parameter", "default", "unit", "what it is"), rows)


def plasticity() -> Iterator[str]:
    for rule in RULES:
        yield f"### `{rule.name}`\n"
        yield prose(rule.doc) + "\n"
        rows = [(code(p.name, plain=True), code(p.default), p.unit, prose(p.doc)) for p in rule.parameters]
        yield from table(("parameter", "default", "unit", "what it is"), rows)


def _module(model: Model) -> Any:
    return sys.modules[model.make_network.__module__]


def _default(parameter: Parameter) -> str:
    if parameter.default is None:
        return "derived"
    return code(list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default)


def _limits(parameter: Parameter) -> str:
    if parameter.choices:
        return ": " + " or ".join(code(choice) for choice in parameter.choices)
    low = [] if parameter.low is None else [f"≥ {parameter.low:g}"]
    high = [] if parameter.high is None else [f"≤ {parameter.high:g}"]
    return f" ({', '.join([*low, *high])})" if low or high else ""


def _doc(value: Any) -> str:
    return inspect.getdoc(value) or ""


# Command line


def commands() -> Iterator[str]:
    group: Any = typer.main.get_command(program())
    for name, command in group.commands.items():
        shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
        words = ["calibrate", name]
        words += [p.metavar or p.name.upper() for p in shown if p.param_type_name == "argument"]
        yield f"## `calibrate {name}`\n\n{prose(command.help)}\n"
        yield f"```console\n{' '.join(words)} [OPTIONS]\n```\n"
        rows = [(_option(p), prose(p.help or "")) for p in shown if p.param_type_name == "option"]
        yield from table(("option", "what it does"), rows)


def _option(parameter: Any) -> str:
    takes = "" if parameter.is_flag else parameter.metavar or "VALUE"
    return ", ".join(code(f"{name} {takes}".strip(), plain=True) for name in parameter.opts)


# Python


def python(module: str = "calibrate") -> Iterator[str]:
    place = importlib.import_module(module)
    elsewhere = set() if place is calibrate else set(calibrate.__all__)
    public = {
        name: getattr(place, name) for name in sorted(place.__all__, key=str.lower) if name not in elsewhere
    }
    parts: dict[str, list[str]] = {"Functions": [], "Classes": [], "Errors": [], "Values": []}
    for name, value in public.items():
        lines = [f"### `{name}`\n"]
        if isinstance(value, type):
            part = "Errors" if issubclass(value, Exception) else "Classes"
            lines += _class(name, value)
        elif inspect.isroutine(value):
            part = "Functions"
            lines += _described("function", name, _signature(value), _doc(value))
        else:
            part = "Values"
            lines += _described("data", name, "", _doc(value))
        parts[part] += lines
    if elsewhere:
        yield from (*parts["Classes"], *parts["Functions"])
        return
    for part, lines in parts.items():
        if lines:
            yield from (f"## {part}\n", *lines)


def _class(name: str, value: type) -> Iterator[str]:
    if value.__name__ != name:
        yield from _described("class", name, "", f"Another name of `{value.__name__}`.")
        return
    error = issubclass(value, Exception)
    members = [] if error else list(_members(value))
    signature = "" if error or getattr(value, "_is_protocol", False) else _signature(value)
    kind = "exception" if error else "class"
    yield from _described(kind, name, signature, _doc(value), inside=members)


def _members(value: type) -> Iterator[str]:
    for name, member in vars(value).items():
        if name.startswith("_"):
            continue
        if isinstance(member, property) or hasattr(member, "func"):  # cached_property
            function = member.fget if isinstance(member, property) else member.func
            kind = inspect.signature(function).return_annotation
            yield from _described("property", name, "", _doc(function), options=[f":type: {kind}"])
        elif inspect.isfunction(member) or isinstance(member, classmethod | staticmethod):
            function = inspect.unwrap(getattr(member, "__func__", member))
            yield from _described("method", name, _signature(function, bound=True), _doc(function))


def _described(
    kind: str,
    name: str,
    signature: str,
    doc: str,
    *,
    options: list[str] | None = None,
    inside: list[str] | None = None,
) -> Iterator[str]:
    """A directive of Sphinx's Python domain."""
    if not doc and not inside:
        return
    lines = [*docstring(doc), *(inside or [])]
    fence = ":" * (4 if inside else 3)
    yield f"{fence}{{py:{kind}}} {name}{signature}"
    yield from (options or [])
    yield ""
    yield from lines
    yield f"{fence}\n"


class _Written(str):
    """An annotation or default as it is written in the source: without quotes around it."""

    __slots__ = ()
    __repr__ = str.__str__


def _signature(function: Callable[..., Any], *, bound: bool = False) -> str:
    signature = inspect.signature(function)
    shown = [_parameter(parameter) for parameter in signature.parameters.values()][bound:]
    returns = signature.return_annotation
    none = isinstance(function, type) or returns is signature.empty
    return str(
        signature.replace(parameters=shown, return_annotation=signature.empty if none else _Written(returns))
    )


def _parameter(parameter: inspect.Parameter) -> inspect.Parameter:
    if parameter.annotation is not parameter.empty:
        parameter = parameter.replace(annotation=_Written(parameter.annotation))
    if type(parameter.default).__module__ == "dataclasses":  # what a factory makes
        parameter = parameter.replace(default=_Written("..."))
    return parameter
