"""The tables of clusters of a Phy folder: one value for each cluster, in columns of several files."""

from __future__ import annotations

import csv
from pathlib import Path

from calibrate.errors import RecordingError


def read_cluster_tables(folder: Path) -> dict[str, dict[int, object]]:
    """Return for each column the values of clusters by number.

    cluster_info is Phy's summary of the other tables, which are therefore read after it.
    """
    found: dict[str, dict[int, object]] = {}
    for path in sorted(cluster_table_files(folder), key=lambda one: one.stem != "cluster_info"):
        for name, values in _read_table(path).items():
            found.setdefault(name, {}).update(values)
    return found


def cluster_table_files(folder: Path) -> list[Path]:
    """The files of the tables."""
    return [one for suffix in ("csv", "tsv") for one in sorted(folder.glob(f"cluster_*.{suffix}"))]


def _read_table(path: Path) -> dict[str, dict[int, object]]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        head = file.readline()
        separator = "\t" if "\t" in head else ","
        names = [name.strip() for name in head.rstrip("\r\n").split(separator)]
        key = next((name for name in ("cluster_id", "id") if name in names), None)
        if key is None:
            return {}
        found: dict[str, dict[int, object]] = {name: {} for name in names if name != key}
        for row in csv.reader(file, delimiter=separator):
            cells = dict(zip(names, row, strict=False))
            if not cells.get(key):
                continue
            cluster = _as_number(cells.pop(key))
            if not isinstance(cluster, int):
                raise RecordingError(
                    f"{path.name} has a cluster '{str(cluster)[:30]}', which is not a whole number"
                )
            for name, cell in cells.items():
                if cell.strip():
                    found[name][cluster] = _as_number(cell.strip())
    return {name: values for name, values in found.items() if name and values}


def _as_number(cell: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            continue
    return cell
