"""From a function to a command of Typer: options that commands share are declared once, in groups."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import is_dataclass
from typing import Any


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Replace each parameter of `function` whose type is a dataclass by the fields of the dataclass.

    Typer sees one option for each field, and `function` receives the dataclass. Every command has a parameter
    `output`, a `Messages`.
    """
    declared = inspect.signature(function, eval_str=True).parameters
    groups: dict[str, Any] = {
        name: p.annotation for name, p in declared.items() if is_dataclass(p.annotation)
    }
    fields = {name: inspect.signature(group, eval_str=True).parameters for name, group in groups.items()}
    options: dict[str, inspect.Parameter] = {}
    for name, parameter in declared.items():
        options.update(fields.get(name, {name: parameter}))

    @functools.wraps(function)
    def call(**values: Any) -> None:
        for name, group in groups.items():
            values[name] = group(**{field: values.pop(field) for field in fields[name]})
        with values["output"].opened():
            function(**values)

    keywords = [option.replace(kind=inspect.Parameter.KEYWORD_ONLY) for option in options.values()]
    call.__signature__ = inspect.Signature(keywords)  # type: ignore[attr-defined]
    return call
