"""Scoring again what was simulated, after targets, weights or statistics were changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from calibrate import StoreError, read_results, read_study, run_study
from calibrate.cli.commands import execute
from calibrate.tasks.run import rescore
from tests.helpers.studies import RATE_E, RATE_I, Tables, small_study, write_study

GRID = {
    "sampler": {"name": "grid"},
    "parameters": {name: {"low": 0.1, "high": 4.0, "points": 3} for name in ("I_E", "I_I")},
}
OWN = """
from calibrate import Needs, statistic

@statistic(needs=Needs(bin_ms=5.0))
def contrast(observation):
    "Spikes of E for each of I."
    return observation.totals("E").sum() / max(observation.totals("I").sum(), 1)

@statistic(needs=Needs(spikes=True))
def last(observation):
    "Step of the last spike."
    return observation.spikes.step.max()
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study that ran, to be copied."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "own.py").write_text(OWN)
    run_study(small_study(folder), slots=1, progress=False)
    return folder


@pytest.fixture(autouse=True)
def _ran(tmp_path: Path, finished: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)


def rescored(folder: Path, *changes: Tables) -> list[str]:
    said: list[str] = []
    rescore(small_study(folder, *changes), say=said.append)
    return said


def test_with_another_target_all_trials_count_again_and_nothing_is_simulated(tmp_path):
    before = read_results(small_study(tmp_path))
    change = {"objectives": [RATE_E | {"target": 15.0}, RATE_I]}
    assert rescored(tmp_path, change) == ["8 trials imported from study 'small'"]
    after = read_results(small_study(tmp_path, change))
    assert after.study.name.startswith("small-")
    assert after.counts == {"complete": 8, "failed": 0, "infeasible": 0, "taken_over": 8}
    assert after.spent.simulations == 0
    assert list(after.trials.I_E) == list(before.trials.I_E)
    assert list(after.trials.rate_E) == list(before.trials.rate_E)
    assert read_results(small_study(tmp_path)).counts["complete"] == 8  # the first is as it was


def test_the_losses_are_those_of_the_new_weights_worked_by_hand(tmp_path):
    change = {"objectives": [RATE_E | {"weight": 3.0}, RATE_I]}
    rescored(tmp_path, change)
    trials = read_results(small_study(tmp_path, change)).trials
    of_e = (trials.rate_E - 5.0) ** 2
    low, high = (9 - trials.rate_I).clip(lower=0), (trials.rate_I - 11).clip(lower=0)
    of_i = ((low + high) / 2) ** 2
    modest = (of_e <= 100) & (of_i <= 100)
    assert modest.sum() >= 3
    assert ((3 * of_e + of_i) / 4)[modest].tolist() == pytest.approx(trials.loss[modest].tolist())


def test_a_run_goes_on_from_what_was_scored_again(tmp_path):
    changes = {"objectives": [RATE_E | {"target": 15.0}, RATE_I], "budget": {"trials": 3}}
    rescored(tmp_path, changes)
    result = run_study(small_study(tmp_path, changes), slots=1, progress=False)
    assert (result.added, result.complete) == (3, 11)


def test_a_statistic_of_ones_own_is_computed_from_what_was_kept(tmp_path):
    change = {"objectives": [RATE_E, RATE_I | {"statistic": "own.py:contrast"}]}
    rescored(tmp_path, change)
    trials = read_results(small_study(tmp_path, change)).trials
    assert trials.contrast.tolist() == pytest.approx((4 * trials.rate_E / trials.rate_I).tolist())


def test_a_statistic_that_needs_what_was_not_kept_is_refused_with_the_reason(tmp_path, capsys):
    study = write_study(tmp_path, objectives=[RATE_E, RATE_I | {"statistic": "own.py:last"}])
    assert execute(["rescore", study.name]) == 1
    assert "8 cannot be rescored: statistic last raised" in capsys.readouterr().err


def test_a_grid_keeps_its_points(tmp_path):
    (tmp_path / "small.db").unlink()
    run_study(small_study(tmp_path, GRID, budget={"trials": 5}), slots=1, progress=False)
    changes = GRID | {"objectives": [RATE_E | {"target": 15.0}, RATE_I]}
    rescored(tmp_path, changes)
    result = run_study(small_study(tmp_path, changes), slots=1, progress=False)
    assert (result.added, result.complete) == (4, 9)
    points = read_results(small_study(tmp_path, changes)).trials[["I_E", "I_I"]]
    assert len(points.drop_duplicates()) == len(points)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, "has not changed"),
        (
            {"simulation": {"duration_ms": 1000}},
            "were simulated with different settings: .*duration_ms was 2000",
        ),
    ],
)
def test_what_cannot_be_scored_again_is_refused_and_begins_nothing(tmp_path, change, message):
    with pytest.raises(StoreError, match=message):
        rescored(tmp_path, change)
    assert read_results(small_study(tmp_path)).counts["complete"] == 8


def test_a_study_that_never_ran_cannot_be_scored_again(tmp_path):
    with pytest.raises(StoreError, match="no earlier study 'other'"):
        rescore(read_study(write_study(tmp_path, name="other")))


def test_the_command_prints_what_show_prints(tmp_path, capsys):
    study = write_study(tmp_path, objectives=[RATE_E | {"target": 15.0}, RATE_I])
    assert execute(["rescore", study.name, "--json"]) == 0
    found = json.loads(capsys.readouterr().out.replace("models may print\n", ""))
    assert execute(["show", study.name, "--json"]) == 0
    assert found == json.loads(capsys.readouterr().out.replace("models may print\n", ""))
    assert found["trials"]["taken_over"] == 8


def test_the_command_to_continue_names_the_database_that_was_named(tmp_path, capsys):
    url = f"sqlite:///{tmp_path / 'other.db'}"
    run_study(small_study(tmp_path), storage=url, slots=1, progress=False)
    write_study(tmp_path, objectives=[RATE_E | {"target": 15.0}, RATE_I])
    assert execute(["rescore", "small.toml", "--storage", url]) == 0
    assert f"calibrate run small.toml --storage {url}" in capsys.readouterr().out
