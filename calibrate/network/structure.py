"""The code and wiring tiers of a network: populations, projections between them, and their rules."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from calibrate.errors import ModelError, did_you_mean
from calibrate.neurons import neuron_model
from calibrate.observation import Layout

# What 32 bits can number, and what can be listed.
MOST_NEURONS = 2**31 - 1
MOST_CLUSTERS = 10_000

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
        if self.size > MOST_NEURONS or self.clusters > MOST_CLUSTERS:
            raise ModelError(
                f"population {self.name} may have {MOST_NEURONS:,} neurons and {MOST_CLUSTERS:,} clusters, "
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
        for population in self.populations:
            _check_distributed(population)
        for projection in self.projections:
            _check_projection(
                projection, self.population(projection.source), self.population(projection.target)
            )

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
        """Expected number of synapses of `projection`; exact for a fixed in-degree."""
        source, target = self.population(projection.source), self.population(projection.target)
        if isinstance(projection.rule, FixedIndegree):
            indegree = projection.rule.indegree(source.cluster_size)
            autapse = int(source.name == target.name)
            own = min(indegree, source.cluster_size - autapse)
            others = indegree * (source.clusters - 1)
            per_target = {"all": own + others, "within": own, "between": others}[projection.part]
            return target.size * per_target
        same = source.clusters if projection.part == "within" else 1
        pairs = source.size * target.size / same
        if projection.part == "between":
            pairs -= source.size * target.size / source.clusters
        return projection.rule.probability * pairs


def _check_distributed(population: Population) -> None:
    model = neuron_model(population.neuron)
    model.complete(dict.fromkeys(population.distributed, 0.0))
    for name in population.distributed & set(model.receptors.values()):
        # All synapses onto a population share the decay of their currents.
        raise ModelError(f"population {population.name}: {name} cannot be distributed over its neurons")


def _check_projection(projection: Projection, source: Population, target: Population) -> None:
    if projection.part != "all" and source.clusters != target.clusters:
        raise ModelError(f"{projection.name} needs as many source clusters as target clusters")
    if not (projection.delay_ms > 0 and math.isfinite(projection.delay_ms)):
        raise ModelError(f"the delay of {projection.name} must be above 0 ms and finite")
    rule, n = projection.rule, source.cluster_size
    if isinstance(rule, FixedIndegree) and rule.probability > 0 and rule.indegree(n) == 0:
        least = math.ceil(1e6 / (2 * n)) / 1e6
        raise ModelError(
            f"{projection.name} would have no synapses: a fixed in-degree of {rule.probability:g} x {n} "
            f"sources is rounded to 0; the probability must be 0 or at least {least:g}"
        )
    receptors = neuron_model(target.neuron).receptors
    if projection.receptor not in receptors:
        hint = did_you_mean(projection.receptor, receptors)
        raise ModelError(
            f"{projection.name} ends at receptor '{projection.receptor}', which {target.neuron} does not "
            f"have{hint}: it has {', '.join(receptors)}"
        )
