"""The objectives of a study that `calibrate stats --write` makes of a recording."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from calibrate.objective import Statistic
from calibrate.objective.resampling import Measured
from calibrate.observation.pieces import Piece
from calibrate.observation.recording import Recording
from calibrate.study.rules.recorded_clusters import n_clusters
from calibrate.study.rules.recorded_targets import (
    ERRORS,
    default_tolerance,
    why_no_tolerance,
    why_no_value,
)


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
    for row in rows:
        yield ""
        if reason := why_no_target(row, recording, pieces):
            yield f"# {row.statistic.name} is left out: {' '.join(reason.split())}."
        else:
            yield from _format_objective(row, source, recording, pieces, sampled=sampled)
    yield ""


def _format_objective(
    row: Measured, source: str, recording: Recording, pieces: Sequence[Piece], *, sampled: bool
) -> Iterator[str]:
    statistic, population = row.statistic, str(row.statistic.options.get("population"))
    unit = f"  # {statistic.unit}" if statistic.unit else ""
    yield "[[objectives]]"
    yield f'statistic = "{statistic.name}"'
    if _of_clusters(statistic) and "scope" in statistic.options and n_clusters(recording, population) == 1:
        yield 'options = { scope = "all" }'  # for one cluster, the same value
    elif _of_clusters(statistic):
        yield f"clusters = {list(range(n_clusters(recording, population)))}  # as many as were recorded"
    yield f"target = {row.estimate.value:.5g}{unit}"
    yield f"tolerance = {default_tolerance(row, None)[0]:g}"
    yield f'source = "{source}"'
    needed = statistic.depends_on is None or "neurons" in statistic.depends_on
    units = max(_units(pieces, population))
    if units > 1 and (sampled or needed):
        yield f"neurons = {units}"


def why_no_target(row: Measured, recording: Recording, pieces: Sequence[Piece]) -> str:
    """Return why a statistic of a recording is no target; "" if it is one."""
    statistic, estimate = row.statistic, row.estimate
    population = str(statistic.options.get("population"))
    numbers = _units(pieces, population)
    if len(recording.trains.get(population, ())) == 1 and _summed(statistic):
        return "it takes several units"
    if reason := why_no_value(row) or why_no_tolerance(row):
        return reason
    if _summed(statistic) and len(numbers) > 1:
        return f"it depends on the number of units, and pieces hold {min(numbers)} to {max(numbers)}"
    if estimate.value <= estimate.by_chance + ERRORS * row.error:
        return f"chance alone explains it, since it gives {estimate.by_chance:.2g}"
    if _of_clusters(statistic) and "scope" not in statistic.options and n_clusters(recording, population) < 2:
        return "it needs the cluster of each unit"
    return ""


def _units(pieces: Sequence[Piece], population: str) -> set[int]:
    """The numbers of units of a population that pieces hold."""
    return {len(piece.units.get(population, ())) for piece in pieces}


def _of_clusters(statistic: Statistic) -> bool:
    return statistic.depends_on is not None and "clusters" in statistic.depends_on


def _summed(statistic: Statistic) -> bool:
    return statistic.depends_on is not None and "neurons" in statistic.depends_on
