"""What tests of the store keep in it, and ask of it."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from typing import Any

import numpy as np

from calibrate.calibration.search.optuna_trials import Answer
from calibrate.calibration.search.search import Search
from calibrate.calibration.trials.simulation import Simulation
from calibrate.objective import Estimate
from calibrate.observation import Layout, Observation, observe_spikes
from calibrate.study import Study

LAYOUT = Layout.of([("E", 4, 2), ("I", 2, 1)])


def observation() -> Observation:
    random = np.random.default_rng(1)
    spikes = np.unique(random.integers(0, [1000, 6], size=(300, 2)), axis=0)
    return observe_spikes(spikes[:, 0], spikes[:, 1], LAYOUT, dt_ms=1.0, duration_ms=1000.0)


def simulation(uuid: str, index: int = 0, **changes: Any) -> Simulation:
    return Simulation(
        **{
            "uuid": uuid,
            "index": index,
            "parameters": {"I_E": 1.0, "I_I": 2.0},
            "seed": 2**32 - 1,
            "backend": {"name": "poisson", "version": "1"},
            "duration_ms": 1000.0,
            "wall_s": 0.25,
            "host": "here",
            "finished": datetime(2026, 1, 2, tzinfo=UTC),
            "estimates": {
                "rate_E": Estimate(5.0, support=40.0),
                "dwell_time_I": Estimate(300.0, lower_bound=True),
                "dwell_time": Estimate(float("nan"), shortfall=0.5, note="no up-state"),
            },
        }
        | changes
    )


def trials(study: Study, *uuids: str, loss: float | None = 1.0) -> list[Any]:
    search = Search(study.space, study.sampler, seed=1)
    return search.tell(
        [
            Answer(proposal=proposal, loss=loss, attributes={"uuid": uuid})
            for proposal, uuid in zip(search.ask(len(uuids)), uuids, strict=True)
        ]
    )


def rows(path: str, query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(path) as connection:
        return connection.execute(query).fetchall()
