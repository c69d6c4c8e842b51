"""The store: what a study found, in SQL, with observations in files beside it.

Optuna's own tables hold finished trials only, so no crash leaves one running; ours hold every simulation as
soon as it is known. A simulation whose trial was not told before a crash is told by another run, the next one
or one that goes on beside it.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from sqlalchemy import Connection, delete, func, select, update

from calibrate.calibration.search.trials import INDEX, UUID, Claim
from calibrate.calibration.trials.simulation import Simulation
from calibrate.calibration.validation.verdict import Verdict
from calibrate.errors import StoreError
from calibrate.observation import Observation
from calibrate.plugins import version_of
from calibrate.store import adoption, archive, artifacts, connections, meanings, schema, urls, verdicts
from calibrate.store.adoption import Adopted
from calibrate.store.connections import patient
from calibrate.store.coordinators import Coordinator
from calibrate.store.naming import refusal
from calibrate.store.reader import Reader
from calibrate.store.rows import columns_of, simulation_of
from calibrate.store.schema import SIMULATION, STUDY
from calibrate.store.soundness import check_trials
from calibrate.study import Study, differences

# Where Optuna keeps what the values of trials are called.
METRIC_NAMES = "study:metric_names"


class Store:
    """One study's place in a database, for a process that writes to it. Use it as a context manager.

    Several may, on several computers: `news` and `claim` make the process one of the study's coordinators.

    say   is told when the database's server has to be waited for
    draw  makes the files that are kept of a trial that becomes the best; None: nothing is

    Entering it raises StoreError, and changes nothing, where the study in the database differs from this
    one, and where the database cannot be used.
    """

    def __init__(
        self,
        study: Study,
        url: str,
        *,
        say: Callable[[str], None] = lambda _: None,
        draw: artifacts.Draw | None = None,
    ) -> None:
        self._study, self._draw = study, draw
        self.say = say
        self._url = urls.parse(url, Path.cwd())
        self._folder = urls.folder_of(self._url, study.folder)
        self._engine = connections.connect(self._url)
        self._reader = Reader(study, url, engine=self._engine)
        self._mirrored: dict[str, int] = {}  # trial numbers by UUID
        self._unheard: list[FrozenTrial] = []  # trials of others that the run does not know of yet
        self.broken = False  # whether a connection broke while something was written
        self._artifacts: dict[str, dict[str, str]] = {}  # of trials that are not mirrored yet, by UUID

    @property
    def shown_url(self) -> str:
        """The database's URL without its password."""
        return urls.mask(self._url)

    @property
    def warning(self) -> str | None:
        """What is to be said of the database; None: nothing."""
        return urls.warning(self._url)

    @property
    def observations(self) -> Path:
        """The folder of the observations."""
        return archive.folder_in(self._folder, self._study.name)

    def __enter__(self) -> Self:
        try:
            with meanings.translating_damage(self._url):
                self._compare()
                with connections.opening(self._url, self._engine):
                    schema.upgrade(self._engine)
                    self._optuna = connections.optuna_storage(self._url)
                    self._begin()
                self._look()
            self._file = urls.identify(self._url)
        except BaseException:
            self._engine.dispose()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # Where the database is gone the others find out by themselves.
        with contextlib.suppress(StoreError), meanings.translating_errors(self._url):
            self._coordinator.leave()
        self._optuna.remove_session()
        self._optuna.engine.dispose()
        self._engine.dispose()

    @patient
    def trials(self) -> list[FrozenTrial]:
        """The finished trials, by number."""
        with meanings.translating_damage(self._url):
            return self._finished()

    @patient
    def news(self) -> tuple[list[FrozenTrial], list[Simulation]]:
        """What became known since the last call, by runs before or beside this one: at first all there is.

        Finished trials that this run did not tell; and simulations of candidates that no trial tells of and
        no other run will: they are this run's now.
        """
        with meanings.translating_damage(self._url):
            self._coordinator.join()
            with connections.writing(self._engine) as connection:
                left = self._coordinator.take_over(connection)
                newest = connection.execute(
                    select(func.max(SIMULATION.c.trial)).where(SIMULATION.c.study == self._id)
                ).scalar()
            if left or newest is None or newest >= len(self._mirrored):
                self._look()
            untold = self._untold(left)
            told = [simulation.uuid for simulation in untold if simulation.uuid in self._mirrored]
            # A run may have died between making a trial and noting its number.
            self._number(list(dict.fromkeys(told)))
        found = [simulation for simulation in untold if simulation.uuid not in self._mirrored]
        self._coordinator.keep(left)
        trials, self._unheard = self._unheard, []
        return trials, found

    @patient
    def claim(self, wanted: Sequence[Claim]) -> list[Claim]:
        """Take these candidates for this run; returns those that others have taken, and of which not."""
        with meanings.translating_errors(self._url):
            self._coordinator.join()
            return self._coordinator.claim(wanted)

    @patient
    def elsewhere(self) -> int:
        """Number of candidates that other runs have asked and not told yet."""
        with meanings.translating_errors(self._url), self._engine.connect() as connection:
            return self._coordinator.elsewhere(connection)

    @patient
    def leave(self) -> bool:
        """Ask no more; returns whether other runs of the study go on."""
        with meanings.translating_errors(self._url):
            return self._coordinator.leave()

    @patient
    def record(self, simulation: Simulation) -> None:
        """Keep a simulation; one that is kept already (same UUID, stage, realisation) is left as it is."""
        key = {
            "study": self._id,
            "uuid": simulation.uuid,
            "stage": simulation.stage,
            "realisation": simulation.realisation,
        }
        self._check_file()
        with meanings.translating_errors(self._url):
            with self._engine.connect() as connection:
                if connection.execute(select(SIMULATION.c.id).filter_by(**key)).first():
                    return
            file, sha256 = self._keep_observation(simulation)
            columns = {**key, **columns_of(simulation), "trial": self._mirrored.get(simulation.uuid)}
            with connections.writing(self._engine) as connection:
                self._coordinator.check(connection)
                connection.execute(SIMULATION.insert().values(**columns, observation=file, sha256=sha256))

    def illustrate(self, uuid: str) -> None:
        """Keep pictures of a candidate, as artifacts of its trial, which is to be told: then it is final."""
        if self._draw is None or not self._study.storage.observations:
            return
        stage = len(self._study.stages)
        found = next((s for s in self.simulations(uuid) if s.stage == stage and not s.failed), None)
        if found is None:
            return
        shown = self.observation(uuid, stage=stage, realisation=found.realisation)
        files = self._draw(self._study, shown, found.estimates)
        self._artifacts[uuid] = artifacts.keep(artifacts.folder_in(self._folder, self._study.name), files)

    @patient
    def mirror(self, trials: Sequence[FrozenTrial]) -> list[int]:
        """Add finished trials to Optuna's tables, unless their UUID is there; returns their numbers."""
        self._check_file()
        with meanings.translating_errors(self._url):
            with connections.writing(self._engine) as connection:
                self._coordinator.check(connection)
            if self.broken:  # what was written just before may be there
                self._look()
                told = {trial.user_attrs[UUID] for trial in trials}
                self._unheard = [trial for trial in self._unheard if trial.user_attrs[UUID] not in told]
                self.broken = False
            for trial in trials:
                uuid = str(trial.user_attrs[UUID])
                if uuid not in self._mirrored:
                    if uuid in self._artifacts:
                        trial = copy.deepcopy(trial)
                        trial.system_attrs = {**trial.system_attrs, **self._artifacts.pop(uuid)}
                    trial_id = self._optuna.create_new_trial(self._optuna_study, template_trial=trial)
                    self._mirrored[uuid] = self._optuna.get_trial(trial_id).number
            self._number([str(trial.user_attrs[UUID]) for trial in trials])
            with connections.writing(self._engine) as connection:
                self._coordinator.release(connection, [int(trial.user_attrs[INDEX]) for trial in trials])
        return [self._mirrored[str(trial.user_attrs[UUID])] for trial in trials]

    def simulations(self, uuid: str) -> list[Simulation]:
        """All simulations of a candidate, as they were finished, without observations."""
        return self._reader.simulations(uuid)

    def observation(self, uuid: str, *, stage: int, realisation: int = 0) -> Observation:
        """What a simulation of a candidate showed. Raises StoreError if it was not kept."""
        return self._reader.observation(uuid, stage=stage, realisation=realisation)

    def discard(self, uuid: str, *, stage: int, but_ms: float) -> None:
        """Forget a candidate's simulations of a stage that failed or were not measured for `but_ms`."""
        others = (
            SIMULATION.c.study == self._id,
            SIMULATION.c.uuid == uuid,
            SIMULATION.c.stage == stage,
            (SIMULATION.c.duration_ms != but_ms) | (SIMULATION.c.status == "failed"),
        )
        with meanings.translating_errors(self._url), connections.writing(self._engine) as connection:
            connection.execute(delete(SIMULATION).where(*others))

    def keep_verdict(self, verdict: Verdict) -> None:
        """Keep what validation found of a trial, also in the study's note in Optuna's dashboard."""
        with meanings.translating_errors(self._url):
            with connections.writing(self._engine) as connection:
                verdicts.add(connection, self._id, verdict)
                known = verdicts.verdicts_of(connection, self._study.name)
            verdicts.write_note(self._optuna, self._study.name, known)

    def adopt(self, name: str) -> Adopted:
        """Take over the simulations of study `name` that this study could have made itself.

        Its trials follow when they are told. Statistics are computed again from the observations. Raises
        StoreError where there is no such study, or it simulated something else.
        """
        with meanings.translating_errors(self._url):
            with self._engine.connect() as connection:
                studies = connection.execute(select(STUDY).order_by(STUDY.c.id)).all()
                found = adoption.origin_of(self._study, name, studies, self.shown_url)
                rows = connection.execute(
                    select(SIMULATION).where(SIMULATION.c.study == found.id).order_by(SIMULATION.c.id)
                ).all()
                known = self._known(connection)
            adopted, columns = adoption.adoptable(
                self._study, found, [row for row in rows if row.uuid not in known], self._folder
            )
            self._coordinator.join()
            with connections.writing(self._engine) as connection:
                self._coordinator.lock(connection)
                known = self._known(connection)  # again: another run may have done the same
                columns = [values for values in columns if values["uuid"] not in known]
                used = {*known.values(), *self._coordinator.claimed(connection)}
                for values in adoption.numbered(self._study, found, columns, used=used):
                    connection.execute(SIMULATION.insert().values(study=self._id, **values))
        return adopted

    def _known(self, connection: Connection) -> dict[str, int]:
        """The indices of the candidates that have simulations, by UUID."""
        query = select(SIMULATION.c.uuid, SIMULATION.c.candidate).where(SIMULATION.c.study == self._id)
        return {row.uuid: row.candidate for row in connection.execute(query)}

    def _check_file(self) -> None:
        """Raise StoreError where the file is not the one that was opened: what is written would be lost."""
        if self._file is not None and urls.identify(self._url) != self._file:
            raise StoreError(
                f"the database {self.shown_url} was removed or replaced while this run went on; put it back "
                "and run again: what it held is kept"
            )

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

    def _begin(self) -> None:
        self._compare()  # again, now that no other process can begin it
        study, known = self._study, connections.study_id(self._optuna, self._study.name)
        own = select(STUDY.c.id).where(STUDY.c.name == study.name)
        with self._engine.connect() as connection:
            known_as = connection.execute(own).scalar()
        if known_as is None:
            if known is not None:
                raise StoreError(
                    f"{self.shown_url} holds an Optuna study '{study.name}' that calibrate did not begin; "
                    "choose another name in [study]"
                )
            with connections.writing(self._engine) as connection:
                connection.execute(STUDY.insert().values(**_study_columns(study)))
                known_as = connection.execute(own).scalar_one()
        self._id: int = known_as
        if known is not None:
            self._optuna_study = known
        else:
            values = [f"loss of {one.name}" for one in study.objectives] if study.pareto else ["loss"]
            directions = [StudyDirection.MINIMIZE] * len(values)
            self._optuna_study = self._optuna.create_new_study(directions, study.name)
            self._optuna.set_study_system_attr(self._optuna_study, METRIC_NAMES, list(values))
        self._study_of_optuna = optuna.load_study(study_name=study.name, storage=self._optuna)
        self._coordinator = Coordinator(self._engine, self._id)

    def _finished(self) -> list[FrozenTrial]:
        found = self._study_of_optuna.get_trials(deepcopy=False)
        trials = [trial for trial in found if trial.state.is_finished()]
        check_trials(trials)
        return trials

    def _look(self) -> None:
        """Learn of the trials that others made."""
        for trial in self._finished():
            uuid = trial.user_attrs.get(UUID)
            if uuid is not None and uuid not in self._mirrored:
                self._mirrored[str(uuid)] = trial.number
                self._unheard.append(trial)

    def _untold(self, candidates: Sequence[int]) -> list[Simulation]:
        """The simulations of candidates of this run that no trial tells of, by candidate."""
        if not candidates:
            return []
        query = select(SIMULATION).where(SIMULATION.c.study == self._id, SIMULATION.c.trial.is_(None))
        wanted = set(candidates)
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(SIMULATION.c.candidate, SIMULATION.c.id)).all()
        return [simulation_of(row) for row in rows if row.candidate in wanted]

    def _number(self, uuids: Sequence[str]) -> None:
        """Note the trial numbers of these candidates with their simulations."""
        with connections.writing(self._engine) as connection:
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


def _study_columns(study: Study) -> dict[str, Any]:
    versions = {name: version_of(name) for name in ("calibrate-snn", "optuna", "numpy")}
    return {
        "name": study.name,
        "digest": study.digest,
        "content": study.content,
        "text": study.text,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {name: version for name, version in versions.items() if version is not None},
    }
