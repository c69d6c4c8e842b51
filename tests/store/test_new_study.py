"""A study that was changed: refused, begun anew under a name of its own, and what it takes over."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial

from calibrate.calibration.loop import run
from calibrate.calibration.result import Result
from calibrate.cli.commands import execute
from calibrate.errors import StoreError
from calibrate.objective import Estimate
from calibrate.store import Adopted, Store, check_origins, resolve_name, schema, storage_url
from calibrate.study import Study, read_study
from tests.helpers.in_memory import Bench
from tests.helpers.studies import RATE_E, RATE_I, small_study, write_study

pytestmark = pytest.mark.usefixtures("in_tmp_path")

NARROW = {"parameters": {"I_E": {"low": 1.0, "high": 2.5}}}
TARGET = {"objectives": [RATE_E | {"target": 7.0}, RATE_I]}
PLUS = {"parameters": {"J+": 3}}


def went(
    study: Study, *, new: bool = False, origins: Sequence[str] = (), bench: Bench | None = None
) -> tuple[Result, dict[str, Adopted], str]:
    """Run `study` in its database as the command does, without processes; its name there."""
    url = storage_url(study)
    place = resolve_name(study, url, new=new)
    with Store(place.study, url) as store:
        adopted = {name: store.adopt(name) for name in origins}
        return run(place.study, pool=bench or Bench(), store=store), adopted, place.study.name


def taking(study: Study) -> tuple[Result, Adopted, str]:
    """The study begun anew, with the trials of study "small"."""
    result, adopted, name = went(study, new=True, origins=["small"])
    return result, adopted["small"], name


def trials(name: str) -> list[FrozenTrial]:
    return optuna.load_study(study_name=name, storage=f"sqlite:///{Path.cwd()}/small.db").trials


def uuids(found: Sequence[FrozenTrial]) -> set[str]:
    return {trial.user_attrs["uuid"] for trial in found}


def taken(name: str) -> list[FrozenTrial]:
    return [trial for trial in trials(name) if "origin" in trial.user_attrs]


def rows(query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect("small.db") as connection:
        return connection.execute(query).fetchall()


def names() -> list[str]:
    return [name for (name,) in rows("select name from calibrate_study order by id")]


def refused(capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    capfd.readouterr()
    assert execute(arguments) == 2
    (line,) = [x for x in capfd.readouterr().err.splitlines() if x != "models may print"]
    assert line.startswith("error: ")
    return line


# --- names ------------------------------------------------------------------------------------------


def test_a_changed_study_is_refused_with_the_difference_and_the_way_on(tmp_path, capfd):
    went(small_study(tmp_path))
    before = Path("small.db").read_bytes()
    path = write_study(tmp_path, TARGET, NARROW)
    line = refused(capfd, "run", str(path))
    assert "rate_E.target was 5.0, is 7.0" in line
    assert "I_E.low was 0.1, is 1.0" in line
    assert "--new" in line
    assert "--import" in line
    assert Path("small.db").read_bytes() == before


def test_a_new_study_has_the_name_and_eight_digits_and_a_plain_run_goes_on_with_it(tmp_path):
    first, _, _ = went(small_study(tmp_path))
    changed = small_study(tmp_path, TARGET)
    result, _, name = went(changed, new=True)
    assert re.fullmatch(r"small-[0-9a-f]{8}", name)
    assert name == f"small-{changed.digest[:8]}"
    assert (result.complete, result.added) == (8, 8)
    more = small_study(tmp_path, TARGET, budget={"trials": 10})
    result, _, again = went(more)
    assert again == name
    assert (result.complete, result.added) == (10, 2)
    assert names() == ["small", name]
    back, _, original = went(small_study(tmp_path))
    assert original == "small"
    assert back.best == first.best


def test_each_change_is_a_study_of_its_own_and_comes_after_the_last(tmp_path):
    went(small_study(tmp_path))
    _, _, second = went(small_study(tmp_path, TARGET), new=True)
    third = small_study(tmp_path, objectives=[RATE_E | {"target": 8.0}, RATE_I])
    place = resolve_name(third, storage_url(third), new=True)
    assert place.predecessor == second
    with pytest.raises(StoreError, match=f"differs from study '{second}'.*target was 7.0, is 8.0"):
        resolve_name(third, storage_url(third))
    went(third, new=True)
    assert len(set(names())) == 3


def test_observations_of_a_new_study_lie_in_a_folder_of_its_own(tmp_path):
    went(small_study(tmp_path))
    _, _, name = went(small_study(tmp_path, TARGET), new=True)
    assert len(list((tmp_path / "small.observations").iterdir())) == 8
    assert len(list((tmp_path / f"{name}.observations").iterdir())) == 8


def test_a_new_study_that_has_not_changed_is_refused(tmp_path, capfd):
    study = small_study(tmp_path)
    went(study)
    line = refused(capfd, "run", str(study.path), "--new")
    assert "has not changed" in line
    assert names() == ["small"]


def test_a_new_study_where_there_is_none_is_the_first(tmp_path):
    result, _, name = went(small_study(tmp_path), new=True)
    assert (name, result.added) == ("small", 8)


def test_studies_whose_names_only_begin_alike_are_left_alone(tmp_path):
    for name in ("small-one", "small-0123456789", "smaller"):
        study = small_study(tmp_path, study={"seed": 4, "name": name})
        with Store(study, "sqlite:///small.db"):
            pass
    study = small_study(tmp_path)
    assert resolve_name(study, "sqlite:///small.db").study.name == "small"
    assert resolve_name(study, "sqlite:///small.db").predecessor is None


def test_taking_over_belongs_to_a_new_study(tmp_path, capfd):
    path = write_study(tmp_path)
    assert "requires --new" in refused(capfd, "run", str(path), "--import")
    assert not Path("small.db").exists()


# --- trials that are taken over ---------------------------------------------------------------------


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
    ],
    ids=["duration", "step", "warm-up", "model"],
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


# --- what is known before ---------------------------------------------------------------------------


def test_a_study_that_the_file_names_is_taken_over_at_every_run(tmp_path, capfd):
    went(small_study(tmp_path))
    storage = {"url": "sqlite:///small.db"}
    path = write_study(tmp_path, TARGET, prior={"study": "small"}, storage=storage, name="other")
    command = ["run", str(path), "--slots", "1"]
    assert execute(command) == 0
    assert "8 trials imported from study 'small'" in capfd.readouterr().err
    assert uuids(taken("other")) == uuids(trials("small"))
    assert len(trials("other")) == 16
    assert execute([*command, "--trials", "9", "--json"]) == 0
    printed = json.loads(capfd.readouterr().out)["trials"]
    assert (printed["complete"], printed["added"]) == (17, 1)
    assert len(uuids(trials("other"))) == 17


@pytest.mark.parametrize("name", ["smal", "other"])
def test_a_prior_study_that_is_not_there_is_refused_and_nothing_is_begun(tmp_path, capfd, name):
    went(small_study(tmp_path))
    storage = {"url": "sqlite:///small.db"}
    path = write_study(tmp_path, prior={"study": name}, storage=storage, name="other")
    line = refused(capfd, "run", str(path), "--slots", "1", "--quiet")
    assert f"has no other study '{name}'" in line
    assert "small" in line
    assert names() == ["small"]
    assert rows("select study_name from studies") == [("small",)]


def test_a_prior_study_where_there_is_no_database_creates_none(tmp_path, capfd):
    path = write_study(tmp_path, prior={"study": "small-1"})
    line = refused(capfd, "run", str(path), "--slots", "1", "--quiet")
    assert line.endswith("has no other study 'small-1'; other studies: none")
    assert not Path("small.db").exists()


def test_a_database_that_is_given_as_a_uri_is_asked_too(tmp_path):
    went(small_study(tmp_path))
    changed, url = small_study(tmp_path, TARGET), f"sqlite:///file:{tmp_path}/small.db?uri=true"
    place = resolve_name(changed, url, new=True)
    assert place.predecessor == "small"
    check_origins(place.study, url, ["small"])


def test_points_are_tried_first_and_once(tmp_path):
    points = [{"I_E": 1.0, "I_I": 2.0}, {"I_E": 3.0}]
    command = ["run", str(write_study(tmp_path, prior={"points": points})), "--slots", "1", "--quiet"]
    assert execute([*command, "--trials", "1"]) == 0
    assert execute([*command, "--trials", "3"]) == 0
    assert execute([*command, "--trials", "5"]) == 0
    found = [trial.params for trial in trials("small")]
    assert len(found) == 5
    assert found[0] == {"I_E": 1.0, "I_I": 2.0}
    assert found[1]["I_E"] == 3.0
    assert all(params["I_E"] not in (1.0, 3.0) for params in found[2:])


def test_points_may_be_added_while_a_study_goes_on(tmp_path):
    went(small_study(tmp_path))
    study = small_study(tmp_path, budget={"trials": 12}, prior={"points": [{"I_E": 1.5, "I_I": 2.5}]})
    result, _, name = went(study)
    assert name == "small"
    assert result.added == 4
    assert trials("small")[8].params == {"I_E": 1.5, "I_I": 2.5}


# --- an older database ------------------------------------------------------------------------------


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
