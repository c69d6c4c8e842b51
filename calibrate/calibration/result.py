"""What a run has found: the data that tables, JSON and reports are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from calibrate.calibration.clock import Times
from calibrate.calibration.trials.summary import TrialSummary, summary_json
from calibrate.calibration.validation.verdict import Verdict
from calibrate.calibration.validation.verdict import as_json as verdict_json

Reason = Literal["trials", "loss", "plateau", "wall_s", "grid", "interrupted"]


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """What the trials of a study amount to when a run of it ends; `times` and `added` are of this run.

    front     of a Pareto study: the trials that no other beats in every objective, by loss
    complete  trials that did not fail, `infeasible` of which break a constraint
    others    whether other runs of the study were still running
    """

    best: TrialSummary | None
    front: Sequence[TrialSummary] = ()
    complete: int
    failed: int
    infeasible: int = 0
    added: int
    stopped: Reason
    others: bool = False
    last_failure: str | None
    times: Times

    @property
    def trials(self) -> dict[str, int]:
        return {
            "complete": self.complete,
            "failed": self.failed,
            "infeasible": self.infeasible,
            "added": self.added,
        }


@dataclass(frozen=True, kw_only=True)
class Result(RunSummary):
    """What a study has found so far, earlier runs included; `times` and `added` are of this run.

    name        of the study in its database, `storage` (a URL without password)
    front       of a Pareto study: the trials that no other beats in every objective, by loss
    validation  verdicts on the best, where the study asks for them
    others      whether other runs of the study went on when this one ended; the last shows the best on fresh
                graphs and validates it
    complete    trials that did not fail, `infeasible` of which break a constraint
    """

    name: str
    storage: str
    validation: Sequence[Verdict] = ()


def as_json(result: RunSummary) -> dict[str, Any]:
    """A result as `calibrate run --json` prints it; `front` for a Pareto study."""
    printed: dict[str, Any] = {
        "best": summary_json(result.best) if result.best else None,
        "trials": result.trials,
        "time": asdict(result.times),
        "stopped": result.stopped,
        "others": result.others,
    }
    if result.front:
        printed["front"] = [summary_json(best) for best in result.front]
    if isinstance(result, Result) and result.validation:
        printed["validation"] = [verdict_json(verdict) for verdict in result.validation]
    return printed
