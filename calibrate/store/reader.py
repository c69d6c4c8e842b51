"""Reading what a study has found from its database, which is left as it is; a run may be writing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from optuna.trial import FrozenTrial
from sqlalchemy import ColumnElement, Select, inspect, literal, select

from calibrate.calibration.trials.simulation import Simulation
from calibrate.calibration.validation.verdict import Verdict
from calibrate.errors import StoreError
from calibrate.observation import Observation
from calibrate.store import archive, database
from calibrate.store.naming import begun, namesakes
from calibrate.store.rows import simulation_of
from calibrate.store.schema import SIMULATION, STUDY
from calibrate.store.soundness import check_trials
from calibrate.store.verdicts import verdicts_of
from calibrate.study import Study, differences


def find(study: Study, url: str) -> Study:
    """`study` under the name, and with the simulator, that it has in its database. Raises StoreError.

    Of a study that was changed after it began, this is the one that its file describes now.
    """
    where = database.parsed(url, Path.cwd())
    rows = namesakes(study.name, begun(where))
    for row in rows:
        same = _on_its_backend(study, row.content)
        if not differences(row.content, same.content):
            return replace(same, name=row.name)
    if not rows:
        raise StoreError(f"{database.shown(where)} holds no study '{study.name}' yet: run it first")
    changes = differences(rows[-1].content, _on_its_backend(study, rows[-1].content).content)
    raise StoreError(
        f"{study.path} was changed after study '{rows[-1].name}' in {database.shown(where)} began: "
        f"{'; '.join(changes[:5])}. Undo this, run it with --new, or calibrate rescore"
    )


def on_latest_backend(study: Study, url: str) -> Study:
    """`study` with the simulator of its latest version in the database, where it says "auto"."""
    rows = namesakes(study.name, begun(database.parsed(url, Path.cwd())))
    return _on_its_backend(study, rows[-1].content) if rows else study


def _on_its_backend(study: Study, content: Mapping[str, Any]) -> Study:
    return study.on(content["simulation"]["backend"]) if study.simulation.backend == "auto" else study


class Reader:
    """The trials and simulations of one study. Use it as a context manager; methods raise StoreError."""

    def __init__(self, study: Study, url: str) -> None:
        self._study = study
        self._url = database.parsed(url, Path.cwd())
        self._folder = database.folder(self._url, study.folder)

    @property
    def shown_url(self) -> str:
        """The database's URL without its password."""
        return database.shown(self._url)

    def __enter__(self) -> Self:
        self._engine = database.connect(self._url)
        with database.understood(self._url), self._engine.connect() as connection:
            known = {column["name"] for column in inspect(connection).get_columns(SIMULATION.name)}
            # Tables of an older version lack some.
            columns: list[ColumnElement[Any]] = [
                column if column.name in known else literal(None).label(column.name)
                for column in SIMULATION.columns
            ]
            self._rows: Select[Any] = (
                select(*columns)
                .join_from(SIMULATION, STUDY, SIMULATION.c.study == STUDY.c.id)
                .where(STUDY.c.name == self._study.name)
                .order_by(SIMULATION.c.id)
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.dispose()

    def trials(self) -> list[FrozenTrial]:
        """The finished trials, by number."""
        storage = database.optuna_storage(self._url, reading=True)
        try:
            with database.understood(self._url):
                known = {found.study_name: found._study_id for found in storage.get_all_studies()}
                if self._study.name not in known:
                    return []
                all_trials = storage.get_all_trials(known[self._study.name], deepcopy=False)
                trials = [trial for trial in all_trials if trial.state.is_finished()]
                check_trials(trials)
                return trials
        finally:
            storage.remove_session()
            storage.engine.dispose()

    def simulations(self, uuid: str | None = None) -> list[Simulation]:
        """All simulations of the study, or of one candidate, as they were finished; without observations."""
        query = self._rows if uuid is None else self._rows.where(SIMULATION.c.uuid == uuid)
        with database.understood(self._url):
            with self._engine.connect() as connection:
                rows = connection.execute(query).all()
            return [simulation_of(row) for row in rows]

    def verdicts(self) -> list[Verdict]:
        """What validation found of trials, as it was found; tables of an older version know of none."""
        with database.understood(self._url), self._engine.connect() as connection:
            return verdicts_of(connection, self._study.name)

    def observation(self, simulation: Simulation) -> Observation:
        """What a simulation showed. Raises StoreError where it was not kept."""
        query = self._rows.where(
            SIMULATION.c.uuid == simulation.uuid,
            SIMULATION.c.stage == simulation.stage,
            SIMULATION.c.realisation == simulation.realisation,
        )
        with database.understood(self._url), self._engine.connect() as connection:
            row = connection.execute(query).first()
        if row is None or row.observation is None:
            raise StoreError(f"no observation of candidate {simulation.uuid} was kept")
        return archive.load(self._folder / row.observation, row.sha256)
