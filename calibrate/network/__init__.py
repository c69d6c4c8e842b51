"""A network, described without any simulator.

Three tiers, by what a change of them costs:

  code    `Population`, `Projection` without its rule's numbers: what a compilation depends on
  wiring  the numbers in the rules (probabilities) and the realisation: another graph, no compilation
  values  `Values`: weights, currents, time constants, thresholds: each network of a batch has its own

A `Model` makes both from parameters; `calibrate.models` has the built-in ones, and a user's file
(`file.py:Name`) holds one in the same way.
"""

from calibrate.network.model import Model, Parameter, Parameters, find_model
from calibrate.network.structure import (
    Bernoulli,
    FixedIndegree,
    Network,
    Part,
    Plasticity,
    Population,
    Projection,
    Rule,
    UniformDelay,
    UniformIndegree,
)
from calibrate.network.values import (
    Distributed,
    Initial,
    PoissonInput,
    RateStimulus,
    Stimulus,
    Uniform,
    UniformPhase,
    UniformPotential,
    Values,
    check_stimuli,
    checked,
)

__all__ = [
    "Bernoulli",
    "Distributed",
    "FixedIndegree",
    "Initial",
    "Model",
    "Network",
    "Parameter",
    "Parameters",
    "Part",
    "Plasticity",
    "PoissonInput",
    "Population",
    "Projection",
    "RateStimulus",
    "Rule",
    "Stimulus",
    "Uniform",
    "UniformDelay",
    "UniformIndegree",
    "UniformPhase",
    "UniformPotential",
    "Values",
    "check_stimuli",
    "checked",
    "find_model",
]
