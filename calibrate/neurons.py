"""Neuron models: each is one entry here, with its parameters and its NEST and GeNN sides.

Parameters carry NEST's names and units. The GeNN side is the exact propagator step that NEST makes
(Rotter & Diesmann 1999), so that both give the same spikes.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import ModelError, did_you_mean

Number = float | NDArray[np.float64]


@dataclass(frozen=True)
class NeuronParameter:
    """A parameter of a neuron model; `name` and `unit` are NEST's.

    low, above  the least value that it may have, a value that it must exceed
    """

    name: str
    unit: str
    default: float
    doc: str
    low: float | None = None
    above: float | None = None


@dataclass(frozen=True, kw_only=True)
class GennNeuron:
    """A neuron model for GeNN's code generator.

    sim_code    one step; reads one input `I_<receptor>` per receptor, in the unit of the weights
    threshold   condition for a spike after the step;  reset_code what a spike does
    state       state variables and their types ("scalar", "unsigned int"), `V` among them
    constants   (parameters, dt_ms) -> the constants that the code reads, by name; pure, and element-wise
                where parameters are arrays
    integers    those of the constants that are whole numbers
    threshold_constant  name of the constant that `V` is compared with
    potential_offset    parameter to add to `V` to get the membrane potential
    """

    sim_code: str
    threshold: str
    reset_code: str
    state: Mapping[str, str]
    constants: Callable[[Mapping[str, Number], float], Mapping[str, Number]]
    integers: frozenset[str]
    threshold_constant: str
    potential_offset: str


@dataclass(frozen=True, kw_only=True)
class NeuronModel:
    """A neuron model in the registry.

    receptors   kinds of synaptic input -> the parameter with its decay time constant. "ex" takes weights
                >= 0 and "in" weights <= 0, as NEST sorts them.
    nest        name of the NEST model
    refractory  parameter with the longest time that a neuron rests after a spike (ms)

    Every model has the parameters C_m, tau_m, E_L, V_th, V_reset and I_e.
    """

    name: str
    doc: str
    parameters: tuple[NeuronParameter, ...]
    receptors: Mapping[str, str]
    nest: str
    genn: GennNeuron
    refractory: str = "t_ref"

    def complete(self, given: Mapping[str, Number]) -> dict[str, Number]:
        """All parameters, defaults filled in; ModelError for one that the model does not have."""
        known = [parameter.name for parameter in self.parameters]
        for name in given:
            if name not in known:
                raise ModelError(f"{self.name} has no parameter '{name}'{did_you_mean(name, known)}")
        return {p.name: given.get(p.name, p.default) for p in self.parameters}

    def check(self, parameters: Mapping[str, Number]) -> None:
        """ModelError naming the parameter and the rule, unless a neuron can have all of `parameters`.

        `parameters` are complete; of arrays, every element must keep the rules.
        """
        for p in self.parameters:
            lowest = float(np.min(parameters[p.name]))
            if p.above is not None and not lowest > p.above:
                raise ModelError(f"{p.name} must be above {p.above:g} {p.unit}, not {lowest:g}")
            if p.low is not None and not lowest >= p.low:
                raise ModelError(f"{p.name} must be at least {p.low:g} {p.unit}, not {lowest:g}")
        gap = float(np.min(np.asarray(parameters["V_th"]) - parameters["V_reset"]))
        if not gap > 0:
            raise ModelError(f"V_th must be above V_reset; V_th - V_reset is {gap:g} mV")


def refractory_steps(t_ref_ms: float, dt_ms: float) -> int:
    """Steps that a neuron stays refractory: NEST rounds up to whole steps, of times in microseconds."""
    return math.ceil(round(t_ref_ms * 1000) / (dt_ms * 1000) - 1e-9)


def delay_steps(delay_ms: float, dt_ms: float) -> int:
    """Steps that a spike travels: NEST rounds half up, and a step is the least."""
    return max(1, math.floor(round(delay_ms * 1000) / (dt_ms * 1000) + 0.5 + 1e-9))


def current_propagator(tau_m: Number, tau_syn: Number, C_m: Number, dt_ms: float) -> Number:
    """P21: what 1 pA of exponential current at the start of a step adds to V at its end (mV / pA).

    P21 = tau_m tau_s / (C (tau_m - tau_s)) (exp(-dt/tau_m) - exp(-dt/tau_s)), written with expm1 so that it
    stays accurate near tau_s = tau_m, where it is dt/C exp(-dt/tau_m).
    """
    tau_m, tau_syn = np.asarray(tau_m, dtype=float), np.asarray(tau_syn, dtype=float)
    difference = (tau_m - tau_syn) / (tau_m * tau_syn)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(difference == 0, dt_ms, np.expm1(dt_ms * difference) / difference)
    propagator: NDArray[np.float64] = np.exp(-dt_ms / tau_syn) * factor / np.asarray(C_m)
    return propagator


def psp_peak(tau_m: float, tau_syn: float, C_m: float) -> float:
    """Largest depolarisation after one exponential current of 1 pA (mV / pA).

    With t* = ln(tau_s/tau_m) / (1/tau_m - 1/tau_s): tau_m tau_s / (C (tau_s - tau_m)) (exp(-t*/tau_s) -
    exp(-t*/tau_m)); at tau_s = tau_m: tau / (C e). (Rostami et al. 2024)
    """
    ratio = tau_syn / tau_m
    if abs(ratio - 1) < 1e-6:
        # Second order in (ratio - 1): tau_m/C (1/e) (1 + (ratio - 1)/2); exact enough at 1e-12.
        return tau_m / (C_m * math.e) * (1 + (ratio - 1) / 2)
    peak = math.log(ratio) / (1 / tau_m - 1 / tau_syn)
    scale = tau_m * tau_syn / (C_m * (tau_syn - tau_m))
    return scale * (math.exp(-peak / tau_syn) - math.exp(-peak / tau_m))


def _iaf_psc_exp_constants(p: Mapping[str, Number], dt_ms: float) -> Mapping[str, Number]:
    leak = np.exp(-dt_ms / np.asarray(p["tau_m"], dtype=float))
    return {
        "P22": leak,
        "P20": -np.expm1(-dt_ms / np.asarray(p["tau_m"], dtype=float)) * p["tau_m"] / p["C_m"],
        "P21_ex": current_propagator(p["tau_m"], p["tau_syn_ex"], p["C_m"], dt_ms),
        "P21_in": current_propagator(p["tau_m"], p["tau_syn_in"], p["C_m"], dt_ms),
        "threshold": np.asarray(p["V_th"]) - p["E_L"],
        "reset": np.asarray(p["V_reset"]) - p["E_L"],
        "refractory_steps": np.vectorize(refractory_steps)(p["t_ref"], dt_ms),
    }


IAF_PSC_EXP = NeuronModel(
    name="iaf_psc_exp",
    doc="Leaky integrate-and-fire neuron with exponential synaptic currents",
    parameters=(
        NeuronParameter("C_m", "pF", 250.0, "membrane capacitance", above=0.0),
        NeuronParameter("tau_m", "ms", 10.0, "membrane time constant", above=0.0),
        NeuronParameter("E_L", "mV", -70.0, "resting potential"),
        NeuronParameter("V_th", "mV", -55.0, "threshold"),
        NeuronParameter("V_reset", "mV", -70.0, "potential after a spike"),
        NeuronParameter("t_ref", "ms", 2.0, "refractory time", low=0.0),
        NeuronParameter("I_e", "pA", 0.0, "constant input current"),
        NeuronParameter("tau_syn_ex", "ms", 2.0, "decay of excitatory currents", above=0.0),
        NeuronParameter("tau_syn_in", "ms", 2.0, "decay of inhibitory currents", above=0.0),
    ),
    receptors={"ex": "tau_syn_ex", "in": "tau_syn_in"},
    nest="iaf_psc_exp",
    genn=GennNeuron(
        # V is measured from E_L, as inside NEST's model, so that both round alike.
        sim_code="""
            if (refractory == 0) {
                V = P22 * V + P21_ex * I_ex + P21_in * I_in + P20 * I_e;
            }
            else {
                refractory--;
            }
        """,
        threshold="V >= threshold",
        reset_code="""
            V = reset;
            refractory = refractory_steps;
        """,
        state={"V": "scalar", "refractory": "unsigned int"},
        constants=_iaf_psc_exp_constants,
        integers=frozenset({"refractory_steps"}),
        threshold_constant="threshold",
        potential_offset="E_L",
    ),
)

_registry: dict[str, NeuronModel] = {IAF_PSC_EXP.name: IAF_PSC_EXP}
_origins: dict[str, str] = dict.fromkeys(_registry, __file__)  # the file that registered each


def register(model: NeuronModel) -> NeuronModel:
    """Add a neuron model, so that populations can name it; returns it.

    Registering one again replaces it where it comes from the same file, or both from a notebook or console;
    another one under a taken name raises ModelError.
    """
    origin = str(sys._getframe(1).f_globals.get("__file__", "__main__"))
    if _origins.setdefault(model.name, origin) == origin:
        _registry[model.name] = model
    elif _registry[model.name] != model:
        raise ModelError(f"there is another neuron model named '{model.name}' already")
    return model


def own_neuron_models() -> tuple[NeuronModel, ...]:
    """The registered neuron models that are not built in."""
    return tuple(model for name, model in _registry.items() if _origins[name] != __file__)


def neuron_model(name: str) -> NeuronModel:
    """The registered neuron model `name`; raises ModelError."""
    try:
        return _registry[name]
    except KeyError:
        hint = did_you_mean(name, _registry)
        raise ModelError(f"there is no neuron model '{name}'{hint}: {', '.join(_registry)}") from None
