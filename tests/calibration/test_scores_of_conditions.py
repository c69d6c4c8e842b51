"""Scores of several conditions: differences by pairs, failures that name their condition, held-out ones."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from calibrate import make_report, read_results, read_study, run_study, validate
from calibrate.calibration.loop import run
from calibrate.calibration.trials.merged import difference
from calibrate.cli.commands import execute
from calibrate.objective import Estimate
from calibrate.study.conditions import Change
from tests.helpers.conditions import ALL, BOTH, GAIN, SPONTANEOUS, done, losses
from tests.helpers.in_memory import Bench, Shelf
from tests.helpers.studies import small_study, write_study


def test_identical_conditions_do_not_differ_on_any_graph(tmp_path):
    twin = {"name": "evoked", "duration_ms": 2000}
    study = small_study(
        tmp_path, BOTH, conditions=[SPONTANEOUS, twin], replicates={"graphs": 2}, budget={"trials": 2}
    )
    result = run_study(study, slots=1, progress=False)
    assert result.best is not None
    assert result.best.statistics["evoked-spontaneous.rate_E"] == 0.0
    frame = read_results(study).statistics.pivot(
        index=["trial", "graph"], columns="statistic", values="value"
    )
    assert len(frame) == 4
    assert (frame["evoked.rate_E"] == frame["spontaneous.rate_E"]).all()
    assert frame["evoked.rate_E"].nunique() == 4


def test_a_difference_is_that_of_the_means_of_pairs(tmp_path):
    study = small_study(tmp_path, BOTH, replicates={"graphs": 2})
    _, shelf = done(study)
    for trial in shelf.trials:
        shown = trial.user_attrs
        assert "evoked.rate_E" not in shown  # it is not an objective of its own
        kept = shelf.simulations(shown["uuid"])
        rates = {(one.realisation, one.condition): one.estimates["rate_E"].value for one in kept}
        of_pairs = [rates[graph, "evoked"] - rates[graph, "spontaneous"] for graph in (0, 1)]
        assert shown["evoked-spontaneous.rate_E"] == pytest.approx(sum(of_pairs) / 2)


def test_a_difference_is_linear_also_of_values_that_are_compared_by_ratios(tmp_path):
    study = small_study(tmp_path, BOTH, objectives=[{**GAIN, "statistic": "dwell_time", "target": -5.0}])
    (objective,) = study.objectives
    assert objective.statistic.scale == "linear"
    assert objective.loss(Estimate(-6.0)) == 1.0
    in_one = next(one for one in study.conditions[0].statistics if one.name == "dwell_time")
    assert (in_one.scale, bool(in_one.sample)) == ("log", True)


def test_errors_of_a_difference_add_in_quadrature():
    found = difference(Estimate(8.0, support=40, error=3.0), Estimate(5.0, support=30, error=4.0), ("a", "b"))
    assert (found.value, found.error, found.support) == (3.0, 5.0, 30)


def test_a_difference_is_undefined_where_one_side_is_and_graded():
    good, bad = Estimate(5.0), Estimate(math.nan, shortfall=0.6, note="no spike")
    one, other, both = (difference(*sides, ("a", "b")) for sides in ((bad, good), (good, bad), (bad, bad)))
    assert [found.defined for found in (one, other, both)] == [False] * 3
    assert [found.shortfall for found in (one, other, both)] == [0.3, 0.3, 0.6]
    assert one.note == "undefined in a (no spike)"


def test_a_lower_bound_on_the_first_side_is_one_of_the_difference_and_on_the_second_says_nothing():
    bound = Estimate(9.0, lower_bound=True)
    assert difference(bound, Estimate(5.0), ("a", "b")).lower_bound
    assert difference(Estimate(5.0), bound, ("a", "b")).note == "only a lower bound in b"


def test_a_failure_in_one_condition_fails_the_trial_and_names_the_condition(tmp_path):
    study = small_study(tmp_path, BOTH, budget={"trials": 4})
    bench, shelf = Bench(fail=lambda job: job.condition == "evoked" and job.parameters["I_E"] > 3), Shelf()
    run(study, pool=bench, store=shelf)
    reasons = [trial.user_attrs.get("reason") for trial in shelf.trials]
    assert "condition evoked: it broke" in reasons
    assert None in reasons


def test_parameters_that_a_model_refuses_in_a_condition_fail_the_trial_with_its_name(tmp_path):
    study = small_study(tmp_path, BOTH)
    spontaneous, evoked = study.conditions
    too_much = replace(evoked, changes={"I_E": Change(factor=4.0)})
    _, shelf = done(replace(study, conditions=(spontaneous, too_much)))
    reasons = {trial.user_attrs.get("reason") for trial in shelf.trials} - {None}
    assert reasons
    assert all(reason.startswith("condition evoked: I_E must be at most 10") for reason in reasons)


def test_a_condition_that_is_held_out_is_simulated_once_for_the_best_on_fresh_graphs(tmp_path):
    study = small_study(tmp_path, ALL)
    bench, shelf = done(study)
    held_out = [job for job in bench.asked if job.condition == "drug"]
    assert {job.realisation for job in held_out} == set(study.graphs.fresh)
    assert len({job.uuid for job in held_out}) == 1
    assert [one.name for one in study.predicted] == ["drug.inhibition", "drug-spontaneous.rate_I"]
    without, other = done(small_study(tmp_path, BOTH, replicates=ALL["replicates"], name="other"))
    assert losses(shelf) == losses(other)
    assert len(bench.asked) == len(without.asked) + len(held_out)


def test_predictions_are_shown_apart_from_fitted_targets(tmp_path, capfd):
    path = write_study(tmp_path, ALL, budget={"trials": 3}, validation={"replicates": 3})
    assert execute(["run", str(path), "--slots", "2"]) == 0
    assert execute(["show", str(path)]) == 0
    study = read_results(path).study
    best = read_results(path).best
    assert best is not None
    assert [target.name for target in best.targets] == [one.name for one in study.objectives]
    assert [one.name for one in best.predictions] == ["drug.inhibition", "drug-spontaneous.rate_I"]
    met = sum(one.met for one in best.predictions)
    line = f"redicted: {met} of 2 targets of held-out condition drug met on 3 fresh graphs"
    printed = capfd.readouterr().out
    assert printed.count(line) == 2
    assert line in str(best)
    (verdict,) = validate(study, progress=False).verdicts
    assert "targets of held-out condition drug met on 3 fresh graphs" in verdict.predicted
    assert not any("drug" in reason for reason in verdict.reasons)
    report = make_report(read_results(study))
    assert line in "".join(text for section in report.sections for text in section.text)
    assert [picture.name for picture in report.pictures if picture.name.startswith("activity")] == [
        "activity-spontaneous",
        "activity-evoked",
        "activity-drug",
    ]
    methods = next(section for section in report.sections if section.name == "methods").text[0]
    assert "Every network was simulated in three conditions (spontaneous, evoked and drug)" in methods
    assert "The condition drug was held out" in methods
    shown = read_results(study).simulate(best.number, condition="drug", spikes=False)
    assert shown.condition == "drug"
    assert "drug.inhibition" in shown.statistics


def test_the_study_that_comes_along_runs_to_its_prediction(tmp_path):
    path = Path(__file__).parents[2] / "studies" / "conditions.toml"
    (tmp_path / path.name).write_text(path.read_text())
    # The simulator of Poisson neurons takes no time, and knows the protocol, but no synapses.
    dry = {"simulation.backend": "poisson", "budget.trials": 2, "replicates.confirm": 0}
    study = read_study(tmp_path / path.name, changes=dry)
    result = run_study(study, slots=1, progress=False)
    assert result.best is not None
    assert result.best.predicted.endswith(
        "of 2 targets of held-out condition disinhibited met on 4 fresh graphs"
    )
    assert result.best.statistics["evoked.evoked_rate"] > 0
