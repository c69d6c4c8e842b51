"""Which database a study is in, and under which name: a study that has changed is a different study."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import URL, Row, select

from calibrate.errors import StoreError
from calibrate.store import connections, database_errors, schema, urls
from calibrate.store.integrity import check_study
from calibrate.store.schema import STUDY
from calibrate.study import Study, differences
from calibrate.study.begun import began_with, in_order_of, with_its_sampler
from calibrate.study.file.text import Outline
from calibrate.study.from_files import FromFiles, Stored
from calibrate.study.identity import order_of

ENVIRONMENT = "OPTUNA_STORAGE"


def storage_url(study: Study | Outline, given: str | None = None) -> str:
    """The database of a study: `given` (--storage), else OPTUNA_STORAGE, else what the study file says."""
    asked = given or os.environ.get(ENVIRONMENT)
    if asked:
        return str(urls.parse(asked, Path.cwd()).render_as_string(hide_password=False))
    url = study.storage.url or f"sqlite:///{study.name}.db"
    return str(urls.parse(url, study.folder.resolve()).render_as_string(hide_password=False))


class Begun(Protocol):
    """The columns of a study's row that `refusal` needs."""

    @property
    def content(self) -> Mapping[str, Any]: ...

    @property
    def created(self) -> str: ...


@dataclass(frozen=True)
class Named:
    """A study under its name in the database, and the name of the version of the study before it.

    begun  whether the database holds it already
    """

    study: Study
    predecessor: str | None
    begun: bool


def resolve_name(study: Study, url: str, *, new: bool = False) -> Named:
    """`study` under the name of the stored study that it continues, and in its order.

    If it has changed since that one began, this raises StoreError with the changes. With `new` it becomes
    another study instead, whose name ends in the first digits of a hash of everything its results depend on.
    Reads the database only.
    """
    where = urls.parse(url, Path.cwd())
    rows = namesakes(study.name, list_studies(where))
    if not rows:
        return Named(study, None, begun=False)
    for number, row in enumerate(rows):
        same = with_its_sampler(study, row.content)
        if differences(row.content, same.content):
            continue
        if new and row.name == study.name and len(rows) == 1:
            raise StoreError(
                f"study '{study.name}' has not changed: a new study would repeat it exactly, and its scores "
                "would stay the same; change its file first"
            )
        return Named(as_stored(same, row), rows[number - 1].name if number else None, begun=True)
    if not new:
        raise StoreError(refusal(with_its_sampler(study, rows[-1].content), where, rows[-1].name, rows[-1]))
    changed = replace(in_order_of(study, rows[-1].content), name=f"{study.name}-{study.digest[:8]}")
    return Named(changed, rows[-1].name, begun=False)


def as_stored(study: Study, row: Row[Any]) -> Study:
    """`study` under its name and in its order in this row, with the targets that it began with."""
    named = replace(in_order_of(study, row.content), name=row.name)
    stored = stored_in(row)
    return named if stored is None else began_with(named, stored)


def stored_in(row: Row[Any]) -> Stored | None:
    """What the database knows of the data files of a study; None if there are none, or none were stored."""
    if row.taken is None:
        return None
    return Stored(digests=row.content.get("files", {}), taken=FromFiles.from_json(row.taken))


def changes_since(row: Row[Any], study: Study) -> list[str]:
    """What has changed since a study in the database began, but for what matters to new trials only."""
    content = study.content
    before = row.content.get("recording")
    if not (isinstance(before, Mapping) and "piece_ms" in before):  # older versions measured no pieces
        recording = {key: value for key, value in content.get("recording", {}).items() if key != "piece_ms"}
        content = {**content, "recording": recording}
    return differences(row.content, content)


def namesakes(name: str, rows: Sequence[Row[Any]]) -> list[Row[Any]]:
    """The rows of all versions of study `name`."""
    own = re.compile(rf"{re.escape(name)}(-[0-9a-f]{{8}})?")
    return [row for row in rows if own.fullmatch(row.name)]


def list_studies(url: URL) -> Sequence[Row[Any]]:
    """Name, content and date of the studies in a database, the oldest first. Reads the database only."""
    file = str(url.database)
    if urls.is_sqlite(url) and not file.startswith("file:") and not Path(file).exists():
        return []  # connecting would create it
    engine = connections.connect(url, reading=True)
    try:
        with database_errors.translating_damage(url), engine.connect() as connection:
            if schema.version(connection) == 0:
                return []
            wanted = (STUDY.c[name] for name in ("name", "content", "created", "taken"))
            columns = schema.present(connection, wanted)
            rows = connection.execute(select(*columns).order_by(STUDY.c.id)).all()
            for row in rows:
                check_study(row)
            return rows
    finally:
        engine.dispose()


def check_same(study: Study, url: URL, row: Begun) -> None:
    """Raise StoreError if `study` is not the stored study of its name."""
    if differences(row.content, study.content):
        raise StoreError(refusal(study, url, study.name, row))
    if order_of(row.content) != order_of(study.content):
        raise StoreError(
            f"another run has just begun study '{study.name}', from a file with its lines in another order: "
            "run again"
        )


def refusal(study: Study, url: URL, name: str, row: Begun) -> str:
    """Why `study` cannot continue study `name`: what has changed, and what to do about it."""
    changes = differences(row.content, study.content)
    more = f" and {len(changes) - 5} more" if len(changes) > 5 else ""
    return (
        f"{study.path} differs from study '{name}' in {urls.mask(url)}, begun {row.created[:10]}: "
        f"{'; '.join(changes[:5])}{more}. Undo this, or start a new study with --new "
        "(add --import to take over the trials that lie inside its ranges)"
    )
