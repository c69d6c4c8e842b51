"""The code and wiring tiers of a network: populations, projections between them, and their rules."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from calibrate.errors import ModelError, did_you_mean
from calibrate.neurons import neuron_model
from calibrate.neurons.plasticity import plasticity_rule
from calibrate.observation import Layout

# Neuron numbers fit into 32 bits, and clusters can be listed.
MOST_NEURONS = 2**31 - 1
MOST_CLUSTERS = 10_000

Part = Literal["all", "within", "between"]


@dataclass(frozen=True)
class Bernoulli:
    """Every pair of a source and a target is connected with `probability`, independently; no autapses."""

    probability: float

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ModelError(f"a connection probability must lie in [0, 1], not {self.probability:g}")


@dataclass(frozen=True)
class FixedIndegree:
    """Every target draws round(probability n) of each source cluster's n; no autapses, no multapses."""

    probability: float

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ModelError(f"a connection probability must lie in [0, 1], not {self.probability:g}")

    def indegree(self, n_sources: int) -> int:
        """Number of sources drawn of `n_sources` in one cluster."""
        return math.floor(self.probability * n_sources + 0.5)


@dataclass(frozen=True)
class UniformIndegree:
    """Every target draws its number of sources from low..high, then as many of all sources.

    No autapses, no multapses.
    """

    low: int
    high: int

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high:
            raise ModelError(f"an in-degree needs 0 <= low <= high, not {self.low} and {self.high}")


Rule = Bernoulli | FixedIndegree | UniformIndegree


@dataclass(frozen=True)
class UniformDelay:
    """Every synapse has a delay of its own, uniform between `low_ms` and `high_ms`, in whole steps."""

    low_ms: float
    high_ms: float

    def __post_init__(self) -> None:
        if not 0 < self.low_ms <= self.high_ms < math.inf:
            raise ModelError(
                f"delays need 0 < low <= high < infinity, not {self.low_ms:g} and {self.high_ms:g} ms"
            )


@dataclass(frozen=True)
class Plasticity:
    """Synapses that change by a rule of `calibrate.neurons.plasticity`.

    modulator  population whose spikes take part as the third factor
    part       which of them reach a target neuron: those of its own cluster, of other clusters, or all
    """

    rule: str
    modulator: str
    part: Part = "all"


@dataclass(frozen=True, kw_only=True)
class Population:
    """`size` neurons of one model in `clusters` equal parts.

    neuron       name in `calibrate.neurons`
    distributed  neuron parameters that may differ between its neurons (see `Distributed`, `Uniform`)
    noise        whether every neuron receives independent random input (see `PoissonInput`)
    noise_shape  shape of the gamma process that this input is: 1 is Poisson, larger ones are more regular
    """

    name: str
    size: int
    clusters: int = 1
    neuron: str = "iaf_psc_exp"
    distributed: frozenset[str] = frozenset()
    noise: bool = False
    noise_shape: int = 1

    def __post_init__(self) -> None:
        if self.noise_shape < 1:
            raise ModelError(f"the input of population {self.name} needs a shape of at least 1")
        if self.size < 1 or self.clusters < 1:
            raise ModelError(f"population {self.name} needs at least one neuron and one cluster")
        if self.size > MOST_NEURONS or self.clusters > MOST_CLUSTERS:
            raise ModelError(
                f"population {self.name} can have {MOST_NEURONS:,} neurons and {MOST_CLUSTERS:,} clusters, "
                f"not {self.size:,} and {self.clusters:,}"
            )
        if self.size % self.clusters:
            raise ModelError(
                f"{self.size} neurons of {self.name} do not divide into {self.clusters} equal clusters"
            )

    @property
    def cluster_size(self) -> int:
        return self.size // self.clusters


@dataclass(frozen=True, kw_only=True)
class Projection:
    """Synapses from `source` to `target`, of one weight (in `Values.weights`) unless it is distributed.

    delay_ms    of all synapses, or `UniformDelay`
    part        "within" joins neurons of the same cluster, "between" those of different clusters, "all" any
    weight_cv   coefficient of variation of the weights over synapses (log-normal, of the graph; 0: all equal)
    plasticity  how the weights change; None: they do not
    """

    source: str
    target: str
    rule: Rule
    delay_ms: float | UniformDelay
    receptor: str
    part: Part = "all"
    weight_cv: float = 0.0
    plasticity: Plasticity | None = None

    @property
    def name(self) -> str:
        return f"{self.source}_to_{self.target}_{self.part}"

    @property
    def longest_delay_ms(self) -> float:
        return self.delay_ms.high_ms if isinstance(self.delay_ms, UniformDelay) else self.delay_ms


@dataclass(frozen=True, kw_only=True)
class Network:
    """Populations in order and the projections between them (code and wiring tier)."""

    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]

    def __post_init__(self) -> None:
        if not self.populations:
            raise ModelError("a network needs at least one population")
        for kind in (self.populations, self.projections):
            names = [item.name for item in kind]
            if len(set(names)) < len(names):
                raise ModelError(f"names must differ: {', '.join(names)}")
        for population in self.populations:
            _check_distributed(population)
        for projection in self.projections:
            source, target = self.population(projection.source), self.population(projection.target)
            _check_projection(projection, source, target)
            if projection.plasticity is not None:
                modulator = self.population(projection.plasticity.modulator)
                _check_plasticity(projection, projection.plasticity, modulator, target)

    def population(self, name: str) -> Population:
        for population in self.populations:
            if population.name == name:
                return population
        raise ModelError(f"the network has no population '{name}'")

    @cached_property
    def layout(self) -> Layout:
        return Layout.of((p.name, p.size, p.clusters) for p in self.populations)

    @property
    def n_neurons(self) -> int:
        return sum(population.size for population in self.populations)

    def expected_synapses(self, projection: Projection) -> float:
        """Expected number of synapses of `projection`; exact for a fixed in-degree."""
        source, target = self.population(projection.source), self.population(projection.target)
        if isinstance(projection.rule, FixedIndegree):
            indegree = projection.rule.indegree(source.cluster_size)
            autapse = int(source.name == target.name)
            own = min(indegree, source.cluster_size - autapse)
            others = indegree * (source.clusters - 1)
            per_target = {"all": own + others, "within": own, "between": others}[projection.part]
            return target.size * per_target
        if isinstance(projection.rule, UniformIndegree):
            return target.size * (projection.rule.low + projection.rule.high) / 2
        same = source.clusters if projection.part == "within" else 1
        pairs = source.size * target.size / same
        if projection.part == "between":
            pairs -= source.size * target.size / source.clusters
        return projection.rule.probability * pairs


def _check_distributed(population: Population) -> None:
    model = neuron_model(population.neuron)
    model.complete(dict.fromkeys(population.distributed, 0.0))
    scaling = {name for name in model.nest.fading if model.nest.ports} & population.distributed
    for name in scaling:
        # NEST scales the weights of its ports by these, but all neurons share one weight.
        raise ModelError(f"population {population.name}: {name} cannot be distributed over its neurons")


def _check_projection(projection: Projection, source: Population, target: Population) -> None:
    if projection.part != "all" and source.clusters != target.clusters:
        raise ModelError(f"{projection.name} needs as many source clusters as target clusters")
    delay_ms = projection.longest_delay_ms
    if not (delay_ms > 0 and math.isfinite(delay_ms)):
        raise ModelError(f"the delay of {projection.name} must be above 0 ms and finite")
    if not 0 <= projection.weight_cv < math.inf:
        raise ModelError(f"weight_cv of {projection.name} must be at least 0 and finite")
    _check_indegree(projection, source, target)
    receptors = neuron_model(target.neuron).receptors
    if projection.receptor not in receptors:
        hint = did_you_mean(projection.receptor, receptors)
        raise ModelError(
            f"{projection.name} has the receptor '{projection.receptor}', which {target.neuron} does not "
            f"have{hint}: it has {', '.join(receptors)}"
        )


def _check_indegree(projection: Projection, source: Population, target: Population) -> None:
    rule, n = projection.rule, source.cluster_size
    if isinstance(rule, FixedIndegree) and rule.probability > 0 and rule.indegree(n) == 0:
        least = math.ceil(1e6 / (2 * n)) / 1e6
        raise ModelError(
            f"{projection.name} would have no synapses: a fixed in-degree of {rule.probability:g} x {n} "
            f"sources is rounded to 0; the probability must be 0 or at least {least:g}"
        )
    if isinstance(rule, UniformIndegree):
        available = source.size - (source.name == target.name)
        if rule.high > available:
            raise ModelError(f"{projection.name} draws up to {rule.high} sources, but only {available} exist")
        if projection.part != "all":
            raise ModelError(f'{projection.name} draws from all clusters: its part must be "all"')


def _check_plasticity(
    projection: Projection, plasticity: Plasticity, modulator: Population, target: Population
) -> None:
    plasticity_rule(plasticity.rule)
    if plasticity.part != "all" and modulator.clusters != target.clusters:
        raise ModelError(f"{projection.name} needs as many modulator clusters as target clusters")
    if projection.weight_cv or isinstance(projection.delay_ms, UniformDelay):
        raise ModelError(f"{projection.name} is plastic: its weights and delays cannot be distributed")
