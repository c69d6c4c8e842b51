"""Copying a study from one database to another, with its observations and pictures."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import optuna
from sqlalchemy import insert, select

from calibrate.calibration.search.logging import quieten_optuna
from calibrate.calibration.search.optuna_internals import id_in_storage
from calibrate.errors import StoreError
from calibrate.masking import without_passwords
from calibrate.store import archive, artifacts, connections, meanings, schema, urls
from calibrate.store.artifacts import PREFIX_OF_TRIALS
from calibrate.store.coordinators import runs_of
from calibrate.store.schema import SIMULATION, STUDY, VERDICT
from calibrate.study import Study


def copy_study(study: Study, source: str, target: str) -> dict[str, int]:
    """Copy `study` from the database at `source` to that at `target`; returns how much of what there was.

    The source is left as it is. Raises StoreError where a run is writing to it, or the target holds a study
    of this name; then the target is left as it was.
    """
    here, there = urls.parse(source, Path.cwd()), urls.parse(target, Path.cwd())
    if here == there:
        raise StoreError(f"{urls.mask(there)} is the database that the study is in: name another one")
    if running := runs_of(study, source):
        raise StoreError(f"study '{study.name}' is being run ({', '.join(running)}); wait for it, or stop it")
    source_engine, target_engine = connections.connect(here), connections.connect(there)
    try:
        with meanings.translating_damage(here):
            schema.upgrade(source_engine)
        with meanings.translating_damage(there):
            schema.upgrade(target_engine)
            storage = connections.optuna_storage(there)
            if study.name in [found.study_name for found in storage.get_all_studies()]:
                raise StoreError(f"{urls.mask(there)} holds a study '{study.name}' already")
        with meanings.translating_damage(here), source_engine.connect() as connection:
            row = connection.execute(select(STUDY).where(STUDY.c.name == study.name)).one()
            rows = {
                table: connection.execute(select(table).where(table.c.study == row.id)).all()
                for table in (SIMULATION, VERDICT)
            }
        files = _copy_files(study, urls.folder_of(here, study.folder), urls.folder_of(there, study.folder))
        with meanings.translating_damage(there):
            trials = _copy_optuna(study, connections.optuna_storage(here), storage)
            try:
                with connections.writing(target_engine) as connection:
                    connection.execute(
                        insert(STUDY).values(_without_id(row) | {"text": without_passwords(row.text)})
                    )
                    number = connection.execute(
                        select(STUDY.c.id).where(STUDY.c.name == study.name)
                    ).scalar_one()
                    for table, found in rows.items():
                        for one in found:
                            connection.execute(insert(table).values({**_without_id(one), "study": number}))
            except BaseException:
                storage.delete_study(storage.get_study_id_from_name(study.name))
                raise
    finally:
        source_engine.dispose()
        target_engine.dispose()
    return {
        "trials": trials,
        "simulations": len(rows[SIMULATION]),
        "verdicts": len(rows[VERDICT]),
        "files": files,
    }


def _without_id(row: Any) -> dict[str, Any]:
    return {name: value for name, value in row._mapping.items() if name != "id"}


def _copy_optuna(study: Study, source: optuna.storages.RDBStorage, target: optuna.storages.RDBStorage) -> int:
    with quieten_optuna():
        optuna.copy_study(from_study_name=study.name, from_storage=source, to_storage=target)
    old, new = (storage.get_study_id_from_name(study.name) for storage in (source, target))
    # What the dashboard keeps of trials with the study goes by their ids, which are others now.
    numbers = {id_in_storage(trial): trial.number for trial in source.get_all_trials(old, deepcopy=False)}
    ids = {trial.number: id_in_storage(trial) for trial in target.get_all_trials(new, deepcopy=False)}
    attributes, moved = source.get_study_system_attrs(old), dict[str, Any]()
    for key, value in attributes.items():
        prefix = PREFIX_OF_TRIALS if key.startswith(PREFIX_OF_TRIALS) else "dashboard:"
        trial_id, separator, rest = key.removeprefix(prefix).partition(":")
        if key.startswith(prefix) and separator and trial_id.isdigit() and int(trial_id) in numbers:
            moved[f"{prefix}{ids[numbers[int(trial_id)]]}:{rest}"] = value
            # A trial of another number may have this id there; nothing can be removed, only emptied.
            empty = 0 if isinstance(value, int) else json.dumps(None) if prefix == PREFIX_OF_TRIALS else ""
            moved.setdefault(key, empty)
    for key, value in moved.items():
        if attributes.get(key) != value:
            target.set_study_system_attr(new, key, value)
    return len(numbers)


def _copy_files(study: Study, source: Path, target: Path) -> int:
    """Copy the folders of observations and artifacts beside the database; returns the number of files."""
    n = 0
    for folder in (archive.folder_in(source, study.name), artifacts.folder_in(source, study.name)):
        if not folder.is_dir():
            continue
        n += sum(1 for _ in folder.iterdir())
        if source.resolve() != target.resolve():
            try:
                shutil.copytree(folder, target / folder.name, dirs_exist_ok=True)
            except (OSError, shutil.Error) as error:
                raise StoreError(f"cannot copy {folder} to {target}: {error}") from None
    return n
