"""Families of networks: parameters, and how they make a network and its values."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from calibrate import plugins
from calibrate.errors import ModelError, PluginError, did_you_mean
from calibrate.network.first_study import FirstStudy
from calibrate.network.structure import Network
from calibrate.network.value_checks import checked
from calibrate.network.values import Values


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A parameter of a model: what a study file may fix or search.

    Attributes
    ----------
    name : str
        Name in study files.
    default : float, int, str, bool, tuple or None
        Default; None if it is derived from other parameters (`doc` says how).
    unit : str
        Unit, or "".
    doc : str
        What it is, in a few words.
    tier : {"code", "wiring", "values"}
        What a change of it costs: compiling, drawing another graph, or nothing.
    kind : type
        Its type: float, int, str, bool or tuple.
    choices : tuple of str
        Values that a str parameter may have; empty if any will do.
    low : float or None
        Smallest value that it may have.
    high : float or None
        Largest value that it may have.

    Examples
    --------
    >>> from calibrate import Parameter
    >>> p = Parameter(name="p", default=0.1, unit="", doc="probability of connection", low=0.0, high=1.0)
    >>> p.checked(1)
    1.0
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

    def checked(self, given: Any) -> Any:
        """Convert a value to the type of this parameter, and check it.

        Parameters
        ----------
        given : object
            The value; None is valid only if the default is None.

        Returns
        -------
        object
            The value as `kind`.

        Raises
        ------
        ModelError
            If a rule is broken; the message names the parameter, the rule and the value.
        """
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

    Attributes
    ----------
    name : str
        Name of the model.
    parameters : tuple of Parameter
        Its parameters.
    make_network : callable
        Makes the Network of complete parameters; raises ModelError if rules across parameters are broken.
    make_values : callable
        Makes the Values of the network and complete parameters; raises ModelError likewise.
    doc : str
        What it is, in one line.
    cites : str or tuple of str
        What a paper that uses it should cite, in full; or keys of calibrate's own references.
    first_study : FirstStudy
        What `calibrate new` writes for it; by default, what follows from the parameters.

    Examples
    --------
    >>> from calibrate import find_model
    >>> model = find_model("balanced")
    >>> parameters = {"N_E": 80, "N_I": 20}
    >>> network = model.network(parameters)
    >>> network.n_neurons
    100
    >>> sorted(model.values(network, parameters).weights)
    ['E_to_E_all', 'E_to_I_all', 'I_to_E_all', 'I_to_I_all']
    """

    name: str
    parameters: tuple[Parameter, ...]
    make_network: Callable[[Parameters], Network]
    make_values: Callable[[Network, Parameters], Values]
    doc: str = ""
    cites: str | tuple[str, ...] = ""
    first_study: FirstStudy = field(default=FirstStudy(), repr=False, compare=False)

    def parameter(self, name: str) -> Parameter:
        """Return a parameter by its name.

        Parameters
        ----------
        name : str
            Name of the parameter.

        Returns
        -------
        Parameter
            The parameter.

        Raises
        ------
        ModelError
            If there is no such parameter.
        """
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        names = [parameter.name for parameter in self.parameters]
        raise ModelError(f"{self.name} has no parameter '{name}'{did_you_mean(name, names)}")

    def complete(self, given: Parameters) -> dict[str, Any]:
        """Check parameters, and fill in the defaults of the others.

        Parameters
        ----------
        given : dict of str to object
            Parameters by name.

        Returns
        -------
        dict of str to object
            All parameters.

        Raises
        ------
        ModelError
            If there is no such parameter, or it cannot have this value.
        """
        for name in given:
            self.parameter(name)
        return {p.name: p.checked(given.get(p.name, p.default)) for p in self.parameters}

    def network(self, given: Parameters) -> Network:
        """Make a network.

        Parameters
        ----------
        given : dict of str to object
            Parameters by name; the others have their defaults.

        Returns
        -------
        Network
            The network.

        Raises
        ------
        ModelError
            If a rule is broken.
        """
        return self.make_network(self.complete(given))

    def values(self, network: Network, given: Parameters) -> Values:
        """Make the values of a network, and check them against it, before any simulator sees them.

        Parameters
        ----------
        network : Network
            The network of these parameters.
        given : dict of str to object
            Parameters by name; the others have their defaults.

        Returns
        -------
        Values
            The values.

        Raises
        ------
        ModelError
            If a rule is broken, or the values do not fit the network.
        """
        return checked(network, self.make_values(network, self.complete(given)))


def find_model(
    reference: str, *, folder: Path | None = None, own: Mapping[str, object] | None = None
) -> Model:
    """Find a model by its name.

    Parameters
    ----------
    reference : str
        Name of an installed model, `package.module:Name`, `file.py:Name`, or a key of `own`.
    folder : Path, optional
        Where `file.py` is looked up; by default the current folder.
    own : dict of str to object, optional
        Models that are in no file, by reference.

    Returns
    -------
    Model
        The model.

    Raises
    ------
    PluginError
        If the name leads to no model; the message is one line.

    Examples
    --------
    >>> from calibrate import find_model
    >>> find_model("balanced").doc
    'Random balanced network of excitatory and inhibitory neurons'
    """
    model = plugins.load(reference, plugins.MODELS, folder=folder, own=own)
    if not isinstance(model, Model):
        kind = type(model).__name__
        raise PluginError(f"{reference} is of type {kind}, not calibrate.network.Model")
    return model
