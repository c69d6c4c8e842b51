"""The command line: what it prints where, its exit codes, and that mistakes cost one clear line."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from calibrate import simulators
from calibrate.cli.commands import COMMANDS, execute, program
from tests.helpers.studies import RATE_E, RATE_I, edited, write_study, write_text
from tests.helpers.waiting import PATIENCE_S, wait_until

pytestmark = pytest.mark.usefixtures("in_tmp_path")

ONE_BREACH_EACH = {
    "syntax": ("seed = 3", "seed 3"),
    "unknown table": ("[budget]", "[budgets]"),
    "unknown key": ("duration_ms", "duration"),
    "wrong type": ("dt_ms = 1.0", 'dt_ms = "1"'),
    "out of bounds": ("trials = 8", "trials = 0"),
    "no end": ("trials = 8", "loss = 1.0"),
    "not whole steps": ("warmup_ms = 0.0", "warmup_ms = 0.5"),
    "unknown backend": ('"poisson"', '"nets"'),
    "unknown model": ('"tiny.py:tiny"', '"ei_clusterd"'),
    "no such file": ('"tiny.py:tiny"', '"tin.py:tiny"'),
    "unknown parameter": ('"J+" = 2', '"J++" = 2'),
    "parameter of a wrong type": ('"J+" = 2', '"J+" = "2"'),
    "empty range": ("I_E = { low = 0.1", "I_E = { low = 5"),
    "range out of bounds": ("I_E = { low = 0.1", "I_E = { low = -1"),
    "unknown choice": ('"J+" = 2', 'rule = {choices = ["a", "c"]}'),
    "rule of the model": ('"J+" = 2', "N_Q = 3"),
    "rule at a corner": ("I_I = { low = 0.1, high = 4.0 }", "I_I = { low = 0.1, high = 8.0 }"),
    "unknown statistic": ('"rate_E"', '"rat_E"'),
    "unknown population": ('"rate_E"', '"rate_X"'),
    "unknown option": ('source = "a recording"', "options = {bin = 3}"),
    "no target": ("target = 5.0", ""),
    "no tolerance": ("tolerance = 1.0", ""),
    "unknown sampler": ('"random"', '"randon"'),
    "unknown sampler option": ('"random"', '"random"\nstartup = 3'),
}


@pytest.fixture
def study(tmp_path: Path) -> str:
    return write_study(tmp_path).name


def calibrate(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "calibrate.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **more)


def refused(capfd: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    """The one line that a command says; nothing on standard output."""
    assert execute(arguments) == code
    out, err = capfd.readouterr()
    said = ("models may print", "This study runs code: ")  # by plug-ins, and of them
    lines = [line for line in err.splitlines() if not line.startswith(said)]
    out = out.replace("models may print\n", "")
    assert out == ""
    assert len(lines) == 1, err
    assert lines[0].startswith("error: ")
    assert "Traceback" not in err
    return lines[0]


@pytest.mark.parametrize("command", ["run", "check", "simulate", "show"])
@pytest.mark.parametrize("what", ONE_BREACH_EACH)
def test_a_broken_study_costs_one_line_and_leaves_nothing(tmp_path, capfd, what, command):
    path = write_text(tmp_path, edited(ONE_BREACH_EACH[what]))
    before = sorted(p.name for p in tmp_path.iterdir())
    line = refused(capfd, command, path.name)
    assert line.startswith("error: small.toml:")
    after = sorted(p.name for p in tmp_path.iterdir() if p.name != "__pycache__")
    assert after == before


def test_a_run_prints_json_and_nothing_else_on_standard_output(study):
    done = calibrate("run", study, "--json", "--slots", "2")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) == {"best", "trials", "time", "stopped", "others"}
    assert found["trials"] == {"complete": 8, "failed": 0, "infeasible": 0, "added": 8}
    assert set(found["time"]) == {
        "wall_s", "starting_s", "simulating_s", "asking_s", "scoring_s", "storing_s"
    }  # fmt: skip
    best = found["best"]
    assert set(best) == {
        "number", "params", "parameters", "loss", "graphs", "statistics", "lower_bounds", "targets", "fresh"
    }  # fmt: skip
    assert [set(target) for target in best["targets"]] == [
        {"name", "target", "reached", "lower_bound", "tolerance", "met"}
    ] * 2
    assert set(best["params"]) == {"I_E", "I_I"}
    assert "rate_E" in best["statistics"]
    assert "Results: sqlite:///" in done.stderr


def test_a_run_ends_with_its_targets_its_best_parameters_and_what_to_type_next(study, capsys):
    assert execute(["run", study, "--slots", "1"]) == 0
    out, err = capsys.readouterr()
    assert "small: 8 trials; stopped because the trial budget is used up" in out
    assert "5 ± 1" in out
    assert "9 to 11" in out
    assert "Best parameters: I_E = " in out
    assert "calibrate dashboard small.toml" in out
    assert "small: 8/8 trials, best loss" in err


def test_a_quiet_run_says_nothing(study, capfd):
    assert execute(["run", study, "--slots", "1", "--quiet"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert out.replace("models may print\n", "") == ""


def test_options_take_the_place_of_the_studys(study, tmp_path, capsys):
    options = ["--seed", "9", "--trials", "3", "--storage", "sqlite:///other.db", "--slots", "1"]
    assert execute(["run", study, *options, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["trials"]["complete"] == 3
    assert not (tmp_path / "small.db").exists()
    with sqlite3.connect(tmp_path / "other.db") as connection:
        ((content,),) = connection.execute("select content from calibrate_study").fetchall()
    assert json.loads(content)["study"]["seed"] == 9


def test_a_run_goes_on_with_more_trials(study, capsys):
    for trials, added in (("3", 3), ("5", 2), ("5", 0)):
        assert execute(["run", study, "--trials", trials, "--slots", "1", "--json", "--quiet"]) == 0
        assert json.loads(capsys.readouterr().out)["trials"]["added"] == added


def test_a_changed_study_is_refused(study, tmp_path, capfd):
    assert execute(["run", study, "--trials", "1", "--slots", "1", "--quiet"]) == 0
    capfd.readouterr()
    write_study(tmp_path, objectives=[RATE_E | {"target": 6.0}, RATE_I])
    line = refused(capfd, "run", study)
    assert "[objectives] rate_E.target was 5.0, is 6.0" in line
    assert "--new" in line


def test_a_study_without_free_parameters_cannot_run_but_be_simulated(tmp_path, capfd):
    study = write_study(tmp_path, parameters={"I_E": 1.0, "I_I": 1.0}).name
    assert "no parameter is free" in refused(capfd, "run", study)
    assert execute(["simulate", study, "--quiet"]) == 0


def test_a_run_in_which_nothing_completes_fails(tmp_path, capfd):
    study = write_study(tmp_path, objectives=[RATE_E | {"statistic": "statistics.py:broken"}, RATE_I]).name
    line = refused(capfd, "run", study, "--slots", "1", "--quiet", code=1)
    assert "no simulation completed; last failure: statistic broken raised ZeroDivisionError" in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run"], "Missing argument 'STUDY'"),
        (["run", "small.toml", "--slot", "1"], "No such option: --slot"),
        (["run", "small.toml", "--trials", "many"], "--trials"),
        (["run", "small.toml", "--trials", "0"], "[budget] trials must be at least 1: 0"),
        (["run", "small.toml", "--slots", "0"], "--slots"),
        (["run", "small.toml", "--backend", "nets"], "did you mean 'nest'"),
        (["run", "small.toml", "--storage", "small"], "'small' is not the URL of a database"),
        (["run", "none.toml"], "the study file does not exist"),
        (["rum", "small.toml"], "run"),
        (["simulate", "small.toml", "--set", "I_E"], "--set I_E: write NAME=VALUE"),
        (["simulate", "small.toml", "--set", "I_e=1"], "tiny has no parameter 'I_e' (did you mean 'I_E'?)"),
        (["simulate", "small.toml", "--set", "I_E=-1"], "--set I_E=-1: I_E must be at least 0"),
        (["simulate", "small.toml", "--set", "I_E=x"], "--set I_E=x: I_E takes a number, not 'x'"),
        (["simulate", "small.toml", "--quiet", "--set", "I_E=9"], "I_E + I_I = 11.05 must not be above 11"),
        (["show", "small.toml"], "holds no study 'small' yet: run it first"),
        (["show", "small.toml", "--trial", "1"], "holds no study 'small' yet: run it first"),
        (["simulate", "small.toml", "--trial", "1"], "holds no study 'small' yet: run it first"),
        (["simulate", "small.toml", "--trial", "1", "--seed", "1"], "cannot be combined with --trial"),
        (["simulate", "small.toml", "--figure", "x.doc"], "unknown format of figure 'x.doc'"),
        (["simulate", "small.toml", "--figure", "no/x.png"], "there is no folder no"),
        (["simulate", "small.toml", "--duration-ms", "0.5"], "duration_ms"),
    ],
)
@pytest.mark.usefixtures("study")
def test_a_wrong_command_costs_one_line(capfd, tmp_path, arguments, message):
    assert message in refused(capfd, *arguments)
    assert not list(tmp_path.glob("*.db"))


@pytest.mark.parametrize("error", [RuntimeError("out\nof luck"), KeyError("x")])
@pytest.mark.usefixtures("study")
def test_what_nobody_expected_is_one_line_and_debug_shows_where(capfd, monkeypatch, error):
    def broken(*_: object) -> str:
        raise error

    monkeypatch.setattr(simulators, "choose", broken)
    assert "(--debug shows the traceback)" in refused(capfd, "run", "small.toml", code=1)
    assert execute(["run", "small.toml", "--debug"]) == 1
    assert "Traceback" in capfd.readouterr().err


def test_a_missing_simulator_is_said_with_where_to_get_it(study, capfd, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert "PyGeNN is not installed" in refused(capfd, "run", study, "--backend", "genn")


def test_simulate_prints_the_panel_as_json_and_nothing_else(study):
    done = calibrate("simulate", study, "--set", "I_E=2", "--set", '"J+"=1.5', "--json", "--figure", "x.png")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) == {
        "statistics", "lower_bounds", "backend", "simulator", "wall_s", "build_s", "parameters", "seed"
    }  # fmt: skip
    assert found["backend"] == "poisson"
    assert found["seed"] == 3
    assert found["parameters"] == {"J+": 1.5, "I_E": 2.0, "I_I": 2.05}
    assert found["statistics"]["rate_E"] == pytest.approx(10, rel=0.2)
    assert found["statistics"]["dwell_time"] is None
    assert "Defaults (middle of the range): I_I = 2.05" in done.stderr
    assert Path("x.png").read_bytes().startswith(b"\x89PNG")
    assert not Path("small.db").exists()


def test_simulate_prints_a_table_for_people(study, capsys):
    assert execute(["simulate", study, "--set", "I_E=2", "--duration-ms", "500", "--seed", "5"]) == 0
    out = capsys.readouterr().out
    assert "rate_E" in out
    assert "undefined" in out
    assert "5 ± 1" in out
    assert "Poisson 1 (CPU, double precision): simulated in" in out


@pytest.mark.parametrize("written", ["0.5", ".5", "5e-1", " .5 "])
def test_settings_may_be_written_as_numbers_usually_are(study, capsys, written):
    assert execute(["simulate", study, "--set", f"I_E={written}", "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["parameters"]["I_E"] == 0.5


def test_another_seed_is_another_simulation(study, capsys):
    rates = []
    for seed in ("1", "1", "2"):
        assert execute(["simulate", study, "--seed", seed, "--json", "--quiet"]) == 0
        rates.append(json.loads(capsys.readouterr().out)["statistics"]["rate_E"])
    assert rates[0] == rates[1] != rates[2]


def test_show_prints_what_was_found_as_json_and_for_people(study, capsys):
    assert execute(["run", study, "--slots", "1", "--json", "--quiet"]) == 0
    ran = json.loads(capsys.readouterr().out)
    done = calibrate("show", study, "--json")
    assert (done.returncode, done.stderr.replace("models may print\n", "")) == (0, "")
    found = json.loads(done.stdout)
    assert set(found) == {"name", "storage", "trials", "best", "failures", "time"}
    assert found["best"] == ran["best"]
    assert found["trials"] == {"complete": 8, "failed": 0, "infeasible": 0, "taken_over": 0}
    assert found["time"]["simulations"] == 8
    assert execute(["show", study]) == 0
    out = capsys.readouterr().out
    assert f"Trial {ran['best']['number']}, loss" in out
    assert "9 to 11" in out
    assert "Results: sqlite:///" in out
    other = (ran["best"]["number"] + 1) % 8
    assert execute(["show", study, "--trial", str(other), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["trial"]["number"] == other
    assert "\nBest parameters: I_E = " in out
    assert execute(["show", study, "--trial", str(other)]) == 0
    assert "\nParameters: I_E = " in capsys.readouterr().out


def test_show_works_while_a_run_goes_on_and_changes_nothing(tmp_path):
    process = started(tmp_path)
    done = calibrate("show", "small.toml", "--json")
    assert done.returncode == 0, done.stderr
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, err
    assert json.loads(done.stdout)["time"]["simulations"] >= 1


def test_a_trial_is_simulated_again_as_it_was(study, capsys):
    assert execute(["run", study, "--slots", "1", "--json", "--quiet"]) == 0
    best = json.loads(capsys.readouterr().out)["best"]
    again = ["simulate", study, "--trial", str(best["number"]), "--json", "--quiet"]
    assert execute(again) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["statistics"] == best["statistics"]
    assert found["parameters"] == best["parameters"]
    assert execute([*again, "--graph", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["statistics"] != best["statistics"]


def test_check_says_what_would_run(study, capsys, tmp_path):
    assert execute(["check", study, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {
        "study": "small",
        "model": "tiny.py:tiny",
        "neurons": 50,
        "synapses": 0,
        "free": ["I_E", "I_I"],
        "objectives": ["rate_E", "rate_I"],
        "constraints": [],
        "sampler": "random",
        "trials": 8,
        "backend": "poisson",
        "memory_bytes": 150e6,
        "slots": os.cpu_count(),
        "batch_size": 1,
        "trial_s": found["trial_s"],
        "total_s": found["total_s"],
        "confirm_s": None,
        "noise": found["noise"],
        "warnings": [],
    }
    assert 0 < found["trial_s"] < found["total_s"] < 60
    assert set(found["noise"]) == {"rate_E", "rate_I"}
    assert found["noise"]["rate_E"]["graphs"] == 8
    assert execute(["check", study]) == 0
    out = capsys.readouterr().out
    assert "OK small.toml" in out
    assert f"sqlite:///{tmp_path}/small.db" in out
    assert "  noise       rate_E 10." in out
    assert not Path("small.db").exists()


def test_check_warns_of_a_tolerance_below_the_noise_that_it_measures(study, capsys):
    path = Path(study)
    path.write_text(path.read_text().replace("tolerance = 1.0", "tolerance = 0.01"))
    assert execute(["check", study, "--json", "--graphs", "4"]) == 0
    out, err = capsys.readouterr()
    (warning,) = json.loads(out)["warnings"]
    assert warning.startswith("rate_E: a tolerance of 0.01 is below the noise of a trial, ")
    assert f"warning: {warning}" in err
    assert execute(["check", study, "--json", "--fast"]) == 0
    assert json.loads(capsys.readouterr().out)["warnings"] == []


def test_check_lists_the_code_of_a_study_before_it_runs_any(study, tmp_path, capfd):
    path = tmp_path / study
    path.write_text(path.read_text().replace('"rate_I"', '"statistics.py:peak"'))
    (tmp_path / "tiny.py").write_text("raise RuntimeError('imported')")
    assert execute(["check", study, "--fast"]) == 2
    first, second, *_ = capfd.readouterr().err.splitlines()
    assert first == "This study runs code: tiny.py:tiny, statistics.py:peak"
    assert "imported" in second
    path.write_text("[[[")
    assert execute(["check", study, "--fast"]) == 2
    assert "runs code" not in capfd.readouterr().err


def test_own_files_import_those_beside_them_in_every_process_and_these_are_part_of_the_study(tmp_path, capfd):
    peak = {"statistic": "statistics.py:late_peak", "target": 10.0, "tolerance": 5.0}
    study = write_study(tmp_path, objectives=[peak], budget={"trials": 2}).name
    model, statistics = tmp_path / "tiny.py", tmp_path / "statistics.py"
    model.write_text(model.read_text().replace("import os,", "from sizes import MOST\nimport os,"))
    statistics.write_text(
        statistics.read_text()
        + "\n@statistic(unit='Hz', needs=Needs(bin_ms=5.0))"
        + "\ndef late_peak(observation, *, population='E'):"
        + "\n    'Highest rate, as another file computes it.'"
        + "\n    from peaks import highest\n    return highest(observation.group_counts(population, 5.0))\n"
    )
    (tmp_path / "sizes.py").write_text("MOST = 11\n")
    (tmp_path / "peaks.py").write_text("def highest(counts):\n    return counts.max() / 0.2\n")
    assert execute(["run", study, "--slots", "1", "--json", "--quiet"]) == 0
    assert json.loads(capfd.readouterr().out.replace("models may print\n", ""))["trials"]["failed"] == 0
    assert execute(["check", study, "--fast"]) == 0
    said = capfd.readouterr().err
    assert "runs code: tiny.py:tiny, statistics.py:late_peak, sizes.py, peaks.py" in said
    (tmp_path / "peaks.py").write_text("def highest(counts):\n    return counts.max() / 0.1\n")
    assert "the code of peaks.py was changed" in refused(capfd, "run", study, "--slots", "1")


def test_sqlite_on_a_network_file_system_is_warned_of(study, tmp_path, capfd, monkeypatch):
    local = SimpleNamespace(mountpoint="/", fstype="ext4")
    mounts = [local, SimpleNamespace(mountpoint=str(tmp_path), fstype="nfs4")]
    monkeypatch.setattr("calibrate.store.urls.psutil.disk_partitions", lambda **_: mounts)
    assert execute(["run", study, "--slots", "1"]) == 0
    assert "small.db is on a network file system (nfs4)" in capfd.readouterr().err
    del mounts[1]
    assert execute(["run", study, "--slots", "1"]) == 0
    assert "network file system" not in capfd.readouterr().err


def test_the_version_is_printed(capsys):
    assert execute(["--version"]) == 0
    assert capsys.readouterr().out.startswith("calibrate ")


def started(tmp_path: Path) -> subprocess.Popen[str]:
    study = write_study(tmp_path, parameters={"pause_s": 0.05}, budget={"trials": 5000})
    command = [sys.executable, "-m", "calibrate.cli", "run", study.name, "--slots", "2"]
    # As in a terminal, Ctrl-C reaches the processes that simulate too.
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    wait_until(lambda: stored_trials(tmp_path / "small.db") >= 2, "two trials")
    return process


def stored_trials(database: Path) -> int:
    if not database.exists():
        return 0
    with contextlib.closing(sqlite3.connect(database)) as connection:
        try:
            return int(connection.execute("select count(trial) from calibrate_simulation").fetchone()[0])
        except sqlite3.OperationalError:  # its tables are not there yet
            return 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_finishes_the_batch_saves_and_says_how_to_go_on(tmp_path, number):
    process = started(tmp_path)
    os.killpg(process.pid, number)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert "Stopping when this batch is finished" in err
    assert "Saved; resume with: calibrate run small.toml --slots 2" in err
    assert "stopped because you interrupted it" in out
    assert "failed" not in out
    with sqlite3.connect(tmp_path / "small.db") as connection:
        query = "select count(*), count(trial) from calibrate_simulation where status = 'complete'"
        simulations, told = connection.execute(query).fetchone()
    assert simulations == told > 0


def test_ctrl_c_twice_stops_at_once_and_keeps_what_had_finished(tmp_path):
    process = started(tmp_path)
    os.killpg(process.pid, signal.SIGINT)
    os.killpg(process.pid, signal.SIGTERM)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert "error: stopped; finished work is saved, resume with: calibrate run small.toml" in err
    assert "Traceback" not in err
    done = calibrate("run", "small.toml", "--trials", "1", "--json", "--quiet")
    assert json.loads(done.stdout)["trials"]["complete"] >= 2


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_printed_as_it_was_written(command, capfd, monkeypatch):
    """Rich takes brackets for markup and leaves them out."""
    monkeypatch.setenv("COLUMNS", "200")
    assert execute([command, "--help"]) == 0
    out = capfd.readouterr().out
    assert f"calibrate {command}" in out
    assert "[]" not in out
    assert "\\[" not in out


def test_without_a_command_the_help_is_printed(capfd):
    assert execute([]) == 0
    bare = capfd.readouterr()
    assert execute(["--help"]) == 0
    assert capfd.readouterr() == bare
    assert "error" not in bare.err
    for command in COMMANDS:
        assert f"│ {command} " in bare.out


def test_the_help_of_a_command_is_also_its_line_in_the_help_of_all():
    all_commands: Any = typer.main.get_command(program())
    unloaded: Any = typer.main.get_command(program(()))
    assert list(all_commands.commands) == list(COMMANDS)
    for name in COMMANDS:
        assert all_commands.commands[name].help == unloaded.commands[name].help


def test_stats_help_names_the_tables_that_it_writes(capfd, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    execute(["stats", "--help"])
    assert "the [[objectives]] of a study" in " ".join(capfd.readouterr().out.split())
