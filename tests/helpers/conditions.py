"""Studies with several conditions."""

from __future__ import annotations

from typing import Any

from calibrate.calibration.loop import run
from calibrate.calibration.search.optuna_trials import INDEX
from calibrate.study import Study
from tests.helpers.in_memory import Bench, Shelf
from tests.helpers.studies import RATE_E, RATE_I, Tables

SPONTANEOUS = {"name": "spontaneous"}
EVOKED: dict[str, Any] = {"name": "evoked", "parameters": {"I_E": {"scale": 1.5}}}
DRUG: dict[str, Any] = {"name": "drug", "held_out": True, "parameters": {"I_I": {"set": 2.0}}}
GAIN = {"difference": ["evoked", "spontaneous"], "statistic": "rate_E", "target": 2.0, "tolerance": 1.0}


def of(condition: str, objective: Tables) -> dict[str, Any]:
    return {**objective, "condition": condition}


BOTH: Tables = {
    "conditions": [SPONTANEOUS, EVOKED],
    "objectives": [of("spontaneous", RATE_E), of("evoked", RATE_I), GAIN],
}

ALL: Tables = {
    "conditions": [SPONTANEOUS, EVOKED, DRUG],
    "objectives": [
        *BOTH["objectives"],
        of("drug", RATE_I | {"name": "inhibition"}),
        {**GAIN, "difference": ["drug", "spontaneous"], "statistic": "rate_I"},
    ],
    "replicates": {"fresh": 3, "confirm": 1},
}


def losses(shelf: Shelf) -> list[tuple[int, float]]:
    return sorted((trial.user_attrs[INDEX], trial.values[0]) for trial in shelf.trials)


def done(study: Study, shelf: Shelf | None = None) -> tuple[Bench, Shelf]:
    bench, shelf = Bench(), shelf or Shelf()
    run(study, pool=bench, store=shelf)
    return bench, shelf
