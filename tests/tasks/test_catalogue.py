"""`calibrate models` and `calibrate objectives`: what there is to choose from."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from calibrate import plugins
from calibrate.cli.commands import execute
from calibrate.errors import PluginError
from calibrate.network import Parameter, find_model
from calibrate.objective import find_statistic
from calibrate.tasks.catalogue import allowed
from tests.helpers.studies import MODEL, STATISTIC


@pytest.fixture(autouse=True)
def _in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.py").write_text(MODEL)
    (tmp_path / "statistics.py").write_text(STATISTIC)


def printed(capsys, *arguments: str) -> str:
    assert execute(arguments) == 0
    return capsys.readouterr().out


def as_json(*arguments: str) -> dict:
    command = [sys.executable, "-m", "calibrate.cli", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_every_installed_model_is_listed_with_its_first_line(capsys):
    found = as_json("models")["models"]
    assert [model["name"] for model in found] == sorted(plugins.installed(plugins.MODELS))
    for model in found:
        assert model["parameters"] == len(find_model(model["name"]).parameters)
        assert model["doc"] == find_model(model["name"]).doc
    out = printed(capsys, "models")
    assert "ei_clustered" in out
    assert "balanced" in out


def test_a_model_is_shown_with_all_that_a_study_can_say_about_it():
    found = as_json("models", "ei_clustered")
    assert [p["name"] for p in found["parameters"]] == [p.name for p in find_model("ei_clustered").parameters]
    parameters = {parameter.pop("name"): parameter for parameter in found["parameters"]}
    assert parameters["p_EE"] == {
        "unit": "",
        "default": 0.2,
        "type": "float",
        "low": 0.0,
        "high": 1.0,
        "choices": [],
        "tier": "wiring",
        "doc": "connection probability from E onto E",
    }
    assert parameters["connectivity"]["choices"] == ["bernoulli", "fixed_indegree"]
    assert parameters["J_EE"]["default"] is None


@pytest.mark.parametrize("columns", [80, 120])
def test_tables_fit_the_terminal_and_show_everything(capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    for arguments in (["models"], ["models", "ei_clustered"], ["objectives"]):
        out = re.sub(r"\x1b\[[\d;]*m", "", printed(capsys, *arguments))
        assert max(map(len, out.splitlines())) <= columns
        assert "…" not in out
        assert "ei_clustered" in out or "switching_rate" in out


def test_outside_a_terminal_every_parameter_is_one_line(capsys):
    lines = [line.split() for line in printed(capsys, "models", "ei_clustered").splitlines()]
    for parameter in find_model("ei_clustered").parameters:
        assert [
            line for line in lines if line[:1] == [parameter.name] and line[-1] == parameter.doc.split()[-1]
        ]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"choices": ("a", "b"), "kind": str}, "a | b"),
        ({"kind": bool}, "true | false"),
        ({"kind": tuple}, "a list"),
        ({"kind": str}, "a string"),
        ({"low": 0.0, "high": 1.0}, "0 to 1"),
        ({"low": 0.5}, "≥ 0.5"),
        ({"high": 0.0}, "≤ 0"),
        ({"low": 1, "kind": int}, "integer, ≥ 1"),
        ({"kind": int}, "integer"),
        ({}, ""),
    ],
)
def test_what_is_allowed_is_said_in_a_few_words(given, text):
    assert allowed(Parameter(name="x", default=None, unit="", doc="", **given)) == text


def test_own_models_and_statistics_are_shown_from_their_file(capsys):
    assert as_json("models", "tiny.py:tiny")["name"] == "tiny"
    assert "deadly_above" in printed(capsys, "models", "tiny.py:tiny")
    found = as_json("objectives", "statistics.py:peak")
    assert (found["name"], found["unit"], found["doc"]) == ("peak", "Hz", "Highest rate in 5 ms.")
    assert "Highest rate in 5 ms." in printed(capsys, "objectives", "statistics.py:peak")


def test_every_installed_statistic_is_listed_with_its_options(capsys):
    found = as_json("objectives")["objectives"]
    assert {statistic["name"] for statistic in found} == set(plugins.installed(plugins.STATISTICS))
    for statistic in found:
        own = find_statistic(statistic["name"])
        assert statistic["summary"] == own.summary
        assert statistic["options"] == dict(own.options)
    assert "dwell_time" in printed(capsys, "objectives")


def test_a_statistic_is_shown_with_its_docstring_options_and_needs(capsys):
    found = as_json("objectives", "cv2_I")
    assert found["name"] == "cv2_I"
    assert found["options"]["population"] == "I"
    assert found["doc"].startswith(found["summary"])
    assert found["needs"] == {
        "bin_ms": None,
        "window_ms": None,
        "isi": True,
        "spikes": False,
        "episodes": False,
    }
    out = printed(capsys, "objectives", "dwell_time")
    assert "Litwin-Kumar and Doiron 2012" in out
    assert "theta_hi_hz = 20.0" in out
    assert "counts of groups in bins of 5 ms" in out
    assert "as ratios" in out


def test_one_that_cannot_be_loaded_does_not_hide_the_others(capsys, monkeypatch):
    def broken(name, *_, **__):
        raise PluginError(f"cannot load {name}")

    monkeypatch.setattr("calibrate.tasks.catalogue.find_model", broken)
    monkeypatch.setattr("calibrate.tasks.catalogue.find_statistic", broken)
    for command, name in (("models", "balanced"), ("objectives", "rate")):
        assert f"cannot load {name}" in printed(capsys, command)
        found = json.loads(printed(capsys, command, "--json"))[command]
        assert {"name": name, "error": f"cannot load {name}"} in found


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["models", "balancd"], "did you mean 'balanced'"),
        (["models", "none.py:x"], "none.py does not exist"),
        (["models", "tiny.py:number"], "tiny.py:number takes no seed"),
        (["objectives", "rat"], "did you mean 'rate'"),
        (["objectives", "statistics.py:thirteen"], "decorate it with @statistic"),
    ],
)
def test_a_wrong_name_costs_one_line(capsys, arguments, message):
    assert execute(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert len(err.splitlines()) == 1
