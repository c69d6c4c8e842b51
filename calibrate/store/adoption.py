"""Adoption: simulations of one study that another one could have made itself, scored for it again."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from calibrate.errors import CalibrateError, ObjectiveError, StoreError, did_you_mean
from calibrate.objective.panel import measure
from calibrate.store import archive, urls
from calibrate.store.naming import begun
from calibrate.store.rows import statistics_json
from calibrate.study import Grid, Study, differences
from calibrate.study.expressions import Expression
from calibrate.study.file.sections import ReplicatesSection
from calibrate.study.graphs import Graphs
from calibrate.study.rules.parameters import with_derived

# What may differ: the search, not what a simulation shows.
_SAME = ("model", "simulation", "stimuli", "files")
_MAY_DIFFER = ("backend", "precision", "seed")


@dataclass(frozen=True)
class Adopted:
    """What came of an adoption, in candidates.

    reason  why the first one that could not be scored again could not
    """

    taken: int
    outside: int
    without_observation: int
    reason: str = field(default="", compare=False)

    def describe(self, name: str) -> str:
        """A line on what was taken over from study `name`."""
        parts = [f"{self.taken} trials of study '{name}' count here"]
        if self.outside:
            parts.append(f"{self.outside} lie outside the ranges or have other fixed parameters")
        if self.without_observation:
            parts.append(f"{self.without_observation} cannot be scored again: {self.reason}")
        return "; ".join(parts)


def check_origins(study: Study, url: str, names: Sequence[str]) -> None:
    """Raise StoreError where `study` cannot take over one of these; the database is not changed."""
    where = urls.parse(url, Path.cwd())
    found = begun(where) if names else ()
    for name in names:
        origin_of(study, name, found, urls.mask(where))


def origin_of(study: Study, name: str, found: Sequence[Row[Any]], database: str) -> Row[Any]:
    """The row of study `name`, of which `study` takes trials over.

    Raises StoreError where it is not among those `found`, or the two do not simulate the same.
    """
    others = {row.name: row for row in found if row.name != study.name}
    if name not in others:
        known = ", ".join(others) or "none"
        hint = did_you_mean(name, list(others))
        raise StoreError(f"{database} has no other study '{name}'{hint}: there are {known}")
    if isinstance(study.sampler, Grid) and not _same_points(study, others[name]):
        raise StoreError("a grid takes over only trials of the same grid: leave out --import")
    old, new = (
        {
            table: {key: value for key, value in content.get(table, {}).items() if key not in _MAY_DIFFER}
            for table in _SAME
        }
        for content in (others[name].content, study.content)
    )
    # Files of statistics may differ: statistics are computed again.
    model_file = study.file.model.name.rpartition(":")[0]
    for content in (old, new):
        content["files"] = {file: digest for file, digest in content["files"].items() if file == model_file}
    if changes := differences(old, new):
        raise StoreError(
            f"the trials of study '{name}' were simulated with different settings: {'; '.join(changes)}"
        )
    return others[name]


def _same_points(study: Study, found: Row[Any]) -> bool:
    """Whether a candidate's index stands for the same parameters in both."""
    content = study.content
    return all(content[table] == found.content[table] for table in ("parameters", "sampler", "study"))


def adoptable(
    study: Study, found: Row[Any], rows: Sequence[Row[Any]], folder: Path
) -> tuple[Adopted, list[dict[str, Any]]]:
    """The columns of the simulations of study `found` that `study` can take over, its statistics in them.

    Those are complete, of the last stage, and of parameters inside the ranges, the others as they are fixed
    here. The candidates have the indices that they have in study `found`.
    """
    last_stage = len(found.content.get("stages", {})) + 1
    # Not the graphs that were fresh to the old search: they must stay fresh to this one.
    scored = [study.graphs.scored, _graphs(found).scored]
    taken = set[str]()
    outside, without = set[str](), dict[str, str]()
    columns = []
    for row in rows:
        if (
            row.status != "complete"
            or row.stage != last_stage
            or any(row.realisation not in graphs for graphs in scored)
        ):
            continue
        free = _free(study, found.content["parameters"], row.parameters)
        if free is None:
            outside.add(row.uuid)
            continue
        try:
            statistics = _statistics(study, row, folder)
        except (StoreError, ObjectiveError) as error:
            without[row.uuid] = str(error)
            continue
        taken.add(row.uuid)
        kept = {name: value for name, value in row._mapping.items() if name not in ("id", "study", "trial")}
        columns.append(
            {
                **kept,
                "stage": len(study.stages),
                "parameters": free,
                "statistics": statistics,
                "origin": found.name,
            }
        )
    reason = next(iter(without.values()), "")
    return Adopted(len(taken), len(outside), len(without.keys() - taken), reason), columns


def numbered(
    study: Study, found: Row[Any], columns: Sequence[dict[str, Any]], *, used: Collection[int]
) -> list[dict[str, Any]]:
    """The columns with indices of candidates that `study` does not use.

    Where an index stands for the same parameters in both, and nothing was asked yet, it stays.
    """
    if not used and _same_points(study, found):
        return list(columns)
    uuids = dict.fromkeys(values["uuid"] for values in columns)
    fresh = dict(zip(uuids, itertools.count(max(used, default=-1) + 1), strict=False))
    return [{**values, "candidate": fresh[values["uuid"]]} for values in columns]


def _graphs(found: Row[Any]) -> Graphs:
    """The graphs of a study in the database."""
    return Graphs.of(ReplicatesSection(**found.content.get("replicates", {})))


def _free(study: Study, parameters: Mapping[str, Any], free: Mapping[str, Any]) -> dict[str, Any] | None:
    """The old trial's values of the new free parameters; None where they are outside, or others differ."""
    formulas = {
        name: Expression(value["expression"])
        for name, value in parameters.items()
        if isinstance(value, dict) and "expression" in value
    }
    fixed = {name: value for name, value in parameters.items() if not isinstance(value, dict)}
    model = study.model
    try:
        old = model.complete(with_derived(model, {**fixed, **free}, formulas))
        point = {name: old[name] for name in study.space}
        if not all(domain.contains(point[name]) for name, domain in study.space.items()):
            return None
        return point if model.complete(study.parameters(point)) == old else None
    except CalibrateError:
        return None


def _statistics(study: Study, row: Row[Any], folder: Path) -> dict[str, Any]:
    if row.observation is None:
        raise StoreError("its observations were not kept")
    judged = frozenset(one.name for one in study.judged)
    observation = archive.load(folder / row.observation, row.sha256)
    return statistics_json(measure(observation, study.statistics, required=judged))
