"""A network, described without any simulator.

Three tiers, by what a change of them costs:

  code    `Population`, `Projection` without its rule's numbers: what a compilation depends on
  wiring  the numbers in the rules (probabilities) and the realisation: another graph, no compilation
  values  `Values`: weights, currents, time constants, thresholds: each network of a batch has its own

A `Model` makes both from parameters; `calibrate.models` has the built-in ones, and a user's file
(`file.py:Name`) holds one in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from calibrate import plugins
from calibrate.errors import ModelError, PluginError, did_you_mean
from calibrate.observation import Layout

Part = Literal["all", "within", "between"]


@dataclass(frozen=True)
class Bernoulli:
    """Every pair of a source and a target is connected with `probability`, independently; no autapses."""

    probability: float

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ModelError(f"a connection probability lies in [0, 1], not {self.probability:g}")


@dataclass(frozen=True)
class FixedIndegree:
    """Every target draws round(probability n) of each source cluster's n; no autapses, no multapses."""

    probability: float

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ModelError(f"a connection probability lies in [0, 1], not {self.probability:g}")

    def indegree(self, n_sources: int) -> int:
        """Number of sources drawn of `n_sources` in one cluster."""
        return math.floor(self.probability * n_sources + 0.5)


Rule = Bernoulli | FixedIndegree


@dataclass(frozen=True, kw_only=True)
class Population:
    """`size` neurons of one model in `clusters` equal parts.

    neuron       name in `calibrate.neurons`
    distributed  neuron parameters that may differ between its neurons (see `Distributed`)
    noise        whether every neuron receives independent Poisson input
    """

    name: str
    size: int
    clusters: int = 1
    neuron: str = "iaf_psc_exp"
    distributed: frozenset[str] = frozenset()
    noise: bool = False

    def __post_init__(self) -> None:
        if self.size < 1 or self.clusters < 1:
            raise ModelError(f"population {self.name} needs at least one neuron and one cluster")
        if self.size % self.clusters:
            raise ModelError(
                f"{self.size} neurons of {self.name} do not divide into {self.clusters} equal clusters"
            )

    @property
    def cluster_size(self) -> int:
        return self.size // self.clusters


@dataclass(frozen=True, kw_only=True)
class Projection:
    """Synapses from `source` to `target`, all of one weight (in `Values.weights`) and one delay.

    part  "within" joins neurons of the same cluster, "between" those of different clusters, "all" any
    """

    source: str
    target: str
    rule: Rule
    delay_ms: float
    receptor: str
    part: Part = "all"

    @property
    def name(self) -> str:
        return f"{self.source}_to_{self.target}_{self.part}"


@dataclass(frozen=True, kw_only=True)
class Network:
    """Populations in order and the projections between them (code and wiring tier)."""

    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]

    def __post_init__(self) -> None:
        if not self.populations:
            raise ModelError("a network needs a population")
        for kind in (self.populations, self.projections):
            names = [item.name for item in kind]
            if len(set(names)) < len(names):
                raise ModelError(f"names must differ: {', '.join(names)}")
        for projection in self.projections:
            source, target = self.population(projection.source), self.population(projection.target)
            if projection.part != "all" and source.clusters != target.clusters:
                raise ModelError(f"{projection.name} needs as many source clusters as target clusters")
            if projection.delay_ms <= 0:
                raise ModelError(f"the delay of {projection.name} must be above 0 ms")

    def population(self, name: str) -> Population:
        for population in self.populations:
            if population.name == name:
                return population
        raise ModelError(f"the network has no population '{name}'")

    @property
    def layout(self) -> Layout:
        return Layout.of((p.name, p.size, p.clusters) for p in self.populations)

    @property
    def n_neurons(self) -> int:
        return sum(population.size for population in self.populations)

    def expected_synapses(self, projection: Projection) -> float:
        """Expected number of synapses of `projection`."""
        source, target = self.population(projection.source), self.population(projection.target)
        same = source.clusters if projection.part == "within" else 1
        pairs = source.size * target.size / same
        if projection.part == "between":
            pairs -= source.size * target.size / source.clusters
        return projection.rule.probability * pairs


@dataclass(frozen=True)
class Distributed:
    """A neuron parameter that differs between neurons: `mean` + `sd` z, z standard normal.

    z belongs to the realisation, not to the candidate: candidates on one graph share it.
    """

    mean: float
    sd: float


@dataclass(frozen=True)
class PoissonInput:
    """Independent Poisson input to every neuron; the sign of the weight chooses the receptor."""

    rate_hz: float
    weight: float

    def __post_init__(self) -> None:
        if not (self.rate_hz >= 0 and math.isfinite(self.rate_hz) and math.isfinite(self.weight)):
            raise ModelError("Poisson input needs a finite rate of at least 0 Hz and a finite weight")


@dataclass(frozen=True)
class Stimulus:
    """A constant current (pA) added to the neurons of `clusters` from `start_ms` to `stop_ms`.

    Times count from the start of the simulation, warm-up included.
    """

    population: str
    clusters: tuple[int, ...]
    current_pA: float
    start_ms: float
    stop_ms: float


@dataclass(frozen=True)
class UniformPotential:
    """Membrane potentials start uniformly distributed between `low` and `high` (mV)."""

    low: float
    high: float


@dataclass(frozen=True)
class UniformPhase:
    """Membrane potentials start at a uniform phase of the free-running neuron (its first-passage times).

    Where the constant input alone does not make the neuron fire, uniformly between reset and threshold.
    """


Initial = UniformPotential | UniformPhase


@dataclass(frozen=True, kw_only=True)
class Values:
    """What one network of a batch has of its own.

    neurons   population -> parameter of its neuron model -> number or Distributed
    weights   projection -> weight in the unit of its receptor (pA; negative on inhibitory receptors)
    noise     population -> Poisson input, for populations that have noise
    initial   population -> distribution of the initial membrane potential
    stimuli   currents that are switched on and off
    """

    neurons: Mapping[str, Mapping[str, float | Distributed]]
    weights: Mapping[str, float]
    initial: Mapping[str, Initial]
    noise: Mapping[str, PoissonInput] = field(default_factory=dict)
    stimuli: tuple[Stimulus, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A parameter of a model: what a study file may fix or search.

    default  None means: derived from other parameters (`doc` says how)
    choices  the values a text parameter may have
    tier     what a change of it costs: "code", "wiring" or "values"
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
            raise ModelError(f"{self.name} is one of {', '.join(self.choices)}, not {value!r}{hint}")
        unit = f" {self.unit}" if self.unit else ""
        if self.low is not None and value < self.low:
            raise ModelError(f"{self.name} must be at least {self.low:g}{unit}, not {value:g}")
        if self.high is not None and value > self.high:
            raise ModelError(f"{self.name} must be at most {self.high:g}{unit}, not {value:g}")
        return value


_KINDS = {float: "a number", int: "a whole number", str: "a text", bool: "true or false", tuple: "a list"}

Parameters = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Model:
    """A family of networks: its parameters, and how they make a network and its values.

    network  complete parameters -> Network; raises ModelError where rules across parameters are broken
    values   (network, complete parameters) -> Values; likewise
    """

    name: str
    parameters: tuple[Parameter, ...]
    make_network: Callable[[Parameters], Network]
    make_values: Callable[[Network, Parameters], Values]
    doc: str = ""

    def parameter(self, name: str) -> Parameter:
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        known = [parameter.name for parameter in self.parameters]
        raise ModelError(f"{self.name} has no parameter '{name}'{did_you_mean(name, known)}")

    def complete(self, given: Parameters) -> dict[str, Any]:
        """All parameters: `given` ones checked, defaults for the rest."""
        for name in given:
            self.parameter(name)
        return {p.name: p.checked(given.get(p.name, p.default)) for p in self.parameters}

    def network(self, given: Parameters) -> Network:
        """The network for `given` parameters; ModelError where a rule is broken."""
        return self.make_network(self.complete(given))

    def values(self, network: Network, given: Parameters) -> Values:
        """The values for `given` parameters in `network`; ModelError where a rule is broken."""
        return self.make_values(network, self.complete(given))


def find_model(reference: str, *, folder: Path | None = None) -> Model:
    """The model that `reference` names: an installed one, "package.module:Name" or "file.py:Name".

    `folder` is where such a file is looked up. Raises PluginError in one line.
    """
    model = plugins.load(reference, plugins.MODELS, folder=folder)
    if not isinstance(model, Model):
        kind = type(model).__name__
        raise PluginError(f"{reference} is of type {kind}; name a calibrate.network.Model")
    return model
