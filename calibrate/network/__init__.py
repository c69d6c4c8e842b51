"""A network, described without any simulator.

Three tiers, by the cost of changing them:

  code    `Population`, and `Projection` without the numbers in its rule: changes require compilation
  wiring  the numbers in the rules (probabilities) and the realisation: another graph, no compilation
  values  `Values`: weights, currents, time constants, thresholds, which differ within a batch

A `Model` makes the network and its values from parameters. `calibrate.models` contains the built-in models;
users define theirs in the same way in a file (`file.py:Name`). A function that simulates a network by itself
and returns its spikes can take the place of a model: see `simulator`.
"""

from calibrate.network.connection_rules import Bernoulli, FixedIndegree, Rule, UniformDelay, UniformIndegree
from calibrate.network.first_study import FirstStudy
from calibrate.network.model import Model
from calibrate.network.model_reference import find_model
from calibrate.network.own_simulation import simulator
from calibrate.network.parameter import Parameter, Parameters
from calibrate.network.structure import (
    Network,
    Part,
    Plasticity,
    Population,
    Projection,
)
from calibrate.network.value_checks import check_stimuli, checked
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
)

__all__ = [
    "Bernoulli",
    "Distributed",
    "FirstStudy",
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
    "simulator",
]
