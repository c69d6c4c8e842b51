"""Optuna's dashboard on a study: pictures of its trials, figures of ours, during a run too."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request

import optuna
import pytest
from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta

from calibrate import read_results, run_study
from calibrate.cli.commands import execute
from tests.helpers.browser import needs_browser, opened
from tests.helpers.studies import small_study, write_study
from tests.helpers.waiting import PATIENCE_S, wait_until

pytestmark = pytest.mark.usefixtures("in_tmp_path")

MANY = {"budget": {"trials": 40}}


class Serving:
    """`calibrate dashboard` in a process of its own."""

    def __init__(self, *more: str) -> None:
        command = [sys.executable, "-m", "calibrate.cli", "dashboard", "small.toml", "--no-browser", *more]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        self.said = ""
        for line in self.process.stderr:
            self.said += line
            if found := re.search(r"http://\S+", line):
                self.address = found[0]
                return
        raise AssertionError(self.said)

    def __enter__(self) -> Serving:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=PATIENCE_S)

    def api(self, path: str) -> dict:
        with urllib.request.urlopen(self.address.partition("/dashboard")[0] + path) as answer:
            return json.loads(answer.read())


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def test_trials_that_became_the_best_carry_pictures_and_statistics_from_the_start(tmp_path):
    study = small_study(tmp_path, MANY)
    result = run_study(study, slots=1, progress=False)
    of_optuna = optuna.load_study(study_name="small", storage="sqlite:///small.db")
    with_pictures = [
        trial.number for trial in of_optuna.trials if get_all_artifact_meta(trial, storage=of_optuna._storage)
    ]
    assert result.best.number in with_pictures
    assert 1 <= len(with_pictures) < 20
    losses = [of_optuna.trials[number].value for number in with_pictures]
    assert losses == sorted(losses, reverse=True)
    metas = get_all_artifact_meta(of_optuna.trials[result.best.number], storage=of_optuna._storage)
    assert sorted(meta.filename for meta in metas) == ["activity.png", "statistics.json"]
    store = FileSystemArtifactStore("small.artifacts")
    for meta in metas:
        with store.open_reader(meta.artifact_id) as file:
            content = file.read()
        if meta.filename.endswith("json"):
            assert json.loads(content)["rate_E"]["value"] == result.best.statistics["rate_E"]
        else:
            assert content.startswith(b"\x89PNG")
    assert of_optuna.metric_names == ["loss"]


def test_without_observations_there_are_no_pictures(tmp_path):
    study = small_study(tmp_path, storage={"observations": False})
    assert run_study(study, slots=1, progress=False).best is not None
    assert not (tmp_path / "small.artifacts").exists()


@pytest.mark.slow
@needs_browser
def test_the_dashboard_shows_the_study_its_figures_and_the_raster_of_the_best(tmp_path):
    study = small_study(tmp_path, MANY)
    run_study(study, slots=1, progress=False)
    best = read_results(study).best.number
    for again in (False, True):  # nothing is doubled, nothing simulated twice
        with Serving("--port", free_port()) as serving:
            found = serving.api("/api/studies/1")
            names = sorted(one["filename"] for one in found["artifacts"])
            assert names == sorted(
                f"calibrate_{name}.png" for name in ("history", "importance", "looseness", "map", "slices")
            )
            trial = found["trials"][best]
            assert [one["filename"] for one in trial["artifacts"]].count("raster.png") == 1
            if not again:
                continue
            with opened(f"{serving.address}/trials?numbers={best}", height=2000) as shown:
                shown.page.wait_for_selector("text=Artifacts")
                two = "[...document.images].filter(one => one.naturalWidth > 300).length >= 2"
                shown.page.wait_for_function(two)
                assert shown.complaints == []
                elsewhere = [u for u in shown.requests if "127.0.0.1" not in u and not u.startswith("data:")]
                assert elsewhere == []
    assert "again for its raster" not in serving.said


@pytest.mark.slow
def test_it_opens_during_a_run_and_harms_nothing(tmp_path):
    write_study(tmp_path, parameters={"pause_s": 0.15}, budget={"trials": 100})
    command = [sys.executable, "-m", "calibrate.cli", "run", "small.toml", "--slots", "1", "--json"]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: len(list(tmp_path.glob("small.observations/*.npz"))) >= 5, "five observations")
    with Serving("--port", free_port()) as serving:
        assert "again for its raster" not in serving.said  # that would take a core from the run
        first = len(serving.api("/api/studies/1")["trials"])
        out, err = run.communicate(timeout=PATIENCE_S)
        assert run.returncode == 0, err
        # The dashboard looks again every few seconds.
        wait_until(lambda: len(serving.api("/api/studies/1")["trials"]) >= 100, "100 trials in the dashboard")
        assert len(serving.api("/api/studies/1")["trials"]) == 100 > first
    assert json.loads(out)["trials"] == {"complete": 100, "failed": 0, "infeasible": 0, "added": 100}


def test_a_port_that_is_taken_and_a_study_that_has_not_begun_are_said(tmp_path, capfd):
    study = small_study(tmp_path)
    assert execute(["dashboard", "small.toml", "--no-browser"]) == 2
    assert "run it first" in capfd.readouterr().err
    run_study(study, slots=1, progress=False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert execute(["dashboard", "small.toml", "--no-browser", "--port", port]) == 2
    assert f"port {port}: it is in use; choose another with --port" in capfd.readouterr().err
