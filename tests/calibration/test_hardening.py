"""Hardening: which units round least, what of a network is rounded, and what follows from the simulations."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from optuna.trial import FrozenTrial, create_trial

from calibrate import (
    ModelError,
    Stimulus,
    Study,
    StudyError,
    harden,
    ladder_figure,
    make_study,
    read_results,
    run_study,
)
from calibrate.calibration.hardening.chips import chips_of
from calibrate.calibration.hardening.hardening import (
    Ladder,
    Rung,
    as_content,
    as_json,
    from_content,
)
from calibrate.calibration.hardening.ladder import rounded_weights, rung_of
from calibrate.calibration.hardening.plan import check_carried, choose_trial, limits_for
from calibrate.calibration.hardening.units import Scales, best_scales, in_units, setting_of
from calibrate.calibration.hardening.variants import NUMBER, Variant, with_variants
from calibrate.calibration.search.optuna_trials import LOSS, UUID
from calibrate.hardware import Limited, hardware
from calibrate.hardware.degrees import fan_in
from calibrate.hardware.steps import weight_steps
from calibrate.models.ei_clustered import ei_clustered
from calibrate.network import Network, Values
from calibrate.network.dimensionless import make_dimensionless, rescaled
from calibrate.store import HardeningStore
from tests.helpers.studies import small_study

KNOWN: dict[str, Any] = {
    "connectivity": "fixed_indegree",
    "I_th_E": 2.13,
    "I_th_I": 1.24,
    "J_E+": 3.0,
    "noise_rate_E": 50.0,
    "noise_weight_E": 0.1,
    "sd_V_th_I": 0.5,
    "E_L": -65.0,
    "V_r": -70.0,
    "V_th": -50.0,
}
SPINNAKER = hardware("spinnaker", dt_ms=0.1)


def known(**more: Any) -> tuple[Network, Values]:
    network = ei_clustered.network({**KNOWN, **more})
    return network, ei_clustered.values(network, {**KNOWN, **more})


def quiet(**more: Any) -> tuple[Network, Values]:
    """The same without random input, whose weight does not follow from the capacitance."""
    return known(noise_rate_E=0.0, **more)


# --- units ------------------------------------------------------------------------------------------


def test_other_units_leave_all_that_spikes_depend_on_as_it_is():
    network, values = known()
    there = rescaled(network, values, capacitance=250.0, voltage=0.5)
    np.testing.assert_allclose(
        make_dimensionless(network, there), make_dimensionless(network, values), rtol=1e-12
    )
    assert there.neurons["E"]["C_m"] == 250.0
    assert there.neurons["E"]["V_th"] == -57.5  # half as far from E_L
    back = rescaled(network, there, capacitance=1 / 250.0, voltage=2.0)
    assert back.weights == pytest.approx(values.weights)


def test_a_larger_capacitance_is_what_the_parameter_of_the_model_makes_of_it():
    network, values = quiet()
    _, larger = quiet(C=250.0)
    assert rescaled(network, values, capacitance=250.0).weights == pytest.approx(larger.weights)
    assert setting_of(ei_clustered, {**KNOWN, "noise_rate_E": 0.0}, Scales(250.0)) == "C = 250"


def test_no_parameter_gives_units_in_which_the_model_leaves_a_weight_behind():
    assert setting_of(ei_clustered, KNOWN, Scales(250.0)) == ""


def test_the_best_units_round_less_than_those_that_have_no_level_to_spare():
    network, values = quiet()
    scales = best_scales(network, values, SPINNAKER, dt_ms=0.1)
    given, best = (in_units(network, values, SPINNAKER, one, dt_ms=0.1) for one in (Scales(), scales))
    assert best.error < given.error / 4
    # Weights by hand, from the steps of the platform.
    there = scales.of(network, values)
    steps = weight_steps(network, there, SPINNAKER, dt_ms=0.1)
    for name, weight in there.weights.items():
        by_hand = abs(round(weight / steps[name]) * steps[name] / weight - 1)
        assert best.errors[name] == pytest.approx(by_hand, abs=1e-12)
    assert best.error == max(best.errors.values()) == best.errors[best.worst]


def test_units_in_which_a_capacitance_vanishes_are_wholly_wrong_and_others_are_found():
    network, values = known()
    coarse = hardware("custom", state_fraction_bits=8)
    assert in_units(network, values, coarse, Scales(), dt_ms=0.1).error == 1.0
    best = best_scales(network, values, coarse, dt_ms=0.1)
    assert in_units(network, values, coarse, best, dt_ms=0.1).error < 0.05


def test_units_do_not_matter_where_the_largest_weight_sets_the_step():
    network, values = quiet()
    limits = hardware("custom", weight_bits=6)
    assert best_scales(network, values, limits, dt_ms=0.1) == Scales()


def test_weights_rounded_at_random_have_the_spread_of_their_two_levels():
    network, values = quiet()
    limits = hardware("custom", weight_bits=5, rounding="random")
    units = in_units(network, values, limits, Scales(), dt_ms=0.1)
    step = max(map(abs, values.weights.values())) / 15
    weight = abs(values.weights["E_to_E_between"])
    share = weight / step % 1
    assert units.errors["E_to_E_between"] == pytest.approx(math.sqrt(share * (1 - share)) * step / weight)


# --- variants ---------------------------------------------------------------------------------------


def test_only_the_named_weights_are_rounded_and_nothing_else():
    network, values = known()
    limits = replace(SPINNAKER, weight_cv=0.2, threshold_cv=0.1)
    variant = rounded_weights(network, limits, 12, Scales(7.0), dt_ms=0.1, projection="E_to_I_between")
    found = variant.of_values(network, values)
    changed = {name for name in values.weights if found.weights[name] != values.weights[name]}
    assert changed == {"E_to_I_between"}
    assert (found.neurons, found.noise, found.mismatch) == (values.neurons, values.noise, {})
    steps = weight_steps(
        network, rescaled(network, values, capacitance=7.0), replace(SPINNAKER, weight_bits=12), dt_ms=0.1
    )
    level = 7.0 * found.weights["E_to_I_between"] / steps["E_to_I_between"]
    assert level == pytest.approx(round(level), abs=1e-9)


def test_random_input_is_rounded_with_all_weights():
    network, values = known()
    variant = rounded_weights(network, hardware("custom"), 4, Scales(), dt_ms=0.1)
    assert variant.of_values(network, values).noise["E"] != values.noise["E"]


@pytest.mark.parametrize("rounding", ["nearest", "random"])
def test_all_rungs_of_a_ladder_are_one_network_which_is_compiled_once(rounding):
    network, values = quiet()
    limits = hardware("custom", rounding=rounding)
    rungs = [
        rounded_weights(network, limits, bits, Scales(), dt_ms=0.1, projection=name)
        for bits in (4, 8)
        for name in (None, "E_to_E_within", "I_to_I_between")
    ]
    assert len({rung.of_network(network) for rung in rungs}) == 1
    for rung in rungs:  # every projection that has levels is told which
        assert set(rung.of_values(network, values).levels) in (set(), set(values.weights))


def test_a_chip_is_simulated_in_the_units_of_the_study():
    network, values = quiet()
    chip = Variant(hardware=replace(SPINNAKER, threshold_cv=0.1), capacitance=100.0, voltage=2.0, dt_ms=0.1)
    found = chip.of_values(network, values)
    assert found.neurons["E"]["C_m"] == pytest.approx(1.0, rel=1e-4)
    assert found.weights == pytest.approx(values.weights, rel=0.03)
    assert found.mismatch["E"]["V_th"].sd == pytest.approx(0.1 * 15.0, rel=1e-3)


def test_a_study_makes_the_networks_of_all_variants(tmp_path):
    study = small_study(tmp_path)
    variants = [Variant(dt_ms=1.0), Variant(hardware=hardware("custom", threshold_cv=0.1), dt_ms=1.0)]
    varied = with_variants(study, variants)
    exact, chip = (varied.model.network(varied.parameters({NUMBER: number})) for number in range(2))
    assert exact == study.network
    assert chip.population("E").distributed == {"V_th"}


def test_simulations_of_another_platform_or_time_step_are_not_taken_for_the_same(tmp_path):
    study = small_study(tmp_path)
    variants = [
        Variant(dt_ms=1.0),
        Variant(dt_ms=0.5),
        Variant(hardware=SPINNAKER, dt_ms=1.0),
        Variant(hardware=SPINNAKER, capacitance=2.0, dt_ms=1.0),
        Variant(hardware=SPINNAKER, only=("a",), dt_ms=1.0),
    ]
    digests = {variant.digest(study) for variant in variants}
    longer = variants[0].digest(study.simulated(duration_ms=500.0))
    assert len(digests | {longer}) == 6


# --- what follows -----------------------------------------------------------------------------------


def rung(bits: int | None, *missed: str, projection: str | None = None, loss: float = 0.1) -> Rung:
    return Rung(
        projection=projection, bits=bits, loss=loss, met=2 - len(missed), missed=missed, statistics={},
        failures={},
    )  # fmt: skip


def ladder(*rungs: Rung, exact: Rung | None = None) -> Ladder:
    return Ladder(graphs=2, targets=2, exact=exact or rung(None), rungs=rungs)


def test_the_least_bits_are_those_above_the_first_break():
    found = ladder(rung(8), rung(6), rung(5, "rate_E"), rung(4))  # that 4 bits keep all is an accident
    assert found.least_bits() == 6
    assert ladder(rung(8, "rate_E"), rung(6)).least_bits() is None


def test_a_target_that_the_network_misses_anyway_is_not_lost():
    found = ladder(rung(8, "rate_I"), rung(6, "rate_I", "rate_E"), exact=rung(None, "rate_I"))
    assert found.least_bits() == 8


def test_the_projection_that_needs_the_most_bits_breaks_first():
    found = ladder(
        rung(8), rung(6),
        rung(8, projection="a"), rung(6, "rate_E", projection="a"),
        rung(8, "rate_E", projection="b"), rung(6, "rate_E", projection="b"),
        rung(8, "rate_E", projection="c", loss=9.0), rung(6, projection="c"),
        rung(8, projection="d"), rung(6, projection="d"),
    )  # fmt: skip
    assert found.breaks_first == "c"
    assert [found.least_bits(name) for name in "abcd"] == [8, None, None, 6]


# --- the whole --------------------------------------------------------------------------------------

SMALL: dict[str, Any] = {"bits": [8], "graphs": 2, "chips": 3, "slots": 1, "progress": False}


@pytest.fixture(scope="module")
def hardened(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A study that ran and was hardened, for a platform whose clock it does not have."""
    study = small_study(tmp_path_factory.mktemp("hardened"), validation={"replicates": 3})
    run_study(study, slots=1, progress=False)
    return study, harden(study, 0, target="custom", limits={"threshold_cv": 0.1}, **SMALL)


def test_a_hardening_is_the_same_after_it_was_stored(hardened):
    study, found = hardened
    (stored,) = read_results(study).hardenings
    assert (
        as_json(stored) == as_json(found) == as_json(from_content(json.loads(json.dumps(as_content(found)))))
    )
    assert {"units", "ladder", "least_bits", "chips"} <= set(as_json(found))
    assert {"survived", "of"} <= set(as_json(found)["chips"])


def test_a_hardening_again_simulates_nothing(hardened, monkeypatch):
    study, found = hardened
    monkeypatch.setattr("calibrate.calibration.hardening.simulations.pool_for", None)
    again = harden(study, 0, target="custom", limits={"threshold_cv": 0.1}, **SMALL)
    assert again.chips.verdict.statistics == found.chips.verdict.statistics
    assert again.ladder == found.ladder


def test_poisson_neurons_survive_since_weights_do_not_matter_to_them(hardened):
    _, found = hardened
    assert found.ladder.exact.statistics == found.ladder.of(None)[0].statistics
    assert found.chips.of == 3
    assert found.least_bits == 8


def test_the_figure_has_a_line_for_every_ladder(hardened):
    _, found = hardened
    loss, met = ladder_figure(found).axes
    assert [label.get_text() for label in loss.get_xticklabels()] == ["8"]
    assert met.lines[1].get_ydata() == [found.ladder.of(None)[0].met]


def test_what_was_simulated_before_an_interruption_is_used_again(hardened, monkeypatch):
    study, _ = hardened
    other = {"target": "custom", "limits": {"threshold_cv": 0.2}, **SMALL}
    asked = iter([False, True, True])
    assert harden(study, 0, interrupted=lambda: next(asked), **other) is None
    assert [one.hardware["threshold_cv"] for one in read_results(study).hardenings] == [0.1]
    monkeypatch.setattr("calibrate.calibration.hardening.simulations.pool_for", None)
    assert harden(study, 0, **other) is not None


def test_a_chip_on_which_a_simulation_fails_does_not_survive(hardened):
    study, _ = hardened
    results = read_results(study)
    exact_digest = Variant(dt_ms=1.0).digest(results.study)
    with HardeningStore(results.study, results.storage) as store:
        uuid = store.trials()[0].user_attrs[UUID]
        exact = [one for digest, one in store.variants_of(uuid) if digest == exact_digest]
    met = {target.name: replace(target, met=False) for target in results.trial(0).targets}
    trial = replace(results.trial(0), targets=tuple(met.values()))  # it claims nothing: all chips survive
    failed = replace(exact[0], reason="died", estimates={})
    found = chips_of(study, trial, [failed, *exact[1:]], exact, target="custom", finished="", look=1)
    assert (found.survived, found.exact, found.of) == (2, 3, 3)
    assert found.verdict.failures == {"died": 1}
    none = chips_of(study, trial, [failed] * 3, exact, target="custom", finished="", look=1)
    assert (none.survived, none.verdict.verdict) == (0, "undecided")


def test_a_rung_that_no_simulation_survives_is_the_worst_of_all(hardened):
    study, found = hardened
    results = read_results(study)
    with HardeningStore(results.study, results.storage) as store:
        _, simulation = store.variants_of(store.trials()[0].user_attrs[UUID])[0]
    dead = rung_of(results.study, [replace(simulation, reason="blew up", estimates={})], bits=3)
    assert (dead.met, dead.failures) == (0, {"blew up": 1})
    assert dead.loss > found.ladder.exact.loss
    assert set(dead.missed) == {"rate_E", "rate_I"}


# --- errors -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, r"has no \[hardware\]: name a platform with --target: spinnaker, loihi"),
        ({"target": "spinaker"}, "did you mean 'spinnaker'"),
        ({"target": "custom", "limits": {"weight_bit": 4}}, "did you mean 'weight_bits'"),
        ({"target": "custom", "limits": {"weight_bits": "four"}}, "weight_bits is 'four'"),
        ({"target": "custom", "limits": {"weight_bits": 90}}, "weight_bits is 90: input should be less"),
        ({"target": "custom", "bits": [40]}, r"bits of a weight must be from 2 to 32, not 40 \(--bits\)"),
        ({"target": "custom", "bits": [1]}, "must be from 2 to 32, not 1"),
        ({"target": "custom", "chips": 2}, r"chips must be at least 3, not 2 \(--chips\)"),
        ({"target": "custom", "graphs": 0}, r"graphs must be at least 1, not 0 \(--graphs\)"),
        ({"target": "custom", "units": "SI"}, r'units must be "best" or "given"'),
        ({"target": "custom", "trial": 99}, "has no trial 99"),
        ({"target": "custom", "limits": {"target": "loihi"}}, "name it with --target"),
    ],
)
def test_a_wrong_request_costs_one_clear_line(hardened, given, message):
    study, _ = hardened
    with pytest.raises(StudyError, match=message):
        harden(study, **{"trial": 0, "slots": 1, "progress": False, **given})


def test_a_front_needs_a_choice(tmp_path):
    study = small_study(tmp_path, study={"pareto": True})
    trials = [trial(0, [1.0, 4.0]), trial(1, [2.0, 5.0]), trial(2, [4.0, 1.0])]
    with pytest.raises(StudyError, match=r"choose a trial with --trial; its front has trials 0, 2$"):
        choose_trial(study, trials)
    assert choose_trial(study, trials, 1).number == 1


def test_no_trial_that_satisfies_the_constraints_is_no_trial(tmp_path):
    with pytest.raises(StudyError, match="no complete trial yet that satisfies all constraints"):
        choose_trial(small_study(tmp_path), [])


def trial(number: int, values: list[float]) -> FrozenTrial:
    made = create_trial(values=values, user_attrs={LOSS: sum(values)})
    made.number = number
    return made


def clustered(**more: Any) -> Study:
    """A study of a network with synapses."""
    parameters = {"N_E": 240, "N_I": 60, "N_Q": 3, "delay": 1.0, "I_th_E": {"low": 1.0, "high": 2.0}}
    objective = {"statistic": "rate_E", "target": 5.0, "tolerance": 1.0}
    given = {"objectives": [objective], "simulation": {"backend": "nest", "dt_ms": 1.0}, **more}
    return make_study("clustered", model="ei_clustered", parameters=parameters, budget={"trials": 1}, **given)


def test_a_platform_that_cannot_carry_the_network_says_everything_that_it_lacks():
    study = clustered()
    with pytest.raises(StudyError) as refused:
        check_carried(study, {}, hardware("custom", fan_in=10))
    assert [line.partition("population ")[2][:1] for line in str(refused.value).splitlines()] == ["E", "I"]


def test_times_that_are_no_whole_steps_of_a_platform_are_refused_before_anything_is_simulated(tmp_path):
    stimulus = {
        "population": "E",
        "current_pA": 1.0,
        "duration_ms": 100.0,
        "onsets_ms": [51.0],
        "clusters": [0],
    }
    study = small_study(tmp_path, stimuli=[stimulus])
    check_carried(study, {}, hardware("custom"))
    with pytest.raises(
        StudyError, match=r"custom has a time step of 2 ms: .stimuli.: a time of a stimulus of 51"
    ):
        check_carried(study, {}, hardware("custom", dt_ms=2.0))
    with pytest.raises(StudyError, match=r"time step of 7.3 ms: .simulation. dt_ms: a bin of"):
        check_carried(study, {}, hardware("custom", dt_ms=7.3))


def test_a_platform_must_carry_the_networks_of_all_conditions():
    conditions = [{"name": "sparse"}, {"name": "dense", "parameters": {"p_EE": {"set": 0.9}}}]
    objectives = [{"statistic": "rate_E", "target": 5.0, "tolerance": 1.0, "condition": "sparse"}]
    study = clustered(conditions=conditions, objectives=objectives)
    most = fan_in(study.model.network(study.parameters({})), "E")
    with pytest.raises(
        StudyError, match=f": condition dense: custom cannot carry population E: .* fan_in = {most}"
    ):
        check_carried(study, {}, hardware("custom", fan_in=most))


def test_stimuli_of_a_model_are_refused_where_currents_cannot_be_switched(tmp_path):
    study = small_study(tmp_path)
    made = study.model.make_values

    def stimulated(network, parameters):
        return replace(
            made(network, parameters),
            stimuli=(Stimulus("E", (0,), current_pA=1.0, start_ms=100.0, stop_ms=200.0),),
        )

    study = replace(study, model=replace(study.model, make_values=stimulated))
    check_carried(study, {}, hardware("custom"))
    with pytest.raises(StudyError, match="cannot switch currents into neurons, and the model has stimuli"):
        check_carried(study, {}, hardware("custom", stimuli=False))
    network = study.model.network({})
    values, on_chip = study.model.values(network, {}), Limited(hardware("custom", stimuli=False), 0.1)
    with pytest.raises(ModelError, match="the model has stimuli"):
        on_chip.of_values(network, values)


def test_limits_of_the_study_hold_unless_another_platform_is_named(tmp_path):
    study = small_study(tmp_path, hardware={"target": "spinnaker", "weight_bits": 12})
    assert limits_for(study).weight_bits == 12
    assert limits_for(study, "spinnaker", {"weight_bits": 9}) == hardware("spinnaker", weight_bits=9)
    assert limits_for(study, "loihi") == hardware("loihi")
