"""A study as a console or notebook shows it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from calibrate.objective import Constraint
from calibrate.study.space import Domain, Range

if TYPE_CHECKING:
    from calibrate.study.study import Study


def in_words(study: Study) -> str:
    """The model, the search and the question of a study, a line for each parameter, target and bound."""
    trials = "no limit of trials" if study.trials is None else f"{study.trials} trials"
    limits = "" if study.limits is None else f" under the limits of {study.limits}"
    head = (
        f"study {study.name}: {study.file.model.name}{limits}, {study.simulation.duration_ms / 1000:g} s per "
        f"simulation, simulator {study.simulation.backend}; {trials}, sampler {study.sampler.name}"
    )
    rows = list(_rows(study))
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join([head, *(f"  {name:<{width}} {text}" for name, text in rows)])


def _rows(study: Study) -> Iterator[tuple[str, str]]:
    for name, domain in study.space.items():
        yield name, f"{_values(domain)} {study.model.parameter(name).unit}".rstrip()
    for objective in study.objectives:
        yield objective.name, f"target {objective.aim} {objective.statistic.unit}".rstrip()
    for objective in study.predicted:
        yield objective.name, f"predicted, target {objective.aim} {objective.statistic.unit}".rstrip()
    for constraint in study.constraints:
        yield constraint.name, f"must be {_bounds(constraint)} {constraint.statistic.unit}".rstrip()


def _values(domain: Domain) -> str:
    if not isinstance(domain, Range):
        return " or ".join(map(str, domain.values))
    low, high = domain.ends
    step = f" in steps of {domain.step:g}" if domain.step is not None else ""
    return f"{low:g} to {high:g}{step}{' (log)' if domain.log else ''}"


def _bounds(constraint: Constraint) -> str:
    low = "" if math.isinf(constraint.low) else f"≥ {constraint.low:g}"
    high = "" if math.isinf(constraint.high) else f"≤ {constraint.high:g}"
    return " and ".join(bound for bound in (low, high) if bound)
