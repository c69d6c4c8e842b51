"""What a simulator rounds is searched as it is simulated, or said."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from calibrate.calibration.loop import run
from calibrate.calibration.search.search import Search
from calibrate.neurons import delay_steps
from calibrate.study import Study, make_study
from calibrate.study.space import Range
from tests.helpers.in_memory import Bench, Shelf

OBJECTIVES = [{"statistic": "rate_E", "target": 5.0, "tolerance": 1.0}]


def study_of(parameters: Mapping[str, Any], model: Any = "balanced", **more: Any) -> Study:
    simulation = {"backend": "nest", "duration_ms": 1000.0, **more.pop("simulation", {})}
    return make_study(
        "rounded",
        model=model,
        parameters={**({"N_E": 40, "N_I": 10} if model == "balanced" else {}), **parameters},
        objectives=more.pop("objectives", OBJECTIVES),
        simulation=simulation,
        budget={"trials": 20},
        **more,
    )


def proposed(study: Study, n: int = 20) -> list[Any]:
    search = Search(study.space, study.sampler, seed=0)
    return [next(iter(proposal.parameters.values())) for proposal in search.ask(n)]


def test_steps_that_do_not_reach_the_upper_end_are_said_with_the_ends_that_they_reach():
    study = study_of({"I_th_E": {"low": 0.9, "high": 2.0, "step": 0.3}})
    assert study.warnings == (
        "I_th_E: steps of 0.3 from 0.9 end at 1.8, so that high = 2 is not searched: write high = 1.8 or "
        "2.1, or another step",
    )
    assert set(proposed(study)) == {0.9, 1.2, 1.5, 1.8}


@pytest.mark.parametrize("log", [False, True])
def test_a_searched_delay_is_proposed_in_whole_steps_of_the_simulation(log):
    study = study_of({"delay": {"low": 0.05, "high": 1.0, "log": log}})
    assert study.warnings == (
        "delay is searched in whole steps of dt_ms = 0.1, as it is simulated: 0.1 to 1 ms",
    )
    for delay in proposed(study):
        assert delay == round(delay_steps(delay, 0.1) * 0.1, 9)


@pytest.mark.parametrize("name", ["tpe", "cmaes"])
def test_trials_of_a_delay_are_stored_as_they_are_simulated(tmp_path, name):
    ranges = {"delay": {"low": 0.05, "high": 0.5}, "I_th_E": {"low": 0.5, "high": 2.0}}
    chosen = {"name": name, "startup": 4}
    study = study_of(ranges, sampler=chosen, replicates={"confirm": 0, "fresh": 0}, folder=tmp_path)
    bench, shelf = Renamed(), Shelf()
    run(study, pool=bench, store=shelf)
    stored = [trial.params["delay"] for trial in shelf.trials]
    assert len(stored) == 20
    assert set(stored) <= {0.1, 0.2, 0.3, 0.4, 0.5}
    assert sorted(stored) == sorted(kept.parameters["delay"] for kept in shelf.kept)
    assert sorted(job.parameters["delay"] for job in bench.asked) == sorted(stored)


class Renamed(Bench):
    """Simulates the inputs of `balanced`."""

    def _simulate(self, candidate):
        candidate.parameters.update(I_E=candidate.parameters["I_th_E"], I_I=1.0)
        return super()._simulate(candidate)


@pytest.mark.parametrize("backend", ["nest", "genn"])
@pytest.mark.parametrize(("written", "simulated"), [(0.05, 0.1), (0.15, 0.2)])
def test_a_fixed_delay_that_is_rounded_is_said(backend, written, simulated):
    study = study_of({"delay": written, "I_th_E": {"low": 1.0, "high": 2.0}}, simulation={"backend": backend})
    assert study.warnings == (
        f"the delay of E_to_E_all and 3 others of {written} ms is simulated as {simulated} ms, in whole "
        "steps of dt_ms = 0.1: write what is simulated, or choose a dt_ms that divides it",
    )


def test_a_refractory_time_is_rounded_up_as_by_the_simulators():
    (said,) = study_of({"tau_r": 2.01, "I_th_E": {"low": 1.0, "high": 2.0}}).warnings
    assert "refractory time of E and 1 other of 2.01 ms is simulated as 2.1 ms" in said
    searched = study_of({"tau_r": {"low": 1.0, "high": 3.0}})
    assert all(tau == round(tau, 1) for tau in proposed(searched))


def test_a_range_or_choices_between_the_steps_are_said():
    (said,) = study_of({"delay": {"low": 0.11, "high": 0.14}}).warnings[:1]
    assert "simulated as 0.1 ms" in said
    said = " ".join(study_of({"delay": {"choices": [0.1, 0.15, 0.3]}}).warnings)
    assert "0.15 ms is simulated as 0.2 ms" in said


def test_steps_between_those_of_the_simulation_are_rounded():
    study = study_of({"delay": {"low": 0.1, "high": 0.5, "step": 0.05}})
    assert set(proposed(study, 40)) == {0.1, 0.2, 0.3, 0.4, 0.5}


def test_a_step_that_is_a_whole_number_of_steps_of_the_simulation_is_nothing_to_speak_of():
    assert study_of({"delay": {"low": 0.1, "high": 0.5, "step": 0.1}}).warnings == ()


def test_a_time_constant_is_searched_as_it_is_written():
    study = study_of({"tau_m_E": {"low": 10.0, "high": 20.0}})
    assert study.warnings == ()
    assert any(tau != round(tau, 1) for tau in proposed(study))


def test_times_of_a_protocol_are_searched_in_whole_steps_so_that_every_point_can_be_simulated():
    objectives = [{"statistic": "rate_KC", "target": 5.0, "tolerance": 1.0}]
    fixed = {"test": 500.0, "gap": 100.0}
    study = study_of(
        {"training": {"low": 200.0, "high": 400.0}, **fixed}, model="larva", objectives=objectives
    )
    for training in proposed(study):
        stops = [stimulus.stop_ms for stimulus in _values(study, training).stimuli]
        assert all(abs(stop * 10 - round(stop * 10)) < 1e-6 for stop in stops)


def _values(study: Study, training: float) -> Any:
    given = study.parameters({"training": training})
    return study.model.values(study.model.network(given), given)


def test_neurons_without_synapses_have_no_delay_to_round():
    ranges = {"delay": 0.15, "I_th_E": {"low": 1.0, "high": 2.0}}
    assert study_of(ranges, simulation={"backend": "poisson"}).warnings == ()


def test_fixed_indegrees_that_are_rounded_are_said():
    given = {"connectivity": "fixed_indegree", "p_EE": 0.21, "I_th_E": {"low": 1.0, "high": 2.0}}
    (said,) = study_of(given).warnings
    assert said == (
        "E_to_E_all: in-degrees are whole numbers, so that a neuron has 8 of 40 sources (0.2 of "
        "them, not 0.21)"
    )


def test_points_of_a_grid_that_fall_together_are_tried_once_and_said():
    study = study_of({"delay": {"low": 0.1, "high": 0.4, "points": 7}}, sampler="grid")
    assert study.trials == 4
    assert "delay: 7 points are only 4 different values" in study.warnings


def test_points_to_try_first_are_rounded_and_said():
    study = study_of(
        {"delay": {"low": 0.1, "high": 1.0}}, prior={"points": [{"delay": 0.3}, {"delay": 0.46}]}
    )
    assert study.warnings[1:] == ("[prior] point 2: delay = 0.46 is tried as 0.5",)
    search = Search(study.space, study.sampler, seed=0)
    search.enqueue(study.prior.points)
    assert [proposal.parameters["delay"] for proposal in search.ask(2)] == [0.3, 0.5]


def test_ranges_beyond_all_steps_are_left_alone():
    assert not Range(low=1e300, high=1e308, multiple_of=0.001).needs_rounding


def test_the_content_of_a_study_is_what_its_file_says(tmp_path: Path):
    study = study_of({"delay": {"low": 0.05, "high": 1.0}}, folder=tmp_path)
    assert study.content["parameters"]["delay"] == {
        "low": 0.05,
        "high": 1.0,
        "step": None,
        "log": False,
        "integer": False,
        "points": None,
    }


def test_a_rounded_range_keeps_what_it_rounds_to():
    domain = Range(low=0.05, high=1.04, multiple_of=0.1)
    assert domain.ends == (0.1, 1.0)
    assert [domain.at(u) for u in (0.0, 0.26, 0.999)] == [0.1, 0.3, 1.0]
    assert domain.nearest(0.1234) == 0.1
