"""Whether rows are as calibrate writes them: databases can be edited, damaged, or another program's.

Every check raises ValueError, which `database.understood` makes a StoreError of.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from calibrate.calibration.search.trials import FEASIBLE, INDEX, LOSS, ORIGIN, UUID

_TEXTS = (str, type(None))


def check_study(row: Any) -> None:
    """Name, content and day of a study."""
    content = row.content if isinstance(row.content, Mapping) else {}
    simulation = content.get("simulation")
    backend = simulation.get("backend") if isinstance(simulation, Mapping) else None
    if not all(isinstance(text, str) for text in (row.name, row.created, backend)):
        raise ValueError("a study without its content")


def check_simulation(row: Any) -> None:
    """A simulation, before it is read."""
    numbers = (row.duration_ms, row.wall_s)
    counts = (row.candidate, row.seed, row.stage, row.realisation)
    texts = isinstance(row.uuid, str) and isinstance(row.host, str) and row.status in ("complete", "failed")
    maybe = all(isinstance(text, _TEXTS) for text in (row.reason, row.origin, row.observation, row.sha256))
    if not (texts and maybe and all(_number(n) for n in numbers) and all(_count(n) for n in counts)):
        raise ValueError(f"a simulation of candidate {row.uuid!r:.50} without its texts and numbers")
    tables = (row.parameters, row.backend, row.statistics)
    if not all(isinstance(table, Mapping) for table in tables):
        raise ValueError(f"a simulation of candidate {row.uuid} without its parameters and statistics")
    if not all(isinstance(text, str) for text in row.backend.values()):
        raise ValueError(f"a simulation of candidate {row.uuid} whose simulator is not named by texts")
    for name, kept in row.statistics.items():
        numbers = tuple(v for key, v in kept.items() if key not in ("note", "lower_bound") and v is not None)
        if not all(_number(n) for n in numbers) or not isinstance(kept.get("note", ""), str):
            raise ValueError(f"a simulation of candidate {row.uuid} whose {name} is no number")


def check_trials(trials: Sequence[FrozenTrial]) -> None:
    """The finished trials of a study, by number."""
    for number, trial in enumerate(trials):
        if not _count(trial.number) or (number and trial.number <= trials[number - 1].number):
            raise ValueError("trials that are not numbered one after another")
        attributes = trial.user_attrs
        if not (isinstance(attributes.get(UUID), str) and _count(attributes.get(INDEX))):
            raise ValueError(f"trial {trial.number} that names no candidate")
        if not isinstance(attributes.get(ORIGIN), _TEXTS):
            raise ValueError(f"trial {trial.number} that was taken over from no study")
        scalars = all(isinstance(v, str | bool) or _number(v) for v in trial.params.values())
        if not scalars or not _count(attributes.get("graphs", 1)):
            raise ValueError(f"trial {trial.number} whose parameters are no values")
        if trial.state == TrialState.COMPLETE:
            values = [*(trial.values or [None]), *trial.constraints.values(), attributes.get(LOSS, 0.0)]
            if not all(_number(value) for value in values):
                raise ValueError(f"trial {trial.number} without its loss")
            if not isinstance(attributes.get(FEASIBLE, True), bool):
                raise ValueError(f"trial {trial.number} of which nobody knows whether it is feasible")


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
