"""The panel: the statistics that are computed for every simulation, whatever the study asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from calibrate.errors import ObjectiveError
from calibrate.network import Network
from calibrate.objective import Estimate, Statistic, find_statistic
from calibrate.observation import Observation

OF_POPULATIONS = ("rate", "cv", "cv2", "lv", "fano", "synchrony", "locking")
OF_CLUSTERS = ("dwell_time", "active_clusters", "switching_rate")


def panel(network: Network) -> tuple[Statistic, ...]:
    """The statistics of every population, named as in `rate_E`, and those of clusters.

    A statistic of clusters has its plain name for the population that it looks at by default.
    """
    statistics = [
        find_statistic(f"{name}_{population.name}")
        for population in network.populations
        for name in OF_POPULATIONS
    ]
    for population in network.populations:
        for name in OF_CLUSTERS if population.clusters > 1 else ():
            found = find_statistic(f"{name}_{population.name}")
            default = find_statistic(name)
            plain = default.options.get("population") == population.name
            statistics.append(replace(found, name=name) if plain else found)
    return tuple(statistics)


def measure(
    statistics: Sequence[Statistic], observation: Observation, *, required: frozenset[str] = frozenset()
) -> dict[str, Estimate]:
    """Each statistic's estimate by name; undefined, with a note, where one raises an exception.

    Raises ObjectiveError naming the statistic where it is one of those `required`.
    """
    estimates: dict[str, Estimate] = {}
    for statistic in statistics:
        try:
            estimates[statistic.name] = statistic(observation)
        except Exception as error:
            reason = f"statistic {statistic.name} raised {type(error).__name__}: {error}"
            if statistic.name in required:
                raise ObjectiveError(" ".join(reason.split())) from error
            estimates[statistic.name] = Estimate(float("nan"), note=reason)
    return estimates
