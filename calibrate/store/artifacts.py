"""Artifacts: pictures and files of trials and studies, where Optuna's dashboard looks for them."""

from __future__ import annotations

import io
import json
import mimetypes
import uuid
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import optuna
from optuna.artifacts import ArtifactMeta, FileSystemArtifactStore

from calibrate.errors import StoreError
from calibrate.findings import up_states_of
from calibrate.objective import Estimate
from calibrate.observation import Observation
from calibrate.store import database
from calibrate.store.rows import statistics_json
from calibrate.study import Study

# What Optuna puts before an artifact's id in system attributes.
PREFIX = "artifacts:"
# Ours among those of a study; people may add theirs.
OURS = "calibrate_"


def folder_of(observations: Path) -> Path:
    """The folder of a study's artifacts, beside that of its observations."""
    return observations.with_suffix(".artifacts")


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


def pictures(study: Study, observation: Observation, estimates: Mapping[str, Estimate]) -> dict[str, bytes]:
    """What is kept of a trial that people will look at: its activity and its statistics."""
    from calibrate.raster import raster_figure, rates_figure  # matplotlib takes half a second
    from calibrate.style import png

    draw = rates_figure if observation.spikes is None else raster_figure
    figure = draw(observation, up_states=up_states_of(study, observation))
    table = json.dumps(statistics_json(estimates), indent=1)
    return {"activity.png": png(figure), "statistics.json": table.encode()}


def shared(study: Study, url: str, files: Mapping[str, bytes]) -> tuple[optuna.storages.RDBStorage, Path]:
    """Optuna's storage of a study that has begun, `files` its artifacts, and the folder that these are in.

    Raises StoreError.
    """
    where = database.parsed(url, Path.cwd())
    folder = folder_of(database.folder(where, study.folder) / f"{study.name}.observations")
    storage = database.optuna_storage(where)
    with database.reported(where):
        keep_of_study(storage, storage.get_study_id_from_name(study.name), folder, files)
    return storage, folder


def keep_of_study(
    storage: optuna.storages.BaseStorage, study_id: int, folder: Path, files: Mapping[str, bytes]
) -> None:
    """Make `files` the artifacts of a study that are ours; those of others stay."""
    named = {f"{OURS}{name}": content for name, content in files.items()}
    for key, value in storage.get_study_system_attrs(study_id).items():
        meta = json.loads(value) if key.startswith(PREFIX) else None  # null: it was removed
        if meta is None or not meta["filename"].startswith(OURS):
            continue
        if (content := named.pop(meta["filename"], None)) is not None:
            FileSystemArtifactStore(folder).write(meta["artifact_id"], io.BytesIO(content))
        else:
            storage.set_study_system_attr(study_id, key, json.dumps(None))
            (folder / meta["artifact_id"]).unlink(missing_ok=True)
    for key, value in keep(folder, named).items():
        storage.set_study_system_attr(study_id, key, value)
