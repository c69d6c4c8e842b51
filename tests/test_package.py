"""The wheel, away from the checkout: what is in it, and that it works from there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.helpers.studies import write_study

ROOT = Path(__file__).parent.parent
PARTS = ("calibrate", "objectives", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = tmp_path_factory.mktemp("source")
    for name in PARTS:  # a copy: building leaves files behind
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(source / "dist"), "."]
    subprocess.run(command, cwd=source, check=True)
    (built,) = (source / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def python(*arguments: str, site: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Python with the wheel's packages before all others, and its own dependencies."""
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_wheel_holds_the_two_packages_and_what_type_checkers_need(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if "dist-info" not in top} == {"calibrate", "objectives"}
    assert {"calibrate/py.typed", "calibrate/__init__.pyi"} <= set(names)
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "calibrate").rglob("*.py")}
    assert modules <= set(names)


@pytest.mark.slow
def test_the_wheel_runs_a_study_and_its_processes_use_it_too(site, tmp_path):
    where = python("-c", "import calibrate; print(calibrate.__file__)", site=site, folder=tmp_path)
    assert where.stdout.strip() == str(site / "calibrate" / "__init__.py")
    study = write_study(tmp_path)
    done = python("-m", "calibrate.cli", "run", study.name, "--slots", "2", site=site, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "small: 8 trials" in done.stdout


@pytest.mark.slow
def test_a_users_code_is_checked_against_the_types_in_the_wheel(site, tmp_path):
    (tmp_path / "good.py").write_text(
        "from calibrate import Result, read_study, run_study\n"
        "result: Result = run_study(read_study('x.toml'), slots=2)\n"
        "number: int = result.complete\n"
    )
    (tmp_path / "bad.py").write_text(
        "from calibrate import read_study, run_study\nrun_study(read_study(1), slots='two')\n"
    )
    environment = {**os.environ, "MYPYPATH": str(site)}
    command = [sys.executable, "-m", "mypy", "--follow-imports=silent", "good.py", "bad.py"]
    found = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert "good.py" not in found.stdout
    assert found.stdout.count("[arg-type]") == 2
    assert "Found 2 errors in 1 file (checked 2 source files)" in found.stdout
