"""Hardenings in our tables."""

from __future__ import annotations

from sqlalchemy import Connection, inspect, select

from calibrate.calibration.hardening.hardening import Hardening, as_content, from_content
from calibrate.store.schema import HARDENING, STUDY


def add(connection: Connection, study: int, hardening: Hardening) -> None:
    """Store a hardening; earlier ones stay."""
    connection.execute(
        HARDENING.insert().values(
            study=study,
            trial=hardening.trial,
            target=hardening.target,
            survived=hardening.chips.survived,
            chips=hardening.chips.of,
            finished=hardening.finished,
            content=as_content(hardening),
        )
    )


def hardenings_of(connection: Connection, study: str) -> list[Hardening]:
    """The latest hardening of each trial for each target, by trial; none if the tables are too old."""
    latest = {(one.trial, one.target): one for one in all_of(connection, study)}
    return [latest[key] for key in sorted(latest)]


def all_of(connection: Connection, study: str) -> list[Hardening]:
    """All hardenings of a study, the oldest first; none if the tables are too old."""
    if not inspect(connection).has_table(HARDENING.name):
        return []
    query = (
        select(HARDENING.c.content)
        .join_from(HARDENING, STUDY, HARDENING.c.study == STUDY.c.id)
        .where(STUDY.c.name == study)
        .order_by(HARDENING.c.id)
    )
    return [from_content(content) for content in connection.scalars(query)]
