"""What a run has found, and how far it is: the data that displays, JSON and reports are made of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from calibrate.objective import Estimate, Value
from calibrate.study import Study


@dataclass(frozen=True, kw_only=True)
class Reached:
    """A target against the value that was reached (None where it is undefined)."""

    name: str
    target: float | tuple[float, float]
    tolerance: float
    reached: float | None
    met: bool
    unit: str
    note: str


@dataclass(frozen=True, kw_only=True)
class Best:
    """The trial of lowest loss. `parameters` are all that the study names, `params` the free ones."""

    number: int
    params: Mapping[str, Any]
    parameters: Mapping[str, Any]
    loss: float
    statistics: Mapping[str, float | None]
    targets: Sequence[Reached]

    @property
    def all_met(self) -> bool:
        return all(target.met for target in self.targets)


@dataclass(kw_only=True)
class Times:
    """Where the time of a run went, in seconds.

    starting    until the first batch simulates: worker processes, networks, compilation
    simulating  batches, from handing them out to the last outcome
    asking      the sampler; scoring: statistics; storing: the database and the observations' files
    """

    starting_s: float = 0.0
    simulating_s: float = 0.0
    asking_s: float = 0.0
    scoring_s: float = 0.0
    storing_s: float = 0.0
    wall_s: float = 0.0


Reason = Literal["trials", "loss", "wall_s", "grid", "interrupted"]


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a study has found so far, earlier runs included; `times` are of this run."""

    best: Best | None
    complete: int
    failed: int
    added: int
    stopped: Reason
    last_failure: str | None
    times: Times

    @property
    def trials(self) -> dict[str, int]:
        return {"complete": self.complete, "failed": self.failed, "added": self.added}


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a run stands: sent whenever something happened.

    done      finished trials, of `total` (None: no limit); `failed` of them failed
    batch     candidates that simulate now; `returned` of them are back
    added     trials of this run; elapsed_s: its time, starting_s: the part before its first batch simulated
    """

    done: int
    failed: int
    total: int | None
    batch: int
    returned: int
    added: int
    elapsed_s: float
    starting_s: float
    best: Best | None
    last_failure: str | None


def reached(study: Study, estimates: Mapping[str, Estimate]) -> list[Reached]:
    """Each target of `study` against its statistic among `estimates`."""
    found = []
    for objective in study.objectives:
        estimate = estimates.get(objective.name, Estimate(math.nan, note="not known"))
        target = objective.target
        found.append(
            Reached(
                name=objective.name,
                target=target.value if isinstance(target, Value) else (target.low, target.high),
                tolerance=target.tolerance,
                reached=finite(estimate.value),
                met=objective.met(estimate),
                unit=objective.statistic.unit,
                note=estimate.note,
            )
        )
    return found


def as_json(result: Result) -> dict[str, Any]:
    """A result as `calibrate run --json` prints it."""
    best = None
    if result.best is not None:
        best = asdict(result.best)
        for target in best["targets"]:
            del target["unit"], target["note"]
    return {"best": best, "trials": result.trials, "time": asdict(result.times), "stopped": result.stopped}


def finite(value: float) -> float | None:
    """`value`, or None where it is not a finite number, as JSON has it."""
    return float(value) if math.isfinite(value) else None
