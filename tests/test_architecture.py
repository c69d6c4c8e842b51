"""Who may import whom: read from the source, so that the storeys stay storeys."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import calibrate

ROOT = Path(__file__).parent.parent

# From the ground up. A room imports from lower storeys, from rooms left of it on its own, and from itself.
STOREYS = """
errors plugins masking
observation objective neurons network hardware models testing
simulators simulation
study calibration
store results
network_export figures tasks report cli
"""
ROOMS = STOREYS.split()

SOURCES = sorted((ROOT / "calibrate").rglob("*.py"))
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in SOURCES
}


def imported(path: Path) -> set[str]:
    """Modules of calibrate, and others, that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in names}
    return found


def room(module: str) -> str:
    return module.split(".")[1]


@pytest.mark.parametrize("module", [name for name in MODULES if name != "calibrate"])
def test_imports_go_down(module):
    for other in imported(MODULES[module]):
        if other.startswith("calibrate."):
            assert ROOMS.index(room(other)) <= ROOMS.index(room(module)), f"{module} imports {other}"


def test_every_room_has_its_place():
    assert {room(name) for name in MODULES if name != "calibrate"} == set(ROOMS)


def test_nothing_lies_flat_but_the_ground_modules():
    flat = {path.stem for path in (ROOT / "calibrate").glob("*.py")}
    assert flat == {"__init__", "errors", "plugins", "masking", "testing"}


def test_no_room_has_the_name_of_something_public():
    """`from calibrate import name` would give the module, once anything has imported it."""
    assert not set(ROOMS) & set(calibrate.__all__)


def test_every_room_says_what_it_is():
    for path in SOURCES:
        if path.name == "__init__.py":
            assert len(ast.get_docstring(ast.parse(path.read_text())) or "") > 15, path


def test_only_their_own_rooms_import_the_simulators():
    users = {
        (path.relative_to(ROOT / "calibrate").as_posix(), module)
        for path in SOURCES
        for module in imported(path)
        if module.split(".")[0] in ("nest", "pygenn")
    }
    assert users == {("simulators/nest/simulator.py", "nest"), ("simulators/genn/simulator.py", "pygenn")}


def test_private_parts_of_other_libraries_are_used_in_one_module_for_each():
    """So that an upgrade has one place to look at. SQLAlchemy documents `_mapping`, Python `os._exit`."""
    for path in SOURCES:
        if path.stem.endswith("internals"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                not isinstance(node, ast.Attribute)
                or not node.attr.startswith("_")
                or node.attr.endswith("__")
            ):
                continue
            owner = ast.unparse(node.value)
            assert owner in ("self", "cls") or node.attr in ("_mapping", "_exit"), (
                f"{path}: {owner}.{node.attr}"
            )


LONGEST_MODULE, LONGEST_BODY = 400, 50


def test_modules_are_short():
    for path in SOURCES:
        assert len(path.read_text().splitlines()) <= LONGEST_MODULE, path


def test_functions_are_short():
    """Counted without signature and docstring."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
                assert lines <= LONGEST_BODY, f"{path}: {node.name} has {lines} lines"


def test_calibrate_does_not_know_the_objectives_that_it_ships():
    for path in SOURCES:
        assert not any(module.split(".")[0] == "objectives" for module in imported(path)), path


def test_objectives_are_written_as_a_users_own_would_be():
    allowed = {"calibrate.objective", "calibrate.observation"}
    for path in (ROOT / "objectives").glob("*.py"):
        nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
        assert {node.module for node in nodes if str(node.module).startswith("calibrate")} <= allowed, path


def test_the_loop_knows_neither_sql_nor_a_simulator():
    names = imported(ROOT / "calibrate" / "calibration" / "loop.py")
    forbidden = ("sqlalchemy", "calibrate.store", "calibrate.simulators", "nest", "pygenn")
    assert not any(name.startswith(forbidden) for name in names)
