"""Studies with an environment: calibrated to behaviour, refused in a line, and `calibrate loop`."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from calibrate.cli.commands import execute
from calibrate.errors import PluginError, StudyError
from calibrate.results.results import read_results
from calibrate.simulators.closed_loop import Loop
from calibrate.study import read_study
from calibrate.tasks.loop import run_loop as run_study_loop
from calibrate.tasks.run import run_study
from tests.helpers.closed_loop import ENVIRONMENT, GYMNASIUM, looped_study
from tests.helpers.studies import RATE_E, RATE_I, write_study

REWARD = {"objectives": [RATE_E | {"statistic": "reward", "target": 2.0, "tolerance": 0.5}, RATE_I]}
STIMULUS = {"clusters": [0], "current_pA": 1.0, "duration_ms": 10.0, "onsets_ms": [0.0]}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "world.py").write_text(ENVIRONMENT)
    (tmp_path / "gym_world.py").write_text(GYMNASIUM)


def test_a_study_calibrates_behaviour(tmp_path):
    study = read_study(looped_study(tmp_path, REWARD))
    result = run_study(study, slots=2, progress=False)
    assert result.complete == 8
    assert result.best is not None
    assert result.best.statistics["reward"] == pytest.approx(2.0)
    results = read_results(study)
    assert results.trials["reward"].tolist() == [2.0] * 8


def test_the_loop_is_part_of_a_study_and_its_deadline_is_not(tmp_path):
    digest = read_study(looped_study(tmp_path)).digest
    assert read_study(looped_study(tmp_path, {"loop": {"deadline": "skip"}})).digest == digest
    assert read_study(looped_study(tmp_path, {"loop": {"interval_ms": 20.0}})).digest != digest
    (tmp_path / "world.py").write_text(ENVIRONMENT.replace("0.5, self", "0.25, self"))
    assert read_study(looped_study(tmp_path)).digest != digest


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loop": {"environment": "nowhere"}}, "there is no 'nowhere' among the installed environments"),
        ({"loop": {"environment": "world.py:something"}}, "must be an environment class"),
        ({"loop": {"environment": "world.py:broken"}}, "ValueError: no such robot"),
        ({"loop": {"options": {"speed": 3}}}, "unexpected keyword argument 'speed'"),
        ({"loop": {"input_population": "X"}}, "[loop] input_population is not a population"),
        ({"loop": {"input": "rate"}}, "population E has no Poisson input"),
        ({"loop": {"interval_ms": 0.5}}, "the interval of 0.5 ms is not a whole number of 1 ms steps"),
        ({"loop": {"interval_ms": 300.0}}, "a measurement of 2000 ms is not a whole number of 300 ms steps"),
        ({"stimuli": [STIMULUS]}, "[stimuli] cannot be used in a closed loop"),
        ({"loop": None, **REWARD}, "[objectives] need a closed loop"),
    ],
)
def test_a_loop_that_cannot_be_is_refused_in_a_line(tmp_path, change, message):
    with pytest.raises(StudyError) as error:
        read_study(looped_study(tmp_path, change))
    assert message in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_an_environment_that_is_none_is_refused(tmp_path):
    (tmp_path / "world.py").write_text("def make(): return 3\n")
    with pytest.raises(PluginError, match="returned an object of type int, which lacks reset or step"):
        Loop(environment="world.py:make", folder=tmp_path).made()


def test_check_lists_the_environment_before_it_is_imported(tmp_path, capfd):
    looped_study(tmp_path)
    assert execute(["check", "small.toml"]) == 0
    assert "world.py:Recorder" in "".join(capfd.readouterr())


def test_the_loop_command_prints_latencies(tmp_path, capfd):
    looped_study(tmp_path)
    assert execute(["loop", "small.toml", "--json", "--duration-ms", "1000"]) == 0
    out, _ = capfd.readouterr()
    found = json.loads(out)
    assert found["intervals"] == 100
    assert 0 < found["median_ms"] <= found["p95_ms"] <= found["max_ms"]
    assert 0 <= found["realtime_share"] <= 1
    assert len(found["episodes"]) == 25
    assert found["statistics"]["rate_E"] > 0
    assert execute(["loop", "small.toml", "--duration-ms", "1000"]) == 0
    out, err = capfd.readouterr()
    assert "100 intervals of 10 ms" in out
    assert "Episodes: 25, mean reward 2" in out
    assert "small: building the network" in err


def test_the_loop_of_a_trial_is_its_network_once_more(tmp_path, capfd):
    study = read_study(looped_study(tmp_path))
    run_study(study, slots=1, progress=False)
    capfd.readouterr()
    assert execute(["loop", "small.toml", "--json", "--trial", "3"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["statistics"]["rate_E"] == pytest.approx(read_results(study).trials["rate_E"][3])


def test_a_study_without_a_loop_has_none_to_run(tmp_path, capfd):
    write_study(tmp_path)
    assert execute(["loop", "small.toml"]) == 2
    assert "has no closed loop: add [loop]" in capfd.readouterr().err


def test_a_loop_stops_where_it_is_asked_to(tmp_path):
    study = read_study(looped_study(tmp_path), changes={"simulation.duration_ms": 600_000.0})
    began = time.perf_counter()
    looped = run_study_loop(study, interrupted=lambda: time.perf_counter() - began > 1.0)
    assert 0 < looped.run.latencies.total.size < 60_000
    assert looped.observation.duration_ms == 10.0 * looped.run.latencies.total.size
