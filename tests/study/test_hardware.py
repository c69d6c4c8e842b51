"""The table [hardware]: limits under which a study searches, or that only hardening uses."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from calibrate import make_study, read_study
from calibrate.calibration.study_pool import setup_of
from calibrate.errors import StudyError
from calibrate.hardware import PLATFORMS, Hardware, hardware
from calibrate.hardware.changes import notes
from calibrate.network import UniformDelay
from calibrate.simulation.jobs import Job
from calibrate.simulation.worker import Worker
from calibrate.study import Study
from calibrate.study.file.hardware import HardwareSection
from calibrate.study.identity import differences
from tests.helpers.networks import SMALL
from tests.helpers.studies import edited, small_study, write_text

PARAMETERS = {**SMALL, "N_E": 60, "N_I": 15, "I_th_E": {"low": 1.5, "high": 3.0}}
OBJECTIVES = [{"statistic": "rate_E", "target": 5.0, "tolerance": 1.0}]


def clustered(limits: dict[str, Any] | None, **tables: Any) -> Study:
    return make_study(
        "chip",
        model="ei_clustered",
        parameters=PARAMETERS,
        objectives=OBJECTIVES,
        simulation={"backend": "nest", "warmup_ms": 0.0, "duration_ms": 100.0},
        budget={"trials": 2},
        **tables,
        **({"hardware": limits} if limits else {}),
    )


def weights(study: Study) -> dict[str, float]:
    return dict(study.model.values(study.network, study.parameters({})).weights)


def test_every_limit_is_a_key():
    limits = {field.name for field in fields(Hardware)} | {"search"}
    assert set(HardwareSection.model_fields) == limits


def test_keys_take_the_place_of_what_is_known_of_the_platform():
    study = clustered({"target": "spinnaker", "weight_bits": 8, "rounding": "random", "dt_ms": 0.5})
    assert study.hardware == hardware("spinnaker", weight_bits=8, rounding="random", dt_ms=0.5)
    assert study.hardware.scaling == PLATFORMS["spinnaker"].scaling == "ring_buffer"


def test_limits_for_hardening_change_neither_networks_nor_the_identity_of_a_study():
    without, beside = clustered(None), clustered({"target": "spinnaker"})
    assert beside.limits is None
    assert beside.digest == without.digest
    assert weights(beside) == weights(without)
    assert beside.simulation == without.simulation


def test_a_search_under_limits_is_another_study():
    without, under = clustered(None), clustered({"target": "custom", "search": True, "weight_bits": 5})
    assert under.limits == hardware("custom", weight_bits=5)
    assert under.digest != without.digest
    assert "[hardware] weight_bits = 5 was added" in differences(without.content, under.content)
    other = clustered({"target": "custom", "search": True, "weight_bits": 6})
    assert differences(under.content, other.content) == ["[hardware] weight_bits was 5, is 6"]


def test_a_study_under_limits_can_be_had_without_them_and_under_others():
    under = clustered({"target": "spinnaker", "search": True})
    assert under.simulation.dt_ms == 1.0
    free = under.with_hardware(None)
    assert free.simulation.dt_ms == 0.1
    assert weights(free) == weights(clustered(None))
    again = free.on("genn").with_hardware(under.hardware)
    assert (again.simulation.dt_ms, again.simulation.backend) == (1.0, "genn")
    assert weights(again) == weights(under) != weights(free)
    assert again.network == under.network


def test_the_networks_that_a_search_simulates_are_under_the_limits():
    """The rates of the same graph differ, and are those of a study that is put under the limits later."""
    limits = {"target": "custom", "weight_bits": 3}
    study = clustered({**limits, "search": True})
    studies = (study, clustered(limits).with_hardware(study.limits), study.with_hardware(None))
    job = Job(uuid="one", parameters=study.parameters({"I_th_E": 2.5}), seed=1)
    totals = []
    for one in studies:
        (outcome,) = Worker(setup_of(one)).run([job], one.stages[-1])
        totals.append(outcome.observation.neuron_totals)
    assert totals[0].sum() > 0
    assert np.array_equal(totals[0], totals[1])
    assert not np.array_equal(totals[0], totals[2])


def test_what_the_limits_change_is_said():
    lines = "\n".join(clustered({"target": "loihi", "search": True}).warnings)
    for part in (
        "simulated with the time step of loihi, 1 ms, instead of 0.1 ms",
        "weights have 8 bits, scaled per projection: the nearest levels differ by up to",
        "delays of 0.1 ms (E_to_E_within",
        "are simulated as 1 ms, as loihi has them",
        "neurons of E as loihi has them: tau_m 20 -> 19.9758",
        "the rounding of the state in every step is not simulated; by itself, a neuron of E fires every",
    ):
        assert part in lines
    assert clustered({"target": "loihi"}).warnings == clustered(None).warnings
    assert "under the limits of loihi (weights of 8 bits" in repr(
        clustered({"target": "loihi", "search": True})
    )


def test_limits_of_neurons_without_synapses_are_said_to_change_nothing(tmp_path):
    study = small_study(tmp_path, hardware={"target": "custom", "weight_bits": 4, "search": True})
    assert any("Poisson neurons have no synapses" in line for line in study.warnings)


def test_delays_that_differ_between_synapses_are_said_to_have_time_steps():
    study = clustered(None)
    first, *others = study.network.projections
    spread = replace(first, delay_ms=UniformDelay(1.0, 2.0))
    network = replace(study.network, projections=(spread, *others))
    values = study.model.values(study.network, study.parameters({}))
    given = {"dt_ms": 0.1}
    lines = "\n".join(notes(network, values, hardware("custom", delay_step_ms=0.5), **given))
    assert f"delays of {first.name} differ between synapses: they are whole time steps of 0.1 ms" in lines
    assert "differ between synapses" not in "".join(notes(network, values, hardware("custom"), **given))


@pytest.mark.parametrize(
    ("limits", "tables", "message"),
    [
        ({"target": "dynapse"}, {"parameters": {"N_E": 1200}}, "dynapse cannot carry population E: up to"),
        (
            {"target": "loihi"},
            {"stimuli": [{"clusters": [0], "current_pA": 1.0, "duration_ms": 10.0, "onsets_ms": [5.0]}]},
            "loihi cannot switch currents into neurons: remove [[stimuli]]",
        ),
        ({"target": "loihi"}, {"loop": {"environment": "delayed_response"}}, "remove [loop]"),
        (
            {"target": "custom", "scaling": "ring_buffer", "rounding": "optimal"},
            {},
            "needs a choice of steps",
        ),
        (
            {"target": "custom", "delay_step_ms": 0.25},
            {},
            "delay_step_ms: a step of delays of 0.25 ms is not a whole number of 0.1 ms steps",
        ),
    ],
)
def test_what_a_platform_cannot_carry_is_refused(limits, tables, message):
    given = {**PARAMETERS, **tables.pop("parameters", {})}
    with pytest.raises(StudyError) as error:
        make_study(
            "chip",
            model="ei_clustered",
            parameters=given,
            objectives=OBJECTIVES,
            budget={"trials": 2},
            hardware={**limits, "search": True},
            **tables,
        )
    assert message in str(error.value)
    assert all(line.startswith("chip: [hardware]") for line in str(error.value).splitlines())


@pytest.mark.parametrize(
    ("model", "free", "rate", "message"),
    [
        ("larva", "w_PN_KC", "rate_PN", "its neurons are iaf_cond_exp_sfa"),
        ("larva", "w_PN_KC", "rate_PN", "it is plastic, and limits are known for static weights only"),
        ("litwin_kumar_doiron", "J_plus", "rate_E", "known for current-based neurons .iaf_psc_exp. only"),
    ],
)
def test_conductances_adaptation_and_plasticity_are_refused(model, free, rate, message):
    with pytest.raises(StudyError, match=message):
        make_study(
            "chip",
            model=model,
            parameters={free: {"low": 1.0, "high": 2.0}},
            objectives=[{"statistic": rate, "target": 5.0, "tolerance": 1.0}],
            budget={"trials": 2},
            hardware={"target": "custom", "search": True},
        )


def _spikes(*, seed: int, duration_ms: float, rate_hz: float = 5.0) -> dict[str, Any]:
    raise NotImplementedError(f"{seed} {duration_ms} {rate_hz}")


def test_a_simulation_of_your_own_is_refused():
    with pytest.raises(StudyError, match=r"\[hardware\] .*need a network that calibrate builds"):
        make_study(
            "chip",
            model={"name": _spikes, "populations": {"E": 10}},
            parameters={"rate_hz": {"low": 1.0, "high": 9.0}},
            simulation={"backend": "own", "warmup_ms": 0.0},
            objectives=OBJECTIVES,
            budget={"trials": 2},
            hardware={"target": "custom", "search": True},
        )


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('target = "spinaker"', "[hardware] target"),
        ('target = "loihi"\nweight_bit = 4', "did you mean 'weight_bits'?"),
        ('target = "loihi"\nweight_bits = 1', "[hardware] weight_bits"),
        ("weight_bits = 4", "[hardware] target"),
    ],
)
def test_a_wrong_key_is_named_with_its_line(tmp_path, table, message):
    path = write_text(tmp_path, edited() + f"\n[hardware]\n{table}\n")
    with pytest.raises(StudyError) as error:
        read_study(path)
    assert message in str(error.value)
    assert "small.toml:" in str(error.value)


def test_a_study_with_limits_is_read_from_a_file(tmp_path):
    study = small_study(tmp_path, hardware={"target": "custom", "search": True, "threshold_cv": 0.1})
    assert study.limits == hardware("custom", threshold_cv=0.1)
    assert study.network.population("E").distributed == {"V_th"}
