"""Regimes of a network of clusters, inferred from its statistics."""

from __future__ import annotations

import math
from collections.abc import Mapping

from calibrate.study import Study
from calibrate.study.conditions import timing_in

REGIMES = ("silent", "asynchronous", "metastable", "winner-take-all")

SILENT_BELOW_HZ = 0.1
SWITCHING_FROM_HZ = 0.1


def regime(statistics: Mapping[str, float | None], *, population: str, duration_ms: float) -> str | None:
    """Return the regime of a network; None if it cannot be inferred, for example without clusters.

    silent           fewer than 0.1 spikes per neuron and second
    winner-take-all  clusters stay up: at least half a cluster is up on average, with dwell times above half
                     of the measurement, or with up-states none of which began in it
    metastable       clusters switch: at least 0.1 up-states per cluster and second begin
    asynchronous     all others

    statistics  rate, active_clusters, dwell_time and switching_rate of the population, by name
    """
    values = {
        name: _value(statistics, name, population)
        for name in ("rate", "active_clusters", "dwell_time", "switching_rate")
    }
    if math.isnan(values["rate"]):
        return None
    if values["rate"] < SILENT_BELOW_HZ:
        return "silent"
    if not any(name in statistics for name in (f"active_clusters_{population}", "active_clusters")):
        return None
    switching = values["switching_rate"]
    stays = values["dwell_time"] > duration_ms / 2 or not switching > 0
    if values["active_clusters"] >= 0.5 and stays:
        return "winner-take-all"
    return "metastable" if switching >= SWITCHING_FROM_HZ else "asynchronous"


def regime_in(study: Study, statistics: Mapping[str, float | None]) -> str | None:
    """Return the regime of a network of a study, of several conditions in the first; None if unknown.

    statistics  by the names that they have in the study
    """
    first = study.searched[0]
    return regime(
        {name.removeprefix(first.named("")): value for name, value in statistics.items()},
        population=study.network.layout.populations[0],
        duration_ms=timing_in(study, first).duration_ms,
    )


def _value(statistics: Mapping[str, float | None], name: str, population: str) -> float:
    # For its default population, a statistic of clusters has its plain name.
    value = statistics.get(f"{name}_{population}", statistics.get(name))
    return math.nan if value is None else float(value)
