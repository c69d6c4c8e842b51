"""What all tests share: databases, and skipping what this machine cannot run."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Threads gain nothing for small matrices: they wait for one another, and other tests need the cores.
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
# Tests start hundreds of processes, each of which would compile all modules anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import optuna
import pytest
from optuna.storages._rdb.storage import _VersionManager

from tests.helpers.postgres import Server, needs_postgres, postgres


def pytest_xdist_auto_num_workers() -> int:
    """One worker more than cores: a quarter of the time, tests wait for processes, servers and clocks."""
    return len(os.sched_getaffinity(0)) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Modules with slow tests first: none of these begins when all others have ended.
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
    if importlib.util.find_spec("pygenn"):
        return
    skip = pytest.mark.skip(reason="PyGeNN is not installed")
    for item in items:
        if item.get_closest_marker("genn"):
            item.add_marker(skip)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reports = {
        kind: [r for r in terminalreporter.getreports(kind) if "genn" in getattr(r, "keywords", {})]
        for kind in ("passed", "failed", "skipped")
    }
    run = len([r for kind in ("passed", "failed") for r in reports[kind] if r.when == "call"])
    terminalreporter.write_line(f"GeNN: {run} run, {len(reports['skipped'])} skipped")


@pytest.fixture(autouse=True, scope="session")
def _undisturbed() -> Iterator[None]:
    """Optuna is quiet, and no study goes to the database of whoever runs the tests."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OPTUNA_STORAGE", raising=False)
        yield


@pytest.fixture(autouse=True, scope="session")
def _migrations_are_read_once() -> Iterator[None]:
    """Optuna would import all its migrations of tables anew, three times for every new database."""
    read, kept = _VersionManager._create_alembic_script, []

    def once(manager: _VersionManager) -> Any:
        if not kept:
            kept.append(read(manager))
        return kept[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_VersionManager, "_create_alembic_script", once)
        yield


@pytest.fixture
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test runs in its own folder."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL server."""
    with postgres() as running:
        yield running


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=needs_postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'shared.db'}"
    new: str = request.getfixturevalue("server").new_database()
    return new
