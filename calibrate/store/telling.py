"""Which candidates have been told as trials, according to our tables.

Optuna's own tools can delete or rename the study that the trials belong to. Our tables keep every simulation,
so nothing is lost: a run makes the trials again.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence, Set

from sqlalchemy import Connection, delete, func, select, update

from calibrate.calibration.trials.simulation import Simulation
from calibrate.store.rows import simulation_of
from calibrate.store.schema import HARDENING, SIMULATION, STUDY, VERDICT
from calibrate.study import Study
from calibrate.study.graph_numbers import Purpose

# Before a trial is told, its candidate has no such simulations; only a trial that was deleted has.
_AFTER_TELLING = (Purpose.FRESH, Purpose.VALIDATION)


def count_told(connection: Connection, study: str) -> int:
    """Number of trials that were told from simulations of `study`; Optuna's tables must have as many."""
    told = (
        select(func.count(SIMULATION.c.trial.distinct()))
        .join_from(SIMULATION, STUDY, SIMULATION.c.study == STUDY.c.id)
        .where(STUDY.c.name == study)
    )
    return int(connection.execute(told).scalar_one())


def read_untold(connection: Connection, study: Study, number: int, candidates: Set[int]) -> list[Simulation]:
    """The simulations of these candidates of study `number` that no trial was told from, by candidate."""
    if not candidates:  # as after nearly every batch
        return []
    query = select(SIMULATION).where(SIMULATION.c.study == number, SIMULATION.c.trial.is_(None))
    rows = connection.execute(query.order_by(SIMULATION.c.candidate, SIMULATION.c.id)).all()
    return [
        simulation_of(row)
        for row in rows
        if row.candidate in candidates and study.purpose(row.stage, row.realisation) not in _AFTER_TELLING
    ]


def number_trials(
    connection: Connection, study: int, numbers: Mapping[str, int], uuids: Sequence[str]
) -> None:
    """Store the trial numbers of these candidates with their simulations.

    numbers  trial numbers by UUID
    """
    for uuid in uuids:
        untold = (SIMULATION.c.study == study, SIMULATION.c.uuid == uuid, SIMULATION.c.trial.is_(None))
        connection.execute(update(SIMULATION).where(*untold).values(trial=numbers[uuid]))


def forget(connection: Connection, study: int, known: Container[str]) -> int:
    """Make candidates of study number `study` untold, except those whose UUID is known; returns their number.

    Their trials may get other numbers, by which verdicts and hardenings name trials, so these are deleted.
    Their simulations stay, so that repeating them takes no simulation.
    """
    told = (SIMULATION.c.study == study, SIMULATION.c.trial.is_not(None))
    uuids = connection.scalars(select(SIMULATION.c.uuid).where(*told).distinct()).all()
    lost = [uuid for uuid in uuids if uuid not in known]
    for uuid in lost:
        connection.execute(update(SIMULATION).where(*told, SIMULATION.c.uuid == uuid).values(trial=None))
    if lost:
        for table in (VERDICT, HARDENING):
            connection.execute(delete(table).where(table.c.study == study))
    return len(lost)
