"""Pareto studies: a value for every objective, the front, and the best of it."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial

from calibrate.calibration.loop import run
from calibrate.calibration.result import as_json
from calibrate.calibration.trials.score import INFEASIBLE
from calibrate.study import Study
from calibrate.tasks.run import run_study
from tests.helpers.in_memory import Bench, Shelf
from tests.helpers.studies import RATE_E, RATE_I, Tables, small_study

PARETO = {"study": {"pareto": True}}
CONSTRAINT = {"constraints": [{"statistic": "rate_E", "max": 6.0}]}
WEIGHT = {"objectives": [RATE_E | {"weight": 3.0}, RATE_I]}
# Two targets for one rate: no network is the best in both.
SLOW = {"statistic": "rate_E", "name": "slow", "target": 8.0, "tolerance": 1.0}
CONFLICT = {"objectives": [RATE_E, SLOW]}


def pareto(folder: Path, *changes: Tables, trials: int = 24) -> Study:
    return small_study(folder, PARETO, {"budget": {"trials": trials}}, *changes)


def beats(one: FrozenTrial, other: FrozenTrial) -> bool:
    """Whether a trial is nowhere worse and somewhere better."""
    pairs = list(zip(one.values, other.values, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def front(trials: Sequence[FrozenTrial]) -> set[int]:
    feasible = [trial for trial in trials if trial.user_attrs.get("feasible", True) and trial.values]
    beaten = {b.number for a, b in itertools.permutations(feasible, 2) if beats(a, b)}
    return {trial.number for trial in feasible} - beaten


def test_a_trial_has_a_value_for_every_objective(tmp_path):
    shelf, study = Shelf(), pareto(tmp_path)
    run(study, pool=Bench(), store=shelf)
    for trial in shelf.trials:
        (own,) = [kept for kept in shelf.kept if kept.uuid == trial.user_attrs["uuid"]]
        expected = [objective.loss(own.estimates[objective.name]) for objective in study.objectives]
        assert trial.values == pytest.approx(expected)
        assert trial.user_attrs["loss"] == pytest.approx(np.mean(expected))


def test_values_are_means_over_the_graphs(tmp_path):
    shelf, study = Shelf(), pareto(tmp_path, {"replicates": {"graphs": 2}}, trials=4)
    run(study, pool=Bench(), store=shelf)
    for trial in shelf.trials:
        own = [kept for kept in shelf.kept if kept.uuid == trial.user_attrs["uuid"]]
        assert len(own) == 2
        each = [[o.loss(kept.estimates[o.name]) for o in study.objectives] for kept in own]
        assert trial.values == pytest.approx(np.mean(each, axis=0))


@pytest.mark.parametrize("changes", [(), (CONSTRAINT,), (CONFLICT,)])
def test_the_front_is_what_no_feasible_trial_beats_in_all_objectives(tmp_path, changes):
    shelf = Shelf()
    result = run(pareto(tmp_path, *changes, trials=40), pool=Bench(), store=shelf)
    assert {best.number for best in result.front} == front(shelf.trials)
    assert len(result.front) > 1 or CONFLICT not in changes
    losses = [best.loss for best in result.front]
    assert losses == sorted(losses)


def test_the_best_is_the_least_weighted_mean_and_leads_the_front(tmp_path):
    shelf = Shelf()
    result = run(pareto(tmp_path, WEIGHT), pool=Bench(), store=shelf)
    means = [np.average(trial.values, weights=[3, 1]) for trial in shelf.trials]
    assert result.best is not None
    assert result.best.loss == pytest.approx(min(means))
    assert result.best.number == int(np.argmin(means)) == result.front[0].number


def test_infeasible_trials_are_worse_in_every_objective_and_not_in_the_front(tmp_path):
    shelf = Shelf()
    result = run(pareto(tmp_path, CONSTRAINT, trials=40), pool=Bench(), store=shelf)
    rejected = [trial for trial in shelf.trials if not trial.user_attrs["feasible"]]
    assert 0 < len(rejected) == result.infeasible < 40
    assert all(min(trial.values) >= INFEASIBLE for trial in rejected)
    assert all(trial.user_attrs["loss"] >= INFEASIBLE for trial in rejected)
    assert not {trial.number for trial in rejected} & {best.number for best in result.front}


def test_failed_trials_have_no_values_and_are_not_in_the_front(tmp_path):
    shelf = Shelf()
    bench = Bench(fail=lambda candidate: candidate.parameters["I_E"] > 2)
    result = run(pareto(tmp_path), pool=bench, store=shelf)
    failed = {trial.number for trial in shelf.trials if trial.values is None}
    assert 0 < result.failed == len(failed)
    assert {best.number for best in result.front} == front(shelf.trials)


def test_every_network_of_the_front_is_shown_with_its_own_statistics(tmp_path):
    shelf = Shelf()
    result = run(pareto(tmp_path), pool=Bench(), store=shelf)
    for best in result.front:
        trial = shelf.trials[best.number]
        assert best.params == trial.params
        assert best.statistics["rate_E"] == trial.user_attrs["rate_E"]
        assert [target.reached for target in best.targets] == [
            trial.user_attrs["rate_E"],
            trial.user_attrs["rate_I"],
        ]
    assert [found["number"] for found in as_json(result)["front"]] == [b.number for b in result.front]


def test_a_scalar_study_has_no_front(tmp_path):
    result = run(small_study(tmp_path), pool=Bench(), store=Shelf())
    assert result.front == []
    assert "front" not in as_json(result)


def test_one_objective_makes_a_pareto_study_too(tmp_path):
    shelf = Shelf()
    result = run(pareto(tmp_path, {"objectives": [RATE_E]}), pool=Bench(), store=shelf)
    assert result.best is not None
    assert result.best.loss == min(trial.value for trial in shelf.trials)
    assert {best.number for best in result.front} == front(shelf.trials)


@pytest.mark.parametrize(
    "sampler",
    [
        {"name": "tpe", "startup": 8},
        {"name": "nsga2", "population": 8},
        {"name": "bo", "startup": 8},
        {"name": "qmc"},
    ],
    ids=lambda sampler: sampler["name"],
)
def test_a_pareto_study_that_was_interrupted_goes_on_as_if_it_had_not_been(tmp_path, sampler):
    study = pareto(tmp_path, CONSTRAINT, {"sampler": sampler})
    unbroken, shelf = Shelf(), Shelf()
    whole = run(study, pool=Bench(), store=unbroken)
    run(study, pool=Bench(), store=shelf, interrupted=lambda: len(shelf.kept) >= 14)
    assert len(shelf.trials) == 16
    resumed = run(study, pool=Bench(), store=shelf)
    assert [(t.params, t.values) for t in shelf.trials] == [(t.params, t.values) for t in unbroken.trials]
    assert resumed.front == whole.front


def test_the_database_knows_the_directions_and_the_values_and_the_study_goes_on(tmp_path):
    changes = (CONSTRAINT, {"sampler": {"name": "tpe", "startup": 4}})
    first = pareto(tmp_path, *changes, trials=8)
    run_study(first, progress=False, slots=1)
    study = pareto(tmp_path, *changes, trials=12)
    result = run_study(study, progress=False, slots=1)
    assert (result.complete, result.added) == (12, 4)
    with sqlite3.connect(tmp_path / "small.db") as connection:
        directions = connection.execute(
            "select objective, direction from study_directions order by objective"
        ).fetchall()
        values = connection.execute("select count(*) from trial_values").fetchone()
    assert directions == [(0, "MINIMIZE"), (1, "MINIMIZE")]
    assert values == (24,)
    kept = optuna.load_study(study_name="small", storage=f"sqlite:///{tmp_path}/small.db")
    assert {best.number for best in result.front} == front(kept.trials)
    feasible = {trial.number for trial in kept.trials if trial.user_attrs["feasible"]}
    assert {trial.number for trial in kept.best_trials} & feasible == front(kept.trials)
    assert all(
        (max(trial.constraints.values()) <= 0) == trial.user_attrs["feasible"] for trial in kept.trials
    )
