"""Neuron models: parameters, receptors, a NEST and a GeNN implementation; and the registry of models."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from calibrate.errors import ModelError, did_you_mean
from calibrate.neurons.propagators import Number


@dataclass(frozen=True)
class NeuronParameter:
    """A parameter of a neuron model, or of a plasticity rule; `name` and `unit` are NEST's where it has one.

    low, above  the least value that it may have, a value that it must exceed
    """

    name: str
    unit: str
    default: float
    doc: str
    low: float | None = None
    above: float | None = None

    def check(self, value: Number) -> None:
        """ModelError naming the rule, unless every element of `value` keeps it."""
        lowest = float(np.min(value))
        if self.above is not None and not lowest > self.above:
            raise ModelError(f"{self.name} must be above {self.above:g} {self.unit}, not {lowest:g}")
        if self.low is not None and not lowest >= self.low:
            raise ModelError(f"{self.name} must be at least {self.low:g} {self.unit}, not {lowest:g}")


Parameters = Mapping[str, Number]


def completed(
    model: str, parameters: Sequence[NeuronParameter], given: Mapping[str, Number]
) -> dict[str, Number]:
    """All parameters of a model, defaults filled in; ModelError for one that it does not have."""
    names = [parameter.name for parameter in parameters]
    for name in given:
        if name not in names:
            raise ModelError(f"{model} has no parameter '{name}'{did_you_mean(name, names)}")
    return {p.name: given.get(p.name, p.default) for p in parameters}


@dataclass(frozen=True, kw_only=True)
class GennNeuron:
    """A neuron model for GeNN's code generator.

    sim_code    one step; reads `in_<receptor>` of every receptor, the weights that arrive in this step
    threshold   condition for a spike after the step;  reset_code what a spike does
    state       state variables and their types ("scalar", "unsigned int"), `V` among them; all but `V`
                start at 0
    constants   (parameters, dt_ms) -> the constants that the code reads, by name; pure, and element-wise
                where parameters are arrays
    integers    those of the constants that are whole numbers
    threshold_constant  name of the constant that a spike needs `V` to reach
    potential_offset    parameter to add to `V` to get the membrane potential; None: `V` is it
    """

    sim_code: str
    threshold: str
    reset_code: str
    state: Mapping[str, str]
    constants: Callable[[Parameters, float], Mapping[str, Number]]
    integers: frozenset[str] = frozenset({"refractory_steps"})
    threshold_constant: str = "V_th"
    potential_offset: str | None = None


@dataclass(frozen=True)
class Port:
    """Where NEST takes the spikes of a receptor: its number there, and a factor on the weights.

    A number of 0 leaves it to the sign of the weight.
    """

    number: int = 0
    factor: Callable[[Parameters], Number] = lambda _: 1.0


@dataclass(frozen=True, kw_only=True)
class NestNeuron:
    """A neuron model in NEST.

    model     its name
    settings  parameters -> those of NEST's model; a list where each neuron has its own
    ports     receptor -> ports that every synapse onto it has; receptors that are not named have one, which
              NEST chooses by the sign of the weight
    fading    time constants of the synaptic state that NEST does not let us set: shrunk in the silent
              interval between candidates
    state     names of the state, beside V_m, that NEST lets us set
    """

    model: str
    settings: Callable[[Parameters], Mapping[str, object]] = dict
    ports: Mapping[str, tuple[Port, ...]] = field(default_factory=dict)
    fading: tuple[str, ...] = ()
    state: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class NeuronModel:
    """A neuron model in the registry.

    receptors    kinds of synaptic input. "ex" takes weights >= 0 and "in" weights <= 0, as NEST sorts them
    weight_unit  pA for synaptic currents, nS for conductances
    refractory   parameter with the longest time that a neuron rests after a spike (ms)
    threshold    parameter with the potential at which a spike is registered (mV)
    ordered      pairs of parameters of which the first must be below the second
    exact        whether a step solves the equations exactly, as far as the neuron does not fire in it

    Every model has the parameters C_m, E_L, V_th, V_reset and I_e, and tau_m or g_L.
    """

    name: str
    doc: str
    parameters: tuple[NeuronParameter, ...]
    nest: NestNeuron
    genn: GennNeuron
    receptors: tuple[str, ...] = ("ex", "in")
    weight_unit: str = "pA"
    refractory: str = "t_ref"
    threshold: str = "V_th"
    ordered: tuple[tuple[str, str], ...] = (("V_reset", "V_th"),)
    exact: bool = False

    def complete(self, given: Parameters) -> dict[str, Number]:
        """All parameters, defaults filled in; ModelError for one that the model does not have."""
        return completed(self.name, self.parameters, given)

    def check(self, parameters: Parameters) -> None:
        """ModelError naming the parameter and the rule, unless a neuron can have all of `parameters`.

        `parameters` are complete; of arrays, every element must keep the rules.
        """
        for p in self.parameters:
            p.check(parameters[p.name])
        units = {p.name: p.unit for p in self.parameters}
        for low, high in self.ordered:
            gap = float(np.min(np.asarray(parameters[high]) - parameters[low]))
            if not gap > 0:
                raise ModelError(f"{high} must be above {low}; {high} - {low} is {gap:g} {units[high]}")

    def tau_m(self, parameters: Parameters) -> Number:
        """Membrane time constant of a neuron that receives nothing (ms)."""
        if "tau_m" in parameters:
            return parameters["tau_m"]
        return parameters["C_m"] / parameters["g_L"]

    def ports(self, receptor: str) -> tuple[Port, ...]:
        """NEST's ports of a receptor."""
        return self.nest.ports.get(receptor, (Port(),))


_registry: dict[str, NeuronModel] = {}
_origins: dict[str, str] = {}  # the file that registered each model


def register(model: NeuronModel) -> NeuronModel:
    """Add a neuron model, so that populations can name it; returns it.

    Registering one again replaces it where it comes from the same file, or both from a notebook or console;
    another one under a taken name raises ModelError.
    """
    origin = str(sys._getframe(1).f_globals.get("__file__", "__main__"))
    if _origins.setdefault(model.name, origin) == origin:
        _registry[model.name] = model
    elif _registry[model.name] != model:
        raise ModelError(f"a different neuron model named '{model.name}' is already registered")
    return model


def neuron_models() -> tuple[NeuronModel, ...]:
    """All registered neuron models, the built-in ones first."""
    return tuple(_registry.values())


def neuron_model(name: str) -> NeuronModel:
    """The registered neuron model `name`; raises ModelError."""
    try:
        return _registry[name]
    except KeyError:
        hint = did_you_mean(name, _registry)
        raise ModelError(f"there is no neuron model '{name}'{hint}: {', '.join(_registry)}") from None
