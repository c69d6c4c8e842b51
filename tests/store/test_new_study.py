"""A study that was changed: begun anew, and what it takes over."""

from __future__ import annotations

import re
import shutil
import sqlite3
import sys
from pathlib import Path

import numpy as np
import pytest

from calibrate.cli.commands import execute
from calibrate.errors import StoreError
from calibrate.objective import Estimate
from calibrate.store import Adopted, Store, resolve_name, schema, storage_url
from calibrate.study import read_study
from tests.helpers.in_memory import Bench
from tests.helpers.new_studies import (
    NARROW,
    PLUS,
    TARGET,
    names,
    refused,
    rows,
    taken,
    taking,
    trials,
    uuids,
    went,
)
from tests.helpers.studies import RATE_E, RATE_I, small_study, write_study

pytestmark = pytest.mark.usefixtures("in_tmp_path")


def test_trials_inside_the_ranges_are_taken_over_and_not_counted_in_the_budget(tmp_path):
    went(small_study(tmp_path, budget={"trials": 20}))
    result, adopted, name = taking(small_study(tmp_path, NARROW))
    inside = [trial for trial in trials("small") if 1.0 <= trial.params["I_E"] <= 2.5]
    assert 0 < len(inside) < 20
    assert uuids(taken(name)) == uuids(inside)
    assert adopted == Adopted(taken=len(inside), outside=20 - len(inside), without_observation=0)
    assert {trial.user_attrs["origin"] for trial in taken(name)} == {"small"}
    assert (result.added, result.complete) == (8, 8 + len(inside))
    assert len(trials(name)) == 8 + len(inside)
    assert len({t.user_attrs["index"] for t in trials(name)}) == 8 + len(inside)
    # They are told first, and nothing of them is simulated again.
    assert [trial.number for trial in taken(name)] == list(range(len(inside)))


def test_nothing_that_was_taken_over_is_simulated_again(tmp_path):
    went(small_study(tmp_path))
    bench = Bench()
    result, _, name = went(small_study(tmp_path, TARGET), new=True, origins=["small"], bench=bench)
    assert result.complete == 16
    assert len(bench.asked) == 8
    assert not uuids(taken(name)) & {candidate.uuid for candidate in bench.asked}


def test_trials_that_are_taken_over_are_scored_with_the_new_targets(tmp_path):
    went(small_study(tmp_path))
    study = small_study(tmp_path, objectives=[RATE_E | {"target": 7.0}, RATE_I | {"interval": [2, 3]}])
    _, _, name = taking(study)
    old = {trial.user_attrs["uuid"]: trial for trial in trials("small")}
    assert len(taken(name)) == 8
    for trial in taken(name):
        before = old[trial.user_attrs["uuid"]]
        expected = np.mean([one.loss(Estimate(before.user_attrs[one.name])) for one in study.objectives])
        assert trial.value == pytest.approx(expected)
        assert trial.value != before.value
        assert trial.params == before.params


def test_statistics_that_the_old_study_did_not_have_are_computed_from_the_observations(tmp_path):
    went(small_study(tmp_path))
    _, _, name = taking(
        small_study(
            tmp_path, objectives=[RATE_E | {"statistic": "statistics.py:peak", "target": 9.0}, RATE_I]
        )
    )
    assert len(taken(name)) == 8
    assert all(trial.user_attrs["peak"] > 0 for trial in taken(name))


def test_constraints_judge_trials_that_are_taken_over(tmp_path):
    went(small_study(tmp_path, budget={"trials": 20}))
    bounded = small_study(tmp_path, constraints=[{"statistic": "rate_E", "max": 10.0}])
    result, _, name = taking(bounded)
    assert len(taken(name)) == 20
    for trial in taken(name):
        assert trial.user_attrs["feasible"] == (trial.user_attrs["rate_E"] <= 10)
    assert result.infeasible >= sum(not trial.user_attrs["feasible"] for trial in taken(name)) > 0


def test_taking_over_again_takes_only_what_is_new(tmp_path):
    went(small_study(tmp_path))
    changed = small_study(tmp_path, TARGET)
    _, first, name = taking(changed)
    assert first.taken == 8
    _, again, same = taking(changed)
    assert (same, again.taken) == (name, 0)
    assert len(trials(name)) == 16
    went(small_study(tmp_path, budget={"trials": 12}))
    _, later, _ = taking(small_study(tmp_path, TARGET))
    assert later.taken == 4
    assert len(trials(name)) == 20
    assert len(uuids(trials(name))) == len({t.user_attrs["index"] for t in trials(name)}) == 20


def test_a_run_that_is_stopped_before_they_are_told_tells_them_later(tmp_path):
    went(small_study(tmp_path))
    changed = small_study(tmp_path, TARGET)
    url = storage_url(changed)
    place = resolve_name(changed, url, new=True)
    with Store(place.study, url) as store:
        assert store.adopt("small").taken == 8
    result, _, name = went(changed)
    assert (result.added, result.complete) == (8, 16)
    assert uuids(taken(name)) == uuids(trials("small"))


def test_failed_trials_are_not_taken_over(tmp_path):
    went(small_study(tmp_path), bench=Bench(fail=lambda candidate: candidate.parameters["I_E"] > 2))
    complete = [trial for trial in trials("small") if trial.value is not None]
    assert 0 < len(complete) < 8
    _, adopted, name = taking(small_study(tmp_path, TARGET))
    assert adopted == Adopted(taken=len(complete), outside=0, without_observation=0)
    assert uuids(taken(name)) == uuids(complete)


def test_trials_without_observations_are_counted_and_left(tmp_path):
    went(small_study(tmp_path, storage={"observations": False}))
    result, adopted, name = taking(small_study(tmp_path, TARGET))
    assert adopted == Adopted(taken=0, outside=0, without_observation=8)
    assert (result.complete, taken(name)) == (8, [])


def test_a_trial_whose_observation_was_lost_or_changed_is_left(tmp_path):
    went(small_study(tmp_path))
    lost, changed, *_ = sorted((tmp_path / "small.observations").iterdir())
    lost.unlink()
    changed.write_bytes(b"something else")
    _, adopted, _ = taking(small_study(tmp_path, TARGET))
    assert adopted == Adopted(taken=6, outside=0, without_observation=2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"simulation": {"duration_ms": 3000}}, "duration_ms was 2000.0, is 3000.0"),
        ({"simulation": {"dt_ms": 0.5}}, "dt_ms was 1.0, is 0.5"),
        ({"simulation": {"warmup_ms": 100.0}}, "warmup_ms was 0.0, is 100.0"),
        ({"model": {"name": "other.py:tiny"}}, "name was .*tiny.py:tiny.*, is .*other.py:tiny"),
        (
            {"hardware": {"target": "custom", "threshold_cv": 0.1, "search": True}},
            "threshold_cv = 0.1 was added",
        ),
    ],
    ids=["duration", "step", "warm-up", "model", "hardware"],
)
def test_trials_that_were_simulated_otherwise_are_refused_and_nothing_is_begun(
    tmp_path, capfd, change, message
):
    went(small_study(tmp_path))
    shutil.copy(tmp_path / "tiny.py", tmp_path / "other.py")
    before = names()
    path = write_study(tmp_path, change)
    line = refused(capfd, "run", str(path), "--new", "--import", "--slots", "1", "--quiet")
    assert re.search(f"trials of study 'small' were simulated with different settings: .*{message}", line)
    assert names() == before
    assert execute(["run", str(path), "--new", "--slots", "1", "--quiet", "--trials", "1"]) == 0


def test_the_code_of_the_model_counts_and_that_of_a_statistic_does_not(tmp_path, monkeypatch):
    own = {"objectives": [RATE_E | {"statistic": "statistics.py:peak", "target": 9.0}, RATE_I]}
    went(small_study(tmp_path, own))
    study = small_study(tmp_path, own)
    statistics = (tmp_path / "statistics.py").read_text()
    (tmp_path / "statistics.py").write_text(statistics.replace("/ 0.2", "/ 0.4"))
    for name in [name for name in sys.modules if name.startswith("calibrate_file_")]:
        monkeypatch.delitem(sys.modules, name)  # as in another process
    _, adopted, name = taking(read_study(study.path))
    assert adopted.taken == 8
    peaks = {trial.user_attrs["uuid"]: trial.user_attrs["peak"] for trial in trials("small")}
    assert all(t.user_attrs["peak"] == peaks[t.user_attrs["uuid"]] / 2 for t in taken(name))
    (tmp_path / "tiny.py").write_text((tmp_path / "tiny.py").read_text() + "\nnothing = 1\n")
    with pytest.raises(
        StoreError, match=r"simulated with different settings: the code of tiny.py was changed"
    ):
        went(read_study(study.path), new=True, origins=["small"])


def test_another_value_of_a_fixed_parameter_lies_outside(tmp_path):
    went(small_study(tmp_path))
    _, adopted, _ = taking(small_study(tmp_path, PLUS))
    assert adopted == Adopted(taken=0, outside=8, without_observation=0)


def test_a_fixed_parameter_that_becomes_free_has_the_value_that_it_had(tmp_path):
    went(small_study(tmp_path))
    _, adopted, name = taking(small_study(tmp_path, parameters={"J+": {"low": 1.0, "high": 3.0}}))
    assert adopted.taken == 8
    assert {trial.params["J+"] for trial in taken(name)} == {2.0}


def test_a_free_parameter_that_is_fixed_now_takes_what_had_this_value(tmp_path):
    went(small_study(tmp_path, parameters={"I_E": {"choices": [1.0, 2.0]}}))
    _, adopted, name = taking(small_study(tmp_path, parameters={"I_E": 2.0}))
    fitting = [trial for trial in trials("small") if trial.params["I_E"] == 2.0]
    assert adopted.taken == len(fitting) > 0
    assert all(set(trial.params) == {"I_I"} for trial in taken(name))


def test_a_derived_parameter_is_compared_by_its_value(tmp_path):
    went(small_study(tmp_path))
    _, adopted, _ = taking(small_study(tmp_path, parameters={"J+": {"expression": "N_Q"}}))  # which is 2
    assert adopted.taken == 8


def test_graphs_that_were_fresh_stay_fresh(tmp_path):
    lenient = {"objectives": [RATE_E, RATE_I | {"tolerance": 8.0}]}
    went(small_study(tmp_path, lenient, replicates={"confirm": 1, "fresh": 2}))
    assert rows("select max(realisation) from calibrate_simulation") == [(3,)]
    study = small_study(tmp_path, lenient, replicates={"graphs": 6})
    url = storage_url(study)
    place = resolve_name(study, url, new=True)
    with Store(place.study, url) as store:
        store.adopt("small")
        _, found = store.news()
    assert {simulation.realisation for simulation in found} == {0, 1}


def test_what_is_missing_on_further_graphs_is_simulated(tmp_path):
    went(small_study(tmp_path))
    bench = Bench()
    study = small_study(tmp_path, replicates={"graphs": 2})
    result, _, name = went(study, new=True, origins=["small"], bench=bench)
    assert result.complete == 16
    ours = [c.realisation for c in bench.asked if c.uuid in uuids(taken(name))]
    assert ours == [1] * 8
    assert {trial.user_attrs["graphs"] for trial in trials(name)} == {2}


def test_trials_of_a_study_of_stages_are_those_of_its_last_stage(tmp_path):
    stages = {"constraints": [{"statistic": "rate_E", "max": 10.0}], "stages": [{"duration_ms": 500}]}
    went(small_study(tmp_path, stages, budget={"trials": 20}))
    full = [trial for trial in trials("small") if trial.user_attrs["stage"] == 2]
    assert 0 < len(full) < 20
    _, adopted, name = taking(small_study(tmp_path, TARGET))
    assert adopted.taken == len(full)
    assert uuids(taken(name)) == uuids(full)
    _, back, third = went(
        small_study(tmp_path, stages, objectives=[RATE_E | {"target": 8.0}, RATE_I]),
        new=True,
        origins=[name],
    )
    assert back[name].taken == len(full) + 8
    assert {t.user_attrs["stage"] for t in taken(third)} == {2}


def test_a_plateau_is_counted_from_the_trials_of_the_study_itself(tmp_path):
    went(small_study(tmp_path, budget={"trials": 30}))
    result, adopted, name = taking(small_study(tmp_path, NARROW, budget={"trials": 40, "plateau": 6}))
    assert adopted.taken > 6
    own = [trial for trial in trials(name) if "origin" not in trial.user_attrs]
    assert result.stopped == "plateau"
    assert 6 <= len(own) < 40


def test_a_grid_takes_nothing_over(tmp_path, capfd):
    went(small_study(tmp_path))
    path = write_study(
        tmp_path,
        parameters={"I_E": {"low": 1, "high": 3, "step": 1}, "I_I": {"low": 1, "high": 2, "points": 2}},
        sampler={"name": "grid"},
        budget={"trials": None},
    )
    line = refused(capfd, "run", str(path), "--new", "--import", "--slots", "1", "--quiet")
    assert "grid" in line
    assert "--import" in line
    assert names() == ["small"]


def test_a_study_of_the_first_version_is_migrated_by_the_study_that_follows_it(tmp_path):
    data = Path(__file__).parents[1] / "data"
    with sqlite3.connect("version1.db") as connection:
        connection.executescript((data / "version1.sql").read_text())
        assert connection.execute("select version from calibrate_schema").fetchall() == [(1,)]
    text = (data / "version1.toml").read_text()
    (tmp_path / "version1.toml").write_text(text.replace("target = 6.0", "target = 5.0"))
    study = read_study("version1.toml")
    url = storage_url(study)
    with pytest.raises(StoreError, match=r"rate_E.target was 6.0, is 5.0"):
        resolve_name(study, url)
    place = resolve_name(study, url, new=True)
    assert place.predecessor == "version1"
    with Store(place.study, url) as store:
        assert store.adopt("version1") == Adopted(taken=0, outside=0, without_observation=4)
    with sqlite3.connect("version1.db") as connection:
        assert connection.execute("select version from calibrate_schema").fetchall() == [(schema.latest(),)]
        assert connection.execute("select name from calibrate_study order by id").fetchall() == [
            ("version1",),
            (place.study.name,),
        ]
        assert connection.execute("select count(*), count(origin) from calibrate_simulation").fetchall() == [
            (4, 0)
        ]
