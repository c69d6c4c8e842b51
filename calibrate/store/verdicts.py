"""Verdicts in our table, and in the study's note in Optuna's dashboard."""

from __future__ import annotations

import re
from collections.abc import Sequence

import optuna
from sqlalchemy import Connection, inspect, select

from calibrate.calibration.trials.averages import format_statistic
from calibrate.calibration.validation.verdict import Verdict, as_json, from_json
from calibrate.store.schema import STUDY, VERDICT

# Delimiters of our part of the note, which users can edit as well.
_BEGIN, _END = "<!-- calibrate: validation -->", "<!-- end of validation -->"


def add(connection: Connection, study: int, verdict: Verdict) -> None:
    """Store a verdict; those of earlier validations stay."""
    connection.execute(
        VERDICT.insert().values(
            study=study,
            trial=verdict.trial,
            exact=int(verdict.exact),
            verdict=verdict.verdict,
            finished=verdict.finished,
            content=as_json(verdict),
        )
    )


def verdicts_of(connection: Connection, study: str) -> list[Verdict]:
    """The latest verdict on each trial in each mode, by trial; none if the tables are too old."""
    latest = {(verdict.trial, verdict.exact): verdict for verdict in all_of(connection, study)}
    return [latest[key] for key in sorted(latest)]


def all_of(connection: Connection, study: str) -> list[Verdict]:
    """All verdicts of a study, the oldest first; none if the tables are too old."""
    if not inspect(connection).has_table(VERDICT.name):
        return []
    query = (
        select(VERDICT.c.content)
        .join_from(VERDICT, STUDY, VERDICT.c.study == STUDY.c.id)
        .where(STUDY.c.name == study)
        .order_by(VERDICT.c.id)
    )
    return [from_json(content) for content in connection.scalars(query)]


def write_note(storage: optuna.storages.BaseStorage, study: str, verdicts: Sequence[Verdict]) -> None:
    """Write the verdicts into the study's note; what users wrote there stays."""
    from optuna_dashboard import get_note, save_note  # imports a whole web server: only when needed

    of_optuna = optuna.load_study(study_name=study, storage=storage)
    ours = f"{_BEGIN}\n{_text(verdicts)}\n{_END}"
    before = get_note(of_optuna)
    pattern = re.compile(re.escape(_BEGIN) + ".*?" + re.escape(_END), re.DOTALL)
    if pattern.search(before):
        note = pattern.sub(lambda _: ours, before, count=1)
    else:
        note = f"{before.rstrip()}\n\n{ours}\n" if before.strip() else f"{ours}\n"
    save_note(of_optuna, note)


def _text(verdicts: Sequence[Verdict]) -> str:
    lines = ["### Validation"]
    for verdict in verdicts:
        against = " and ".join(verdict.simulators)
        lines += ["", f"**Trial {verdict.trial}: {verdict.words}** ({against}, {verdict.finished[:10]})", ""]
        lines += [f"- {line}" for line in (*verdict.reasons, verdict.predicted) if line]
        lines += ["", *_table(verdict)]
    return "\n".join(lines)


def _table(verdict: Verdict) -> list[str]:
    rows = [row for row in verdict.statistics if row.aim is not None]
    if verdict.exact or not rows:
        return []
    lines = [
        f"| statistic | target | {verdict.simulators[0]} | difference | {verdict.interval} | equivalent |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        mean = format_statistic(row.reference.mean, lower_bound=row.reference.lower_bound)
        sign = "×" if row.scale == "log" else ""
        between, interval = "", ""
        if row.difference is not None:
            between = f"{sign}{row.difference:.3g}"
        if row.low is not None and row.high is not None:
            interval = f"{sign}{row.low:.3g} to {sign}{row.high:.3g}"
        lines.append(f"| {row.name} | {row.aim} | {mean} | {between} | {interval} | {row.decision or ''} |")
    return lines
