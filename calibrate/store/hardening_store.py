"""The store of a process that hardens trials."""

from __future__ import annotations

from typing import Any

from sqlalchemy import literal, select

from calibrate.calibration.hardening.hardening import Hardening
from calibrate.calibration.trials.simulation import Simulation
from calibrate.store import connections, database_errors, hardenings, urls
from calibrate.store.connections import retry
from calibrate.store.rows import columns_of, simulation_of
from calibrate.store.schema import VARIANT
from calibrate.store.store import Store

# What simulations of variants have nothing of.
_ABSENT: dict[str, Any] = {"stage": 0, "origin": None, "observation": None, "sha256": None}


class HardeningStore(Store):
    """A store to which hardenings can be added."""

    def variants_of(self, uuid: str) -> list[tuple[str, Simulation]]:
        """The simulations of a candidate in variants, each with the digest of its variant."""
        absent = (literal(value).label(name) for name, value in _ABSENT.items())
        query = select(*VARIANT.columns, *absent).filter_by(study=self._id, uuid=uuid).order_by(VARIANT.c.id)
        with database_errors.translating_damage(self._url), self._engine.connect() as connection:
            return [(row.variant, simulation_of(row)) for row in connection.execute(query)]

    @retry
    def keep_variant(self, digest: str, simulation: Simulation) -> None:
        """Store a simulation of a candidate in a variant; one that failed earlier is replaced."""
        key = {
            "study": self._id,
            "uuid": simulation.uuid,
            "variant": digest,
            "realisation": simulation.realisation,
            "condition": simulation.condition,
        }
        columns = columns_of(simulation)
        del columns["origin"]
        urls.check_identity(self._url, self._file)
        with (
            database_errors.translating_errors(self._url),
            connections.writing(self._engine) as connection,
        ):
            found = connection.execute(select(VARIANT.c.status).filter_by(**key)).scalar()
            if found == "complete":  # another hardening was faster
                return
            if found is not None:
                connection.execute(VARIANT.delete().filter_by(**key))
            connection.execute(VARIANT.insert().values(**(columns | key)))

    def hardenings_of(self, trial: int) -> list[Hardening]:
        """All hardenings of a trial, the oldest first."""
        with database_errors.translating_damage(self._url), self._engine.connect() as connection:
            return [one for one in hardenings.all_of(connection, self._study.name) if one.trial == trial]

    @retry
    def keep_hardening(self, hardening: Hardening) -> None:
        """Store a hardening; earlier ones stay."""
        with (
            database_errors.translating_errors(self._url),
            connections.writing(self._engine) as connection,
        ):
            hardenings.add(connection, self._id, hardening)
