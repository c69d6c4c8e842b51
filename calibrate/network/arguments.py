"""The arguments of a simulation of one's own, as its signature declares them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_origin

from calibrate.errors import PluginError
from calibrate.network.parameter import Parameter

KEYWORDS: Mapping[str, str] = {
    "seed": "seed of this simulation, from 1 to 2^31 - 1: another one in every simulation of a study",
    "graph_seed": "seed of the connectivity, from 1 to 2^31 - 1: one for all parameter sets on a graph",
    "duration_ms": "length of the measurement (ms)",
    "warmup_ms": "time before the measurement (ms)",
    "stop_ms": "end of the simulation (ms): warmup_ms + duration_ms",
    "dt_ms": "time step of [simulation] (ms)",
    "stimuli": "tuple of calibrate.Stimulus: those of [[stimuli]], timed from the start of the warm-up",
}
"""What a function is given if its signature names it."""

# First arguments that take all parameters as one dict.
_DICTS = ("parameters", "params")
_KINDS: Mapping[str, type[Any]] = {
    "float": float,
    "int": int,
    "bool": bool,
    "str": str,
    "list": tuple,
    "tuple": tuple,
}


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What a function takes.

    keywords    names of `KEYWORDS`
    as_dict     whether the first argument is the dict of all parameters
    parameters  names of arguments that are parameters
    required    those of them that have no default
    unsure      those of them whose default is a whole number, without an annotation: any number, or a count?
    others      whether it takes parameters of any name
    """

    keywords: frozenset[str]
    as_dict: bool
    parameters: tuple[str, ...]
    required: tuple[str, ...]
    unsure: tuple[str, ...]
    others: bool

    @classmethod
    def of(cls, function: Callable[..., Any], name: str) -> Arguments:
        """The arguments of a function that messages call `name`. Raises PluginError."""
        _check_kind(function, name)
        arguments = list(inspect.signature(function).parameters.values())
        as_dict = bool(arguments) and _is_dict(arguments[0])
        rest = arguments[1:] if as_dict else arguments
        for argument in rest:
            if argument.kind is argument.POSITIONAL_ONLY:
                raise PluginError(f"{name}: {argument.name} must be a keyword: remove the / after it")
        named = [one for one in rest if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
        own = [one for one in named if one.name not in KEYWORDS]
        if as_dict and (extra := [one.name for one in own if one.default is one.empty]):
            raise PluginError(
                f"{name} takes {', '.join(extra)} besides {arguments[0].name}: a parameter is in that dict, "
                f"and what else there is to take is {', '.join(KEYWORDS)}"
            )
        found = cls(
            keywords=frozenset(one.name for one in named if one.name in KEYWORDS),
            as_dict=as_dict,
            parameters=() if as_dict else tuple(one.name for one in own),
            required=() if as_dict else tuple(one.name for one in own if one.default is one.empty),
            unsure=() if as_dict else tuple(one.name for one in own if _is_unsure(one)),
            others=as_dict or any(one.kind is one.VAR_KEYWORD for one in rest),
        )
        found.check(name)
        return found

    def check(self, name: str) -> None:
        """Raise PluginError if a study could not repeat its simulations, or not say how long they are."""
        example = "def simulate(parameters, *, seed, duration_ms, warmup_ms)"
        if "seed" not in self.keywords:
            raise PluginError(
                f"{name} takes no seed, by which simulations are repeated and a study is resumed: {example}"
            )
        if not self.keywords & {"duration_ms", "stop_ms"}:
            raise PluginError(
                f"{name} takes neither duration_ms nor stop_ms, the time to simulate: {example}"
            )

    @property
    def has_warmup(self) -> bool:
        """Whether it can simulate a warm-up."""
        return bool(self.keywords & {"warmup_ms", "stop_ms"})


def declared_in_signature(function: Callable[..., Any], names: tuple[str, ...]) -> Iterator[Parameter]:
    """Yield those of the arguments `names` whose type is known, as parameters.

    The type is that of the annotation, else that of the default.
    """
    signature = inspect.signature(function)
    for name in names:
        argument = signature.parameters[name]
        default = None if argument.default is argument.empty else argument.default
        kind = _kind(argument.annotation, default)
        if kind is None:
            continue
        doc = f"argument of {function.__name__}"
        if isinstance(default, list):
            default = tuple(default)
        if kind is float and isinstance(default, int) and not isinstance(default, bool):
            default = float(default)
        yield Parameter(name=name, default=default, unit="", doc=doc, kind=kind)


def _check_kind(function: Callable[..., Any], name: str) -> None:
    if function.__name__ == "<lambda>":
        raise PluginError(f"{name} is a lambda: define the function with def, so that it has a name")
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise PluginError(f"{name} is an async function: it must return the spikes when it is called")
    if inspect.isgeneratorfunction(function):
        raise PluginError(f"{name} is a generator, since it has a yield: it must return the spikes")


def _is_dict(argument: inspect.Parameter) -> bool:
    if argument.kind not in (argument.POSITIONAL_ONLY, argument.POSITIONAL_OR_KEYWORD):
        return False
    annotation = argument.annotation
    if isinstance(annotation, str):
        of_dicts = annotation.partition("[")[0].rpartition(".")[2] in ("dict", "Dict", "Mapping")
    else:
        origin = get_origin(annotation) or annotation
        of_dicts = isinstance(origin, type) and issubclass(origin, Mapping)
    return of_dicts or argument.name in _DICTS


def _is_unsure(argument: inspect.Parameter) -> bool:
    return argument.annotation is argument.empty and type(argument.default) is int


def _kind(annotation: Any, default: Any) -> type[Any] | None:
    named = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    kind: type[Any] = _KINDS.get(named.partition("[")[0], type(default))
    return tuple if kind is list else kind if kind in _KINDS.values() else None
