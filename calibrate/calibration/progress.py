"""How far a run is: what displays show."""

from __future__ import annotations

from dataclasses import dataclass

from calibrate.calibration.trials.summary import TrialSummary
from calibrate.study.graphs import Purpose


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a run stands: sent whenever something happened.

    done      finished trials, of `total` (None: no limit); `failed` of them failed
    doing     what the simulations are for; None: other runs simulate all that is left
    batch     simulations that are going on; `returned` of them are back
    added     trials of this run; elapsed_s: its time, starting_s: the part before its first batch simulated
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
