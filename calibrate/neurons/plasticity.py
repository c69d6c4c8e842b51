"""Plasticity rules of synapses, each as GeNN code and as operations on arrays for the host.

A weight is expressed as its ratio g to the weight at t = 0, so that all networks of a batch can share a rule.
GeNN runs the rule on its device. NEST has no such synapses: `calibrate.simulators.nest.plasticity` applies
the same rule to arrays and writes the weights back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import ModelError, did_you_mean
from calibrate.neurons import NeuronParameter, completed

Array = NDArray[np.float64]
Constants = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class PlasticityRule:
    """A rule driven by spikes of three kinds: of the source, the target, and a third, modulating neuron.

    constants   (parameters, initial weight) -> the constants that both implementations read
    modulated_code, postsynaptic_code   GeNN code for a synapse: the effect on `g` of a modulating spike, and
                of a spike of the target; `since` is the time since the last spike of the source (ms)
    modulated, postsynaptic    the same for arrays: (g, since, constants) -> g
    """

    name: str
    doc: str
    parameters: tuple[NeuronParameter, ...]
    constants: Callable[[Mapping[str, float], float], Constants]
    modulated_code: str
    postsynaptic_code: str
    modulated: Callable[[Array, Array, Constants], Array]
    postsynaptic: Callable[[Array, Array, Constants], Array]

    def complete(self, given: Mapping[str, float]) -> dict[str, float]:
        """Return all parameters, with defaults; raise ModelError for an unknown name or an invalid value."""
        numbers = completed(self.name, self.parameters, given)
        complete = {name: float(value) for name, value in numbers.items()}
        for p in self.parameters:
            if not np.isfinite(complete[p.name]):
                raise ModelError(f"{p.name} must be finite, not {complete[p.name]}")
            p.check(complete[p.name])
        return complete


def _dopamine_constants(p: Mapping[str, float], weight: float) -> Constants:
    return {
        "depression": p["learning_rate"] / abs(weight) if weight else 0.0,
        "per_tau": 1 / p["tau_eligibility"],
        "recovery": p["recovery"],
    }


DOPAMINE = PlasticityRule(
    name="dopamine",
    doc=(
        "Depression gated by a dopaminergic neuron (Juergensen et al. 2024). A spike from the source leaves "
        "an eligibility e = 1 that decays with tau_eligibility. A modulating spike lowers the weight: "
        "w <- max(w - learning_rate e, 0). A spike of the target lets it recover: "
        "w <- w + recovery (w0 - w)."
    ),
    parameters=(
        NeuronParameter("learning_rate", "nS", 0.3, "depression by a modulating spike at e = 1", low=0.0),
        NeuronParameter("tau_eligibility", "ms", 5000.0, "decay time of the eligibility", above=0.0),
        NeuronParameter("recovery", "", 1e-4, "share of the loss regained by a spike of the target", low=0.0),
    ),
    constants=_dopamine_constants,
    modulated_code="g = fmax((scalar)0.0, g - depression * modulation * exp(-since * per_tau));",
    postsynaptic_code="g += recovery * ((scalar)1.0 - g);",
    modulated=lambda g, since, c: np.maximum(0.0, g - c["depression"] * np.exp(-since * c["per_tau"])),
    postsynaptic=lambda g, _, c: g + c["recovery"] * (1 - g),
)

RULES = (DOPAMINE,)


def plasticity_rule(name: str) -> PlasticityRule:
    """Return the rule `name`; raise ModelError if there is none."""
    rules = {rule.name: rule for rule in RULES}
    if name not in rules:
        hint = did_you_mean(name, rules)
        raise ModelError(f"there is no plasticity rule '{name}'{hint}: {', '.join(rules)}")
    return rules[name]
