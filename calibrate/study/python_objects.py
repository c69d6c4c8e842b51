"""Models and statistics that are passed to a study as Python objects instead of by name."""

from __future__ import annotations

import ast
import hashlib
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from calibrate.errors import StudyError
from calibrate.network import Model
from calibrate.network.model_reference import model_of
from calibrate.network.own_simulation import OwnSimulation
from calibrate.objective import Statistic
from calibrate.plugins import PYTHON


def plain(value: Any, own: dict[str, object]) -> Any:
    """Convert `value` to what TOML can express; models and statistics become names, and are added to `own`.

    A function is a model that is a simulation of one's own.

    Raises StudyError if two of them have the same name, PluginError for a function that is no simulation.
    """
    if inspect.isfunction(value):
        known = own.get(f"{PYTHON}:{value.__name__}")
        if isinstance(known, Model) and known.simulation and known.simulation.function is value:
            return f"{PYTHON}:{value.__name__}"
        value = model_of(OwnSimulation.of(value, value.__name__))
    if isinstance(value, Model | Statistic):
        name = f"{PYTHON}:{value.name}"
        if own.setdefault(name, value) is not value:
            raise StudyError(
                f"there are two {'models' if isinstance(value, Model) else 'statistics'} '{value.name}': "
                "rename one of them, or set options in the table of the objective"
            )
        return name
    if isinstance(value, Mapping):
        return {str(key): plain(item, own) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(item, own) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def digest(value: object) -> str:
    """Return the SHA-256 of the code of a model or statistic, as far as it is in the same module."""
    parts = _model(value) if isinstance(value, Model) else _statistic(value)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _model(model: Model) -> Iterator[str]:
    yield repr(model.parameters)
    seen: set[int] = set()
    if model.simulation is not None:
        yield repr(dict(model.simulation.populations))
        yield from _code(model.simulation.function, seen)
        return
    for function in (model.make_network, model.make_values):
        yield from _code(function, seen)


def _statistic(statistic: object) -> Iterator[str]:
    assert isinstance(statistic, Statistic)  # `plain` adds nothing else
    yield repr((statistic.unit, statistic.scale, statistic.needs, sorted(statistic.options.items())))
    yield from _code(statistic.function, set())


def _code(value: object, seen: set[int]) -> Iterator[str]:
    """Yield the source of a function and of what it uses from its module: functions, classes, constants."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, bool | int | float | str | tuple | None):
        yield repr(value)
        return
    if not isinstance(value, FunctionType | type):
        return
    yield _source(value)
    if isinstance(value, type):
        return
    for name in sorted(_names(value.__code__)):
        used = value.__globals__.get(name)
        if getattr(used, "__module__", value.__module__) == value.__module__:
            yield from _code(used, seen)
    for cell in value.__closure__ or ():
        yield from _code(cell.cell_contents, seen)


def _source(value: FunctionType | type) -> str:
    try:
        # The syntax tree, so that comments and layout can change.
        return ast.dump(ast.parse(textwrap.dedent(inspect.getsource(value))))
    except (OSError, TypeError, SyntaxError):  # typed into a console, or only part of a line
        return _bytecode(value.__code__) if isinstance(value, FunctionType) else value.__qualname__


def _bytecode(code: CodeType) -> str:
    constants = [_bytecode(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    return repr((code.co_code, code.co_names, constants))


def _names(code: CodeType) -> set[str]:
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*(_names(constant) for constant in inner))
