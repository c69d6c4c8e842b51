"""Who may import whom: read from the source, so that the layers stay layers."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# From the bottom up; a module imports from lower layers, and from its own package, only.
LAYERS = [
    {"errors", "interrupt", "lifetime", "masking"},
    {"plugins", "observation", "neurons"},
    {"plasticity", "objective"},
    {"network"},
    {"wiring", "models", "catalogue", "suggestions", "panel"},
    {"simulators"},
    {"closed_loop", "packing"},
    {"scorers"},
    {"worker", "style", "recording", "testing"},
    {"slot"},
    {"pool"},
    {"dask_pool", "bootstrap", "comparison", "equivalence", "raster"},
    {"study"},
    {"record", "samplers", "draft", "looseness", "setup", "regimes", "sizes"},
    {"batch_size", "score", "search"},
    {"asking", "best", "case", "importance"},
    {"findings", "agreement", "single"},
    {"verdict"},
    {"result", "store", "exactness"},
    {"probe", "display", "reading", "measurement"},
    {"run", "validation", "scaling"},
    {"maps"},
    {"figures"},
    {"session"},
    {"cost", "doctor"},
    {"selftest", "live"},
    {"report", "dashboard"},
    {"cli"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}

SOURCES = sorted((ROOT / "calibrate").rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Modules that a file imports, "calibrate.x" for names of the package too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names if node.module == "calibrate" else {node.module}
    return found


def part(module: str) -> str:
    return module.split(".")[1]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down_the_layers(path):
    own = path.relative_to(ROOT / "calibrate").with_suffix("").parts[0]
    if own == "__init__":
        return
    for module in imported(path):
        if module.startswith("calibrate.") and part(module) != own:
            assert LEVEL[part(module)] < LEVEL[own], f"{own} imports {module}"


def test_every_part_has_a_layer():
    parts = {path.relative_to(ROOT / "calibrate").with_suffix("").parts[0] for path in SOURCES}
    assert parts - {"__init__"} == set(LEVEL)


def test_only_their_own_modules_import_the_simulators():
    users = {
        (path.name, module)
        for path in SOURCES
        for module in imported(path)
        if module.split(".")[0] in ("nest", "pygenn")
    }
    assert users == {("nest.py", "nest"), ("genn.py", "pygenn")}


def test_calibrate_does_not_know_the_objectives_that_it_ships():
    for path in SOURCES:
        assert not any(module.split(".")[0] == "objectives" for module in imported(path)), path


def test_objectives_are_written_as_a_users_own_would_be():
    allowed = {"calibrate.objective", "calibrate.observation"}
    for path in (ROOT / "objectives").glob("*.py"):
        ours = {module for module in imported(path) if module.startswith("calibrate")}
        assert ours <= allowed, path


def test_the_loop_knows_neither_sql_nor_a_simulator():
    names = imported(ROOT / "calibrate" / "run.py")
    forbidden = ("sqlalchemy", "calibrate.store", "calibrate.simulators", "nest", "pygenn")
    assert not any(name.startswith(forbidden) for name in names)
