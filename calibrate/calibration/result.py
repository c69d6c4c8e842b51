"""The result of a run: the data for tables, JSON and reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from calibrate.calibration.clock import Times
from calibrate.calibration.trials.summary import TrialSummary, summary_json
from calibrate.calibration.validation.verdict import Verdict
from calibrate.calibration.validation.verdict import as_json as verdict_json

Reason = Literal["trials", "loss", "plateau", "wall_s", "grid", "interrupted"]

REASONS: Mapping[Reason, str] = {
    "trials": "the trial budget is used up",
    "loss": "the target loss was reached",
    "plateau": "the latest trials brought no improvement",
    "wall_s": "the time budget is used up",
    "grid": "the grid is complete",
    "interrupted": "you interrupted it",
}


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """A summary of all trials of a study at the end of a run; `times` and `added` are about this run only.

    front     of a Pareto study: the trials that no other beats in every objective, by loss
    complete  number of trials that did not fail; `infeasible` of them break a constraint
    others    whether other runs of the study were still active
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
        """Numbers of trials: complete, failed, infeasible, added."""
        return {
            "complete": self.complete,
            "failed": self.failed,
            "infeasible": self.infeasible,
            "added": self.added,
        }


@dataclass(frozen=True, kw_only=True)
class Result(RunSummary):
    """What a study has found so far, including earlier runs.

    Attributes
    ----------
    best : TrialSummary or None
        The trial of lowest loss that breaks no constraint, if there is one.
    front : sequence of TrialSummary
        For a Pareto study: the trials that no other beats in every objective, by loss.
    complete : int
        Number of trials that did not fail.
    failed : int
        Number of trials that failed.
    infeasible : int
        Number of complete trials that break a constraint.
    added : int
        Number of trials of this run.
    stopped : {"trials", "loss", "plateau", "wall_s", "grid", "interrupted"}
        Why this run ended: the key of the budget, a finished grid, or the user.
    others : bool
        Whether other runs of the study were still going when this one ended; the last one to end shows the
        best on fresh graphs and validates it.
    last_failure : str or None
        Reason of the last failure in this run.
    times : Times
        Where the time of this run went, in seconds.
    name : str
        Name of the study in its database.
    storage : str
        URL of the database, without password.
    validation : sequence of Verdict
        Verdicts on the best trials, if the study asks for them.
    """

    name: str
    storage: str
    validation: Sequence[Verdict] = ()

    def __repr__(self) -> str:
        failed = f", {self.failed} of them failed" if self.failed else ""
        trials = f"{self.complete + self.failed} trials{failed}"
        lines = [f"study {self.name}: {trials}; stopped because {REASONS[self.stopped]}"]
        lines += [str(self.best or "no trial is the best yet"), *map(str, self.validation)]
        return "\n".join(lines)


def as_json(result: RunSummary) -> dict[str, Any]:
    """A result as `calibrate run --json` prints it, with `front` for a Pareto study."""
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
