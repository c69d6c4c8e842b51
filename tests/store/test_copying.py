"""Exporting a study for other programs, and copying it to another database."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna_dashboard._note import get_note_from_system_attrs, save_note_with_version
from optuna_dashboard.artifact._backend import list_trial_artifacts

from calibrate import StoreError, read_results, read_study, run_study, validate
from calibrate.cli.commands import execute
from calibrate.report.dashboard import hang
from calibrate.store import Gallery, Store, copy_study, storage_url
from tests.helpers.studies import small_study

pytestmark = pytest.mark.usefixtures("in_tmp_path")

VALIDATED = {"validation": {"replicates": 3}}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study that ran and was validated, to be copied."""
    folder = tmp_path_factory.mktemp("finished")
    found = small_study(folder, VALIDATED)
    run_study(found, slots=1, progress=False)
    validate(found, slots=1, progress=False)
    return folder


@pytest.fixture
def study(tmp_path: Path, finished: Path):
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return read_study(tmp_path / "small.toml")


def test_an_export_holds_every_trial_simulation_and_statistic(study, tmp_path, capsys):
    assert execute(["export", "small.toml"]) == 0
    assert len(capsys.readouterr().out.split()) >= 4
    results, folder = read_results(study), tmp_path / "small.export"
    trials = pd.read_csv(folder / "trials.csv", index_col="number", dtype={"lower_bounds": str})
    pd.testing.assert_frame_equal(trials.fillna({"lower_bounds": ""}), results.trials, check_dtype=False)
    simulations = pd.read_csv(folder / "simulations.csv")
    assert len(simulations) == len(results.simulations) == 8 + 3
    statistics = pd.read_csv(folder / "statistics.csv")
    rate = statistics.query("statistic == 'rate_E' and stage == 1").set_index("trial").value
    np.testing.assert_allclose(rate[results.trials.index], results.trials.rate_E)
    whole = json.loads((folder / "study.json").read_text())
    assert whole["content"] == study.content
    assert whole["text"] == (tmp_path / "small.toml").read_text()
    assert whole["validation"][0]["trial"] == results.best.number
    assert execute(["export", "small.toml", "-o", "elsewhere", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out.replace("models may print\n", ""))["files"]) == 4
    (tmp_path / "file").touch()
    assert execute(["export", "small.toml", "-o", "file"]) == 2


def test_a_copy_has_everything_and_goes_on(study, tmp_path, capsys):
    (tmp_path / "archive").mkdir()
    best = read_results(study).best.number
    hang(read_results(study), Gallery(study, storage_url(study)), simulate=True, say=lambda _: None)
    optuna.create_study(study_name="other", storage="sqlite:///archive/all.db").add_trial(
        optuna.trial.create_trial(value=1.0)
    )  # so that ids of trials are others there
    optuna.logging.set_verbosity(optuna.logging.INFO)
    try:
        assert execute(["copy", "small.toml", "--to", "sqlite:///archive/all.db"]) == 0
    finally:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
    out, err = capsys.readouterr()
    assert err == ""
    assert "8 trials, 11 simulations, 1 verdicts" in out
    here, there = read_results(study), read_results(study, storage="sqlite:///archive/all.db")
    assert there.best == here.best
    pd.testing.assert_frame_equal(there.trials, here.trials)
    assert there.verdicts == here.verdicts
    found = there.observation(best)
    np.testing.assert_array_equal(found.neuron_totals, here.observation(best).neuron_totals)
    gallery = Gallery(study, "sqlite:///archive/all.db")
    assert gallery.has(best, "raster.png")
    assert not any(gallery.has(k, "raster.png") for k in range(8) if k != best)
    more = read_study("small.toml", changes={"budget.trials": 12})
    result = run_study(more, slots=1, progress=False, storage="sqlite:///archive/all.db")
    assert (result.complete, result.added) == (12, 4)
    assert read_results(study).counts["complete"] == 8  # the first is as it was


def test_notes_and_pictures_stay_with_their_trials_where_ids_overlap(study, tmp_path):
    here = optuna.load_study(study_name="small", storage="sqlite:///small.db")
    pictures = Gallery(study, storage_url(study))
    for trial in here.trials:
        trial_id = trial._trial_id
        save_note_with_version(here._storage, here._study_id, trial_id, 1, f"note {trial.number}")
        pictures.add_to_trial(trial.number, {f"{trial.number}.txt": b"x"})
    url = f"sqlite:///{tmp_path}/other.db"
    optuna.create_study(study_name="other", storage=url).add_trial(optuna.trial.create_trial(value=1.0))
    copy_study(study, storage_url(study), url)
    there = optuna.load_study(study_name="small", storage=url)
    attributes = there._storage.get_study_system_attrs(there._study_id)
    for trial in there.trials:
        assert get_note_from_system_attrs(attributes, trial._trial_id)["body"] == f"note {trial.number}"
        names = {one["filename"] for one in list_trial_artifacts(attributes, {}, trial)}
        assert names == {f"{trial.number}.txt"}


def test_a_copy_changes_nothing_where_it_cannot_be_made(study, tmp_path, capfd):
    url = storage_url(study)
    with pytest.raises(StoreError, match="is the study's current database"):
        copy_study(study, url, url)
    with Store(study, url) as store:
        store.news()
        with pytest.raises(StoreError, match=r"is running \(process \d+ on .+\); wait for it, or stop it"):
            copy_study(study, url, f"sqlite:///{tmp_path}/other.db")
    copy_study(study, url, f"sqlite:///{tmp_path}/other.db")
    with pytest.raises(StoreError, match="already holds a study 'small'"):
        copy_study(study, url, f"sqlite:///{tmp_path}/other.db")
    assert execute(["copy", "small.toml", "--to", "sqlite:///nowhere/x.db"]) == 2
    assert "there is no folder" in capfd.readouterr().err
    with sqlite3.connect("other.db") as connection:
        assert connection.execute("select count(*) from calibrate_simulation").fetchone() == (11,)
        assert connection.execute("select count(*) from studies").fetchone() == (1,)
