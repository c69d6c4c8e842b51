"""Neuron models: parameters, receptors, a NEST implementation, and one for GeNN if there is one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from calibrate.errors import ModelError, did_you_mean
from calibrate.neurons.propagators import Number


@dataclass(frozen=True)
class NeuronParameter:
    """A parameter of a neuron model, or of a plasticity rule.

    Attributes
    ----------
    name : str
        NEST's name, if it has one.
    unit : str
        NEST's unit, or "".
    default : float
        Default.
    doc : str
        What it is, in a few words.
    low : float or None
        Smallest value that it may have.
    above : float or None
        Value that it must exceed.
    """

    name: str
    unit: str
    default: float
    doc: str
    low: float | None = None
    above: float | None = None

    def check(self, value: Number) -> None:
        """Check a value.

        Parameters
        ----------
        value : float or ndarray of float
            The value, or one per neuron.

        Raises
        ------
        ModelError
            If an element breaks a rule; the message names it.
        """
        lowest = float(np.min(value))
        if self.above is not None and not lowest > self.above:
            raise ModelError(f"{self.name} must be above {self.above:g} {self.unit}, not {lowest:g}")
        if self.low is not None and not lowest >= self.low:
            raise ModelError(f"{self.name} must be at least {self.low:g} {self.unit}, not {lowest:g}")


Parameters = Mapping[str, Number]


def completed(
    model: str, parameters: Sequence[NeuronParameter], given: Mapping[str, Number]
) -> dict[str, Number]:
    """Fill in the defaults of the parameters that are not given.

    Parameters
    ----------
    model : str
        Name of the model in the error message.
    parameters : sequence of NeuronParameter
        Parameters of the model.
    given : dict of str to float or ndarray of float
        Values by name.

    Returns
    -------
    dict of str to float or ndarray of float
        All parameters.

    Raises
    ------
    ModelError
        If the model has no such parameter.

    Examples
    --------
    >>> from calibrate.neurons import NeuronParameter, completed
    >>> completed("leaky", [NeuronParameter("tau_m", "ms", 10.0, "membrane time constant")], {})
    {'tau_m': 10.0}
    """
    names = [parameter.name for parameter in parameters]
    for name in given:
        if name not in names:
            raise ModelError(f"{model} has no parameter '{name}'{did_you_mean(name, names)}")
    return {p.name: given.get(p.name, p.default) for p in parameters}


@dataclass(frozen=True, kw_only=True)
class GennNeuron:
    """A neuron model for GeNN's code generator.

    Attributes
    ----------
    sim_code : str
        One step; reads `in_<receptor>` of every receptor: the weights that arrive in this step.
    threshold : str
        Condition for a spike after the step.
    reset_code : str
        What a spike does.
    state : dict of str to str
        State variables and their types ("scalar", "unsigned int"), `V` among them; all but `V` start at 0.
    constants : callable
        Makes the constants that the code reads, by name, from the parameters and dt_ms; pure, and
        element-wise if parameters are arrays.
    integers : frozenset of str
        Names of the constants that are whole numbers.
    threshold_constant : str
        Name of the constant that `V` must reach for a spike.
    potential_offset : str or None
        Parameter to add to `V` to get the membrane potential; None if `V` is the potential.
    repeated : str or None
        Name of a state variable that is above 0 once the neuron fired again in a step, where GeNN sends only
        one spike: such a network is a failure. None if a neuron cannot do so.
    integration : str
        By what a step integrates the equations, for the methods of a paper; empty if the model is exact.
    """

    sim_code: str
    threshold: str
    reset_code: str
    state: Mapping[str, str]
    constants: Callable[[Parameters, float], Mapping[str, Number]]
    integers: frozenset[str] = frozenset({"refractory_steps"})
    threshold_constant: str = "V_th"
    potential_offset: str | None = None
    repeated: str | None = None
    # Not part of the repr, which identifies the models of stored studies.
    integration: str = field(default="", repr=False)


@dataclass(frozen=True)
class Port:
    """Where NEST takes the spikes of a receptor.

    Attributes
    ----------
    number : int
        NEST's number of the receptor; 0 leaves it to the sign of the weight.
    factor : callable
        Factor on the weights, from the parameters.
    """

    number: int = 0
    factor: Callable[[Parameters], Number] = lambda _: 1.0


@dataclass(frozen=True, kw_only=True)
class NestNeuron:
    """A neuron model in NEST.

    Attributes
    ----------
    model : str
        NEST's name of the model.
    settings : callable
        Makes the parameters of NEST's model from ours; a list if each neuron has its own.
    ports : dict of str to tuple of Port
        Ports that every synapse onto a receptor has. A receptor that is not named has one port, which NEST
        chooses by the sign of the weight.
    fading : tuple of str
        Time constants of the synaptic state that NEST does not let us set: they are shrunk in the silent
        interval between simulations.
    state : tuple of str
        Names of the state variables, beside V_m, that NEST lets us set.
    integration : str
        By what NEST integrates the equations, for the methods of a paper; empty if the model is exact.
    """

    model: str
    settings: Callable[[Parameters], Mapping[str, object]] = dict
    ports: Mapping[str, tuple[Port, ...]] = field(default_factory=dict)
    fading: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    # Not part of the repr, which identifies the models of stored studies.
    integration: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class NeuronModel:
    """A neuron model in the registry.

    Attributes
    ----------
    name : str
        Name of the model.
    doc : str
        What it is, in one line.
    parameters : tuple of NeuronParameter
        C_m, E_L, V_th, V_reset, I_e, and tau_m or g_L, which every model has; and its other parameters.
    nest : NestNeuron
        The model in NEST.
    genn : GennNeuron or None
        The model in GeNN; None if only NEST simulates it.
    receptors : tuple of str
        Kinds of synaptic input. "ex" takes weights >= 0 and "in" weights <= 0, as NEST sorts them.
    weight_unit : {"pA", "nS"}
        pA for synaptic currents, nS for conductances.
    refractory : str
        Parameter with the longest time that a neuron rests after a spike (ms).
    threshold : str
        Parameter with the potential at which a spike is registered (mV).
    ordered : tuple of (str, str)
        Pairs of parameters of which the first must be below the second.
    not_above : tuple of (str, str)
        Pairs of parameters of which the first must be at most the second.
    exact : bool
        Whether a step solves the equations exactly, as long as the neuron does not fire in it.

    Examples
    --------
    >>> from calibrate.neurons import neuron_model
    >>> model = neuron_model("iaf_psc_exp")
    >>> model.exact, model.weight_unit
    (True, 'pA')
    """

    name: str
    doc: str
    parameters: tuple[NeuronParameter, ...]
    nest: NestNeuron
    genn: GennNeuron | None = None
    receptors: tuple[str, ...] = ("ex", "in")
    weight_unit: str = "pA"
    refractory: str = "t_ref"
    threshold: str = "V_th"
    ordered: tuple[tuple[str, str], ...] = (("V_reset", "V_th"),)
    not_above: tuple[tuple[str, str], ...] = ()
    exact: bool = False

    @property
    def genn_code(self) -> GennNeuron:
        """The model in GeNN. Raises ModelError if it has none."""
        if self.genn is None:
            raise ModelError(f"the neuron model {self.name} has no GeNN code: simulate it with NEST")
        return self.genn

    @property
    def may_repeat(self) -> bool:
        """Whether a neuron may fire more than once in a step; True too if only NEST knows."""
        return self.genn is None or self.genn.repeated is not None

    def complete(self, given: Parameters) -> dict[str, Number]:
        """Fill in the defaults of the parameters that are not given.

        Parameters
        ----------
        given : dict of str to float or ndarray of float
            Values by name.

        Returns
        -------
        dict of str to float or ndarray of float
            All parameters.

        Raises
        ------
        ModelError
            If the model has no such parameter.
        """
        return completed(self.name, self.parameters, given)

    def check(self, parameters: Parameters) -> None:
        """Check that a neuron can have all of these parameters.

        Parameters
        ----------
        parameters : dict of str to float or ndarray of float
            All parameters; every element of an array must keep the rules.

        Raises
        ------
        ModelError
            If a rule is broken; the message names the parameter and the rule.
        """
        for p in self.parameters:
            p.check(parameters[p.name])
        units = {p.name: p.unit for p in self.parameters}
        for low, high in (*self.ordered, *self.not_above):
            gap = float(np.min(np.asarray(parameters[high]) - parameters[low]))
            rule = "above" if (low, high) in self.ordered else "at least"
            if not (gap > 0 or (gap == 0 and rule == "at least")):
                raise ModelError(f"{high} must be {rule} {low}; {high} - {low} is {gap:g} {units[high]}")

    def tau_m(self, parameters: Parameters) -> Number:
        """Return the membrane time constant of a neuron without input.

        Parameters
        ----------
        parameters : dict of str to float or ndarray of float
            All parameters.

        Returns
        -------
        float or ndarray of float, ms
            The time constant: tau_m, or C_m / g_L.
        """
        if "tau_m" in parameters:
            return parameters["tau_m"]
        return parameters["C_m"] / parameters["g_L"]

    def ports(self, receptor: str) -> tuple[Port, ...]:
        """Return NEST's ports of a receptor.

        Parameters
        ----------
        receptor : str
            Name of the receptor.

        Returns
        -------
        tuple of Port
            The ports.
        """
        return self.nest.ports.get(receptor, (Port(),))
