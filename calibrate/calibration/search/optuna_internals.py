"""What calibrate uses of Optuna beyond its documented interface (5.0): look here after an upgrade."""

from __future__ import annotations

from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import NSGAIISampler, TPESampler
from optuna.trial import FrozenTrial


class BatchTpe(TPESampler):
    """Optuna's TPE for the proposals of one batch: each trial's values are looked up once, not at every ask.

    If Optuna renames this method, proposals stay the same and take longer.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._rows: dict[tuple[int, tuple[str, ...]], list[float]] = {}

    def _get_internal_repr(
        self, trials: list[FrozenTrial], search_space: dict[str, BaseDistribution], study: Study
    ) -> dict[str, np.ndarray]:
        names = tuple(search_space)
        rows = []
        for trial in trials:
            row = self._rows.get((trial.number, names))
            if row is None:
                found = super()._get_internal_repr([trial], search_space, study)
                row = [float(value) for values in found.values() for value in values]
                if len(row) == len(names):
                    self._rows[trial.number, names] = row
            if row:
                rows.append(row)
        columns = np.array(rows).reshape(-1, len(names)).T
        return dict(zip(names, columns, strict=True))


def generation_notes(generation: int) -> dict[str, Any]:
    """What NSGA-II notes of a trial of this generation, among its system attributes."""
    return {NSGAIISampler._get_generation_key(): generation}


def id_in_storage(trial: FrozenTrial) -> int:
    """The trial's id in its storage."""
    return int(trial._trial_id)
