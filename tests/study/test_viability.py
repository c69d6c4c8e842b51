"""Studies that cannot work are recognised without simulating."""

from __future__ import annotations

from typing import Any

import pytest

from calibrate.cli.commands import execute
from calibrate.errors import StudyError
from calibrate.store import Store, storage_url
from calibrate.study import make_study
from calibrate.study.viability import viability_of
from calibrate.tasks.run import run_study
from tests.helpers.studies import RATE_E, small_study, write_study

SIZES = {"N_E": {"low": 40, "high": 80}, "N_I": {"expression": "N_E / 4"}}
FANO = {"statistic": "fano_E", "target": 1.0, "tolerance": 0.2}


def study_of(parameters: dict[str, Any], *objectives: dict[str, Any], model: Any = "balanced", **more: Any):
    return make_study(
        "viable",
        model=model,
        parameters=parameters,
        objectives=objectives or [RATE_E],
        simulation={"backend": "poisson", "duration_ms": 500.0, **more.pop("simulation", {})},
        budget={"trials": 8},
        **more,
    )


def undefined(*objectives: dict[str, Any], parameters: Any = None, **more: Any) -> tuple[str, ...]:
    given = {"N_E": 40, "N_I": 10, "I_th_E": {"low": 1.0, "high": 2.0}} if parameters is None else parameters
    return viability_of(study_of(given, *objectives, **more)).undefined


def test_sizes_that_are_whole_at_the_ends_of_their_range_only_are_said_with_their_share():
    found = viability_of(study_of(SIZES))
    (said,) = found.hopeless
    share = int(said.partition("%")[0].removeprefix("about "))
    assert 65 <= share <= 85  # of the 41 sizes, 30 cannot be divided by 4
    assert "N_I = N_E / 4: N_I takes a whole number, not " in said
    assert ", as at N_E = " in said
    assert said.endswith("narrow the ranges, or give them a step")


def test_a_step_that_keeps_sizes_whole_is_nothing_to_speak_of():
    found = viability_of(study_of({**SIZES, "N_E": {"low": 40, "high": 80, "step": 4}}))
    assert (found.undefined, found.doubts) == ((), ())


def test_a_smaller_part_of_the_space_that_fails_is_a_doubt(tmp_path):
    found = viability_of(small_study(tmp_path, parameters={"N_E": {"low": 40, "high": 44}}))
    assert found.doubts[0].startswith("about 4")  # 41 and 43 do not divide into two clusters
    assert found.hopeless == ()


@pytest.mark.parametrize("points", [3, 9])
def test_points_of_a_grid_are_tried_as_they_are(points):
    grid = {**SIZES, "N_E": {"low": 40, "high": 80, "points": points}}
    found = viability_of(study_of(grid, sampler="grid"))
    # 40, 60, 80; and with 9 points 45, 50, 55, 65, 70 and 75 as well, which cannot be divided by 4.
    assert found.doubts == () if points == 3 else found.doubts[0].startswith("about 67% of the search space")


def test_a_fano_factor_of_one_window_is_undefined_whatever_the_network_does():
    assert undefined(FANO) == (
        "fano_E is undefined whatever the network does: fewer than 2 windows of 400 ms; change its options, "
        "the protocol, or [simulation] duration_ms",
    )
    assert undefined(FANO, simulation={"duration_ms": 800.0}) == ()
    (said,) = undefined(FANO | {"during_ms": [0.0, 400.0]}, simulation={"duration_ms": 2000.0})
    assert "fano_E" in said


@pytest.mark.parametrize(
    ("statistic", "reason"),
    [
        ("timescale_E", "shorter than 2000 ms, twice the longest lag"),
        ("evoked_rate_E", "no"),
        ("occupancy_entropy_E", "only one cluster"),
        ("shared_variance_E", "neurons need a measurement of"),
    ],
)
def test_each_objectives_need_is_tried(statistic, reason):
    (said,) = undefined({"statistic": statistic, "target": 1.0, "tolerance": 0.2})
    assert said.startswith(f"{statistic} is undefined whatever the network does:")
    assert reason in said


def test_what_a_silent_or_quiet_network_lacks_is_no_reason():
    for statistic in ("cv_E", "dwell_time_E", "isi_E", "locking_E", "correlation_E"):
        assert undefined({"statistic": statistic, "target": 1.0, "tolerance": 0.2}) == ()


def test_a_response_to_stimuli_of_the_study_or_of_the_model_is_defined():
    evoked = {"statistic": "evoked_rate_E", "target": 1.0, "tolerance": 0.2}
    stimulus = {"clusters": [0], "current_pA": 1.0, "duration_ms": 100.0, "onsets_ms": [300.0]}
    assert undefined(evoked, stimuli=[stimulus]) == ()


def test_clusters_that_some_networks_of_the_space_lack_are_counted(tmp_path):
    third = RATE_E | {"clusters": [3]}
    study = small_study(tmp_path, parameters={"N_Q": {"choices": [4, 2]}}, objectives=[third])
    (said,) = viability_of(study).doubts
    assert "rate_E needs cluster 3 of E" in said


def test_a_statistic_that_raises_for_any_activity_is_a_doubt(tmp_path):
    broken = {"statistic": "statistics.py:broken", "target": 1.0, "tolerance": 1.0}
    (said,) = viability_of(small_study(tmp_path, objectives=[broken])).doubts
    assert said == "statistic broken raised ZeroDivisionError: division by zero, for an invented activity"


def test_check_refuses_a_study_that_cannot_work(tmp_path, capfd):
    path = write_study(tmp_path, objectives=[FANO], simulation={"duration_ms": 500})
    assert execute(["check", "--fast", str(path)]) != 0
    assert "error: " in (printed := capfd.readouterr()).err
    assert "fewer than 2 windows of 400 ms" in printed.err
    assert "OK" not in printed.out


def test_a_new_run_refuses_it_and_one_that_has_begun_is_told(tmp_path, capfd):
    study = small_study(tmp_path, objectives=[FANO], simulation={"duration_ms": 500}, budget={"trials": 1})
    with pytest.raises(StudyError, match="fewer than 2 windows"):
        run_study(study, progress=False)
    assert not (tmp_path / "small.db").exists()
    with Store(study, storage_url(study)):  # as an older version began it
        pass
    run_study(study, slots=1, interrupted=lambda: True)
    assert "warning: fano_E is undefined whatever the network does" in capfd.readouterr().err


def test_delays_that_genn_cannot_have_are_refused_before_it_is_prepared(tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    given = {"backend": "genn", "duration_ms": 500.0}
    ranges = {"longest": {"low": 100.0, "high": 7000.0}}
    study = study_of(ranges, model="slow.py:slow", folder=tmp_path, simulation=given)
    (said,) = viability_of(study).doubts
    assert said.startswith(
        "about 6% of the search space cannot be simulated: E_to_E_all has delays of up to "
    )
    assert "GeNN supports up to 65,535" in said
    fixed = {"longest": 7000.0}
    (said,) = viability_of(study_of(fixed, model="slow.py:slow", folder=tmp_path, simulation=given)).hopeless
    assert said.startswith("about 100% of the search space cannot be simulated")
    study = study_of(fixed, model="slow.py:slow", folder=tmp_path, simulation={"backend": "nest"})
    assert viability_of(study).doubts == ()


SLOW = """\
from calibrate.network import (
    Bernoulli, Model, Network, Parameter, Population, Projection, UniformDelay, UniformPotential, Values
)

def network(p):
    delays = UniformDelay(1.0, p["longest"])
    synapses = Projection(source="E", target="E", rule=Bernoulli(0.1), delay_ms=delays, receptor="ex")
    return Network(populations=(Population(name="E", size=10),), projections=(synapses,))

def values(network, p):
    start = {"E": UniformPotential(-70.0, -60.0)}
    return Values(neurons={"E": {}}, weights={"E_to_E_all": 1.0}, initial=start)

slow = Model(
    name="slow",
    parameters=(Parameter(name="longest", default=10.0, unit="ms", doc="longest delay"),),
    make_network=network,
    make_values=values,
)
"""
