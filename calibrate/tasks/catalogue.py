"""What is installed to choose from: models with their parameters, and statistics with their options."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from calibrate import plugins
from calibrate.errors import CalibrateError
from calibrate.network import Model, Parameter, find_model
from calibrate.objective import Statistic, find_statistic

TIERS = {
    "code": "another value needs compiling",
    "wiring": "another value is another graph",
    "values": "free inside a batch",
}


def models() -> Iterator[tuple[str, Model | CalibrateError]]:
    """The installed models by name; an error in place of one that cannot be loaded."""
    for name in sorted(plugins.installed(plugins.MODELS)):
        try:
            yield name, find_model(name)
        except CalibrateError as error:
            yield name, error


def statistics() -> Iterator[tuple[str, Statistic | CalibrateError]]:
    """The installed statistics by name; an error in place of one that cannot be loaded."""
    for name in plugins.installed(plugins.STATISTICS):
        try:
            yield name, find_statistic(name)
        except CalibrateError as error:
            yield name, error


def allowed(parameter: Parameter) -> str:
    """The values that a parameter may have, for a reader; empty where any number goes."""
    if parameter.choices:
        return " | ".join(parameter.choices)
    if parameter.kind in (bool, tuple, str):
        return {bool: "true | false", tuple: "a list", str: "a text"}[parameter.kind]
    low, high = parameter.low, parameter.high
    whole = "whole, " if parameter.kind is int else ""
    if low is not None and high is not None:
        return f"{whole}{low:g} to {high:g}"
    if low is not None:
        return f"{whole}≥ {low:g}"
    return f"{whole}≤ {high:g}" if high is not None else whole.rstrip(", ")


def model_json(model: Model) -> dict[str, Any]:
    """A model with all its parameters."""
    return {"name": model.name, "doc": model.doc, "parameters": [_parameter(p) for p in model.parameters]}


def _parameter(parameter: Parameter) -> dict[str, Any]:
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
    """A statistic with its docstring, options and what it needs."""
    return {
        "name": statistic.name,
        "unit": statistic.unit,
        "scale": statistic.scale,
        "summary": statistic.summary,
        "doc": documentation(statistic),
        "options": dict(statistic.options),
        "needs": asdict(statistic.needs),
        "spread": {graph: asdict(spread) for graph, spread in statistic.spread.items()},
        "screens": statistic.screens,
    }


def documentation(statistic: Statistic) -> str:
    """The whole docstring of a statistic."""
    return inspect.getdoc(statistic.function) or ""
