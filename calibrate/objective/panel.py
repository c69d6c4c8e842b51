"""The panel: the statistics that are computed for every simulation, whatever the objectives are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from calibrate.errors import ObjectiveError
from calibrate.objective.statistics import Estimate, Statistic, find_statistic
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
    """Return the statistics of every population, with names such as `rate_E`, and those of clusters.

    For its default population, a statistic of clusters has its plain name.
    """
    statistics = [
        find_statistic(f"{name}_{population}") for population in layout.populations for name in OF_POPULATIONS
    ]
    for population in layout.populations:
        rows = layout.groups_of(population)
        for name in OF_CLUSTERS if rows.stop - rows.start > 1 else ():
            statistic = find_statistic(f"{name}_{population}")
            by_default = find_statistic(name).options.get("population") == population
            statistics.append(replace(statistic, name=name) if by_default else statistic)
    return tuple(statistics)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The statistics of an observation.

    estimates  by name of the statistic; undefined, with a note, if it raised an exception
    raised     the messages of these exceptions, by name
    """

    estimates: Mapping[str, Estimate]
    raised: Mapping[str, str] = field(default_factory=dict)

    def check(self, required: Iterable[str]) -> None:
        """Raise ObjectiveError if a statistic in `required` raised an exception."""
        for name in required:
            if name in self.raised:
                raise ObjectiveError(self.raised[name])


def evaluate(observation: Observation, statistics: Sequence[Statistic]) -> Evaluation:
    """Estimate each statistic, also those that raise an exception."""
    estimates: dict[str, Estimate] = {}
    raised: dict[str, str] = {}
    for statistic in statistics:
        try:
            estimates[statistic.name] = statistic(observation)
        except Exception as error:
            reason = f"statistic {statistic.name} raised {type(error).__name__}: {error}"
            estimates[statistic.name] = Estimate(float("nan"), note=reason)
            raised[statistic.name] = " ".join(reason.split())
    return Evaluation(estimates=estimates, raised=raised)


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
    resolved = [find_statistic(each) if isinstance(each, str) else each for each in chosen]
    evaluation = evaluate(observation, resolved)
    evaluation.check(required)
    return dict(evaluation.estimates)
