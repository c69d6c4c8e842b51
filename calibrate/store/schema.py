"""Our tables beside Optuna's, and their migration from older versions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    inspect,
    literal,
    select,
    text,
)

from calibrate.errors import StoreError
from calibrate.store.connections import writing

METADATA = MetaData()

SCHEMA = Table(
    "calibrate_schema",
    METADATA,
    Column("version", Integer, nullable=False),
)

STUDY = Table(
    "calibrate_study",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", String(255), nullable=False, unique=True),
    Column("digest", String(64), nullable=False),
    Column("content", JSON, nullable=False),  # what the digest is computed from
    Column("text", Text, nullable=False),  # the study file, without the password of its database
    Column("created", String(40), nullable=False),
    Column("versions", JSON, nullable=False),
    Column("taken", JSON(none_as_null=True)),  # from data files, see FromFiles; null: none
)

SIMULATION = Table(
    "calibrate_simulation",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("study", Integer, ForeignKey("calibrate_study.id"), nullable=False, index=True),
    Column("uuid", String(36), nullable=False),  # of the candidate
    Column("candidate", Integer, nullable=False),  # its index
    Column("trial", Integer),  # number in Optuna's study; null until the candidate is told
    Column("stage", Integer, nullable=False),
    Column("realisation", Integer, nullable=False),
    Column("parameters", JSON, nullable=False),  # the free ones
    Column("seed", BigInteger, nullable=False),
    Column("backend", JSON, nullable=False),
    Column("duration_ms", Float, nullable=False),
    Column("wall_s", Float, nullable=False),
    Column("host", String(255), nullable=False),
    Column("finished", String(40), nullable=False),
    Column("status", String(16), nullable=False),  # complete, failed
    Column("reason", Text),
    Column("statistics", JSON, nullable=False),
    Column("observation", Text),  # path relative to the folder of the database, or else of the study file
    Column("sha256", String(64)),
    Column("origin", String(255)),  # the study that it was adopted from
    Column("condition", String(50), nullable=False, server_default=""),  # "" in a study without conditions
    UniqueConstraint("study", "uuid", "stage", "realisation", "condition"),
)
BY_CANDIDATE = Index("calibrate_simulation_by_candidate", SIMULATION.c.study, SIMULATION.c.candidate)
BY_TRIAL = Index("calibrate_simulation_by_trial", SIMULATION.c.study, SIMULATION.c.trial)

# Active runs. A run removes itself when it ends; another run removes it if it died.
COORDINATOR = Table(
    "calibrate_coordinator",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("study", Integer, ForeignKey("calibrate_study.id"), nullable=False, index=True),
    Column("host", String(255), nullable=False),
    Column("place", String(255), nullable=False),  # where its process number is unique
    Column("process", BigInteger, nullable=False),
    Column("beat", BigInteger, nullable=False),  # heartbeat counter, see coordinators.py
    Column("began", String(40), nullable=False),
)

# Candidates that a run has asked for and not told yet.
CLAIM = Table(
    "calibrate_claim",
    METADATA,
    Column("study", Integer, ForeignKey("calibrate_study.id"), primary_key=True),
    Column("candidate", Integer, primary_key=True, autoincrement=False),
    Column("coordinator", Integer, ForeignKey("calibrate_coordinator.id"), nullable=False, index=True),
    Column("parameters", JSON, nullable=False),  # values it must have, if any
)

VERDICT = Table(
    "calibrate_verdict",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("study", Integer, ForeignKey("calibrate_study.id"), nullable=False, index=True),
    Column("trial", Integer, nullable=False),
    Column("exact", Integer, nullable=False),  # 1: of spike trains, 0: of statistics
    Column("verdict", String(16), nullable=False),
    Column("finished", String(40), nullable=False),
    Column("content", JSON, nullable=False),  # the whole verdict
)

# Simulations of a trial as hardware would have its network.
VARIANT = Table(
    "calibrate_variant",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("study", Integer, ForeignKey("calibrate_study.id"), nullable=False, index=True),
    Column("uuid", String(36), nullable=False),  # of the candidate
    Column("variant", String(64), nullable=False),  # SHA-256 of limits, units and settings
    Column("realisation", Integer, nullable=False),
    Column("condition", String(50), nullable=False),
    Column("candidate", Integer, nullable=False),
    Column("parameters", JSON, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("backend", JSON, nullable=False),
    Column("duration_ms", Float, nullable=False),
    Column("wall_s", Float, nullable=False),
    Column("host", String(255), nullable=False),
    Column("finished", String(40), nullable=False),
    Column("status", String(16), nullable=False),  # complete, failed
    Column("reason", Text),
    Column("statistics", JSON, nullable=False),
    UniqueConstraint("study", "uuid", "variant", "realisation", "condition"),
)

HARDENING = Table(
    "calibrate_hardening",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("study", Integer, ForeignKey("calibrate_study.id"), nullable=False, index=True),
    Column("trial", Integer, nullable=False),
    Column("target", String(255), nullable=False),
    Column("survived", Integer, nullable=False),
    Column("chips", Integer, nullable=False),
    Column("finished", String(40), nullable=False),
    Column("content", JSON, nullable=False),  # the whole hardening
)


def _add_origin(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE calibrate_simulation ADD COLUMN origin VARCHAR(255)"))


def _add_verdicts(connection: Connection) -> None:
    VERDICT.create(connection)


def _add_coordinators(connection: Connection) -> None:
    COORDINATOR.create(connection)
    CLAIM.create(connection)
    BY_CANDIDATE.create(connection)
    BY_TRIAL.create(connection)


def _add_taken(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE calibrate_study ADD COLUMN taken JSON"))


def _add_conditions(connection: Connection) -> None:
    """Add the column of the condition, also to the columns that tell simulations apart."""
    name = SIMULATION.name
    if connection.dialect.name != "sqlite":
        for constraint in inspect(connection).get_unique_constraints(name):
            connection.execute(text(f'ALTER TABLE {name} DROP CONSTRAINT "{constraint["name"]}"'))
        connection.execute(text(f"ALTER TABLE {name} ADD COLUMN condition VARCHAR(50) DEFAULT '' NOT NULL"))
        columns = "study, uuid, stage, realisation, condition"
        connection.execute(text(f"ALTER TABLE {name} ADD UNIQUE ({columns})"))
        return
    # SQLite cannot drop a constraint: the table is made anew, as its documentation says.
    columns = ", ".join(column["name"] for column in inspect(connection).get_columns(name))
    for index in inspect(connection).get_indexes(name):
        connection.execute(text(f'DROP INDEX "{index["name"]}"'))
    connection.execute(text(f"ALTER TABLE {name} RENAME TO {name}_before"))
    SIMULATION.create(connection)
    connection.execute(text(f"INSERT INTO {name} ({columns}) SELECT {columns} FROM {name}_before"))
    connection.execute(text(f"DROP TABLE {name}_before"))


def _add_hardenings(connection: Connection) -> None:
    VARIANT.create(connection)
    HARDENING.create(connection)


# Migration k (from 0) upgrades tables from version k + 1 to version k + 2. Existing entries never change:
# databases of all versions are in use.
MIGRATIONS: tuple[Callable[[Connection], None], ...] = (
    _add_origin,
    _add_verdicts,
    _add_coordinators,
    _add_taken,
    _add_conditions,
    _add_hardenings,
)


def present(connection: Connection, columns: Iterable[Column[Any]]) -> list[ColumnElement[Any]]:
    """These columns of one table, to be selected; those that the table of an older version lacks are null."""
    wanted = list(columns)
    existing = {column["name"] for column in inspect(connection).get_columns(wanted[0].table.name)}
    return [one if one.name in existing else literal(None).label(one.name) for one in wanted]


def latest() -> int:
    """The version of the tables that this code writes."""
    return len(MIGRATIONS) + 1


def version(connection: Connection) -> int:
    """The version of our tables in this database, 0 if there are none.

    Raises StoreError if it is newer than this code.
    """
    if not inspect(connection).has_table(SCHEMA.name):
        return 0
    stored = connection.execute(select(SCHEMA.c.version)).scalar()
    if stored is not None and stored > latest():
        raise StoreError(
            f"a newer version of calibrate wrote this database (tables {stored}, supported: {latest()}); "
            "upgrade with: pip install --upgrade calibrate-snn"
        )
    return stored or 0


def upgrade(engine: Engine) -> None:
    """Create our tables or migrate them, in one transaction. Raises StoreError like `version`."""
    with engine.connect() as connection:
        if version(connection) == latest():
            return
    with writing(engine) as connection:
        current = version(connection)  # again: another process may have been faster
        if current == 0:
            METADATA.create_all(connection)
            connection.execute(SCHEMA.delete())
            connection.execute(SCHEMA.insert().values(version=latest()))
            return
        for migrate in MIGRATIONS[current - 1 :]:
            migrate(connection)
        connection.execute(SCHEMA.update().values(version=latest()))
