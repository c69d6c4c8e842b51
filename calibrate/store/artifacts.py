"""Artifacts: pictures and files of trials and studies, where Optuna's dashboard looks for them."""

from __future__ import annotations

import io
import json
import mimetypes
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from optuna.artifacts import ArtifactMeta, FileSystemArtifactStore

from calibrate.errors import StoreError
from calibrate.objective import Estimate
from calibrate.observation import Observation
from calibrate.store import connections, meanings, urls
from calibrate.study import Study

# What is kept of a trial that people will look at: files by name, of its study, activity and statistics.
Draw = Callable[[Study, Observation, Mapping[str, Estimate]], Mapping[str, bytes]]

# What Optuna puts before an artifact's id in system attributes.
PREFIX = "artifacts:"
# What its dashboard puts before those of trials that are kept with the study.
PREFIX_OF_TRIALS = "dashboard:artifacts:"
# Ours among those of a study; people may add theirs.
OURS = "calibrate_"


def folder_in(base: Path, study: str) -> Path:
    """The folder of the artifacts of `study` in that of its files."""
    return base / f"{study}.artifacts"


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
        raise StoreError(f"cannot write into {folder}: {error.strerror}") from None
    return attributes


class Gallery:
    """The artifacts of a study that has begun, for those that are added after its trials were told.

    storage, study_id  of Optuna;  folder: of the files. Raises StoreError.
    """

    def __init__(self, study: Study, url: str) -> None:
        self._url = urls.parse(url, Path.cwd())
        self.folder = folder_in(urls.folder_of(self._url, study.folder), study.name)
        self.storage = connections.optuna_storage(self._url)
        with meanings.translating_errors(self._url):
            self.study_id = self.storage.get_study_id_from_name(study.name)

    def add(self, files: Mapping[str, bytes]) -> None:
        """Make `files` the artifacts of the study that are ours; those of others stay."""
        named = {f"{OURS}{name}": content for name, content in files.items()}
        with meanings.translating_errors(self._url):
            for key, meta in self._known(PREFIX).items():
                if not meta["filename"].startswith(OURS):
                    continue
                if (content := named.pop(meta["filename"], None)) is not None:
                    FileSystemArtifactStore(self.folder).write(meta["artifact_id"], io.BytesIO(content))
                else:
                    self.storage.set_study_system_attr(self.study_id, key, json.dumps(None))
                    (self.folder / meta["artifact_id"]).unlink(missing_ok=True)
            for key, value in keep(self.folder, named).items():
                self.storage.set_study_system_attr(self.study_id, key, value)

    def has(self, trial: int, name: str) -> bool:
        """Whether such a file was added to a trial."""
        with meanings.translating_errors(self._url):
            return any(meta["filename"] == name for meta in self._known(self._prefix(trial)).values())

    def add_to_trial(self, trial: int, files: Mapping[str, bytes]) -> None:
        """Add artifacts to a finished trial, which itself cannot be changed: the study refers to them."""
        prefix = self._prefix(trial)
        with meanings.translating_errors(self._url):
            for key, value in keep(self.folder, files).items():
                self.storage.set_study_system_attr(self.study_id, prefix + key.removeprefix(PREFIX), value)

    def _prefix(self, trial: int) -> str:
        trial_id = self.storage.get_trial_id_from_study_id_trial_number(self.study_id, trial)
        return f"{PREFIX_OF_TRIALS}{trial_id}:"

    def _known(self, prefix: str) -> dict[str, dict[str, str]]:
        found = self.storage.get_study_system_attrs(self.study_id).items()
        metas = {key: json.loads(value) for key, value in found if key.startswith(prefix)}
        return {key: meta for key, meta in metas.items() if meta is not None}  # null: it was removed
