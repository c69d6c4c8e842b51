"""Reading the results of a study from its database without changing it, even while a run is writing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from optuna.trial import FrozenTrial
from sqlalchemy import Engine, Select, select

from calibrate.calibration.hardening.hardening import Hardening
from calibrate.calibration.search.optuna_trials import UUID
from calibrate.calibration.trials.rescored import is_older, rescored
from calibrate.calibration.trials.simulation import Simulation
from calibrate.calibration.validation.verdict import Verdict
from calibrate.errors import StoreError, StudyError
from calibrate.observation import Observation
from calibrate.store import archive, connections, database_errors, schema, telling, urls
from calibrate.store.hardenings import hardenings_of
from calibrate.store.integrity import check_trials
from calibrate.store.rows import simulation_of
from calibrate.store.schema import SIMULATION, STUDY
from calibrate.store.study_names import (
    as_stored,
    changes_since,
    list_studies,
    namesakes,
    storage_url,
    stored_in,
)
from calibrate.store.verdicts import verdicts_of
from calibrate.study import Study, read_study
from calibrate.study.begun import in_order_of, with_its_sampler
from calibrate.study.file.targets import RECORDING
from calibrate.study.file.text import Outline, read_outline
from calibrate.study.from_files import Stored
from calibrate.study.identity import data_digest
from calibrate.study.reading import read_stored_study


def find(study: Study, url: str) -> Study:
    """`study` under the name, with the simulator and in the order that it has in its database.

    If a study has several versions there, this is the one that its file describes now. Raises StoreError if
    there is none.
    """
    where = urls.parse(url, Path.cwd())
    rows = namesakes(study.name, list_studies(where))
    for row in rows:
        same = _as_it_began(study, row.content)
        if not changes_since(row, same):
            return as_stored(same, row)
    if not rows:
        raise StoreError(f"{urls.mask(where)} holds no study '{study.name}' yet: run it first")
    changes = changes_since(rows[-1], _as_it_began(study, rows[-1].content))
    raise StoreError(
        f"{study.path} has changed since study '{rows[-1].name}' in {urls.mask(where)} began: "
        f"{'; '.join(changes[:5])}. Undo this, run it with --new, or use calibrate rescore"
    )


def find_stored(
    path: Path, *, changes: Mapping[str, object] | None = None, storage: str | None = None
) -> tuple[Study, str]:
    """The study of a file as `find` returns it, and the URL of its database.

    Data files may be missing if the database knows what was taken from them. Raises StudyError, StoreError.
    """
    outline = read_outline(path, changes=changes)
    if outline is None:
        study = read_study(path, changes=changes, searched=False)
        url = storage_url(study, storage)
        return find(study, url), url
    url = storage_url(outline, storage)
    rows = namesakes(outline.name, list_studies(urls.parse(url, Path.cwd()))) if outline.data else []
    known = [(row, stored) for row in reversed(rows) if (stored := stored_in(row)) is not None]
    for row, stored in known:
        taken = _as_taken(path, outline, stored, changes)
        if taken is None:
            continue
        study = _as_it_began(taken, row.content)
        if not changes_since(row, study):
            return replace(in_order_of(study, row.content), name=row.name), url
    if outline.missing and rows and not known:
        raise StoreError(
            f"{path.parent / outline.missing[0]} is missing, and the older version of calibrate that ran the "
            "study stored no targets from it: run it once more where the file is"
        )
    if outline.missing and known:
        study = read_stored_study(path, known[0][1], changes=changes)  # `find` raises StoreError
    else:
        # If a file is missing, this raises StudyError.
        study = read_study(path, changes=changes, searched=False)
    return find(study, url), url


def _as_taken(
    path: Path, outline: Outline, stored: Stored, changes: Mapping[str, object] | None
) -> Study | None:
    """The study with the targets that were taken from its data files, unless it must be read from them.

    It must if they are there and have changed, if it asks for more, or if a distribution was too large to be
    stored.
    """
    if outline.missing:
        return read_stored_study(path, stored, changes=changes)
    if any(stored.digests.get(name) != data_digest(outline.folder / name) for name in outline.data):
        return None
    try:
        study = read_stored_study(path, replace(stored, unchanged=True), changes=changes)
    except StudyError:
        return None
    wanted = {
        objective.name
        for objective, section in zip(study.targeted, study.file.objectives, strict=True)
        if section.distribution == RECORDING
    }
    return study if wanted <= stored.taken.distributions.keys() else None


def on_latest_backend(study: Study, url: str) -> Study:
    """`study` with the simulator of its latest version in the database if its own is "auto"."""
    rows = namesakes(study.name, list_studies(urls.parse(url, Path.cwd())))
    return _as_it_began(study, rows[-1].content) if rows else study


def _as_it_began(study: Study, content: Mapping[str, Any]) -> Study:
    """The same study with the simulator and the sampler that are not in its file."""
    found = with_its_sampler(study, content)
    return found.on(content["simulation"]["backend"]) if found.simulation.backend == "auto" else found


class Reader:
    """The trials and simulations of one study. Use it as a context manager; methods raise StoreError.

    engine  an existing engine, which the reader does not dispose of; by default it creates its own
    """

    def __init__(self, study: Study, url: str, *, engine: Engine | None = None) -> None:
        self._study = study
        self._url = urls.parse(url, Path.cwd())
        self._folder = urls.folder_of(self._url, study.folder)
        self._owns_engine = engine is None
        self._engine = connections.connect(self._url, reading=True) if engine is None else engine

    @property
    def shown_url(self) -> str:
        """The database's URL without its password."""
        return urls.mask(self._url)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._owns_engine:
            self._engine.dispose()

    @cached_property
    def _rows(self) -> Select[Any]:
        """All simulations of the study; columns that are missing in tables of an older version are null."""
        with self._engine.connect() as connection:
            columns = schema.present(connection, SIMULATION.columns)
        return (
            select(*columns)
            .join_from(SIMULATION, STUDY, SIMULATION.c.study == STUDY.c.id)
            .where(STUDY.c.name == self._study.name)
            .order_by(SIMULATION.c.id)
        )

    def trials(self) -> list[FrozenTrial]:
        """The finished trials, by number."""
        storage = connections.optuna_storage(self._url, reading=True)
        try:
            with database_errors.translating_damage(self._url):
                with self._engine.connect() as connection:  # first, because a run may tell trials meanwhile
                    n_told = telling.count_told(connection, self._study.name)
                study_id = connections.study_id(storage, self._study.name)
                all_trials = [] if study_id is None else storage.get_all_trials(study_id, deepcopy=False)
                trials = [trial for trial in all_trials if trial.state.is_finished()]
                check_trials(trials)
                if n_told > len(trials):
                    raise StoreError(
                        f"{self.shown_url}: another program deleted or renamed Optuna's study "
                        f"'{self._study.name}'; calibrate run makes its trials again from the simulations"
                    )
                if study_id is None:
                    return []
                older = is_older(self._study, storage.get_study_system_attrs(study_id))
            return self.rescore(trials) if older else trials
        finally:
            storage.remove_session()
            storage.engine.dispose()

    def rescore(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """These trials with the scores that their simulations have by the rule of this version."""
        by_uuid: dict[str, list[Simulation]] = {}
        for simulation in self.simulations() if trials else ():
            by_uuid.setdefault(simulation.uuid, []).append(simulation)
        uuids = [str(trial.user_attrs[UUID]) for trial in trials]
        with database_errors.translating_damage(self._url):
            return [
                rescored(self._study, trial, by_uuid.get(uuid, []))
                for trial, uuid in zip(trials, uuids, strict=True)
            ]

    def simulations(self, uuid: str | None = None) -> list[Simulation]:
        """All simulations of the study, or of one candidate, in order of completion, without observations."""
        with database_errors.translating_damage(self._url):
            query = self._rows if uuid is None else self._rows.where(SIMULATION.c.uuid == uuid)
            with self._engine.connect() as connection:
                rows = connection.execute(query).all()
            return [simulation_of(row) for row in rows]

    def verdicts(self) -> list[Verdict]:
        """The latest verdict on each trial in each mode, by trial; none if the tables are too old."""
        with database_errors.translating_damage(self._url), self._engine.connect() as connection:
            return verdicts_of(connection, self._study.name)

    def hardenings(self) -> list[Hardening]:
        """The latest hardening of each trial for each target, by trial; none if the tables are too old."""
        with database_errors.translating_damage(self._url), self._engine.connect() as connection:
            return hardenings_of(connection, self._study.name)

    def observation(self, uuid: str, *, stage: int, realisation: int = 0, condition: str = "") -> Observation:
        """The observation of a candidate's simulation. Raises StoreError if it was not stored."""
        with database_errors.translating_damage(self._url), self._engine.connect() as connection:
            query = self._rows.where(
                SIMULATION.c.uuid == uuid,
                SIMULATION.c.stage == stage,
                SIMULATION.c.realisation == realisation,
            )
            # Not in the query: tables of older versions have no conditions.
            rows = connection.execute(query).all()
        row = next((one for one in rows if (one.condition or "") == condition), None)
        if row is None or row.observation is None:
            raise StoreError(f"no observation of candidate {uuid} is stored")
        return archive.load(self._folder / row.observation, row.sha256)
