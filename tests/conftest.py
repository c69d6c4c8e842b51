"""What the tests share: networks, and skipping what this machine cannot run."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from postgres import Server, needs_postgres, postgres

METASTABLE: dict[str, Any] = {
    "connectivity": "fixed_indegree",
    "I_th_E": 2.13,
    "I_th_I": 1.24,
    "J_E+": 3.0,
    "R_J": 0.75,
}
"""The network of the quickstart: 1200 + 300 neurons whose six clusters switch on and off."""

SMALL: dict[str, Any] = {**METASTABLE, "N_E": 240, "N_I": 60, "N_Q": 3, "J_E+": 2.0}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
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


def both(*names: str) -> list[Any]:
    """Parameters for a test that runs once per simulator; GeNN's carry their mark."""
    return [pytest.param(name, marks=pytest.mark.genn) if name == "genn" else name for name in names]


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
