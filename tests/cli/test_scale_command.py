"""`calibrate scale`: its table, its JSON, its figure, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from calibrate import scale, simulators
from calibrate.calibration.resources import measurement
from calibrate.calibration.resources.measurement import Measurement
from calibrate.cli.commands import execute
from calibrate.study import Study, read_study
from tests.helpers.scaling import MODEL, STUDY, interrupted_after, measured


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sized.py").write_text(MODEL)
    (tmp_path / "sized.toml").write_text(STUDY)
    return "sized.toml"


def test_an_interrupt_keeps_what_was_measured(study, monkeypatch, capsys):
    interrupted_after(1, monkeypatch)
    command = ["scale", study, "--sizes", "600", "1200", "--backend", "poisson", "--duration", "5000"]
    assert execute([*command, "--json"]) == 130
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert found["interrupted"]
    assert [one["neurons"] for one in found["measurements"]] == [600]
    assert "Interrupted: not all sizes were measured." in err


def test_all_simulators_that_are_here_are_measured_by_default(study, monkeypatch):
    seen: list[tuple[str, int]] = []

    def measure(ready: Study, complete: dict[str, Any], **_: Any) -> Measurement:
        neurons = ready.model.network(complete).n_neurons
        seen.append((ready.simulation.backend, neurons))
        return measured(neurons, 1.0, backend=ready.simulation.backend)

    def only_nest(name: str, _: Any) -> str:
        if name != "nest":
            raise simulators.SimulatorError(f"{name} is not installed")
        return name

    monkeypatch.setattr("calibrate.calibration.resources.scaling.measure", measure)
    monkeypatch.setattr(simulators, "choose", lambda name, _: name)
    scale(read_study(study), [600, 1200])
    assert seen == [("genn", 600), ("genn", 1200), ("nest", 600), ("nest", 1200)]
    seen.clear()
    monkeypatch.setattr(simulators, "choose", only_nest)
    scale(read_study(study), [600])
    assert seen == [("nest", 600)]


def test_the_command_prints_json_and_draws_a_figure(study, tmp_path, capsys):
    command = ["scale", study, "--sizes", "600", "1210", "2400", "--backend", "poisson", "--duration", "5000"]
    assert execute([*command, "--batch", "1", "--batch", "3", "--figure", "scale.png", "--json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert set(found) == {
        "study", "measurements", "omitted", "growth", "notes", "interrupted", "figure"
    }  # fmt: skip
    assert found["study"] == "sized"
    sizes = [(one["batch_size"], one["neurons"]) for one in found["measurements"]]
    assert sizes == [(batch, neurons) for batch in (1, 3) for neurons in (600, 1212, 2400)]
    first = found["measurements"][0]
    assert set(first) == {
        "backend", "batch_size", "neurons", "synapses", "build_s", "duration_ms", "walls_s", "rate_hz",
        "memory_bytes", "simulator", "real_time_factor",
    }  # fmt: skip
    assert first["real_time_factor"] == pytest.approx(first["walls_s"][0] / 5)
    assert [one["batch_size"] for one in found["growth"]] == [1, 3]
    assert found["growth"][0]["time"]["error"] >= 0
    assert found["notes"] == [
        "1,210 neurons cannot be divided among these populations and clusters: 1,212 instead"
    ]
    assert found["figure"] == "scale.png"
    assert (tmp_path / "scale.png").read_bytes().startswith(b"\x89PNG")
    assert "poisson: 2,400 neurons in batches of 3, 0 synapses" in err


def test_people_get_a_table_and_the_growth_in_words(study, capsys):
    command = ["scale", study, "--sizes", "600", "--sizes", "2400", "--backend", "poisson", "--quiet"]
    assert execute([*command, "--duration-ms", "5000", "--set", "drive=1.0"]) == 0
    out, err = capsys.readouterr()
    assert "2,400" in out
    assert "poisson: time grows as n^" in out
    assert "(two sizes: no error)" in out
    assert err == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--backend", "nets"], "unknown backend 'nets' (did you mean 'nest'?)"),
        (
            ["--sizes", "3"],
            "3 neurons is not possible: population E would have 4 neurons in 4 clusters",
        ),
        (["--backend", "nest", "--batch", "40"], "nest simulates one network at a time here, not 40"),
        (["--sizes", "0"], "--sizes"),
        (["--sizes", "600", "many"], "valid integer"),
        (["--duration", "0"], "the duration must be positive"),
        (["--set", "drive=-1"], "--set drive=-1: drive must be at least 0"),
        (["--figure", "scale.doc"], "unknown format of figure 'scale.doc'"),
    ],
)
def test_a_wrong_command_costs_one_line(study, capsys, arguments, message):
    assert execute(["scale", study, *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith("error: ")
    assert message in line


def test_a_command_that_measures_nothing_fails(study, capsys, monkeypatch):
    def full(*_: object) -> int:
        raise simulators.SimulatorError("no memory is free")

    monkeypatch.setattr(measurement, "slots_for", full)
    command = ["scale", study, "--sizes", "600", "--backend", "poisson", "--figure", "none.png"]
    assert execute(command) == 1
    out, err = capsys.readouterr()
    assert "poisson, 600 neurons, omitted: no memory is free" in out
    assert "error: no size was measured: no memory is free" in err
    assert not Path("none.png").exists()
