"""Artifacts: figures and other files of trials and studies, stored where Optuna's dashboard finds them."""

from __future__ import annotations

import io
import json
import mimetypes
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from optuna.artifacts import ArtifactMeta, FileSystemArtifactStore

from calibrate.calibration.trials.simulation import Simulation
from calibrate.errors import StoreError
from calibrate.objective import Estimate
from calibrate.observation import Observation
from calibrate.store import connections, database_errors, urls
from calibrate.study import Study
from calibrate.study.conditions import Condition

# Makes the files, by name, that are stored with a trial for people to look at, from the study, a condition,
# the trial's observation in it and its statistics.
Draw = Callable[[Study, Condition, Observation, Mapping[str, Estimate]], Mapping[str, bytes]]

# Prefix of an artifact's id in system attributes, set by Optuna.
PREFIX = "artifacts:"
# Prefix of artifacts of trials that are stored with the study, set by Optuna's dashboard.
PREFIX_OF_TRIALS = "dashboard:artifacts:"
# Prefix of our files among the artifacts of a study; users can add their own.
OURS = "calibrate_"


def folder_in(base: Path, study: str) -> Path:
    """The folder of the artifacts of `study`, inside the folder of its files."""
    return base / f"{study}.artifacts"


def of_conditions(
    study: Study, simulations: Sequence[Simulation], read: Callable[..., Observation], draw: Draw
) -> dict[str, bytes]:
    """Draw a candidate in the conditions of the search, each on its first graph; no files if it lacks one.

    read  returns a stored observation
    """
    last, files = len(study.stages), dict[str, bytes]()
    for condition in study.searched:
        own = (one for one in simulations if one.condition == condition.name)
        shown = next((one for one in own if one.stage == last and not one.failed), None)
        if shown is None:
            return {}
        observation = read(shown.uuid, stage=last, realisation=shown.realisation, condition=condition.name)
        files |= draw(study, condition, observation, shown.estimates)
    return files


def keep(folder: Path, files: Mapping[str, bytes]) -> dict[str, str]:
    """Write files into the artifact store in `folder`; returns the system attributes that refer to them."""
    attributes = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        store = FileSystemArtifactStore(folder)
        for name, content in files.items():
            kind, encoding = mimetypes.guess_type(name)
            meta = ArtifactMeta(
                artifact_id=str(uuid.uuid4()),
                filename=name,
                mimetype=kind or "application/octet-stream",
                encoding=encoding,
            )
            store.write(meta.artifact_id, io.BytesIO(content))
            attributes[PREFIX + meta.artifact_id] = json.dumps(asdict(meta))
    except OSError as error:
        raise StoreError(f"cannot write to {folder}: {error.strerror}") from None
    return attributes


class Gallery:
    """The artifacts of a stored study, to which artifacts can be added after its trials have finished.

    storage   Optuna's storage
    study_id  the study's id in it
    folder    of the files

    Raises StoreError.
    """

    def __init__(self, study: Study, url: str) -> None:
        self._url = urls.parse(url, Path.cwd())
        self.folder = folder_in(urls.folder_of(self._url, study.folder), study.name)
        self.storage = connections.optuna_storage(self._url)
        with database_errors.translating_errors(self._url):
            self.study_id = self.storage.get_study_id_from_name(study.name)

    def add(self, files: Mapping[str, bytes]) -> None:
        """Replace our artifacts of the study with `files`; those of others stay."""
        ours = {f"{OURS}{name}": content for name, content in files.items()}
        with database_errors.translating_errors(self._url):
            for key, meta in self._read_metas(PREFIX).items():
                if not meta["filename"].startswith(OURS):
                    continue
                if (content := ours.pop(meta["filename"], None)) is not None:
                    FileSystemArtifactStore(self.folder).write(meta["artifact_id"], io.BytesIO(content))
                else:
                    self.storage.set_study_system_attr(self.study_id, key, json.dumps(None))
                    (self.folder / meta["artifact_id"]).unlink(missing_ok=True)
            for key, value in keep(self.folder, ours).items():
                self.storage.set_study_system_attr(self.study_id, key, value)

    def has(self, trial: int, name: str) -> bool:
        """Whether a file called `name` was added to a trial."""
        with database_errors.translating_errors(self._url):
            return any(meta["filename"] == name for meta in self._read_metas(self._prefix(trial)).values())

    def add_to_trial(self, trial: int, files: Mapping[str, bytes]) -> None:
        """Add artifacts to a finished trial. Optuna cannot change it, so the study refers to them."""
        prefix = self._prefix(trial)
        with database_errors.translating_errors(self._url):
            for key, value in keep(self.folder, files).items():
                self.storage.set_study_system_attr(self.study_id, prefix + key.removeprefix(PREFIX), value)

    def _prefix(self, trial: int) -> str:
        trial_id = self.storage.get_trial_id_from_study_id_trial_number(self.study_id, trial)
        return f"{PREFIX_OF_TRIALS}{trial_id}:"

    def _read_metas(self, prefix: str) -> dict[str, dict[str, str]]:
        attributes = self.storage.get_study_system_attrs(self.study_id).items()
        metas = {key: json.loads(value) for key, value in attributes if key.startswith(prefix)}
        return {key: meta for key, meta in metas.items() if meta is not None}  # null: removed
