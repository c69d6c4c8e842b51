"""How many synapses a neuron may get, in and out: exact for fixed in-degrees, else a likely maximum."""

from __future__ import annotations

from scipy import stats

from calibrate.network import Bernoulli, FixedIndegree, Network, Projection

# Chance that any neuron of the population has more; sPyNNaker allocates memory with the same one.
CHANCE = 1e-4


def largest_indegree(network: Network, projection: Projection) -> int:
    """Return the largest number of synapses of a projection onto one neuron."""
    rule, target = projection.rule, network.population(projection.target)
    if isinstance(rule, FixedIndegree):
        return round(network.expected_synapses(projection) / target.size)
    if not isinstance(rule, Bernoulli):
        return rule.high
    source = network.population(projection.source)
    return _likely_most(_reach(projection, source.size, source.cluster_size), rule.probability, target.size)


def largest_outdegree(network: Network, projection: Projection) -> int:
    """Return the largest number of synapses of a projection from one neuron."""
    source, target = network.population(projection.source), network.population(projection.target)
    reach = _reach(projection, target.size, target.cluster_size)
    pairs = source.size * reach
    probability = network.expected_synapses(projection) / pairs if pairs else 0.0
    return _likely_most(reach, min(probability, 1.0), source.size)


def fan_in(network: Network, population: str) -> int:
    """Return the largest number of synapses onto a neuron of a population."""
    return sum(largest_indegree(network, p) for p in network.projections if p.target == population)


def fan_out(network: Network, population: str) -> int:
    """Return the largest number of synapses from a neuron of a population."""
    return sum(largest_outdegree(network, p) for p in network.projections if p.source == population)


def _reach(projection: Projection, size: int, cluster_size: int) -> int:
    return {"all": size, "within": cluster_size, "between": size - cluster_size}[projection.part]


def _likely_most(n: int, probability: float, neurons: int) -> int:
    return int(stats.binom.ppf(1 - CHANCE / (n * neurons), n, probability)) if n else 0
