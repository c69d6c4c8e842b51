"""The store: the results of a study in SQL, with observations in files beside the database.

Optuna's own tables contain only finished trials, so a crash leaves none in the state "running". Ours contain
every simulation as soon as its outcome is known. If a run crashes before it tells a candidate, another run
does: the next one, or one that is active at the same time.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from sqlalchemy import Connection, delete, select

from calibrate.calibration.search.optuna_trials import INDEX, UUID, Claim
from calibrate.calibration.trials.rescored import RULE, SCORING, is_older, warnings_of_older
from calibrate.calibration.trials.simulation import Simulation
from calibrate.calibration.validation.verdict import Verdict
from calibrate.errors import StoreError
from calibrate.observation import Observation
from calibrate.store import (
    adoption,
    archive,
    artifacts,
    connections,
    database_errors,
    schema,
    telling,
    urls,
    verdicts,
)
from calibrate.store.adoption import Adopted
from calibrate.store.connections import retry
from calibrate.store.coordinators import Coordinator
from calibrate.store.integrity import check_trials
from calibrate.store.reader import Reader
from calibrate.store.rows import columns_of, columns_of_study, keep_taken
from calibrate.store.schema import SIMULATION, STUDY
from calibrate.store.study_names import check_same
from calibrate.study import Study

# System attribute of a study in which Optuna stores the names of the values of its trials.
METRIC_NAMES = "study:metric_names"


class Store:
    """One study in a database, for a process that writes to it. Use it as a context manager.

    Several processes can do so at a time, also on different computers: `news` and `claim` register the
    process as one of the study's coordinators.

    say   receives a message if the database server does not answer
    draw  makes the files that are stored with a trial that becomes the best; None: no files

    Entering it raises StoreError, and changes nothing, if the study in the database differs from this one or
    if the database cannot be used.
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
        self._rescored: dict[str, FrozenTrial] = {}  # of a study that an older version began, by UUID
        self._unheard: list[FrozenTrial] = []  # trials of other runs that `news` has not returned yet
        self.broken = False  # whether a connection broke, perhaps after a write was committed
        self._artifacts: dict[str, dict[str, str]] = {}  # of trials that are not mirrored yet, by UUID

    @property
    def shown_url(self) -> str:
        """The database's URL without its password."""
        return urls.mask(self._url)

    @property
    def warnings(self) -> list[str]:
        """Warnings about the database, and about what is stored in it."""
        found = (urls.warning(self._url), *warnings_of_older(self._study, self._attributes))
        return [warning for warning in found if warning is not None]

    @property
    def observations(self) -> Path:
        """The folder of the observations."""
        return archive.folder_in(self._folder, self._study.name)

    def __enter__(self) -> Self:
        try:
            with database_errors.translating_damage(self._url):
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
        # If the database cannot be reached, missing heartbeats show the other runs that this one has ended.
        with contextlib.suppress(StoreError), database_errors.translating_errors(self._url):
            self._coordinator.leave()
        self._optuna.remove_session()
        self._optuna.engine.dispose()
        self._engine.dispose()

    @retry
    def trials(self) -> list[FrozenTrial]:
        """The finished trials, by number."""
        return self._reader.trials()

    @retry
    def news(self) -> tuple[list[FrozenTrial], list[Simulation]]:
        """What other runs, earlier or concurrent, have added since the last call; the first call returns all.

        Returns finished trials that this run did not tell, and the simulations of untold candidates that no
        live run owns: this run now owns them and has to tell them.
        """
        with database_errors.translating_damage(self._url):
            self._coordinator.join()
            with connections.writing(self._engine) as connection:
                self._coordinator.lock(connection)
                n_told = telling.count_told(connection, self._study.name)
                if n_told > len(self._mirrored):
                    self._look()
                if n_told > len(self._mirrored):
                    self._make_again(connection)
                orphaned = self._coordinator.take_over(connection)
            if orphaned or not n_told:
                self._look()
            with self._engine.connect() as connection:
                simulations = telling.read_untold(connection, self._study, self._id, set(orphaned))
            told = [simulation.uuid for simulation in simulations if simulation.uuid in self._mirrored]
            # A run may have died after it created a trial and before it stored the trial's number.
            if told:
                with connections.writing(self._engine) as connection:
                    telling.number_trials(connection, self._id, self._mirrored, list(dict.fromkeys(told)))
        untold = [simulation for simulation in simulations if simulation.uuid not in self._mirrored]
        self._coordinator.keep(orphaned)
        return self._take_unheard(), untold

    @retry
    def told(self) -> list[FrozenTrial]:
        """The finished trials that other runs have added since the last call of `news` or `told`.

        It can be called after `leave`: this run takes over no candidates.
        """
        with database_errors.translating_damage(self._url):
            self._look()
        return self._take_unheard()

    def _take_unheard(self) -> list[FrozenTrial]:
        trials, self._unheard = self._unheard, []
        return trials

    def _make_again(self, connection: Connection) -> None:
        lost = telling.forget(connection, self._id, self._mirrored)
        self.say(
            f"another program deleted or renamed Optuna's study '{self._study.name}': {lost} trials are made "
            "again from the stored simulations"
        )

    @retry
    def claim(self, wanted: Sequence[Claim]) -> list[Claim]:
        """Claim these candidates for this run; returns those that are taken already, among them or beyond."""
        with database_errors.translating_errors(self._url):
            self._coordinator.join()
            return self._coordinator.claim(wanted)

    @retry
    def elsewhere(self) -> int:
        """Number of candidates that other runs have asked for and not told yet."""
        with database_errors.translating_errors(self._url), self._engine.connect() as connection:
            return self._coordinator.elsewhere(connection)

    @retry
    def leave(self) -> bool:
        """Unregister this run, which asks no more; returns whether other runs of the study are alive."""
        with database_errors.translating_errors(self._url):
            return self._coordinator.leave()

    @retry
    def record(self, simulation: Simulation) -> None:
        """Store a simulation, unless one with the same UUID, stage, graph and condition is stored already."""
        key = {
            "study": self._id,
            "uuid": simulation.uuid,
            "stage": simulation.stage,
            "realisation": simulation.realisation,
            "condition": simulation.condition,
        }
        urls.check_identity(self._url, self._file)
        with database_errors.translating_errors(self._url):
            with self._engine.connect() as connection:
                if connection.execute(select(SIMULATION.c.id).filter_by(**key)).first():
                    return
            file, sha256 = self._keep_observation(simulation)
            columns = {**key, **columns_of(simulation), "trial": self._mirrored.get(simulation.uuid)}
            with connections.writing(self._engine) as connection:
                self._coordinator.check(connection)
                connection.execute(SIMULATION.insert().values(**columns, observation=file, sha256=sha256))

    def illustrate(self, uuid: str) -> None:
        """Draw a candidate, for the artifacts of its trial. Call this before it is told: a trial is final."""
        if self._draw is None or not self._study.storage.observations:
            return
        simulations = self.simulations(uuid)
        if files := artifacts.of_conditions(self._study, simulations, self.observation, self._draw):
            folder = artifacts.folder_in(self._folder, self._study.name)
            self._artifacts[uuid] = artifacts.keep(folder, files)

    @retry
    def mirror(self, trials: Sequence[FrozenTrial]) -> list[int]:
        """Add finished trials to Optuna's tables, except those whose UUID is stored; returns all numbers."""
        urls.check_identity(self._url, self._file)
        with database_errors.translating_errors(self._url):
            with connections.writing(self._engine) as connection:
                self._coordinator.check(connection)
            if self.broken:  # the write that failed may have been committed nevertheless
                self._look()
                told = {trial.user_attrs[UUID] for trial in trials}
                self._unheard = [trial for trial in self._unheard if trial.user_attrs[UUID] not in told]
                self.broken = False
            for trial in trials:
                self._create_trial(trial)
            uuids = [str(trial.user_attrs[UUID]) for trial in trials]
            with connections.writing(self._engine) as connection:
                telling.number_trials(connection, self._id, self._mirrored, uuids)
            with connections.writing(self._engine) as connection:
                self._coordinator.release(connection, [int(trial.user_attrs[INDEX]) for trial in trials])
        return [self._mirrored[uuid] for uuid in uuids]

    @retry
    def give_back(self, trials: Sequence[FrozenTrial]) -> bool:
        """Leave these failed trials, which are not stored, to other live runs, if there are any."""
        uuids = {int(trial.user_attrs[INDEX]): str(trial.user_attrs[UUID]) for trial in trials}
        with database_errors.translating_errors(self._url), connections.writing(self._engine) as connection:
            return self._coordinator.give_back(connection, uuids)

    def _create_trial(self, trial: FrozenTrial) -> None:
        uuid = str(trial.user_attrs[UUID])
        if uuid in self._mirrored:
            return
        if uuid in self._artifacts:
            trial = copy.deepcopy(trial)
            trial.system_attrs = {**trial.system_attrs, **self._artifacts.pop(uuid)}
        try:
            trial_id = self._optuna.create_new_trial(self._optuna_study, template_trial=trial)
        except KeyError:
            raise StoreError(
                f"another program deleted Optuna's study '{self._study.name}' during this run; run again: "
                "its trials are made again from the stored simulations"
            ) from None
        following = max(self._mirrored.values(), default=-1) + 1
        self._mirrored[uuid] = connections.number_of(self._optuna, self._optuna_study, trial_id, following)

    def simulations(self, uuid: str) -> list[Simulation]:
        """All simulations of a candidate, in order of completion, without observations."""
        return self._reader.simulations(uuid)

    def observation(self, uuid: str, *, stage: int, realisation: int = 0, condition: str = "") -> Observation:
        """The observation of a candidate's simulation. Raises StoreError if it was not stored."""
        return self._reader.observation(uuid, stage=stage, realisation=realisation, condition=condition)

    def discard(self, uuid: str, *, stage: int, condition: str, but_ms: float) -> None:
        """Delete a candidate's simulations in a condition that failed or whose duration is not `but_ms`."""
        other = (SIMULATION.c.duration_ms != but_ms) | (SIMULATION.c.status == "failed")
        key = {"study": self._id, "uuid": uuid, "stage": stage, "condition": condition}
        with database_errors.translating_errors(self._url), connections.writing(self._engine) as connection:
            connection.execute(delete(SIMULATION).filter_by(**key).where(other))

    def verdicts_on(self, trial: int) -> list[Verdict]:
        """All verdicts on a trial, the oldest first."""
        with database_errors.translating_errors(self._url), self._engine.connect() as connection:
            return [one for one in verdicts.all_of(connection, self._study.name) if one.trial == trial]

    def keep_verdict(self, verdict: Verdict) -> None:
        """Store a verdict, and add it to the study's note in Optuna's dashboard."""
        with database_errors.translating_errors(self._url):
            with connections.writing(self._engine) as connection:
                verdicts.add(connection, self._id, verdict)
                latest = verdicts.verdicts_of(connection, self._study.name)
            verdicts.write_note(self._optuna, self._study.name, latest)

    def adopt(self, name: str) -> Adopted:
        """Take over the simulations of study `name` that this study could have run itself.

        They become trials when their candidates are told. Statistics are recomputed from the observations.
        Raises StoreError if there is no such study, or if it simulates something else.
        """
        with database_errors.translating_errors(self._url):
            with self._engine.connect() as connection:
                studies = connection.execute(select(STUDY).order_by(STUDY.c.id)).all()
                origin = adoption.origin_of(self._study, name, studies, self.shown_url)
                rows = connection.execute(
                    select(SIMULATION).where(SIMULATION.c.study == origin.id).order_by(SIMULATION.c.id)
                ).all()
                stored = adoption.read_indices(connection, self._id)
            adopted, columns = adoption.collect_adoptable(
                self._study, origin, [row for row in rows if row.uuid not in stored], self._folder
            )
            self._coordinator.join()
            with connections.writing(self._engine) as connection:
                self._coordinator.lock(connection)
                # Again: another run may have adopted the same ones.
                stored = adoption.read_indices(connection, self._id)
                columns = [values for values in columns if values["uuid"] not in stored]
                used = {*stored.values(), *self._coordinator.list_claimed(connection)}
                for values in adoption.renumber(self._study, origin, columns, used=used):
                    connection.execute(SIMULATION.insert().values(study=self._id, **values))
        return adopted

    def _keep_observation(self, simulation: Simulation) -> tuple[str | None, str | None]:
        if simulation.observation is None or not self._study.storage.observations:
            return None, None
        which = (simulation.uuid, simulation.stage, simulation.realisation, simulation.condition)
        path = self.observations / f"{'-'.join(str(part) for part in which if part != '')}.npz"
        return str(path.relative_to(self._folder)), archive.save(simulation.observation, path)

    def _compare(self) -> None:
        """Raise StoreError if the study of this name in the database differs from this one."""
        study = self._study
        with self._engine.connect() as connection:
            if schema.version(connection) == 0:
                return
            # Only columns that every version of the tables has: these may be older than this code.
            columns = select(STUDY.c.content, STUDY.c.created)
            row = connection.execute(columns.where(STUDY.c.name == study.name)).first()
        if row is not None:
            check_same(study, self._url, row)

    def _begin(self) -> None:
        self._compare()  # again, now that no other process can begin the study
        study = self._study
        optuna_id = connections.study_id(self._optuna, study.name)
        own = select(STUDY.c.id).where(STUDY.c.name == study.name)
        with self._engine.connect() as connection:
            own_id = connection.execute(own).scalar()
        if own_id is None:
            if optuna_id is not None:
                raise StoreError(
                    f"{self.shown_url} holds an Optuna study '{study.name}' that calibrate did not create; "
                    "choose another name in [study]"
                )
            with connections.writing(self._engine) as connection:
                connection.execute(STUDY.insert().values(**columns_of_study(study)))
                own_id = connection.execute(own).scalar_one()
        keep_taken(self._engine, own_id, study)
        self._id: int = own_id
        if optuna_id is not None:
            self._optuna_study = optuna_id
        else:
            values = (
                [f"loss of {objective.name}" for objective in study.objectives] if study.pareto else ["loss"]
            )
            directions = [StudyDirection.MINIMIZE] * len(values)
            self._optuna_study = self._optuna.create_new_study(directions, study.name)
            self._optuna.set_study_system_attr(self._optuna_study, METRIC_NAMES, list(values))
            self._optuna.set_study_system_attr(self._optuna_study, SCORING, RULE)
        self._attributes = self._optuna.get_study_system_attrs(self._optuna_study)
        self._older = is_older(study, self._attributes)
        self._study_of_optuna = optuna.load_study(study_name=study.name, storage=self._optuna)
        self._coordinator = Coordinator(self._engine, self._id)

    def _read_finished(self) -> list[FrozenTrial]:
        all_trials = self._study_of_optuna.get_trials(deepcopy=False)
        trials = [trial for trial in all_trials if trial.state.is_finished()]
        check_trials(trials)
        if not self._older:
            return trials
        new = [trial for trial in trials if trial.user_attrs[UUID] not in self._rescored]
        for trial in self._reader.rescore(new):
            self._rescored[str(trial.user_attrs[UUID])] = trial
        return [self._rescored[str(trial.user_attrs[UUID])] for trial in trials]

    def _look(self) -> None:
        """Take in the trials that other runs have created."""
        for trial in self._read_finished():
            uuid = trial.user_attrs.get(UUID)
            if uuid is not None and uuid not in self._mirrored:
                self._mirrored[str(uuid)] = trial.number
                self._unheard.append(trial)
