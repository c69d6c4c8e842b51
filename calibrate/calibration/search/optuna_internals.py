"""Uses of Optuna (5.0) beyond its documented interface: check these after an upgrade."""

from __future__ import annotations

from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import NSGAIISampler, TPESampler
from optuna.trial import FrozenTrial


class BatchTpe(TPESampler):
    """Optuna's TPE for the proposals of one batch, which caches the values of trials between proposals.

    If Optuna renames the method that this overrides, proposals stay the same but take longer.
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
                representation = super()._get_internal_repr([trial], search_space, study)
                row = [float(value) for values in representation.values() for value in values]
                if len(row) == len(names):
                    self._rows[trial.number, names] = row
            if row:
                rows.append(row)
        columns = np.array(rows).reshape(-1, len(names)).T
        return dict(zip(names, columns, strict=True))


def generation_notes(generation: int) -> dict[str, Any]:
    """The system attributes that NSGA-II gives a trial of this generation."""
    return {NSGAIISampler._get_generation_key(): generation}


def id_in_storage(trial: FrozenTrial) -> int:
    """The trial's id in its storage."""
    return int(trial._trial_id)
