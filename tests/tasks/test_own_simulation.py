"""Studies of a simulation of one's own, from their file to the verdict: what a user sees."""

# ruff: noqa: ARG001 - signatures are what is tested

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import optuna
import pytest

from calibrate import (
    SimulatorError,
    StudyError,
    make_report,
    make_study,
    read_results,
    read_study,
    run_loop,
    run_study,
    scale,
    simulate,
    validate,
    write_report,
)
from calibrate.cli.commands import execute

SIMULATION = """
import os, sys, time
import numpy as np
from sizes import SIZES

def simulate(parameters, *, seed, graph_seed, duration_ms, warmup_ms):
    "Poisson neurons."
    trouble = parameters.get("trouble", "none")
    if trouble == "raise":
        raise RuntimeError("a bug")
    if trouble == "exit":
        sys.exit("enough")
    if trouble == "die":
        os._exit(7)
    if trouble == "hang":
        time.sleep(600)
    if trouble == "print":
        print("to standard output")
        os.write(1, b"to file descriptor 1\\n")
    if trouble == "short":
        return {"E": [[]]}
    random, stop_ms = np.random.default_rng(seed), warmup_ms + duration_ms
    counts = random.poisson(parameters["rate"] * stop_ms / 1000, SIZES["E"])
    return {"E": [random.uniform(0, stop_ms, n) for n in counts]}

print("hello", flush=True)
os.write(1, b"hello from C\\n")
"""
SIZES = "SIZES = {'E': 40}\n"
STUDY = """
[model]
name = "my_network.py:simulate"
populations = { E = 40 }

[parameters]
rate = { low = 1.0, high = 20.0 }

[simulation]
warmup_ms = 100.05
duration_ms = 1002.0

[[objectives]]
statistic = "rate_E"
target = 8.0
tolerance = 2.0

[replicates]
graphs = 2
confirm = 1
fresh = 1

[validation]
replicates = 3

[budget]
trials = 6
"""


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "my_network.py").write_text(SIMULATION)
    (tmp_path / "sizes.py").write_text(SIZES)
    (tmp_path / "my_study.toml").write_text(STUDY)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "my_study.toml"


def edited(path: Path, *changes: tuple[str, str]) -> Path:
    text = path.read_text()
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    path.write_text(text)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(StudyError) as caught:
        read_study(path)
    (line,) = str(caught.value).splitlines()
    return line


def test_a_study_of_it_runs_is_resumed_validated_and_reported(written):
    study = read_study(written)
    first = run_study(read_study(written, changes={"budget.trials": 3}), progress=False, slots=1)
    assert first.trials["complete"] == 3
    result = run_study(study, progress=False, slots=1)
    assert (result.trials["complete"], result.trials["added"]) == (6, 3)
    results = read_results(study)
    assert results.simulators == ["my_network.py:simulate"]
    (verdict,) = validate(study, [result.best.number], progress=False, slots=1).verdicts
    assert verdict.simulators == ("my_network.py:simulate",)
    assert any("no second simulator" in reason for reason in verdict.reasons)
    report = written.with_name("report.html")
    write_report(make_report(read_results(study), simulate=False), report)
    methods = report.read_text()
    assert "own function my_network.py:simulate (SHA-256 of its code" in methods
    assert "for 1.002 s after 0.10005 s" in methods
    with pytest.raises(SimulatorError, match=r"my_network.py:simulate only returns spikes"):
        validate(study, [0], exact=True, progress=False)
    # The code of the function, and of what it imports, is part of the study.
    edited(written.with_name("sizes.py"), ("40", "20 * 2"))
    with pytest.raises(Exception, match=r"code of sizes.py was changed"):
        run_study(read_study(written), progress=False)


def test_each_kind_of_trouble_is_one_line_and_the_other_trials_go_on(written):
    kinds = ["none", "raise", "exit", "die", "hang", "print", "short"]
    edited(
        written,
        ("rate = { low = 1.0, high = 20.0 }", f"rate = 8.0\ntrouble = {{ choices = {json.dumps(kinds)} }}"),
        ("graphs = 2\nconfirm = 1\nfresh = 1", "confirm = 0\nfresh = 0"),
        ("duration_ms = 1002.0", "duration_ms = 1002.0\ntimeout_s = 3"),
        ("[budget]\ntrials = 6", '[sampler]\nname = "grid"'),
    )
    said: list[str] = []
    study = read_study(written)
    result = run_study(study, progress=Said(said), slots=2)
    assert result.trials["complete"] == 2
    optuna_study = optuna.load_study(study_name=study.name, storage=result.storage)
    reasons = {trial.params["trouble"]: trial.user_attrs.get("reason", "") for trial in optuna_study.trials}
    name = "my_network.py:simulate"
    expected = {
        "none": "",
        "print": "",
        "raise": rf"{name} raised RuntimeError: a bug \(my_network.py, line 10\)",
        "exit": rf"{name} called sys.exit\('enough'\)",
        "die": rf"the process of {name} died more than once.*",
        "hang": rf"{name} took longer than 3 s and was stopped",
        "short": rf"{name} returned 1 spike trains for E, of 40 neurons",
    }
    assert reasons.keys() == expected.keys()
    for kind, pattern in expected.items():
        assert re.fullmatch(pattern, reasons[kind]), reasons[kind]
    assert [line for line in said if line.startswith(f"{name} prints while it simulates: see ")]


def test_a_hang_in_the_very_first_call_is_stopped_without_a_limit_of_its_own(written, monkeypatch):
    monkeypatch.setattr("calibrate.simulation.local_pool.SHORTEST_PATIENCE_S", 5.0)
    edited(
        written,
        ("rate = { low = 1.0, high = 20.0 }", 'rate = { choices = [8.0, 9.0] }\ntrouble = "hang"'),
        ("graphs = 2\nconfirm = 1\nfresh = 1", "confirm = 0\nfresh = 0"),
        ("[budget]\ntrials = 6", '[sampler]\nname = "grid"'),
    )
    result = run_study(read_study(written), progress=False, slots=2)
    assert result.trials["failed"] == 2
    trials = optuna.load_study(study_name="my_study", storage=result.storage).trials
    for trial in trials:
        assert (
            "took longer than 5 s and was stopped; set [simulation] timeout_s" in trial.user_attrs["reason"]
        )


def test_results_of_recorded_targets_and_a_held_out_condition_are_read_beside_the_files(written):
    lines = [f"{unit},{unit / 40 + k / 8:.6f}" for unit in range(40) for k in range(80)]
    written.with_name("recorded.csv").write_text("\n".join(["unit,time_s", *lines]))
    objective = '[[objectives]]\nstatistic = "rate_E"\ntarget = 8.0\ntolerance = 2.0\n'
    held_out = '[[conditions]]\nname = "b"\nheld_out = true\nparameters = { rate = { scale = 2.0 } }\n'
    recorded = (
        '[[objectives]]\nstatistic = "rate_E"\ntarget = "recording"\ntolerance = 2.0\ncondition = "a"\n'
    )
    new = (
        f'[[recordings]]\nfile = "recorded.csv"\ncondition = "a"\n[[conditions]]\nname = "a"\n{held_out}'
        f'{recorded}{objective}condition = "b"\n'
    )
    edited(written, (objective, new))
    run_study(read_study(written), progress=False, slots=1)
    found = read_results(written)
    assert [one.name for one in found.study.predicted] == ["b.rate_E"]


class Said:
    """A display that notes what is said."""

    def __init__(self, lines: list[str]) -> None:
        self.say = lines.append

    def __enter__(self) -> Said:
        return self

    def __exit__(self, *_: object) -> None: ...
    def __call__(self, progress: Any) -> None: ...
    def start(self, name: str) -> None: ...
    def stopping(self) -> None: ...
    def replicated(self, progress: Any) -> None: ...


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        (
            "populations = { E = 40 }\n",
            "",
            r"\[model\]: my_network.py:simulate does not say which populations .*write populations = ",
        ),
        ("E = 40", 'E = "N"', "the size of E is 'N', which is not a parameter"),
        ("E = 40", "E = { size = 40, clusters = 7 }", "40 neurons of E do not divide into 7 equal clusters"),
        ("E = 40", "E = 2.5", "the size of E must be a whole number, not 2.5"),
        ('"my_network.py:simulate"', '"my_network.py:simulat"', r"did you mean 'simulate'"),
        ("warmup_ms = 100.05", "dt_ms = 0.5\nwarmup_ms = 0.0", "dt_ms .*has no effect: .*takes no dt_ms"),
        ("rate = {", "rate = 1.0\nother = {", None),
        (
            "[budget]",
            '[[stimuli]]\npopulation = "E"\nclusters = [0]\ncurrent_pA = 1.0\nduration_ms = 10\n'
            "onsets_ms = [5]\n[budget]",
            "stimuli. .*takes no stimuli",
        ),
        ("[budget]", '[loop]\nenvironment = "delayed_response"\n[budget]', "loop.* only returns spikes"),
        ("warmup_ms = 100.05", 'backend = "genn"\nwarmup_ms = 100.05', 'use backend = "own", or "auto"'),
        ("duration_ms = 1002.0", "duration_ms = 1002.0007", "duration_ms"),
    ],
)
def test_what_is_wrong_with_the_study_file_is_one_line(written, before, after, line):
    edited(written, (before, after))
    if line is None:
        assert read_study(written).parameters({})["rate"] == 1.0
    else:
        assert re.search(line, refusal(written)), refusal(written)


@pytest.mark.parametrize(("kind", "values"), [("int", {1, 2, 3, 4, 5, 6, 7, 8}), ("float", None)])
def test_a_whole_default_may_be_a_number_or_a_count_which_the_study_must_say(written, kind, values):
    edited(written.with_name("my_network.py"), ("simulate(parameters, *,", "simulate(rate=5, *,"))
    assert re.search(
        'is a whole number, or any number.*default of .* is 5; write type = "int"', refusal(written)
    )
    edited(written, ("low = 1.0, high = 20.0", f'low = 1.0, high = 8.0, type = "{kind}"'))
    space = read_study(written).space["rate"]
    drawn = {space.at(u / 97) for u in range(97)}
    assert drawn == values if values else len(drawn) > 50


def test_populations_are_only_for_functions(written):
    edited(written, ('"my_network.py:simulate"', '"balanced"'))
    with pytest.raises(StudyError, match="populations are what a function returns, but balanced is a model"):
        read_study(written)


def test_a_function_without_a_warm_up_needs_none_in_the_study(written):
    edited(written.with_name("my_network.py"), (", warmup_ms)", ")"), ("warmup_ms + ", ""))
    assert re.search("warmup_ms has no effect.*write warmup_ms = 0", refusal(written))
    edited(written, ("warmup_ms = 100.05", "warmup_ms = 0.0"))
    assert simulate(read_study(written), {"rate": 8.0}).observation.duration_ms == 1002.0


def test_what_needs_a_description_of_the_network_says_so(written):
    study = read_study(written)
    with pytest.raises(StudyError, match="scale needs a model that describes its network"):
        scale(study, [100])
    with pytest.raises(StudyError, match="has no closed loop"):
        run_loop(study)


def test_what_a_file_prints_when_it_is_imported_stays_off_standard_output(written, capfd):
    read_study(written)
    printed = capfd.readouterr()
    assert "hello" not in printed.out
    assert "hello\n" in printed.err
    assert "hello from C\n" in printed.err


@pytest.mark.usefixtures("written")
def test_commands_describe_it_and_write_a_study(capfd):
    assert execute(["models", "my_network.py:simulate", "--json"]) == 0
    described = json.loads(capfd.readouterr().out)
    assert described["simulation"] == {
        "takes": ["duration_ms", "graph_seed", "seed", "warmup_ms"],
        "any_parameter": True,
        "populations": {},
    }
    execute(["models", "my_network.py:simulate"])
    assert "It takes parameters of any name" in capfd.readouterr().out
    execute(["new", "my_network.py:simulate", "--free", "rate=2:9", "-o", "new.toml"])
    assert "Replace its populations" in capfd.readouterr().out
    study = read_study("new.toml")
    assert [p.name for p in study.network.populations] == ["E"]
    assert study.space["rate"].ends == (2.0, 9.0)


def test_functions_of_scripts_are_known_by_their_code():
    def simulated(parameters, *, seed, stop_ms):
        return {"E": [[]] * 3}

    def made(function: Any) -> Any:
        return make_study(
            "made",
            model={"name": function, "populations": {"E": 3}},
            parameters={"x": {"low": 0, "high": 1}},
            objectives=[{"statistic": "rate_E", "target": 5.0, "tolerance": 1.0}],
            budget={"trials": 3},
        )

    before = made(simulated).content

    def simulated(parameters, *, seed, stop_ms):
        return {"E": [[1.0]] * 3}

    assert made(simulated).content["files"].keys() == before["files"].keys() == {"python:simulated"}
    assert made(simulated).content["files"] != before["files"]
