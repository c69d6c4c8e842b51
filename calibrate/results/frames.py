"""Trials, simulations and their statistics as data frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from calibrate.calibration.search.optuna_trials import UUID, is_feasible, loss_of
from calibrate.calibration.trials.simulation import Simulation
from calibrate.calibration.trials.summary import TrialSummary
from calibrate.study.conditions import qualified


def frame_of_trials(
    trials: Sequence[FrozenTrial],
    described: Mapping[int, TrialSummary],
    parameters: Iterable[str],
) -> pd.DataFrame:
    """A row per trial, by number.

    described   summaries by the number of the trial; failed trials have none
    parameters  the free ones
    """
    rows = []
    for trial in trials:
        complete = trial.state == TrialState.COMPLETE
        row = {
            "number": trial.number,
            "state": "complete" if complete else "failed",
            "loss": loss_of(trial) if complete else float("nan"),
            "feasible": is_feasible(trial),
            "graphs": trial.user_attrs.get("graphs"),
            **trial.params,
        }
        summary = described.get(trial.number)
        if summary is not None:
            for name, value in summary.statistics.items():
                row[f"{name}_reached" if name in row else name] = float("nan") if value is None else value
        rows.append(row | {"lower_bounds": " ".join(summary.lower_bounds) if summary else ""})
    columns = ["number", "state", "loss", "feasible", "graphs", *parameters, "lower_bounds"]
    frame = pd.DataFrame(rows, columns=None if rows else columns)
    return frame.astype({"graphs": "Int64"}).set_index("number")  # failed trials have none


def frame_of_simulations(trials: Sequence[FrozenTrial], simulations: Sequence[Simulation]) -> pd.DataFrame:
    """A row per simulation, as they ended."""
    numbers = {str(trial.user_attrs[UUID]): trial.number for trial in trials}
    frame = pd.DataFrame(
        [
            {
                "trial": numbers.get(simulation.uuid),
                "stage": simulation.stage,
                "graph": simulation.realisation,
                **({"condition": simulation.condition} if simulation.condition else {}),
                "seed": simulation.seed,
                "backend": simulation.backend.get("name"),
                "duration_ms": simulation.duration_ms,
                "wall_s": simulation.wall_s,
                "host": simulation.host,
                "finished": simulation.finished,
                "reason": simulation.reason,
                **{name: estimate.value for name, estimate in simulation.estimates.items()},
            }
            for simulation in simulations
        ]
    )
    # Simulations of unfinished trials have no number: without a nullable type the column would be floats.
    return frame.astype({"trial": "Int64"}) if simulations else frame


def frame_of_statistics(trials: Sequence[FrozenTrial], simulations: Sequence[Simulation]) -> pd.DataFrame:
    """A row per simulation and statistic, as they ended."""
    numbers = {str(trial.user_attrs[UUID]): trial.number for trial in trials}
    rows = [
        (
            numbers.get(simulation.uuid),
            simulation.stage,
            simulation.realisation,
            qualified((simulation.condition,), name),
            estimate.value,
            estimate.error,
            estimate.support,
            estimate.note,
            estimate.lower_bound,
        )
        for simulation in simulations
        for name, estimate in simulation.estimates.items()
    ]
    columns = ["trial", "stage", "graph", "statistic", "value", "error", "support", "note", "lower_bound"]
    return pd.DataFrame(rows, columns=columns).astype({"trial": "Int64"})
