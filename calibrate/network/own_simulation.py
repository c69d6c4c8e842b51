"""Simulations of one's own: functions that return spikes, in place of the description of a network."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from calibrate import plugins
from calibrate.errors import ModelError, PluginError, did_you_mean
from calibrate.network.arguments import Arguments
from calibrate.network.first_study import FirstStudy
from calibrate.network.parameter import Parameter, Parameters
from calibrate.network.structure import Network, Population
from calibrate.network.values import UniformPotential, Values
from calibrate.neurons.registry import UNKNOWN

Function = TypeVar("Function", bound=Callable[..., Any])

# A number of neurons, the name of the parameter that is this number, or {"size": ..., "clusters": ...}.
Size = int | str | Mapping[str, int | str]

_ATTRIBUTE = "calibrate_simulator"


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """What `simulator` declares of a function."""

    populations: Mapping[str, Size] = field(default_factory=dict)
    parameters: tuple[Parameter, ...] = ()
    cites: str | tuple[str, ...] = ""
    first_study: FirstStudy = field(default_factory=FirstStudy)


def simulator(
    *,
    populations: Mapping[str, Size] | None = None,
    parameters: Iterable[Parameter] = (),
    cites: str | tuple[str, ...] = "",
    first_study: FirstStudy | None = None,
) -> Callable[[Function], Function]:
    """Declare what a simulation of your own returns and takes.

    The function stays what it is. A study names it in place of a model: `name = "my_network.py:simulate"`.

    Parameters
    ----------
    populations : dict of str to int, str or dict, optional
        What it returns: the number of neurons of each population, or the name of the parameter that is this
        number; or a dict with `size` and `clusters`, either of them a number or the name of a parameter. By
        default, [model] of the study file says so.
    parameters : iterable of Parameter
        Its parameters with units, limits and explanations. If it takes a dict, these are all; if it takes
        keywords, the others have the defaults of the signature.
    cites : str or tuple of str
        What a paper that uses it should cite, in full.
    first_study : FirstStudy, optional
        What `calibrate new` writes for it.

    Returns
    -------
    callable
        Decorator that returns the function itself.

    Examples
    --------
    >>> import numpy as np
    >>> from calibrate.network import Parameter, simulator
    >>> @simulator(
    ...     populations={"E": 80},
    ...     parameters=[Parameter(name="rate", default=5.0, unit="Hz", doc="rate of a neuron", low=0.0)],
    ... )
    ... def poisson(parameters, *, seed, stop_ms):
    ...     random = np.random.default_rng(seed)
    ...     counts = random.poisson(parameters["rate"] * stop_ms / 1000, 80)
    ...     return {"E": [random.uniform(0, stop_ms, n) for n in counts]}
    """
    declared = Declaration(
        populations=dict(populations or {}),
        parameters=tuple(parameters),
        cites=cites,
        first_study=first_study or FirstStudy(),
    )

    def declare(function: Function) -> Function:
        vars(function)[_ATTRIBUTE] = declared
        return function

    return declare


def declaration_of(function: Callable[..., Any]) -> Declaration:
    """What a function declares; nothing by default."""
    declared = getattr(function, _ATTRIBUTE, None)
    return declared if isinstance(declared, Declaration) else Declaration()


@dataclass(frozen=True, kw_only=True)
class OwnNetwork(Network):
    """The populations of a simulation of one's own, of which nothing else is known."""

    simulation: OwnSimulation


@dataclass(frozen=True, kw_only=True)
class OwnValues(Values):
    """The parameters that a simulation of one's own is called with."""

    parameters: Parameters


@dataclass(frozen=True, kw_only=True, eq=False)
class OwnSimulation:
    """A function that simulates a network and returns its spikes.

    function     the function
    name         as messages call it: `my_network.py:simulate`
    arguments    what it takes
    populations  what it returns; empty if that is not known yet
    reference    by which other processes load it; None: it is sent to them
    folder       where a file is looked up
    """

    function: Callable[..., Any]
    name: str
    arguments: Arguments
    populations: Mapping[str, Size]
    reference: str | None = None
    folder: Path | None = None

    @classmethod
    def of(
        cls, function: object, name: str, *, reference: str | None = None, folder: Path | None = None
    ) -> OwnSimulation:
        """The simulation that is this function. Raises PluginError if it cannot be one."""
        if not inspect.isfunction(function):
            raise PluginError(f"{name} is of type {type(function).__name__}, neither a Model nor a function")
        declared, arguments = declaration_of(function), Arguments.of(function, name)
        if not arguments.others and not arguments.as_dict:
            for parameter in declared.parameters:
                if parameter.name not in arguments.parameters:
                    hint = did_you_mean(parameter.name, arguments.parameters)
                    raise PluginError(f"{name} declares {parameter.name}, but takes no such argument{hint}")
        return cls(
            function=function,
            name=name,
            arguments=arguments,
            populations=declared.populations,
            reference=reference,
            folder=(folder or Path.cwd()).resolve(),
        )

    def __getstate__(self) -> dict[str, Any]:
        # Pickled by value, a function would take along all that its file holds: a simulator, open files.
        return {name: value for name, value in vars(self).items() if name != "function" or not self.reference}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "function" not in state:
            loaded = plugins.load(state["reference"], plugins.MODELS, folder=state["folder"])
            state = {**state, "function": loaded}
        vars(self).update(state)

    @property
    def any_parameter(self) -> bool:
        """Whether it takes parameters of any name: without a declaration that lists those of a dict."""
        takes = self.arguments
        return takes.others and not (takes.as_dict and declaration_of(self.function).parameters)

    def with_populations(self, populations: Mapping[str, Size]) -> OwnSimulation:
        """The same with these populations."""
        return replace(self, populations=populations)

    def network(self, parameters: Parameters) -> OwnNetwork:
        """The populations with these complete parameters. Raises ModelError."""
        if not self.populations:
            raise ModelError(
                f"{self.name} does not say which populations it returns: write populations = "
                "{ E = 400, I = 100 }, with its own names and sizes, below [model]"
            )
        for name in self.arguments.required:
            if parameters.get(name) is None:
                raise ModelError(f"{name} needs a value: {self.name} has no default for it")
        populations = tuple(
            self._population(name, size, parameters) for name, size in self.populations.items()
        )
        return OwnNetwork(populations=populations, projections=(), simulation=self)

    def _population(self, name: str, given: Size, parameters: Parameters) -> Population:
        keys = given if isinstance(given, Mapping) else {"size": given}
        for key in keys:
            if key not in ("size", "clusters"):
                hint = did_you_mean(key, ("size", "clusters"))
                raise ModelError(f"population {name} has the key '{key}'{hint}: it takes size and clusters")
        if "size" not in keys:
            raise ModelError(
                f"population {name} has no size: write {name} = {{ size = ..., clusters = ... }}"
            )
        return Population(
            name=name,
            size=_number(f"size of {name}", keys["size"], parameters),
            clusters=_number(f"number of clusters of {name}", keys.get("clusters", 1), parameters),
            neuron=UNKNOWN.name,
        )

    def values(self, network: Network, parameters: Parameters) -> OwnValues:
        """What a simulator gets to know of these parameters."""
        names = [population.name for population in network.populations]
        return OwnValues(
            neurons={name: {} for name in names},
            weights={},
            initial=dict.fromkeys(names, UniformPotential(0.0, 0.0)),
            parameters=parameters,
        )

    def __call__(self, parameters: Parameters, available: Mapping[str, Any]) -> Any:
        """Call the function with its parameters, and with what it names of `available`."""
        keywords = {name: available[name] for name in self.arguments.keywords}
        if self.arguments.as_dict:
            return self.function(dict(parameters), **keywords)
        return self.function(**{**parameters, **keywords})


def _number(what: str, given: object, parameters: Parameters) -> int:
    """A number of neurons or clusters, which may be the value of a parameter."""
    value = given
    if isinstance(given, str):
        if given not in parameters:
            hint = did_you_mean(given, parameters)
            raise ModelError(f"the {what} is '{given}', which is not a parameter{hint}")
        value = parameters[given]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        source = f" ({given})" if isinstance(given, str) else ""
        raise ModelError(f"the {what}{source} must be a whole number, not {value!r}")
    return value
