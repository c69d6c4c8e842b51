"""The code and wiring tiers of a network: populations, projections between them, and their rules."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from calibrate.errors import ModelError, did_you_mean
from calibrate.network.connection_rules import FixedIndegree, Rule, UniformDelay, UniformIndegree
from calibrate.neurons import neuron_model
from calibrate.neurons.plasticity import plasticity_rule
from calibrate.observation import Layout

# Neuron numbers fit into 32 bits, and clusters can be listed.
MOST_NEURONS = 2**31 - 1
MOST_CLUSTERS = 10_000

Part = Literal["all", "within", "between"]


@dataclass(frozen=True)
class Plasticity:
    """Synapses that change by a rule of `calibrate.neurons.plasticity`.

    Attributes
    ----------
    rule : str
        Name of the rule.
    modulator : str
        Population whose spikes take part as the third factor.
    part : {"all", "within", "between"}
        Which of these spikes reach a target neuron: all, those of its own cluster, or those of other
        clusters.
    """

    rule: str
    modulator: str
    part: Part = "all"


@dataclass(frozen=True, kw_only=True)
class Population:
    """Neurons of one model, in equal clusters.

    Attributes
    ----------
    name : str
        Name of the population.
    size : int
        Number of neurons, from 1 to 2^31 - 1.
    clusters : int
        Number of clusters of equal size, from 1 to 10,000.
    neuron : str
        Name of the neuron model in `calibrate.neurons`.
    distributed : frozenset of str
        Neuron parameters that may differ between the neurons; see `Distributed` and `Uniform`.
    noise : bool
        Whether every neuron receives independent random input; see `PoissonInput`.
    noise_shape : int
        Shape of the gamma process that this input is: 1 is Poisson, larger ones are more regular.

    Raises
    ------
    ModelError
        If a number is out of its range, or the neurons do not divide into the clusters.

    Examples
    --------
    >>> from calibrate import Population
    >>> Population(name="E", size=80, clusters=4).cluster_size
    20
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
        """Number of neurons in each cluster."""
        return self.size // self.clusters


@dataclass(frozen=True, kw_only=True)
class Projection:
    """Synapses from one population onto another.

    Attributes
    ----------
    source : str
        Population of the sources.
    target : str
        Population of the targets.
    rule : Bernoulli, FixedIndegree or UniformIndegree
        Which pairs are connected.
    delay_ms : float or UniformDelay, ms
        Delay of all synapses, or the range that their delays are drawn from.
    receptor : str
        Receptor of the target's neuron model, such as "ex" or "in".
    part : {"all", "within", "between"}
        "within" connects neurons of the same cluster, "between" those of different clusters, "all" any.
    weight_cv : float
        Coefficient of variation of the weights over synapses: log-normal, and part of the graph. At 0 all
        weights are equal. Their mean is in `Values.weights`.
    plasticity : Plasticity or None
        How the weights change; None if they do not.
    levels : bool
        Whether the weights of single synapses follow from `Values.levels`, as on hardware.

    Examples
    --------
    >>> from calibrate import Bernoulli, Projection
    >>> Projection(source="E", target="I", rule=Bernoulli(0.1), delay_ms=1.0, receptor="ex").name
    'E_to_I_all'
    """

    source: str
    target: str
    rule: Rule
    delay_ms: float | UniformDelay
    receptor: str
    part: Part = "all"
    weight_cv: float = 0.0
    plasticity: Plasticity | None = None
    levels: bool = False

    @property
    def name(self) -> str:
        """Name, made of its ends and its part: `E_to_I_all`."""
        return f"{self.source}_to_{self.target}_{self.part}"

    @property
    def individual(self) -> bool:
        """Whether each synapse has a weight of its own, which stays as it is."""
        return self.weight_cv > 0 or self.levels

    @property
    def longest_delay_ms(self) -> float:
        """Longest delay of a synapse, in ms."""
        return self.delay_ms.high_ms if isinstance(self.delay_ms, UniformDelay) else self.delay_ms


@dataclass(frozen=True, kw_only=True)
class Network:
    """Populations, in order, and the projections between them: the code and wiring tiers.

    Attributes
    ----------
    populations : tuple of Population
        The populations, in the order of the neurons.
    projections : tuple of Projection
        The projections.

    Raises
    ------
    ModelError
        If there is no population, if two populations or projections have one name, or if a projection or a
        distributed parameter breaks a rule.

    Examples
    --------
    >>> from calibrate import Bernoulli, Network, Population, Projection
    >>> network = Network(
    ...     populations=(Population(name="cells", size=200),),
    ...     projections=(
    ...         Projection(source="cells", target="cells", rule=Bernoulli(0.1), delay_ms=1.0, receptor="in"),
    ...     ),
    ... )
    >>> network.expected_synapses(network.projections[0])
    4000.0
    """

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
        """Return a population by its name.

        Parameters
        ----------
        name : str
            Name of the population.

        Returns
        -------
        Population
            The population.

        Raises
        ------
        ModelError
            If there is no such population.
        """
        for population in self.populations:
            if population.name == name:
                return population
        raise ModelError(f"the network has no population '{name}'")

    @cached_property
    def layout(self) -> Layout:
        """Order of the neurons."""
        return Layout.of((p.name, p.size, p.clusters) for p in self.populations)

    @property
    def n_neurons(self) -> int:
        """Number of neurons."""
        return sum(population.size for population in self.populations)

    def expected_synapses(self, projection: Projection) -> float:
        """Return the expected number of synapses of a projection; exact for a fixed in-degree.

        Parameters
        ----------
        projection : Projection
            One of the projections of the network.

        Returns
        -------
        float
            Number of synapses.
        """
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
    if projection.individual or isinstance(projection.delay_ms, UniformDelay):
        raise ModelError(f"{projection.name} is plastic: its weights and delays cannot be distributed")
