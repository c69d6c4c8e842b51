"""Copying a study from one database to another, with its observations and artifacts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import optuna
from sqlalchemy import insert, select

from calibrate.calibration.search.optuna_internals import id_in_storage
from calibrate.calibration.search.optuna_logging import quieten_optuna
from calibrate.errors import StoreError
from calibrate.masking import without_passwords
from calibrate.store import archive, artifacts, connections, database_errors, schema, urls
from calibrate.store.artifacts import PREFIX_OF_TRIALS
from calibrate.store.coordinators import runs_of
from calibrate.store.reader import Reader
from calibrate.store.schema import HARDENING, SIMULATION, STUDY, VARIANT, VERDICT
from calibrate.study import Study


def copy_study(study: Study, source: str, target: str) -> dict[str, int]:
    """Copy `study` from the database at `source` to the one at `target`; returns how many items it copied.

    The study stays in the source. Raises StoreError if a run is writing to the source, or if the target
    contains a study of this name; the target then stays as it was.
    """
    source_url, target_url = urls.parse(source, Path.cwd()), urls.parse(target, Path.cwd())
    if source_url == target_url:
        raise StoreError(f"{urls.mask(target_url)} is the study's current database: name another one")
    _check_source(study, source)
    source_engine = connections.connect(source_url, reading=True)
    target_engine = connections.connect(target_url)
    try:
        with database_errors.translating_damage(source_url):
            schema.upgrade(source_engine)
        with database_errors.translating_damage(target_url):
            schema.upgrade(target_engine)
            storage = connections.optuna_storage(target_url)
            if study.name in [stored.study_name for stored in storage.get_all_studies()]:
                raise StoreError(f"{urls.mask(target_url)} already holds a study '{study.name}'")
        with database_errors.translating_damage(source_url), source_engine.connect() as connection:
            row = connection.execute(select(STUDY).where(STUDY.c.name == study.name)).one()
            rows = {
                table: connection.execute(select(table).where(table.c.study == row.id)).all()
                for table in (SIMULATION, VERDICT, VARIANT, HARDENING)
            }
        files = _copy_files(
            study, urls.folder_of(source_url, study.folder), urls.folder_of(target_url, study.folder)
        )
        with database_errors.translating_damage(target_url):
            trials = _copy_optuna(study, connections.optuna_storage(source_url, reading=True), storage)
            try:
                with connections.writing(target_engine) as connection:
                    connection.execute(
                        insert(STUDY).values(_without_id(row) | {"text": without_passwords(row.text)})
                    )
                    number = connection.execute(
                        select(STUDY.c.id).where(STUDY.c.name == study.name)
                    ).scalar_one()
                    for table, table_rows in rows.items():
                        for table_row in table_rows:
                            columns = {**_without_id(table_row), "study": number}
                            connection.execute(insert(table).values(columns))
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
        "hardenings": len(rows[HARDENING]),
        "files": files,
    }


def _check_source(study: Study, source: str) -> None:
    """Raise StoreError if a run is writing to the source, or if another program deleted its trials."""
    if running := runs_of(study, source):
        raise StoreError(f"study '{study.name}' is running ({', '.join(running)}); wait for it, or stop it")
    with Reader(study, source) as reader:
        reader.trials()


def _without_id(row: Any) -> dict[str, Any]:
    return {name: value for name, value in row._mapping.items() if name != "id"}


def _copy_optuna(study: Study, source: optuna.storages.RDBStorage, target: optuna.storages.RDBStorage) -> int:
    with quieten_optuna():
        optuna.copy_study(from_study_name=study.name, from_storage=source, to_storage=target)
    old, new = (storage.get_study_id_from_name(study.name) for storage in (source, target))
    # In attributes of the study, the dashboard stores data of trials under their ids, which change.
    numbers = {id_in_storage(trial): trial.number for trial in source.get_all_trials(old, deepcopy=False)}
    ids = {trial.number: id_in_storage(trial) for trial in target.get_all_trials(new, deepcopy=False)}
    attributes, moved = source.get_study_system_attrs(old), dict[str, Any]()
    for key, value in attributes.items():
        prefix = PREFIX_OF_TRIALS if key.startswith(PREFIX_OF_TRIALS) else "dashboard:"
        trial_id, separator, rest = key.removeprefix(prefix).partition(":")
        if key.startswith(prefix) and separator and trial_id.isdigit() and int(trial_id) in numbers:
            moved[f"{prefix}{ids[numbers[int(trial_id)]]}:{rest}"] = value
            # In the target, this id may belong to another trial. Attributes cannot be removed, so this one is
            # emptied.
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
