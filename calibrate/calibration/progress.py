"""The progress of a run, for displays."""

from __future__ import annotations

from dataclasses import dataclass

from calibrate.calibration.trials.summary import TrialSummary
from calibrate.study.graph_numbers import Purpose


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The state of a run, sent whenever it changes.

    done        finished trials, of `total` (None: no limit); `failed` of them failed
    doing       the purpose of the simulations; None: other runs simulate all remaining candidates
    batch       simulations of the current batch; `returned` of them have returned
    added       trials of this run
    elapsed_s   time of this run
    starting_s  the part of it before the first batch simulated
    """

    done: int
    failed: int
    total: int | None
    doing: Purpose | None = Purpose.SEARCH
    batch: int
    returned: int
    added: int
    elapsed_s: float
    starting_s: float
    best: TrialSummary | None
    last_failure: str | None
