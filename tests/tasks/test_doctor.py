"""`calibrate doctor`: what works here, what is missing, and what to do about it."""

from __future__ import annotations

import importlib.util
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections import namedtuple
from pathlib import Path

import pytest

from calibrate import simulators
from calibrate.cli.commands import execute
from calibrate.errors import SimulatorError
from calibrate.observation import SimulationFailure
from calibrate.simulation import probe
from calibrate.simulation.jobs import Outcome
from calibrate.simulation.local_pool import Pool
from calibrate.simulators.genn.cuda import Obstacle
from calibrate.store import urls
from calibrate.tasks import doctor
from tests.helpers.cuda_driver import H100, install

NAMES = [
    "Python", "NEST", "GeNN", "GPU", "database", "PostgreSQL", "Optuna", "PyTorch", "cache folder", "machine"
]  # fmt: skip
FIND_SPEC = importlib.util.find_spec


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command runs; all that is written goes to its neighbours."""
    monkeypatch.setenv("CALIBRATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    for name in ("here", "temporary"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def found(capfd, *arguments: str, code: int = 0) -> dict[str, dict[str, str]]:
    """The checks of `calibrate doctor --fast --json` by name."""
    assert execute(["doctor", "--fast", "--json", *arguments]) == code
    out, err = capfd.readouterr()
    printed = json.loads(out)
    assert printed["works"] == (code == 0)
    assert bool(err) == (code != 0)
    return {check.pop("name"): check for check in printed["checks"]}


def without(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in modules else FIND_SPEC(name)
    )


def with_module(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    known = FIND_SPEC("json")
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: known if name in modules else FIND_SPEC(name)
    )


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_it_checks_everything_and_leaves_nothing_behind(folder, capfd):
    checks = found(capfd)
    assert list(checks) == NAMES
    for check in checks.values():
        assert set(check) == {"state", "detail", "remedy"}
        assert check["state"] in ("ok", "optional", "missing", "broken")
        assert "\n" not in check["detail"] + check["remedy"]
    assert files(folder) == []


def test_nest_really_simulates_in_another_process(folder, capfd, monkeypatch):
    without(monkeypatch, "pygenn")
    assert execute(["doctor", "--json"]) == 0
    checks = {check["name"]: check for check in json.loads(capfd.readouterr().out)["checks"]}
    assert "simulated a tiny network" in checks["NEST"]["detail"]
    assert files(folder) == []


@pytest.mark.genn
def test_genn_compiles_and_leaves_nothing_behind(folder):
    check = doctor._check_genn(fast=False)
    assert check.state == "ok"
    assert check.remedy == ""
    assert "compiled and simulated a tiny network" in check.detail
    assert files(folder) == []
    assert os.environ["CALIBRATE_CACHE"] == str(folder / "cache")


@pytest.mark.parametrize(
    ("device", "found", "said"),
    [("cpu", [True], False), ("cpu", [False], True), ("cpu", [True, False], True), ("cuda", [False], False)],
)
def test_a_genn_whose_loops_are_not_known_is_said_to_be_slower(monkeypatch, device, found, said):
    def simulated(_: str, rewritten: list[bool]) -> Outcome:
        rewritten += found
        return Outcome(uuid="", result=SimulationFailure(""), backend={"version": "6", "device": device})

    with_module(monkeypatch, "pygenn")
    monkeypatch.setattr(doctor.genn_cache, "compiler", lambda: "g++")
    monkeypatch.setattr(doctor, "_simulate", simulated)
    assert ("cannot optimise" in doctor._check_genn(fast=False).remedy) is said


def test_json_is_all_there_is_on_standard_output():
    command = [sys.executable, "-m", "calibrate.cli", "doctor", "--fast", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["works"] is True


@pytest.mark.parametrize("columns", [80, 120])
def test_people_get_a_table_that_fits(capfd, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    without(monkeypatch, "torch")
    assert execute(["doctor", "--fast"]) == 0
    out = capfd.readouterr().out
    assert max(map(len, out.splitlines())) <= columns
    assert "optional  PyTorch" in out
    assert '-> pip install "calibrate-snn[gp]"' in out
    assert out.endswith("Studies can run here.\n")
    assert "\x1b" not in out


def test_without_genn_nest_is_enough(capfd, monkeypatch):
    without(monkeypatch, "pygenn")
    check = found(capfd)["GeNN"]
    assert check["state"] == "optional"
    assert check["remedy"] == "https://github.com/genn-team/genn#installation"


def test_without_any_simulator_it_fails(capfd, monkeypatch):
    without(monkeypatch, "nest", "pygenn")
    assert execute(["doctor", "--fast"]) == 1
    out, err = capfd.readouterr()
    assert "missing   NEST" in out
    assert "-> pip install nest-simulator" in out
    assert "Studies can run here" not in out
    assert err == "error: no simulator works here\n"


@pytest.mark.parametrize("there", ["make", "g++"])
def test_genn_without_its_tools_is_broken(capfd, monkeypatch, tmp_path, there):
    with_module(monkeypatch, "pygenn")
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / there).write_text("#!/bin/sh\necho g++ 13\n")
    (tools / there).chmod(0o755)
    monkeypatch.setenv("PATH", str(tools))
    check = found(capfd)["GeNN"]
    assert check["state"] == "broken"
    assert ("make" if there == "g++" else "compiler") in check["detail"]
    assert "apt install g++ make" in check["remedy"]


def test_a_gpu_that_genn_does_not_use_is_worth_a_line(capfd, monkeypatch):
    install(monkeypatch, H100)
    obstacle = Obstacle("PyGeNN was built without CUDA", "set CUDA_PATH and reinstall PyGeNN")
    monkeypatch.setattr(simulators, "gpu_obstacle", lambda _: obstacle)
    assert found(capfd)["GPU"] == {
        "state": "broken",
        "detail": f"H100 (80.0 GiB free): not used, since {obstacle.reason}",
        "remedy": obstacle.remedy,
    }


def test_a_simulator_that_cannot_simulate_is_broken(monkeypatch):
    def broken(_):
        raise SimulatorError("symbol not found")

    monkeypatch.setattr(doctor, "_simulate", broken)
    check = doctor._check_nest(fast=False)
    assert (check.state, check.detail) == ("broken", "symbol not found")


def test_a_simulator_that_dies_is_quoted_and_its_log_is_removed(folder, monkeypatch):
    class Dying(Pool):
        def run(self, candidates, **more):
            slot = self._slots[0]
            submit = slot.submit

            def and_die(*given):
                submit(*given)
                with self.logs[0].open("a") as log:
                    log.write("loading\nlibgsl.so.27: cannot open shared object file\n\n")
                slot._process.kill()

            slot.submit = and_die
            return super().run(candidates, **more)

    monkeypatch.setattr(probe, "Pool", Dying)
    check = doctor._check_nest(fast=False)
    assert check.state == "broken"
    assert check.detail == "its process died: libgsl.so.27: cannot open shared object file"
    assert files(folder) == []


def test_a_database_that_is_there_stays_as_it_is(capfd):
    with sqlite3.connect("mine.db") as connection:
        connection.execute("create table mine (x integer)")
    before = Path("mine.db").read_bytes()
    check = found(capfd, "--storage", "sqlite:///mine.db")["database"]
    assert check["state"] == "ok"
    assert "mine.db can be written" in check["detail"]
    assert Path("mine.db").read_bytes() == before
    assert [path.name for path in files(Path())] == ["mine.db"]


def test_the_environment_names_the_database_too(capfd, monkeypatch):
    monkeypatch.setenv("OPTUNA_STORAGE", "sqlite:///other.db")
    assert "other.db" in found(capfd)["database"]["detail"]
    assert not Path("other.db").exists()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:////proc/x.db", "cannot write to /proc"),
        ("sqlite:///text.db", "not an SQLite database"),
        ("postgresql://nobody@localhost:1/none", "postgresql+psycopg://nobody@localhost:1/none"),
    ],
)
def test_a_database_that_cannot_be_written_is_broken_and_fails(capfd, url, message):
    Path("text.db").write_text("a text, " * 100)
    check = found(capfd, "--storage", url, code=1)["database"]
    assert check["state"] == "broken"
    assert message in check["detail"]
    assert "--storage" in check["remedy"]


def test_the_failure_is_one_line_on_standard_error(capfd):
    assert execute(["doctor", "--fast", "--storage", "sqlite:////proc/x.db"]) == 1
    assert capfd.readouterr().err == "error: the database cannot be used\n"


@pytest.mark.parametrize("url", ["mine", "sqlite://", "sqlite:///no/x.db"])
def test_what_is_no_database_is_a_wrong_command(capfd, url):
    assert execute(["doctor", "--storage", url]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1


def test_sqlite_on_a_network_file_system_is_warned_of(capfd, monkeypatch, folder):
    Mount = namedtuple("Mount", "mountpoint fstype")
    mounts = [Mount("/", "ext4"), Mount(str(folder), "nfs4")]
    monkeypatch.setattr("psutil.disk_partitions", lambda **_: mounts)
    check = found(capfd)["database"]
    assert check["state"] == "ok"
    assert "network file system, nfs4" in check["detail"]
    assert "PostgreSQL" in check["remedy"]
    assert urls.network_file_system(Path("/usr")) == ""


def test_optional_packages_are_found_or_optional(capfd, monkeypatch):
    without(monkeypatch, "psycopg", "torch", "optuna_dashboard")
    checks = found(capfd)
    for name, package in (("PostgreSQL", "[postgres]"), ("PyTorch", "[gp]"), ("Optuna", "optuna-dashboard")):
        assert checks[name]["state"] == "optional"
        assert package in checks[name]["remedy"]
    with_module(monkeypatch, "psycopg", "torch", "optuna_dashboard")
    checks = found(capfd)
    assert {checks[name]["state"] for name in ("PostgreSQL", "PyTorch", "Optuna")} == {"ok"}


def test_the_cache_folder_shows_its_size(capfd, folder):
    (folder / "cache" / "x").mkdir(parents=True)
    (folder / "cache" / "x" / "code.so").write_bytes(bytes(3 * 2**20))
    check = found(capfd)["cache folder"]
    assert check["state"] == "ok"
    assert f"{folder}/cache: 3 MiB" in check["detail"]


def test_a_cache_folder_that_cannot_be_written_or_is_full_is_broken(capfd, monkeypatch):
    Usage = namedtuple("Usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(2**30, 2**30, 0))
    check = found(capfd)["cache folder"]
    assert check["state"] == "broken"
    assert "free some disk space" in check["remedy"]
    monkeypatch.setenv("CALIBRATE_CACHE", "/proc/calibrate")
    check = found(capfd)["cache folder"]
    assert check["state"] == "broken"
    assert "CALIBRATE_CACHE" in check["remedy"]


def test_too_little_memory_is_said(capfd, monkeypatch):
    Memory = namedtuple("Memory", "available")
    monkeypatch.setattr("psutil.virtual_memory", lambda: Memory(10e6))
    check = found(capfd)["machine"]
    assert check["state"] == "broken"
    assert "GiB" in check["detail"]


def test_a_check_that_breaks_does_not_hide_the_others(capfd, monkeypatch):
    def broken():
        raise RuntimeError("of a kind\nnobody thought of")

    monkeypatch.setattr(doctor, "_check_gpu", broken)
    checks = found(capfd)
    assert list(checks) == NAMES
    assert checks["GPU"]["state"] == "broken"
    assert checks["GPU"]["detail"] == "RuntimeError: of a kind nobody thought of"
