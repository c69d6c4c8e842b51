"""The E/I clustered network: formulas against published and hand-worked numbers, rules, symmetries."""

from __future__ import annotations

import math

import numpy as np
import pytest

from calibrate.errors import ModelError
from calibrate.models.balanced import balanced
from calibrate.models.ei_clustered import PARAMETERS, ei_clustered, weights
from calibrate.network import Distributed, PoissonInput
from calibrate.network.wiring import draw

LARGE = {"N_E": 4000, "N_I": 1000, "N_Q": 20}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (LARGE, (0.32943, -0.87673, 0.24974, -1.33748)),
        ({**LARGE, "N_E": 20000, "N_I": 5000}, (0.14732, -0.39209, 0.11169, -0.59814)),
        ({**LARGE, "tau_syn_E": 5.0, "tau_syn_I": 5.0}, (0.22449, -0.43103, 0.17889, -0.71554)),
    ],
)
def test_weights_follow_the_sqrt_k_rule(given, expected):
    found = weights(ei_clustered.complete(given))
    assert tuple(found[code] for code in ("EE", "EI", "IE", "II")) == pytest.approx(expected, abs=5e-6)


def test_weights_at_equal_time_constants_are_the_limit():
    # A = tau / (C e), so J_EE = 20 mV e / (20 ms sqrt(.2 4000)) for tau_s = tau_m = 20 ms, C = 1 pF.
    found = weights(ei_clustered.complete({**LARGE, "tau_syn_E": 20.0}))
    assert found["EE"] == pytest.approx(20 * math.e / (20 * math.sqrt(800)), rel=1e-12)
    nearby = weights(ei_clustered.complete({**LARGE, "tau_syn_E": 20.0001}))
    assert found["EE"] == pytest.approx(nearby["EE"], rel=1e-5)


def test_given_weights_replace_the_rule_and_the_others_follow_from_them():
    found = weights(ei_clustered.complete({**LARGE, "J_EE": 0.5}))
    rule = weights(ei_clustered.complete(LARGE))
    assert found["EE"] == 0.5
    assert found["EI"] / rule["EI"] == pytest.approx(0.5 / rule["EE"])
    assert (found["IE"], found["II"]) == (rule["IE"], rule["II"])


def weight(given: dict, name: str) -> float:
    network = ei_clustered.network(given)
    return ei_clustered.values(network, given).weights[name]


@pytest.mark.parametrize(("target", "source"), [("E", "E"), ("E", "I"), ("I", "E"), ("I", "I")])
def test_clustering_keeps_the_summed_weight_onto_a_neuron(target, source):
    given = {**LARGE, "J_E+": 4.0, "R_J": 0.5}
    flat = weights(ei_clustered.complete(given))[target + source]
    within, between = (weight(given, f"{source}_to_{target}_{part}") for part in ("within", "between"))
    assert (within + 19 * between) / 20 == pytest.approx(flat)
    assert within / flat == pytest.approx(4.0 if target == source == "E" else 2.5)


def test_without_renormalisation_weights_between_clusters_stay():
    given = {**LARGE, "J_E+": 4.0, "renormalise": False}
    assert weight(given, "E_to_E_between") == pytest.approx(weights(ei_clustered.complete(given))["EE"])


def test_s_scales_every_weight():
    for name in ("E_to_E_within", "I_to_E_between", "I_to_I_within"):
        assert weight({**LARGE, "s": 2.0}, name) == pytest.approx(2 * weight(LARGE, name))


@pytest.mark.parametrize("connectivity", ["bernoulli", "fixed_indegree"])
def test_two_letter_names_are_target_then_source(connectivity):
    given = {"p_EI": 0.4, "p_IE": 0.1, "N_Q": 1, "J_E+": 1.0, "connectivity": connectivity}
    network = ei_clustered.network(given)
    indegree = {}
    for projection in network.projections:
        drawn = draw(network, projection, wiring_seed=0, realisation=0)
        indegree[projection.name] = drawn.targets.size / network.population(projection.target).size
    assert indegree["I_to_E_all"] == pytest.approx(0.4 * 300, rel=0.02)
    assert indegree["E_to_I_all"] == pytest.approx(0.1 * 1200, rel=0.02)


def test_constant_currents_are_counted_in_rheobases():
    given = {"I_th_E": 2.0, "V_th_E": 15.0, "E_L": -5.0, "C": 3.0, "tau_m_E": 12.0}
    network = ei_clustered.network(given)
    assert ei_clustered.values(network, given).neurons["E"]["I_e"] == pytest.approx(2 * 20.0 * 3.0 / 12.0)


def test_each_type_may_have_a_threshold_of_its_own():
    given = {"V_th": 18.0, "V_th_I": 16.0}
    neurons = ei_clustered.values(ei_clustered.network(given), given).neurons
    assert (neurons["E"]["V_th"], neurons["I"]["V_th"]) == (18.0, 16.0)


def test_heterogeneity_and_noise_reach_the_populations_they_are_given_for():
    given = {"sd_V_th_E": 1.5, "sd_I_x_I": 0.1, "noise_rate_I": 500.0, "noise_weight_I": 0.2}
    network = ei_clustered.network(given)
    values = ei_clustered.values(network, given)
    assert values.neurons["E"]["V_th"] == Distributed(20.0, 1.5)
    drive = values.neurons["I"]["I_e"]
    assert isinstance(drive, Distributed)
    assert drive.sd == pytest.approx(0.1 * drive.mean)
    assert values.neurons["E"]["I_e"] == pytest.approx(1.25)
    assert network.population("E").distributed == {"V_th"}
    assert network.population("I").noise
    assert not network.population("E").noise
    assert values.noise == {"I": PoissonInput(500.0, 0.2)}


def test_capacitance_voltage_shift_and_voltage_scale_change_nothing_but_units():
    """The exact symmetries: drive and weights in units of the gap to threshold stay."""
    plain = weights(ei_clustered.complete({}))
    scaled = {"C": 2.0, "V_th": 45.0, "E_L": 5.0, "V_r": 5.0}
    found = weights(ei_clustered.complete(scaled))
    for code, value in plain.items():
        assert found[code] == pytest.approx(value * 2.0 * 40.0 / 20.0)
    drives = [
        ei_clustered.values(ei_clustered.network(given), given).neurons["E"]["I_e"] for given in ({}, scaled)
    ]
    assert drives[1] == pytest.approx(drives[0] * 2.0 * 2.0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"N_E": 1201}, "N_E = 1201 must be divisible by N_Q = 6"),
        ({"N_I": 100}, "N_I = 100 must be divisible by N_Q = 6"),
        ({"J_E+": 6.5}, "J_E\\+ = 6.5 must lie between 0 and N_Q = 6"),
        ({"J_E+": 5.0, "R_J": 1.5}, "must lie between 0 and N_Q = 6"),
        ({"J_E+": 0.0, "R_J": 1.5}, "must lie between 0 and N_Q = 6"),
        ({"V_th": -1.0}, "must lie above V_r"),
        ({"V_th_I": 0.0}, "threshold of I neurons"),
        ({"noise_rate_E": 10.0}, "needs a noise_weight_E"),
        ({"I_stim": 1.0}, "I_stim needs stim_clusters"),
        ({"stim_clusters": [6]}, "stim_clusters: 6 is not one of the clusters 0 to 5"),
        ({"stim_clusters": ["1"]}, "stim_clusters: '1' is not one of the clusters 0 to 5"),
        ({"stim_intervals": [[5.0, 1.0]]}, "stim_intervals"),
        ({"stim_intervals": [["a", "b"]]}, r"stim_intervals: \('a', 'b'\) is not a \[start, stop\] pair"),
        ({"stim_intervals": [[0.0, float("inf")]]}, "is not a \\[start, stop\\] pair"),
        ({"stim_intervals": [[1.0]]}, "is not a \\[start, stop\\] pair"),
        ({"stim_intervals": [5.0]}, "stim_intervals: 5.0 is no"),
        ({"p_EE": 1.2}, "p_EE must be at most 1"),
        ({"tau_m_E": 0.0}, "tau_m_E must be at least"),
        ({"J_EI": 0.1}, "J_EI must be at most 0"),
        ({"connectivity": "bernouli"}, "did you mean 'bernoulli'"),
        ({"J_E": 2.0}, "did you mean"),
        ({"N_E": 1200.5}, "N_E takes a whole number"),
        ({"tau_r": "5"}, "tau_r takes a number"),
        ({"s": float("inf")}, "s must be finite"),
        ({"renormalise": 1}, "renormalise takes true or false"),
    ],
)
def test_parameters_that_break_a_rule_are_refused_in_one_line(given, message):
    with pytest.raises(ModelError, match=message) as error:
        ei_clustered.values(ei_clustered.network(given), given)
    assert "\n" not in str(error.value)


def test_stimuli_become_currents_into_clusters():
    given = {"I_stim": 0.4, "stim_clusters": [0, 2], "stim_intervals": [[100, 200], [300.0, 350.0]]}
    stimuli = ei_clustered.values(ei_clustered.network(given), given).stimuli
    assert [(s.population, s.clusters, s.current_pA, s.start_ms, s.stop_ms) for s in stimuli] == [
        ("E", (0, 2), 0.4, 100, 200),
        ("E", (0, 2), 0.4, 300.0, 350.0),
    ]


def test_the_number_of_projections_does_not_grow_with_the_number_of_clusters():
    assert {len(ei_clustered.network({"N_Q": q, "J_E+": 1.0}).projections) for q in (2, 6, 10, 50)} == {8}


def test_balanced_is_the_clustered_network_with_one_cluster():
    given = {"I_th_E": 2.0, "tau_syn_I": 4.0}
    network = balanced.network(given)
    assert network == ei_clustered.network({**given, "N_Q": 1})
    assert balanced.values(network, given) == ei_clustered.values(network, {**given, "N_Q": 1})
    with pytest.raises(ModelError, match="no parameter 'N_Q'"):
        balanced.network({"N_Q": 2})


def test_every_parameter_says_what_it_is():
    assert all(parameter.doc for parameter in PARAMETERS)
    assert len({parameter.name for parameter in PARAMETERS}) == len(PARAMETERS)
    needs_unit = ("tau", "V_", "E_L", "J_EE", "delay", "I_stim", "noise_rate", "noise_weight")
    for parameter in PARAMETERS:
        if parameter.name.startswith(needs_unit):
            assert parameter.unit, parameter.name


@pytest.mark.parametrize("clusters", [1, 6])
def test_expected_synapses_of_a_fixed_indegree_are_exactly_those_that_are_drawn(clusters):
    # .013 of 200 or 50 sources is rounded, and of 200 within the own cluster only 199 are left at p = 1.
    given = {"N_Q": clusters, "connectivity": "fixed_indegree", "p_EE": 1.0, "p_IE": 0.013, "p_EI": 0.013}
    network = ei_clustered.network(given)
    for projection in network.projections:
        drawn = draw(network, projection, wiring_seed=0, realisation=0).targets.size
        assert network.expected_synapses(projection) == drawn, projection.name


def test_an_indegree_that_is_rounded_to_nothing_is_refused_with_the_least_probability():
    given = {"N_E": 360, "N_I": 90, "connectivity": "fixed_indegree"}
    message = "E_to_I_within would have no synapses: .* 0.008 x 60 .* 0 or at least 0.008334"
    with pytest.raises(ModelError, match=message):
        ei_clustered.network({**given, "p_IE": 0.008})
    for usable in (0.0, 0.008334):
        ei_clustered.network({**given, "p_IE": usable})
    ei_clustered.network({**given, "p_IE": 0.008, "connectivity": "bernoulli"})


def test_expected_synapses_are_those_that_are_drawn():
    network = ei_clustered.network({"N_E": 1200, "N_I": 300})
    for projection in network.projections:
        drawn = draw(network, projection, wiring_seed=0, realisation=0).targets.size
        expected = network.expected_synapses(projection)
        assert abs(drawn - expected) < 5 * np.sqrt(expected) + 0.2 * network.population("E").cluster_size * 6
