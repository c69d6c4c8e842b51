"""The store: what is kept where, and that nothing is kept twice."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import optuna
import pandas as pd
import pytest
from optuna.trial import TrialState

from calibrate.errors import StoreError
from calibrate.results.results import read_results
from calibrate.store import Store, find, storage_url
from calibrate.store.copying import copy_study
from calibrate.study import read_study
from calibrate.tasks.run import run_study, validate
from tests.helpers.stored import observation, rows, simulation, trials
from tests.helpers.studies import RATE_E, RATE_I, small_study, write_study

pytestmark = pytest.mark.usefixtures("in_tmp_path")


def test_simulations_are_kept_with_all_that_is_known_of_them(store):
    store.record(simulation("a", 7, observation=observation()))
    store.record(simulation("b", 8, reason="it broke", estimates={}))
    _, kept = store.news()
    assert kept[0] == simulation("a", 7, estimates=kept[0].estimates)
    rate = kept[0].estimates["rate_E"]
    assert (rate.value, rate.support) == (5.0, 40.0)
    assert kept[0].estimates["dwell_time_I"].lower_bound
    assert not kept[0].estimates["dwell_time"].defined
    assert kept[0].estimates["dwell_time"].note == "no up-state"
    assert kept[1].failed
    assert kept[1].reason == "it broke"
    status = rows("small.db", "select candidate, status, trial from calibrate_simulation")
    assert status == [(7, "complete", None), (8, "failed", None)]
    assert (
        rows("small.db", "select statistics from calibrate_simulation where candidate = 7")[0][0].count("NaN")
        == 0
    )


def test_a_simulation_is_kept_once(store):
    for wall_s in (0.25, 9.0):
        store.record(simulation("a", wall_s=wall_s))
        store.record(simulation("a", stage=2, wall_s=wall_s))
    assert rows("small.db", "select stage, wall_s from calibrate_simulation") == [(1, 0.25), (2, 0.25)]


def test_trials_are_mirrored_once_however_often_they_are_told(store, study):
    told = trials(study, "a", "b")
    for _ in range(3):
        store.mirror(told)
    store.mirror([*told, *trials(study, "c", loss=None)])
    found = optuna.load_study(study_name="small", storage=f"sqlite:///{Path('small.db').resolve()}").trials
    assert [trial.user_attrs["uuid"] for trial in found] == ["a", "b", "c"]
    assert [trial.state for trial in found] == [TrialState.COMPLETE, TrialState.COMPLETE, TrialState.FAIL]
    assert all(trial.system_attrs == {} for trial in found)
    assert [trial.params for trial in found[:2]] == [trial.params for trial in told]


def test_trials_are_mirrored_once_even_by_one_process_after_another(study):
    told = trials(study, "a", "b")
    for _ in range(2):
        with Store(study, storage_url(study)) as store:
            store.mirror(told)
    assert rows("small.db", "select count(*) from trials") == [(2,)]


def test_a_mirrored_trial_is_noted_with_its_simulation(store, study):
    store.record(simulation("a"))
    store.record(simulation("b"))
    store.mirror(trials(study, "x", "b"))
    assert rows("small.db", "select uuid, trial from calibrate_simulation") == [("a", None), ("b", 1)]
    _, untold = store.news()
    assert [kept.uuid for kept in untold] == ["a"]


def test_a_crash_between_mirroring_and_noting_is_mended(study):
    with Store(study, storage_url(study)) as store:
        store.record(simulation("a"))
        store.mirror(trials(study, "a"))
    with sqlite3.connect("small.db") as connection:
        connection.execute("update calibrate_simulation set trial = null")
    with Store(study, storage_url(study)) as store:
        told, untold = store.news()
    assert [trial.user_attrs["uuid"] for trial in told] == ["a"]
    assert untold == []


def test_simulations_are_found_by_candidate(store):
    store.record(simulation("a"))
    store.record(simulation("a", realisation=3))
    assert [(found.realisation, found.estimates["rate_E"].value) for found in store.simulations("a")] == [
        (0, 5.0),
        (3, 5.0),
    ]
    assert store.simulations("nobody") == []


def test_the_database_is_chosen_by_option_then_environment_then_file(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    named = small_study(tmp_path, storage={"url": "sqlite:///mine.db"})
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert storage_url(small_study(tmp_path)) == f"sqlite:///{tmp_path}/small.db"
    assert storage_url(named) == f"sqlite:///{tmp_path}/mine.db"
    monkeypatch.setenv("OPTUNA_STORAGE", "sqlite:///env.db")
    assert storage_url(named) == f"sqlite:///{tmp_path}/elsewhere/env.db"
    assert storage_url(named, "sqlite:////tmp/given.db") == "sqlite:////tmp/given.db"


def test_several_studies_share_a_database(tmp_path):
    for name in ("one", "two"):
        study = small_study(tmp_path, name=name)
        with Store(study, "sqlite:///both.db") as store:
            store.mirror(trials(study, f"{name}-a"))
            told = store.trials()
            assert [trial.user_attrs["uuid"] for trial in told] == [f"{name}-a"]
    assert optuna.get_all_study_names(f"sqlite:///{tmp_path}/both.db") == ["one", "two"]


def test_a_changed_study_is_refused_and_the_difference_shown(study, tmp_path):
    with Store(study, storage_url(study)) as store:
        store.record(simulation("a"))
    before = Path("small.db").read_bytes()
    changed = small_study(tmp_path, study={"seed": 4}, objectives=[RATE_E | {"target": 6.0}, RATE_I])
    with pytest.raises(StoreError) as error, Store(changed, storage_url(changed)):
        pass
    assert "[study] seed was 3, is 4; [objectives] rate_E.target was 5.0, is 6.0. Undo this" in str(
        error.value
    )
    assert Path("small.db").read_bytes() == before


def test_changes_that_cannot_matter_are_accepted(study, tmp_path):
    with Store(study, storage_url(study)) as store:
        store.record(simulation("a"))
    longer = small_study(tmp_path, budget={"trials": 9})
    with Store(longer, storage_url(longer)) as store:
        assert len(store.news()[1]) == 1


def test_an_optuna_study_of_someone_else_is_left_alone(study):
    optuna.create_study(study_name="small", storage="sqlite:///small.db")
    with pytest.raises(StoreError, match="that calibrate did not create"), Store(study, storage_url(study)):
        pass
    assert rows("small.db", "select count(*) from trials") == [(0,)]


DELETED = {
    "deleted": lambda url: optuna.delete_study(study_name="small", storage=url),
    "renamed": lambda url: rows(url.removeprefix("sqlite:///"), "update studies set study_name = 'mine'"),
}


@pytest.mark.parametrize("delete", DELETED.values(), ids=DELETED)
def test_trials_that_another_program_deleted_are_made_again_by_a_run(tmp_path, capsys, delete):
    """Optuna's dashboard can delete and rename studies; our tables keep every simulation."""
    study = read_study(write_study(tmp_path, replicates={"confirm": 2, "fresh": 2}))
    url = f"sqlite:///{tmp_path / 'small.db'}"
    before = run_study(study, slots=1, storage=url, progress=False)
    validate(study, slots=1, storage=url, progress=False)
    kept = read_results(study, storage=url)
    delete(url)
    message = r"another program deleted or renamed Optuna's study 'small'; calibrate run makes its trials"
    ready = find(study, url)
    for read in (read_results, validate):
        with pytest.raises(StoreError, match=message):
            read(study, storage=url)
    with pytest.raises(StoreError, match=message):
        copy_study(ready, url, f"sqlite:///{tmp_path / 'copy.db'}")
    after = run_study(study, slots=1, storage=url)
    assert f"{before.trials['complete']} trials are made again" in capsys.readouterr().err
    assert after.trials == {**before.trials, "added": 0}
    assert str(after.best) == str(before.best)
    results = read_results(study, storage=url)
    pd.testing.assert_frame_equal(results.trials, kept.trials)
    assert len(results.simulations) == len(kept.simulations)
    assert results.verdicts == []


def test_a_gap_in_the_numbers_of_trials_is_no_deletion(study):
    """An own script can ask Optuna for a trial that it never tells."""
    url = storage_url(study)
    with Store(study, url) as store:
        store.news()
        for uuid in "ab":
            store.record(simulation(uuid))
            store.mirror(trials(study, uuid))
            optuna.load_study(study_name=study.name, storage=url).ask()
    heard: list[str] = []
    with Store(study, url, say=heard.append) as store:
        store.news()
        assert len(store.trials()) == 2
    assert heard == []


def test_a_study_that_another_program_deletes_during_a_run_is_said(study):
    url = storage_url(study)
    with Store(study, url) as store:
        store.news()
        optuna.delete_study(study_name=study.name, storage=url)
        with pytest.raises(StoreError, match="deleted Optuna's study 'small' during this run; run again"):
            store.mirror(trials(study, "a"))
