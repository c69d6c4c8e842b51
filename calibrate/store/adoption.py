"""Adoption: simulations of another study that a study could have run itself are imported and rescored."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, select

from calibrate.errors import CalibrateError, ObjectiveError, StoreError, did_you_mean
from calibrate.objective.panel import measure
from calibrate.objective.rounding import counted
from calibrate.store import archive, urls
from calibrate.store.rows import statistics_json
from calibrate.store.schema import SIMULATION
from calibrate.store.study_names import list_studies
from calibrate.study import Grid, Study, differences
from calibrate.study.conditions import find_condition
from calibrate.study.expressions import Expression
from calibrate.study.file.replicates import ReplicatesSection
from calibrate.study.graph_numbers import Graphs
from calibrate.study.identity import code_of_simulations, order_of
from calibrate.study.rules.parameters import with_derived

# Two studies may differ in their search, but not in what they simulate: these tables must agree, apart from
# the keys in `_MAY_DIFFER`. Conditions must agree in what is held out, too: trials that were fitted to one
# cannot predict it.
_SAME = ("model", "simulation", "conditions", "stimuli", "loop", "hardware", "files")
_MAY_DIFFER = ("backend", "precision", "seed")


@dataclass(frozen=True)
class Adopted:
    """The outcome of an adoption, as numbers of candidates.

    reason  why the first candidate that cannot be rescored cannot
    """

    taken: int
    outside: int
    without_observation: int
    reason: str = field(default="", compare=False)

    def describe(self, name: str) -> str:
        """One line about what was imported from study `name`."""
        parts = [f"{counted(self.taken, 'trial')} imported from study '{name}'"]
        if self.outside:
            parts.append(f"{self.outside} lie outside the ranges or differ in fixed parameters")
        if self.without_observation:
            parts.append(f"{self.without_observation} cannot be rescored: {self.reason}")
        return "; ".join(parts)


def check_origins(study: Study, url: str, names: Sequence[str]) -> None:
    """Raise StoreError if `study` cannot take over one of the studies `names`. Reads the database only."""
    where = urls.parse(url, Path.cwd())
    studies = list_studies(where) if names else ()
    for name in names:
        origin_of(study, name, studies, urls.mask(where))


def origin_of(study: Study, name: str, studies: Sequence[Row[Any]], database: str) -> Row[Any]:
    """The row of study `name`, from which `study` takes over trials.

    Raises StoreError if it is not among `studies`, or if the two studies simulate different things.
    """
    others = {row.name: row for row in studies if row.name != study.name}
    if name not in others:
        hint = did_you_mean(name, list(others))
        names = ", ".join(others) or "none"
        raise StoreError(f"{database} has no other study '{name}'{hint}; other studies: {names}")
    if isinstance(study.sampler, Grid) and not _same_points(study, others[name]):
        raise StoreError("a grid study can take over only trials of the same grid: leave out --import")
    old, new = (
        {
            table: {key: value for key, value in content.get(table, {}).items() if key not in _MAY_DIFFER}
            for table in _SAME
        }
        for content in (others[name].content, study.content)
    )
    # Files that define statistics may differ, because statistics are recomputed.
    code = code_of_simulations(study.file, study.folder)
    for content in (old, new):
        content["files"] = {name: digest for name, digest in content["files"].items() if name in code}
    if changes := differences(old, new):
        raise StoreError(
            f"the trials of study '{name}' were simulated with different settings: {'; '.join(changes)}"
        )
    return others[name]


def _same_points(study: Study, origin: Row[Any]) -> bool:
    """Whether a candidate's index stands for the same parameters in both studies."""
    content = study.content
    same = all(content[table] == origin.content[table] for table in ("parameters", "sampler", "study"))
    return same and order_of(content).parameters == order_of(origin.content).parameters


def read_indices(connection: Connection, study: int) -> dict[str, int]:
    """Indices of the candidates of study number `study` that have simulations, by UUID."""
    query = select(SIMULATION.c.uuid, SIMULATION.c.candidate).where(SIMULATION.c.study == study)
    return {row.uuid: row.candidate for row in connection.execute(query)}


def collect_adoptable(
    study: Study, origin: Row[Any], rows: Sequence[Row[Any]], folder: Path
) -> tuple[Adopted, list[dict[str, Any]]]:
    """The columns of the simulations of study `origin` that `study` can take over, with its own statistics.

    These simulations are complete and belong to the last stage. Their free parameters lie inside the ranges
    of `study`, and the other parameters have the values that are fixed there. Candidates keep the indices
    that they have in study `origin`.
    """
    last_stage = len(origin.content.get("stages", {})) + 1
    # Graphs that were fresh to the search of the origin are left out: they must stay fresh to this search.
    scored = [study.graphs.scored, _graphs(origin).scored]
    searched = {condition.name for condition in study.searched}
    taken = set[str]()
    outside, without = set[str](), dict[str, str]()
    columns = []
    for row in rows:
        if (
            row.status != "complete"
            or row.stage != last_stage
            or row.condition not in searched
            or any(row.realisation not in graphs for graphs in scored)
        ):
            continue
        free = _convert_free(study, origin.content["parameters"], row.parameters)
        if free is None:
            outside.add(row.uuid)
            continue
        try:
            statistics = _statistics(study, row, folder)
        except (StoreError, ObjectiveError) as error:
            without[row.uuid] = str(error)
            continue
        taken.add(row.uuid)
        copied = {name: value for name, value in row._mapping.items() if name not in ("id", "study", "trial")}
        columns.append(
            {
                **copied,
                "stage": len(study.stages),
                "parameters": free,
                "statistics": statistics,
                "origin": origin.name,
            }
        )
    reason = next(iter(without.values()), "")
    return Adopted(len(taken), len(outside), len(without.keys() - taken), reason), columns


def renumber(
    study: Study, origin: Row[Any], columns: Sequence[dict[str, Any]], *, used: Collection[int]
) -> list[dict[str, Any]]:
    """The columns with candidate indices that `study` does not use.

    Indices stay the same if they stand for the same parameters in both studies and none is `used` yet.
    """
    if not used and _same_points(study, origin):
        return list(columns)
    uuids = dict.fromkeys(values["uuid"] for values in columns)
    fresh = dict(zip(uuids, itertools.count(max(used, default=-1) + 1), strict=False))
    return [{**values, "candidate": fresh[values["uuid"]]} for values in columns]


def _graphs(row: Row[Any]) -> Graphs:
    """The graphs of a study in the database."""
    return Graphs.of(ReplicatesSection(**row.content.get("replicates", {})))


def _convert_free(
    study: Study, parameters: Mapping[str, Any], free: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Values of the free parameters of `study` in a trial of the origin, whose own free values are `free`.

    None if one of them lies outside its range, or if another parameter has a different value.
    """
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
        raise StoreError("its observations were not stored")
    condition = find_condition(study, row.condition)
    observation = archive.load(folder / row.observation, row.sha256)
    return statistics_json(measure(observation, condition.statistics, required=condition.judged))
