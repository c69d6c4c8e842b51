"""The store: what a study found, in SQL, with observations in files beside it.

Optuna's own tables hold finished trials only, so no crash leaves one running; ours hold every simulation as
soon as it is known. A simulation whose trial was not told before a crash is told by the next run.
"""

from __future__ import annotations

import copy
import hashlib
import os
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from sqlalchemy import delete, select, update

from calibrate.errors import StoreError
from calibrate.observation import Observation
from calibrate.record import Simulation
from calibrate.search import UUID
from calibrate.store import adoption, archive, artifacts, database, schema, verdicts
from calibrate.store.adoption import Adopted
from calibrate.store.naming import refusal
from calibrate.store.rows import columns_of, simulation_of
from calibrate.store.schema import SIMULATION, STUDY
from calibrate.study import Study, differences
from calibrate.verdict import Verdict

# Where Optuna keeps what the values of trials are called.
METRIC_NAMES = "study:metric_names"


class Store:
    """One study's place in a database, for the one process that runs it. Use it as a context manager.

    Entering it raises StoreError, and changes nothing, where the study in the database differs from this
    one, where another process is running it, and where the database cannot be used.
    """

    def __init__(self, study: Study, url: str) -> None:
        self._study = study
        self._url = database.parsed(url, Path.cwd())
        self._folder = database.folder(self._url, study.folder)
        self._mirrored: dict[str, int] = {}  # trial numbers by UUID
        self._artifacts: dict[str, dict[str, str]] = {}  # of trials that are not mirrored yet, by UUID

    @property
    def shown_url(self) -> str:
        """The database's URL without its password."""
        return database.shown(self._url)

    @property
    def warning(self) -> str | None:
        """What is to be said of the database; None: nothing."""
        return database.warning(self._url)

    @property
    def observations(self) -> Path:
        """The folder of the observations."""
        return archive.folder_in(self._folder, self._study.name)

    def __enter__(self) -> Self:
        self._engine = database.connect(self._url)
        self._lock = _lock(f"{database.shown(self._url)} {self._study.name}")
        try:
            with database.reported(self._url):
                self._compare()
                self._acquire()
                schema.upgrade(self._engine)
                self._optuna = database.optuna_storage(self._url)
                self._begin()
        except BaseException:
            self._lock.release()
            self._engine.dispose()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._optuna.remove_session()
        self._optuna.engine.dispose()
        self._engine.dispose()
        self._lock.release()

    def earlier(self) -> tuple[list[FrozenTrial], list[Simulation]]:
        """The finished trials of earlier runs, and the simulations that no trial tells of yet."""
        with database.reported(self._url):
            trials = self._optuna.get_all_trials(self._optuna_study)
            with self._engine.connect() as connection:
                rows = connection.execute(
                    select(SIMULATION)
                    .where(SIMULATION.c.study == self._id, SIMULATION.c.trial.is_(None))
                    .order_by(SIMULATION.c.candidate)
                ).all()
        return [trial for trial in trials if trial.state.is_finished()], [simulation_of(row) for row in rows]

    def record(self, simulation: Simulation) -> None:
        """Keep a simulation; one that is kept already (same UUID, stage, realisation) is left as it is."""
        key = {
            "study": self._id,
            "uuid": simulation.uuid,
            "stage": simulation.stage,
            "realisation": simulation.realisation,
        }
        with database.reported(self._url):
            with self._engine.connect() as connection:
                if connection.execute(select(SIMULATION.c.id).filter_by(**key)).first():
                    return
            file, sha256 = self._keep_observation(simulation)
            columns = {**key, **columns_of(simulation), "trial": self._mirrored.get(simulation.uuid)}
            with database.writing(self._engine) as connection:
                connection.execute(SIMULATION.insert().values(**columns, observation=file, sha256=sha256))

    def illustrate(self, uuid: str) -> None:
        """Keep pictures of a candidate, as artifacts of its trial, which is to be told: then it is final."""
        stage = len(self._study.stages)
        found = next((s for s in self.simulations(uuid) if s.stage == stage and not s.failed), None)
        if found is None or not self._study.storage.observations:
            return
        shown = self.observation(uuid, stage=stage, realisation=found.realisation)
        files = artifacts.pictures(self._study, shown, found.estimates)
        self._artifacts[uuid] = artifacts.keep(artifacts.folder_in(self._folder, self._study.name), files)

    def mirror(self, trials: Sequence[FrozenTrial]) -> None:
        """Add finished trials to Optuna's tables, without those whose UUID is there already."""
        with database.reported(self._url):
            for trial in trials:
                uuid = str(trial.user_attrs[UUID])
                if uuid not in self._mirrored:
                    if uuid in self._artifacts:
                        trial = copy.deepcopy(trial)
                        trial.system_attrs = {**trial.system_attrs, **self._artifacts.pop(uuid)}
                    trial_id = self._optuna.create_new_trial(self._optuna_study, template_trial=trial)
                    self._mirrored[uuid] = self._optuna.get_trial(trial_id).number
            self._number([str(trial.user_attrs[UUID]) for trial in trials])

    def simulations(self, uuid: str) -> list[Simulation]:
        """All simulations of a candidate, as they were finished, without observations."""
        query = select(SIMULATION).where(SIMULATION.c.study == self._id, SIMULATION.c.uuid == uuid)
        with database.reported(self._url), self._engine.connect() as connection:
            return [simulation_of(row) for row in connection.execute(query.order_by(SIMULATION.c.id))]

    def observation(self, uuid: str, *, stage: int, realisation: int = 0) -> Observation:
        """What a simulation of a candidate showed. Raises StoreError where it was not kept."""
        query = select(SIMULATION.c.observation, SIMULATION.c.sha256).where(
            SIMULATION.c.study == self._id,
            SIMULATION.c.uuid == uuid,
            SIMULATION.c.stage == stage,
            SIMULATION.c.realisation == realisation,
        )
        with database.reported(self._url), self._engine.connect() as connection:
            found = connection.execute(query).first()
        if found is None or found.observation is None:
            raise StoreError(f"no observation of candidate {uuid} was kept")
        return archive.load(self._folder / found.observation, found.sha256)

    def discard(self, uuid: str, *, stage: int, but_ms: float) -> None:
        """Forget a candidate's simulations of a stage that failed or were not measured for `but_ms`."""
        others = (
            SIMULATION.c.study == self._id,
            SIMULATION.c.uuid == uuid,
            SIMULATION.c.stage == stage,
            (SIMULATION.c.duration_ms != but_ms) | (SIMULATION.c.status == "failed"),
        )
        with database.reported(self._url), database.writing(self._engine) as connection:
            connection.execute(delete(SIMULATION).where(*others))

    def keep_verdict(self, verdict: Verdict) -> None:
        """Keep what validation found of a trial, also in the study's note in Optuna's dashboard."""
        with database.reported(self._url):
            with database.writing(self._engine) as connection:
                verdicts.add(connection, self._id, verdict)
                known = verdicts.verdicts_of(connection, self._study.name)
            verdicts.write_note(self._optuna, self._study.name, known)

    def adopt(self, name: str) -> Adopted:
        """Take over the simulations of study `name` that this study could have made itself.

        Its trials follow when they are told. Statistics are computed again from the observations. Raises
        StoreError where there is no such study, or it simulated something else.
        """
        with database.reported(self._url):
            with self._engine.connect() as connection:
                studies = connection.execute(select(STUDY).order_by(STUDY.c.id)).all()
                found = adoption.origin_of(self._study, name, studies, self.shown_url)
                rows = connection.execute(
                    select(SIMULATION).where(SIMULATION.c.study == found.id).order_by(SIMULATION.c.id)
                ).all()
                own = connection.execute(
                    select(SIMULATION.c.uuid, SIMULATION.c.candidate).where(SIMULATION.c.study == self._id)
                ).all()
            known_uuids = {row.uuid for row in own}
            adopted, columns = adoption.adoptable(
                self._study,
                found,
                [row for row in rows if row.uuid not in known_uuids],
                self._folder,
                used={row.candidate for row in own},
            )
            with database.writing(self._engine) as connection:
                for values in columns:
                    connection.execute(SIMULATION.insert().values(study=self._id, **values))
        return adopted

    def _keep_observation(self, simulation: Simulation) -> tuple[str | None, str | None]:
        if simulation.observation is None or not self._study.storage.observations:
            return None, None
        path = self.observations / f"{simulation.uuid}-{simulation.stage}-{simulation.realisation}.npz"
        return str(path.relative_to(self._folder)), archive.save(simulation.observation, path)

    def _compare(self) -> None:
        """Refuse a study that differs from the one of this name in the database."""
        study = self._study
        with self._engine.connect() as connection:
            if schema.version(connection) == 0:
                return
            # No other columns: the tables may be older than this code.
            columns = select(STUDY.c.content, STUDY.c.created)
            row = connection.execute(columns.where(STUDY.c.name == study.name)).first()
        if row is not None and differences(row.content, study.content):
            raise StoreError(refusal(study, self._url, study.name, row))

    def _acquire(self) -> None:
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise StoreError(
                f"study '{self._study.name}' in {self.shown_url} is being run by another process; "
                "wait for it, or stop it"
            ) from None

    def _begin(self) -> None:
        self._compare()  # again, now that no other process can begin it
        study, names = self._study, self._optuna.get_all_studies()
        known = {found.study_name: found._study_id for found in names}
        own = select(STUDY.c.id).where(STUDY.c.name == study.name)
        with self._engine.connect() as connection:
            begun = connection.execute(own).scalar()
        if begun is None:
            if study.name in known:
                raise StoreError(
                    f"{self.shown_url} holds an Optuna study '{study.name}' that calibrate did not begin; "
                    "choose another name in [study]"
                )
            with database.writing(self._engine) as connection:
                connection.execute(STUDY.insert().values(**_study_columns(study)))
                begun = connection.execute(own).scalar_one()
        self._id: int = begun
        if study.name in known:
            self._optuna_study = known[study.name]
        else:
            values = [f"loss of {one.name}" for one in study.objectives] if study.pareto else ["loss"]
            directions = [StudyDirection.MINIMIZE] * len(values)
            self._optuna_study = self._optuna.create_new_study(directions, study.name)
            self._optuna.set_study_system_attr(self._optuna_study, METRIC_NAMES, list(values))
        trials = self._optuna.get_all_trials(self._optuna_study, deepcopy=False)
        self._mirrored = {str(t.user_attrs[UUID]): t.number for t in trials if UUID in t.user_attrs}
        with self._engine.connect() as connection:
            untold = connection.scalars(
                select(SIMULATION.c.uuid).where(SIMULATION.c.study == self._id, SIMULATION.c.trial.is_(None))
            ).all()
        self._number([uuid for uuid in untold if uuid in self._mirrored])

    def _number(self, uuids: Sequence[str]) -> None:
        """Note the trial numbers of these candidates with their simulations."""
        with database.writing(self._engine) as connection:
            for uuid in uuids:
                connection.execute(
                    update(SIMULATION)
                    .where(
                        SIMULATION.c.study == self._id,
                        SIMULATION.c.uuid == uuid,
                        SIMULATION.c.trial.is_(None),
                    )
                    .values(trial=self._mirrored[uuid])
                )


def is_being_run(study: Study, url: str) -> bool:
    """Whether a process of this computer is running `study`."""
    lock = _lock(f"{database.shown(database.parsed(url, Path.cwd()))} {study.name}")
    try:
        with lock.acquire(timeout=0):
            return False
    except Timeout:
        return True


def _lock(what: str) -> FileLock:
    # Not beside the database: what a run leaves there is results. The system frees it when a process dies.
    folder = Path(tempfile.gettempdir()) / f"calibrate-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return FileLock(folder / f"{hashlib.sha256(what.encode()).hexdigest()[:32]}.lock")


def _study_columns(study: Study) -> dict[str, Any]:
    # The code may also be used without having been installed.
    packages = [name for name in ("calibrate-snn", "optuna", "numpy") if _is_installed(name)]
    return {
        "name": study.name,
        "digest": study.digest,
        "content": study.content,
        "text": study.text,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {package: version_of(package) for package in packages},
    }


def _is_installed(package: str) -> bool:
    try:
        version_of(package)
    except PackageNotFoundError:
        return False
    return True
