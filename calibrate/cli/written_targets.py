"""The objectives of a study that `calibrate stats --write` makes of recordings."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calibrate.objective import Statistic
from calibrate.objective.resampling import Measured
from calibrate.observation.pieces import Piece
from calibrate.observation.recording import Recording
from calibrate.study.commented_toml import toml
from calibrate.study.file.targets import RECORDING
from calibrate.study.rules.recorded_clusters import n_clusters
from calibrate.study.rules.recorded_targets import (
    ERRORS,
    default_tolerance,
    why_no_tolerance,
    why_no_value,
)


def format_recordings(
    rows: Sequence[Measured],
    files: Mapping[str, Path],
    keys: Mapping[str, Any],
    recordings: Mapping[str, Recording],
    pieces: Mapping[str, Sequence[Piece]],
    path: Path,
    *,
    sampled: bool = False,
) -> Iterator[str]:
    """Write recordings and objectives as lines of TOML, with a comment for each statistic that is no target.

    keys  how every recording is read
    path  the file that they are written to: names of files are as seen from its folder
    """
    yield "# Recordings and the targets that a study takes from them: their mean, with a tolerance of"
    yield f"# {ERRORS:g} standard errors of one more recording. What they were in pieces as long as those of"
    yield "# `calibrate stats` is in comments; a study takes pieces as long as its simulations."
    for name, file in files.items():
        yield ""
        yield "[[recordings]]"
        yield f"name = {toml(_name(name))}"
        yield f"file = {toml(os.path.relpath(file, path.parent))}"
        yield from (f"{key} = {toml(value)}" for key, value in keys.items())
    data = Data(list(recordings.values()), [piece for one in pieces.values() for piece in one])
    for row in rows:
        yield ""
        if reason := why_no_target(row, data):
            yield f"# {row.statistic.name} is left out: {' '.join(reason.split())}."
            continue
        yield from _format_statistic(row.statistic, data)
        value, tolerance = f"{row.estimate.value:.5g}", f"{default_tolerance(row, None)[0]:g}"
        yield f'target = "{RECORDING}"  # {value} ± {tolerance} {row.statistic.unit}'.rstrip()
        yield from _format_neurons(row.statistic, data, sampled=sampled)
    yield ""


def _name(text: str) -> str:
    """A name that a study file can have."""
    allowed = "".join(one if (one.isalnum() and one.isascii()) or one in "_.+-" else "_" for one in text)
    return allowed.lstrip("_.+-") or "recording"


@dataclass(frozen=True)
class Data:
    """The recordings that objectives are made of, and all their pieces."""

    recordings: Sequence[Recording]
    pieces: Sequence[Piece]

    def clusters(self, population: str) -> set[int]:
        """The numbers of clusters of a population that recordings have."""
        return {n_clusters(one, population) for one in self.recordings if population in one.trains} or {1}

    def units(self, population: str) -> set[int]:
        """The numbers of units of a population that pieces hold."""
        return {len(piece.units[population]) for piece in self.pieces if population in piece.units} or {0}


def format_objectives(
    rows: Sequence[Measured],
    source: str,
    recording: Recording,
    pieces: Sequence[Piece],
    *,
    sampled: bool = False,
) -> Iterator[str]:
    """Write objectives as lines of TOML, with a comment for each statistic that is no target.

    sampled  compute all from as many simulated neurons as were recorded, not only those that depend on it
    """
    yield f"# Targets from {source}; a tolerance is {ERRORS:g} standard errors."
    yield "# They are for simulations as long as a piece: [simulation] duration_ms."
    data = Data([recording], pieces)
    for row in rows:
        statistic = row.statistic
        yield ""
        if reason := why_no_target(row, data):
            yield f"# {statistic.name} is left out: {' '.join(reason.split())}."
            continue
        yield from _format_statistic(statistic, data)
        yield f"target = {row.estimate.value:.5g}{f'  # {statistic.unit}' if statistic.unit else ''}"
        yield f"tolerance = {default_tolerance(row, None)[0]:g}"
        yield f'source = "{source}"'
        yield from _format_neurons(statistic, data, sampled=sampled)
    yield ""


def _format_statistic(statistic: Statistic, data: Data) -> Iterator[str]:
    yield "[[objectives]]"
    yield f'statistic = "{statistic.name}"'
    clusters = data.clusters(_population(statistic))
    if _of_clusters(statistic) and "scope" in statistic.options and max(clusters) == 1:
        yield 'options = { scope = "all" }'  # for one cluster, the same value
    elif _of_clusters(statistic):
        yield f"clusters = {list(range(max(clusters)))}  # as many as were recorded"


def _format_neurons(statistic: Statistic, data: Data, *, sampled: bool) -> Iterator[str]:
    needed = statistic.depends_on is None or "neurons" in statistic.depends_on
    units = max(data.units(_population(statistic)))
    if units > 1 and (sampled or needed):
        yield f"neurons = {units}"


def why_no_target(row: Measured, data: Data) -> str:
    """Return why a statistic of recordings is no target; "" if it is one."""
    statistic, estimate = row.statistic, row.estimate
    population = _population(statistic)
    numbers, clusters = data.units(population), data.clusters(population)
    if max(len(one.trains.get(population, ())) for one in data.recordings) == 1 and _summed(statistic):
        return "it takes several units"
    if reason := why_no_value(row) or why_no_tolerance(row):
        return reason
    if _summed(statistic) and len(numbers) > 1:
        return f"it depends on the number of units, and pieces hold {min(numbers)} to {max(numbers)}"
    if estimate.value <= estimate.by_chance + ERRORS * row.error:
        return f"chance alone explains it, since it gives {estimate.by_chance:.2g}"
    if _of_clusters(statistic) and len(clusters) > 1:
        return f"it depends on the clusters, of which recordings have {min(clusters)} to {max(clusters)}"
    if _of_clusters(statistic) and "scope" not in statistic.options and max(clusters) < 2:
        return "it needs the cluster of each unit"
    return ""


def _population(statistic: Statistic) -> str:
    return str(statistic.options.get("population"))


def _of_clusters(statistic: Statistic) -> bool:
    return statistic.depends_on is not None and "clusters" in statistic.depends_on


def _summed(statistic: Statistic) -> bool:
    return statistic.depends_on is not None and "neurons" in statistic.depends_on
