"""The installed models with their parameters, and the installed statistics with their options."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from calibrate import plugins
from calibrate.errors import CalibrateError
from calibrate.network import Model, Parameter, find_model
from calibrate.network.own_simulation import Size
from calibrate.objective import Statistic, find_statistic

TIERS = {
    "code": "a new value requires compilation",
    "wiring": "a new value requires a new graph",
    "values": "can differ within a batch",
}


def models() -> Iterator[tuple[str, Model | CalibrateError]]:
    """Yield the installed models by name, with an error for each that cannot be loaded."""
    for name in sorted(plugins.installed(plugins.MODELS)):
        try:
            yield name, find_model(name)
        except CalibrateError as error:
            yield name, error


def statistics() -> Iterator[tuple[str, Statistic | CalibrateError]]:
    """Yield the installed statistics by name, with an error for each that cannot be loaded."""
    for name in plugins.installed(plugins.STATISTICS):
        try:
            yield name, find_statistic(name)
        except CalibrateError as error:
            yield name, error


def allowed(parameter: Parameter) -> str:
    """Describe the values that a parameter can have; empty if any number is allowed."""
    if parameter.choices:
        return " | ".join(parameter.choices)
    if parameter.kind in (bool, tuple, str):
        return {bool: "true | false", tuple: "a list", str: "a string"}[parameter.kind]
    low, high = parameter.low, parameter.high
    kind = "integer, " if parameter.kind is int else ""
    if low is not None and high is not None:
        return f"{kind}{low:g} to {high:g}"
    if low is not None:
        return f"{kind}≥ {low:g}"
    return f"{kind}≤ {high:g}" if high is not None else kind.rstrip(", ")


def model_json(model: Model) -> dict[str, Any]:
    """A model and its parameters, as `calibrate models NAME --json` prints them."""
    parameters = [_describe_parameter(parameter) for parameter in model.parameters]
    described: dict[str, Any] = {"name": model.name, "doc": model.doc, "parameters": parameters}
    if model.simulation is not None:
        described["simulation"] = {
            "takes": sorted(model.simulation.arguments.keywords),
            "any_parameter": model.simulation.any_parameter,
            "populations": dict(model.simulation.populations),
        }
    return described


def size(given: Size) -> str:
    """Describe the size of a population that a simulation of one's own returns."""
    if not isinstance(given, Mapping):
        return f"{given} neurons" if isinstance(given, int) else f"as many neurons as {given} says"
    clusters = f" in {given['clusters']} clusters" if given.get("clusters", 1) != 1 else ""
    return f"{size(given.get('size', '?'))}{clusters}"


def _describe_parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "unit": parameter.unit,
        "default": parameter.default,
        "type": parameter.kind.__name__,
        "low": parameter.low,
        "high": parameter.high,
        "choices": list(parameter.choices),
        "tier": parameter.tier,
        "doc": parameter.doc,
    }


def statistic_json(statistic: Statistic) -> dict[str, Any]:
    """A statistic, its docstring, options and needs, as `calibrate objectives NAME --json` prints them."""
    return {
        "name": statistic.name,
        "unit": statistic.unit,
        "scale": statistic.scale,
        "summary": statistic.summary,
        "doc": documentation(statistic),
        "options": dict(statistic.options),
        "needs": asdict(statistic.needs),
        "screens": statistic.screens,
    }


def documentation(statistic: Statistic) -> str:
    """The full docstring of a statistic."""
    return inspect.getdoc(statistic.function) or ""
