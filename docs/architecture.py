"""Draw the architecture from the imports: `python docs/architecture.py` writes docs/architecture.svg.

The storeys are those of tests/test_architecture.py. A room is a box with its number of modules and lines of
code; a line between two rooms is wider, the more modules import across it. Lines to the ground modules, which
everything uses, are left out.
"""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

matplotlib.rcParams["svg.hashsalt"] = "rooms"  # the same picture for the same imports

ROOT = Path(__file__).parent.parent
NAMES = ("Ground", "Vocabulary", "Engine", "Question and search", "Memory", "Faces")


def storeys() -> list[list[str]]:
    """The rooms of each storey, from the ground up."""
    tree = ast.parse((ROOT / "tests" / "test_architecture.py").read_text())
    text = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "STOREYS"
    )
    return [line.split() for line in text.strip().splitlines()]


def modules() -> dict[str, list[Path]]:
    """The files of each room."""
    found: dict[str, list[Path]] = {}
    for path in sorted((ROOT / "calibrate").rglob("*.py")):
        parts = path.relative_to(ROOT / "calibrate").with_suffix("").parts
        found.setdefault(parts[0], []).append(path)
    return found


def arrows(rooms: dict[str, list[Path]]) -> Counter[tuple[str, str]]:
    """Number of modules of a room that import from another room."""
    found: Counter[tuple[str, str]] = Counter()
    for room, paths in rooms.items():
        for path in paths:
            names = set()
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "calibrate":
                    full = [f"{node.module}.{alias.name}" for alias in node.names]
                    names |= {name.split(".")[1] for name in full}
            found.update((room, other) for other in names & rooms.keys() - {room})
    return found


def main() -> None:
    rooms, floors = modules(), storeys()
    figure = Figure(figsize=(11, 7), layout="constrained")
    axes = figure.add_subplot()
    axes.set_axis_off()
    place = {
        room: ((k + 0.5) / len(floor), level)
        for level, floor in enumerate(floors)
        for k, room in enumerate(floor)
    }
    for (room, other), number in sorted(arrows(rooms).items()):
        if other in floors[0]:
            continue
        (x, y), (u, v) = place[room], place[other]
        axes.annotate(
            "",
            (u, v + 0.22 if v < y else v),
            (x, y - 0.22 if v < y else y),
            arrowprops={
                "arrowstyle": "-",
                "color": "#5b7fa6",
                "alpha": min(0.12 + 0.05 * number, 0.6),
                "linewidth": 0.6 + 0.25 * number,
                "connectionstyle": "arc3,rad=0.08" if v < y else "arc3,rad=-0.35",
            },
            zorder=1,
        )
    for room, (x, y) in place.items():
        lines = sum(len(path.read_text().splitlines()) for path in rooms[room])
        label = f"{room}\n{len(rooms[room])} modules, {lines:,} lines" if len(rooms[room]) > 1 else room
        axes.text(
            x,
            y,
            label,
            ha="center",
            va="center",
            fontsize=9,
            zorder=2,
            bbox={"boxstyle": "round,pad=0.5", "facecolor": "#f4f6f9", "edgecolor": "#33475b"},
        )
    for level, name in enumerate(NAMES):
        axes.text(-0.02, level + 0.34, name, ha="left", fontsize=8, color="#6b7785")
    axes.set_xlim(-0.03, 1.03)
    axes.set_ylim(-0.5, len(floors) - 0.3)
    path = ROOT / "docs" / "architecture.svg"
    figure.savefig(path, metadata={"Date": None})
    print(f"{path.relative_to(ROOT)}: {len(place)} rooms, {len(arrows(rooms))} arrows")


if __name__ == "__main__":
    main()
