"""The panel: the statistics that are computed for every simulation, whatever the study asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from calibrate.errors import ObjectiveError
from calibrate.objective import Estimate, Statistic, find_statistic
from calibrate.observation import Layout, Observation

OF_POPULATIONS = (
    "rate",
    "rate_sd",
    "silent_fraction",
    "cv",
    "cv2",
    "lv",
    "lvr",
    "fano",
    "correlation",
    "synchrony",
    "locking",
)
OF_CLUSTERS = ("dwell_time", "active_clusters", "switching_rate")


def panel(layout: Layout) -> tuple[Statistic, ...]:
    """The statistics of every population, named as in `rate_E`, and those of clusters.

    A statistic of clusters has its plain name for the population that it looks at by default.
    """
    statistics = [
        find_statistic(f"{name}_{population}") for population in layout.populations for name in OF_POPULATIONS
    ]
    for population in layout.populations:
        rows = layout.groups_of(population)
        for name in OF_CLUSTERS if rows.stop - rows.start > 1 else ():
            found = find_statistic(f"{name}_{population}")
            plain = find_statistic(name).options.get("population") == population
            statistics.append(replace(found, name=name) if plain else found)
    return tuple(statistics)


def measure(
    observation: Observation,
    statistics: Sequence[Statistic | str] | None = None,
    *,
    required: frozenset[str] = frozenset(),
) -> dict[str, Estimate]:
    """Each statistic's estimate by name; undefined, with a note, where one raises an exception.

    statistics  objects or names such as "cv2_E"; by default the panel
    required    names of those that must not raise: ObjectiveError names the one that does
    """
    chosen = panel(observation.layout) if statistics is None else statistics
    estimates: dict[str, Estimate] = {}
    for statistic in (find_statistic(one) if isinstance(one, str) else one for one in chosen):
        try:
            estimates[statistic.name] = statistic(observation)
        except Exception as error:
            reason = f"statistic {statistic.name} raised {type(error).__name__}: {error}"
            if statistic.name in required:
                raise ObjectiveError(" ".join(reason.split())) from error
            estimates[statistic.name] = Estimate(float("nan"), note=reason)
    return estimates
