"""Networks under the limits of hardware, in both simulators."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from calibrate import simulators
from calibrate.errors import ModelError
from calibrate.hardware import Hardware, Limited, hardware
from calibrate.models.ei_clustered import ei_clustered
from calibrate.network import Model, Network, Values, wiring
from calibrate.observation import Observation
from calibrate.simulators.base import Member, RecordingPlan, simulate
from calibrate.simulators.genn.code import Build, check_size
from calibrate.simulators.genn.footprint import footprint
from calibrate.simulators.genn.loading import Loading
from tests.helpers.networks import SMALL

PARAMETERS = {**SMALL, "N_E": 120, "N_I": 30}
GRAPH = {"wiring_seed": 1, "realisation": 0}

NEURONS = {"threshold_cv": 0.05, "time_constant_cv": 0.1}
"""The mismatch of neurons in all tests with GeNN, so that it compiles one network for them."""


def limited(limits: Hardware | None) -> tuple[Network, Values]:
    model: Model = replace(ei_clustered, limits=None if limits is None else Limited(limits, 0.1))
    network = model.network(PARAMETERS)
    return network, model.values(network, PARAMETERS)


def run(name: str, limits: Hardware | None, *, realisation: int = 0) -> Observation:
    network, values = limited(limits)
    simulator = simulators.create(name, dt_ms=0.1, precision="double")
    plan = RecordingPlan(spikes=True)
    with simulator.prepare(network, batch_size=1, recording=plan, wiring_seed=1) as prepared:
        members = [Member(values=values, seed=3)]
        (found,) = simulate(prepared, members, realisation=realisation, warmup_ms=0.0, duration_ms=120.0)
    assert isinstance(found, Observation)
    return found


def raster(observation: Observation) -> list[tuple[int, int]]:
    assert observation.spikes is not None
    return sorted(zip(observation.spikes.step.tolist(), observation.spikes.neuron.tolist(), strict=True))


@pytest.mark.genn
@pytest.mark.parametrize(
    "limits",
    [
        {"weight_bits": 5, "rounding": "random"},
        {"weight_bits": 6, "weight_cv": 0.3},
        {"weight_cv": 0.4},
    ],
    ids=lambda limits: ", ".join(limits),
)
def test_rounded_and_mismatched_networks_fire_the_same_spikes_in_nest_and_genn(limits):
    nest, genn = (run(name, hardware("custom", **limits, **NEURONS)) for name in ("nest", "genn"))
    assert nest.totals("E").sum() > 50
    assert raster(nest) == raster(genn)


def test_weights_that_have_a_level_are_not_changed():
    """Rounding them once gives them levels, and twice changes nothing, at random either."""
    limits = hardware("custom", weight_bits=7)
    network, values = limited(limits)
    again = Limited(limits, 0.1).of_values(network, values)
    assert again.weights == pytest.approx(values.weights, rel=1e-14)
    random = replace(limits, rounding="random")
    levels = Limited(random, 0.1).of_values(network, values)
    for projection in Limited(random, 0.1).of_network(network).projections:
        drawn = wiring.draw(network, projection, **GRAPH)
        unit, factors = wiring.synapse_weights(projection, drawn, levels, **GRAPH)
        np.testing.assert_allclose(unit * factors, values.weights[projection.name], rtol=1e-12)


@pytest.mark.parametrize("rounding", ["nearest", "random"])
def test_24_bits_are_as_good_as_no_limit(rounding):
    limits = hardware("custom", weight_bits=24, rounding=rounding)
    assert raster(run("nest", None)) == raster(run("nest", limits))


def test_24_bits_round_by_no_more_than_half_a_step():
    _, values = limited(hardware("custom", weight_bits=24))
    largest = max(abs(weight) for weight in values.weights.values())
    for name, weight in limited(None)[1].weights.items():
        assert values.weights[name] == pytest.approx(weight, abs=largest / (2**23 - 1) / 2)


def test_single_synapses_have_the_two_levels_beside_their_weight_without_bias():
    network, values = limited(hardware("custom", weight_bits=5, rounding="random"))
    wanted = limited(None)[1].weights
    for projection in network.projections:
        drawn = wiring.draw(network, projection, **GRAPH)
        unit, factors = wiring.synapse_weights(projection, drawn, values, **GRAPH)
        exact = wanted[projection.name] / unit
        assert set(np.unique(factors)) <= {np.floor(exact), np.ceil(exact)}
        error = np.sqrt((exact % 1) * (1 - exact % 1) / factors.size)
        assert factors.mean() == pytest.approx(exact, abs=4.5 * error + 1e-12)


def test_the_mismatch_of_synapses_multiplies_their_levels():
    limits = hardware("custom", weight_bits=6, weight_cv=0.3)
    network, values = limited(limits)
    level = limited(replace(limits, weight_cv=0.0))[1].weights
    relative = []
    for projection in network.projections:
        drawn = wiring.draw(network, projection, **GRAPH)
        unit, factors = wiring.synapse_weights(projection, drawn, values, **GRAPH)
        relative.append(unit * factors / level[projection.name])
    ratios = np.concatenate(relative)
    assert (ratios > 0).all()
    assert ratios.mean() == pytest.approx(1.0, abs=4.5 * 0.3 / np.sqrt(ratios.size))
    assert ratios.std() == pytest.approx(0.3, rel=0.05)


def test_weights_that_are_distributed_are_rounded_one_by_one():
    network, values = limited(None)
    spread = replace(network.projections[0], weight_cv=0.5)
    network = replace(network, projections=(spread, *network.projections[1:]))
    for rounding in ("nearest", "random"):
        on_chip = Limited(hardware("custom", weight_bits=6, rounding=rounding), 0.1)
        first = on_chip.of_network(network).projections[0]
        drawn = wiring.draw(network, first, **GRAPH)
        unit, factors = wiring.synapse_weights(first, drawn, on_chip.of_values(network, values), **GRAPH)
        wanted = values.weights[first.name] * wiring.weight_factors(spread, drawn, **GRAPH)
        assert (factors == np.rint(factors)).all()
        assert factors.max() <= 31
        error = np.abs(unit * factors - wanted).max()  # also of the largest one
        assert error <= abs(unit) * (0.5 if rounding == "nearest" else 1.0)


@pytest.mark.parametrize("scaling", ["full_range", "power_of_two", "ring_buffer"])
@pytest.mark.parametrize("rounding", ["nearest", "random", "optimal"])
def test_24_bits_of_distributed_weights_are_as_good_as_no_limit(scaling, rounding):
    if (scaling, rounding) == ("ring_buffer", "optimal"):
        return  # refused
    network, values = limited(None)
    spread = tuple(replace(one, weight_cv=0.5) for one in network.projections)
    network = replace(network, projections=spread)
    limits = hardware("custom", weight_bits=24, scale="receptor", scaling=scaling, rounding=rounding)
    on_chip = Limited(limits, 0.1)
    for exact, rounded in zip(spread, on_chip.of_network(network).projections, strict=True):
        drawn = wiring.draw(network, exact, **GRAPH)
        unit, factors = wiring.synapse_weights(rounded, drawn, on_chip.of_values(network, values), **GRAPH)
        wanted = values.weights[exact.name] * wiring.weight_factors(exact, drawn, **GRAPH)
        assert abs(unit) < 1e-3 * abs(values.weights[exact.name])
        assert np.abs(unit * factors - wanted).max() <= abs(unit)


def test_a_chip_is_drawn_from_the_number_of_its_graph():
    limits = hardware("custom", threshold_cv=0.05, time_constant_cv=0.2)
    network, values = limited(limits)
    population = network.population("E")
    first, again, other = (
        wiring.neuron_parameters(population, values, wiring_seed=1, realisation=k) for k in (0, 0, 1)
    )
    for name in ("V_th", "tau_m", "tau_syn_ex"):
        assert np.array_equal(first[name], again[name])
        assert not np.array_equal(first[name], other[name])
    exact = limited(None)[1].neurons["E"]
    gap = exact["V_th"] - exact["E_L"]
    assert np.std(first["V_th"]) == pytest.approx(0.05 * gap, rel=0.25)
    assert np.std(np.log(first["tau_m"])) == pytest.approx(np.sqrt(np.log(1.04)), rel=0.25)
    assert abs(np.corrcoef(first["tau_m"], first["tau_syn_ex"])[0, 1]) < 0.4


def test_limits_are_part_of_the_code_and_the_memory_of_a_batch():
    exact, _ = limited(None)
    rounded, _ = limited(hardware("custom", weight_bits=5, rounding="random"))
    common = {"dt_ms": 0.1, "batch_size": 8, "precision": "single"}
    one, other = (Build.of(network, **common, record_spikes=False) for network in (exact, rounded))
    assert one.text() != other.text()
    plan = {"dt_ms": 0.1, "precision": "single", "recording": RecordingPlan(), "duration_ms": 100.0}
    before, after = (footprint(network, **plan) for network in (exact, rounded))
    synapses = sum(exact.expected_synapses(projection) for projection in exact.projections)
    assert 4 * synapses < after.member_bytes - before.member_bytes < 12 * synapses
    assert after.shared_bytes == before.shared_bytes
    huge = Build.of(rounded, **{**common, "batch_size": 2**28}, record_spikes=False)
    with pytest.raises(Exception, match="synapses with weights of their own in each of"):
        check_size(huge)


def test_every_network_of_a_batch_has_the_levels_of_its_own_weights():
    """On a GPU, where GeNN stores the weights of synapses by network and in its own order."""
    limits = hardware("custom", weight_bits=5, rounding="random")
    network, values = limited(limits)
    other = replace(values, weights={name: 0.7 * weight for name, weight in values.weights.items()})
    members = [Member(values=given, seed=0) for given in (values, other)]
    build = Build.of(network, dt_ms=0.1, batch_size=3, precision="single", record_spikes=False)
    written = SimpleNamespace(values=None, push_to_device=lambda: None)
    populations = {p.name: SimpleNamespace(vars={"g": written}) for p in network.projections}
    loading = Loading(SimpleNamespace(synapse_populations=populations), build, wiring_seed=1)
    projection = network.projections[0]
    drawn = wiring.draw(network, projection, **GRAPH)
    order = np.random.default_rng(0).permutation(drawn.targets.size)
    loading._drawn = {projection.name: (drawn, order)}
    padded = [*members, members[0]]
    units = loading._set_levels(projection, padded, realisation=0)
    assert written.values.shape == (3, drawn.targets.size)
    for unit, row, member in zip(units, written.values, padded, strict=True):
        wanted = wiring.synapse_weights(projection, drawn, member.values, **GRAPH)
        assert unit == wanted[0]
        np.testing.assert_array_equal(row[order], wanted[1])
    assert not np.array_equal(written.values[0], written.values[1])


@pytest.mark.genn
def test_a_prepared_network_takes_the_next_candidates_levels_on_the_same_graph():
    limits = hardware("custom", weight_bits=5, rounding="random", **NEURONS)
    network, values = limited(limits)
    other = replace(values, weights={name: 0.8 * weight for name, weight in values.weights.items()})
    simulator = simulators.create("genn", dt_ms=0.1, precision="double")
    plan, timing = RecordingPlan(spikes=True), {"realisation": 0, "warmup_ms": 0.0, "duration_ms": 100.0}
    found = []
    with simulator.prepare(network, batch_size=1, recording=plan, wiring_seed=1) as prepared:
        for given in (values, other, values):
            found.append(raster(simulate(prepared, [Member(values=given, seed=3)], **timing)[0]))
    assert found[0] == found[2] != found[1]


@pytest.mark.parametrize(
    ("limits", "changes", "message"),
    [
        (
            hardware("dynapse"),
            {},
            "dynapse cannot carry population I: up to 75 synapses onto a neuron, and fan_in = 64",
        ),
        (hardware("custom", fan_out=20), {}, "up to .* synapses from a neuron, and fan_out = 20"),
        (hardware("loihi"), {"neuron": "iaf_cond_exp"}, "loihi cannot carry population E: its neurons are"),
        (hardware("loihi"), {"neuron": "aeif_cond_exp"}, "current-based neurons .iaf_psc_exp. only"),
    ],
)
def test_a_network_that_a_platform_cannot_carry_is_refused_in_one_line(limits, changes, message):
    network, _ = limited(None)
    first, *others = network.populations
    with pytest.raises(ModelError, match=message):
        Limited(limits, 0.1).of_network(replace(network, populations=(replace(first, **changes), *others)))
