"""Families of networks: parameters, and how they make a network and its values."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from calibrate import plugins
from calibrate.errors import ModelError, PluginError, did_you_mean
from calibrate.network.structure import Network
from calibrate.network.values import Values, checked


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A parameter of a model: what a study file may fix or search.

    default  None means: derived from other parameters (`doc` says how)
    choices  the values a text parameter may have
    tier     what a change of it costs: "code", "wiring" or "values"
    priority  rank among the parameters that `calibrate new` suggests to search, 1 first; None: not ranked
    """

    name: str
    default: float | int | str | bool | tuple[Any, ...] | None
    unit: str
    doc: str
    tier: Literal["code", "wiring", "values"] = "values"
    kind: type[Any] = float
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    # Not part of the repr, which identifies the models of stored studies.
    priority: int | None = field(default=None, repr=False)

    def checked(self, given: Any) -> Any:
        """`given` as this parameter's type; raises ModelError naming parameter, rule and value."""
        value = given
        if value is None:
            if self.default is None:
                return None
            raise ModelError(f"{self.name} needs a value")
        if self.kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if self.kind is int and isinstance(value, float) and value.is_integer():
            value = int(value)
        if self.kind is tuple and isinstance(value, list):
            value = tuple(tuple(item) if isinstance(item, list) else item for item in value)
        if not isinstance(value, self.kind) or (self.kind is not bool and isinstance(value, bool)):
            raise ModelError(f"{self.name} takes {_KINDS[self.kind]}, not {value!r}")
        if self.kind is float and not math.isfinite(value):
            raise ModelError(f"{self.name} must be finite, not {value}")
        if self.choices and value not in self.choices:
            hint = did_you_mean(str(value), self.choices)
            raise ModelError(f"{self.name} must be one of {', '.join(self.choices)}, not {value!r}{hint}")
        unit = f" {self.unit}" if self.unit else ""
        if self.low is not None and value < self.low:
            raise ModelError(f"{self.name} must be at least {self.low:g}{unit}, not {value:g}")
        if self.high is not None and value > self.high:
            raise ModelError(f"{self.name} must be at most {self.high:g}{unit}, not {value:g}")
        return value


_KINDS = {float: "a number", int: "a whole number", str: "a string", bool: "true or false", tuple: "a list"}

Parameters = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Model:
    """A family of networks: its parameters, and how they make a network and its values.

    network  complete parameters -> Network; raises ModelError where rules across parameters are broken
    values   (network, complete parameters) -> Values; likewise
    cites    what a paper that uses it should cite, in full; or a key of calibrate's own references
    """

    name: str
    parameters: tuple[Parameter, ...]
    make_network: Callable[[Parameters], Network]
    make_values: Callable[[Network, Parameters], Values]
    doc: str = ""
    cites: str = ""

    def parameter(self, name: str) -> Parameter:
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        names = [parameter.name for parameter in self.parameters]
        raise ModelError(f"{self.name} has no parameter '{name}'{did_you_mean(name, names)}")

    def complete(self, given: Parameters) -> dict[str, Any]:
        """All parameters: `given` ones checked, defaults for the rest."""
        for name in given:
            self.parameter(name)
        return {p.name: p.checked(given.get(p.name, p.default)) for p in self.parameters}

    def network(self, given: Parameters) -> Network:
        """The network for `given` parameters; ModelError where a rule is broken."""
        return self.make_network(self.complete(given))

    def values(self, network: Network, given: Parameters) -> Values:
        """The values for `given` parameters in `network`; ModelError where a rule is broken.

        Whatever `make_values` returns is held against the network here, before any simulator sees it.
        """
        return checked(network, self.make_values(network, self.complete(given)))


def find_model(
    reference: str, *, folder: Path | None = None, own: Mapping[str, object] | None = None
) -> Model:
    """The model that `reference` names: an installed one, "package.module:Name" or "file.py:Name".

    `folder` is where such a file is looked up, `own` has models by reference that are in no file.
    Raises PluginError in one line.
    """
    model = plugins.load(reference, plugins.MODELS, folder=folder, own=own)
    if not isinstance(model, Model):
        kind = type(model).__name__
        raise PluginError(f"{reference} is of type {kind}, not calibrate.network.Model")
    return model
