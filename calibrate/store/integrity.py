"""Checks that rows are as calibrate writes them: databases can be edited, damaged, or another program's.

Every check raises ValueError, which `database_errors.translating_damage` converts into StoreError.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from calibrate.calibration.search.optuna_trials import FEASIBLE, INDEX, LOSS, ORIGIN, UUID
from calibrate.study.from_files import FromFiles

_TEXTS = (str, type(None))


def check_study(row: Any) -> None:
    """Check the name, content and date of a study, and what it has taken from data files."""
    content = row.content if isinstance(row.content, Mapping) else {}
    simulation = content.get("simulation")
    backend = simulation.get("backend") if isinstance(simulation, Mapping) else None
    if not all(isinstance(text, str) for text in (row.name, row.created, backend)):
        raise ValueError("a study has no valid name, date or back end")
    if row.taken is not None:
        FromFiles.from_json(row.taken)


def check_simulation(row: Any) -> None:
    """Check a row of a simulation."""
    numbers = (row.duration_ms, row.wall_s)
    counts = (row.candidate, row.seed, row.stage, row.realisation)
    texts = isinstance(row.uuid, str) and isinstance(row.host, str) and row.status in ("complete", "failed")
    optional = (row.reason, row.origin, row.observation, row.sha256, row.condition)
    maybe = all(isinstance(text, _TEXTS) for text in optional)
    if not (texts and maybe and all(_is_number(n) for n in numbers) and all(_is_count(n) for n in counts)):
        raise ValueError(f"a simulation of candidate {row.uuid!r:.50} has missing or invalid entries")
    tables = (row.parameters, row.backend, row.statistics)
    if not all(isinstance(table, Mapping) for table in tables):
        raise ValueError(f"a simulation of candidate {row.uuid} lacks parameters, simulator or statistics")
    if not all(isinstance(text, str) for text in row.backend.values()):
        raise ValueError(f"a simulation of candidate {row.uuid} has an invalid description of its simulator")
    for name, estimate in row.statistics.items():
        numbers = tuple(
            value
            for key, value in estimate.items()
            if key not in ("note", "lower_bound") and value is not None
        )
        if not all(_is_number(n) for n in numbers) or not isinstance(estimate.get("note", ""), str):
            raise ValueError(f"a simulation of candidate {row.uuid} has an invalid estimate of {name}")


def check_trials(trials: Sequence[FrozenTrial]) -> None:
    """Check the finished trials of a study, sorted by number."""
    for number, trial in enumerate(trials):
        if not _is_count(trial.number) or (number and trial.number <= trials[number - 1].number):
            raise ValueError("the trials are not numbered in ascending order")
        attributes = trial.user_attrs
        if not (isinstance(attributes.get(UUID), str) and _is_count(attributes.get(INDEX))):
            raise ValueError(f"trial {trial.number} does not name its candidate")
        if not isinstance(attributes.get(ORIGIN), _TEXTS):
            raise ValueError(f"trial {trial.number} was adopted from a study with an invalid name")
        scalars = all(isinstance(v, str | bool) or _is_number(v) for v in trial.params.values())
        if not scalars or not _is_count(attributes.get("graphs", 1)):
            raise ValueError(f"trial {trial.number} has invalid parameters or an invalid number of graphs")
        if trial.state == TrialState.COMPLETE:
            values = [*(trial.values or [None]), *trial.constraints.values(), attributes.get(LOSS, 0.0)]
            if not all(_is_number(value) for value in values):
                raise ValueError(f"trial {trial.number} has an invalid loss or constraint")
            if not isinstance(attributes.get(FEASIBLE, True), bool):
                raise ValueError(f"trial {trial.number} has an invalid attribute '{FEASIBLE}'")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
