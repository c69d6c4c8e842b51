"""Connectivity, heterogeneity and initial states against their rules."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from calibrate.errors import ModelError
from calibrate.network import (
    Bernoulli,
    Distributed,
    FixedIndegree,
    Network,
    Population,
    Projection,
    Rule,
    UniformPhase,
    UniformPotential,
    Values,
)
from calibrate.network.wiring import draw, initial_potential, neuron_parameters, pcg4d
from calibrate.neurons import neuron_model

RULES = (Bernoulli, FixedIndegree)


def two_populations(rule: Rule, part: str = "all", source: str = "E", target: str = "I") -> Network:
    return Network(
        populations=(
            Population(name="E", size=400, clusters=4),
            Population(name="I", size=120, clusters=4),
        ),
        projections=(
            Projection(source=source, target=target, rule=rule, delay_ms=0.1, receptor="ex", part=part),
        ),
    )


def pairs(network: Network, realisation: int = 0, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    drawn = draw(network, network.projections[0], wiring_seed=seed, realisation=realisation)
    return drawn.sources, drawn.targets


def test_the_hash_is_pcg4d_as_published():
    def reference(*words: int) -> int:
        mask = 2**32 - 1
        x, y, z, w = ((word * 1664525 + 1013904223) & mask for word in words)
        for mix in (True, False):
            x = (x + y * w) & mask
            y = (y + z * x) & mask
            z = (z + x * y) & mask
            w = (w + y * z) & mask
            if mix:
                x, y, z, w = x ^ (x >> 16), y ^ (y >> 16), z ^ (z >> 16), w ^ (w >> 16)
        return x

    words = np.random.default_rng(1).integers(0, 2**32, size=(100, 4), dtype=np.uint64)
    for a, b, c, d in words.tolist():
        assert int(pcg4d(np.uint32(a), np.uint32(b), c, d)[0]) == reference(a, b, c, d)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("part", ["all", "within", "between"])
@pytest.mark.parametrize(("source", "target"), [("E", "E"), ("E", "I"), ("I", "E")])
def test_synapses_join_the_clusters_that_the_part_names_without_autapses_and_multapses(
    rule, part, source, target
):
    network = two_populations(rule(0.3), part, source, target)
    pre, post = pairs(network)
    sizes = {name: network.population(name).cluster_size for name in "EI"}
    same = pre // sizes[source] == post // sizes[target]
    assert {"within": same.all(), "between": not same.any(), "all": same.any() and not same.all()}[part]
    assert not (source == target and (pre == post).any())
    assert len({*zip(pre.tolist(), post.tolist(), strict=True)}) == pre.size
    assert (np.diff(pre) >= 0).all()
    assert (np.diff(post)[np.diff(pre) == 0] > 0).all()


@pytest.mark.parametrize(("source", "target"), [("E", "E"), ("E", "I"), ("I", "E")])
def test_a_fixed_indegree_is_the_same_for_every_target_and_source_cluster(source, target):
    network = two_populations(FixedIndegree(0.25), "all", source, target)
    pre, post = pairs(network)
    cluster_size = network.population(source).cluster_size
    table = np.zeros((network.population(target).size, 4), dtype=int)
    np.add.at(table, (post, pre // cluster_size), 1)
    assert (table == round(0.25 * cluster_size)).all()


def test_every_source_of_a_fixed_indegree_is_equally_likely():
    network = two_populations(FixedIndegree(0.2), "all", "E", "I")
    counts = np.zeros(400)
    for realisation in range(40):
        pre, _ = pairs(network, realisation)
        counts += np.bincount(pre, minlength=400)
    # 40 graphs x 120 targets; hypergeometric draws are a little less variable than binomial ones. False
    # alarms: once in 10^4 draws of the seed.
    expected = counts.sum() / 400
    statistic = ((counts - expected) ** 2 / (expected * 0.8)).sum()
    assert 1e-4 < stats.chi2.sf(statistic, 399) < 1 - 1e-4


def test_degrees_of_bernoulli_wiring_are_binomial():
    network = two_populations(Bernoulli(0.3), "all", "E", "E")
    indegrees = np.concatenate([np.bincount(pairs(network, k)[1], minlength=400) for k in range(25)])
    expected = stats.binom(399, 0.3)
    assert indegrees.mean() == pytest.approx(expected.mean(), abs=4 * expected.std() / 100)
    assert indegrees.var() / expected.var() == pytest.approx(1, abs=0.06)  # 4 SE of a variance of 10^4 values


def test_whether_pairs_are_connected_is_independent_between_neighbours():
    pre, post = pairs(two_populations(Bernoulli(0.5), "all", "E", "E"), 3)
    matrix = np.zeros((400, 400))
    matrix[pre, post] = 1
    off = matrix - 0.5
    for shifted in (off[1:] * off[:-1], off[:, 1:] * off[:, :-1], off[1:, 1:] * off[:-1, :-1]):
        # Mean of 160,000 products of +-1/4: SE 1/1600.
        assert abs(shifted.mean()) < 4 / 1600


def test_the_extreme_probabilities_connect_none_and_all():
    for rule in RULES:
        assert pairs(two_populations(rule(0.0)))[0].size == 0
        assert pairs(two_populations(rule(1.0)))[0].size == 400 * 120
        assert pairs(two_populations(rule(1.0), source="E", target="E"))[0].size == 400 * 399


@pytest.mark.parametrize("rule", RULES)
def test_realisations_and_seeds_give_other_graphs_and_the_same_ones_again(rule):
    network = two_populations(rule(0.3))

    def joined(**key: int) -> set[int]:
        pre, post = pairs(network, **key)
        return {*(pre.astype(np.int64) * 1000 + post).tolist()}

    first, again = joined(realisation=0), joined(realisation=0)
    assert first == again
    for other in (joined(realisation=1), joined(realisation=0, seed=2)):
        shared = len(first & other) / len(first)
        assert shared == pytest.approx(0.3, abs=0.03)


def test_clusters_only_divide_a_bernoulli_graph():
    whole = pairs(two_populations(Bernoulli(0.3), "all"))
    parts = [pairs(two_populations(Bernoulli(0.3), part)) for part in ("within", "between")]
    joined = {*zip(*np.concatenate(parts, axis=1).tolist(), strict=True)}
    assert joined == {*zip(whole[0].tolist(), whole[1].tolist(), strict=True)}


def values(**neuron: float | Distributed) -> Values:
    return Values(neurons={"E": neuron}, weights={}, initial={"E": UniformPotential(-70.0, -55.0)})


def test_distributed_parameters_have_their_mean_and_sd_and_belong_to_the_realisation():
    population = Population(name="E", size=4000, distributed=frozenset({"V_th"}))
    given = values(V_th=Distributed(-50.0, 2.0))
    first, again, other = (
        neuron_parameters(population, given, wiring_seed=1, realisation=k)["V_th"] for k in (0, 0, 1)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.mean(first) == pytest.approx(-50.0, abs=4 * 2 / np.sqrt(4000))
    assert np.std(first) == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize(
    ("drawn", "message"),
    [
        ({"V_th": Distributed(-68.0, 2.0)}, "population E: V_th must be above V_reset; .* is -[0-9.]+ mV"),
        ({"V_reset": Distributed(-58.0, 2.0)}, "population E: V_th must be above V_reset"),
        ({"t_ref": Distributed(2.0, 1.5)}, "population E: t_ref must be at least 0 ms, not -"),
        ({"tau_m": Distributed(10.0, 5.0)}, "population E: tau_m must be above 0 ms, not -"),
        ({"C_m": Distributed(250.0, 200.0)}, "population E: C_m must be above 0 pF, not -"),
    ],
)
def test_a_neuron_that_draws_what_it_cannot_have_is_refused_with_a_remedy(drawn, message):
    population = Population(name="E", size=1000, distributed=frozenset(drawn))
    with pytest.raises(ModelError, match=f"{message}.*; choose a smaller spread"):
        neuron_parameters(population, values(**drawn), wiring_seed=1, realisation=0)


def test_initial_potentials_belong_to_the_candidate_and_fill_their_range():
    population = Population(name="E", size=4000)
    given = values()
    parameters = neuron_model("iaf_psc_exp").complete({})
    first, again, other = (initial_potential(population, given, parameters, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert stats.kstest((first + 70.0) / 15.0, "uniform").pvalue > 1e-3


def test_phases_are_the_potentials_that_a_free_running_neuron_passes_uniformly_in_time():
    population = Population(name="E", size=4000)
    given = Values(neurons={"E": {}}, weights={}, initial={"E": UniformPhase()})
    p = neuron_model("iaf_psc_exp").complete(
        {"C_m": 1.0, "tau_m": 20.0, "E_L": 0.0, "V_reset": 0.0, "V_th": 20.0, "I_e": 1.25}
    )
    found = initial_potential(population, given, p, seed=3)
    # Euler integration of the free neuron, one potential per 1 us from reset to threshold.
    trace, v = [], 0.0
    while v < 20.0:
        trace.append(v)
        v += 1e-3 * (-v / 20.0 + 1.25)
    assert stats.ks_2samp(found, np.array(trace)).pvalue > 1e-3


def test_phases_of_a_neuron_below_rheobase_are_uniform_potentials():
    population = Population(name="E", size=4000)
    given = Values(neurons={"E": {}}, weights={}, initial={"E": UniformPhase()})
    p = neuron_model("iaf_psc_exp").complete({"I_e": 0.0})
    found = initial_potential(population, given, p, seed=3)
    assert stats.kstest((found + 70.0) / 15.0, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
def test_probabilities_outside_0_to_1_are_refused(rule, probability):
    with pytest.raises(ModelError, match="probability"):
        rule(probability)
