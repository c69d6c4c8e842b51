"""Conversion of studies and simulations to rows of our tables, and of simulations back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, Row, update

from calibrate.calibration.trials.simulation import Simulation
from calibrate.objective import Estimate
from calibrate.plugins import version_of
from calibrate.store.connections import writing
from calibrate.store.integrity import check_simulation
from calibrate.store.schema import STUDY
from calibrate.study import Study
from calibrate.study.identity import data_files


def columns_of(simulation: Simulation) -> dict[str, Any]:
    return {
        "candidate": simulation.index,
        "parameters": dict(simulation.parameters),
        "seed": simulation.seed,
        "backend": dict(simulation.backend),
        "duration_ms": simulation.duration_ms,
        "wall_s": simulation.wall_s,
        "host": simulation.host,
        "finished": simulation.finished.isoformat(),
        "status": "failed" if simulation.failed else "complete",
        "reason": simulation.reason,
        "statistics": statistics_json(simulation.estimates),
        "origin": simulation.origin,
        "condition": simulation.condition,
    }


def statistics_json(estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    """Estimates as they are stored."""
    return {name: _estimate_json(estimate) for name, estimate in estimates.items()}


def _estimate_json(estimate: Estimate) -> dict[str, Any]:
    content: dict[str, Any] = {"value": float(estimate.value) if math.isfinite(estimate.value) else None}
    if math.isfinite(estimate.support):
        content["support"] = float(estimate.support)
    if math.isfinite(estimate.error):
        content["error"] = float(estimate.error)
    if estimate.shortfall and math.isfinite(estimate.shortfall):
        content["shortfall"] = float(estimate.shortfall)
    if estimate.lower_bound:
        content["lower_bound"] = True
    if estimate.note:
        content["note"] = estimate.note
    return content


def _estimates(statistics: Mapping[str, Mapping[str, Any]]) -> dict[str, Estimate]:
    return {
        name: Estimate(**{**content, "value": math.nan if content["value"] is None else content["value"]})
        for name, content in statistics.items()
    }


def simulation_of(row: Row[Any]) -> Simulation:
    check_simulation(row)
    return Simulation(
        uuid=row.uuid,
        index=row.candidate,
        parameters=row.parameters,
        seed=row.seed,
        stage=row.stage,
        realisation=row.realisation,
        condition=row.condition or "",  # tables of older versions have none
        backend=row.backend,
        duration_ms=row.duration_ms,
        wall_s=row.wall_s,
        host=row.host,
        finished=datetime.fromisoformat(row.finished),
        reason=row.reason if row.status == "failed" else None,
        estimates=_estimates(row.statistics),
        origin=row.origin,
    )


def keep_taken(engine: Engine, number: int, study: Study) -> None:
    """Store what a study has taken from data files, if the older version that began it did not."""
    if data_files(study.file):
        lacking = update(STUDY).where(STUDY.c.id == number, STUDY.c.taken.is_(None))
        with writing(engine) as connection:
            connection.execute(lacking.values(taken=study.taken.as_json()))


def columns_of_study(study: Study) -> dict[str, Any]:
    """The columns of a study that begins now."""
    versions = {name: version_of(name) for name in ("calibrate-snn", "optuna", "numpy")}
    return {
        "name": study.name,
        "digest": study.digest,
        "content": study.content,
        "text": study.text,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "taken": study.taken.as_json() if data_files(study.file) else None,
        "versions": {name: version for name, version in versions.items() if version is not None},
    }
