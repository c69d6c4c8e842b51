"""The panel: the statistics that are computed for every simulation, whatever the objectives are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from calibrate.errors import ObjectiveError, one_line
from calibrate.objective.estimates import Estimate
from calibrate.objective.statistics import Statistic, find_statistic
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
            reason = f"statistic {statistic.name} raised {one_line(error)}"
            estimates[statistic.name] = Estimate(float("nan"), note=reason)
            raised[statistic.name] = reason
    return Evaluation(estimates=estimates, raised=raised)


def measure(
    observation: Observation,
    statistics: Sequence[Statistic | str] | None = None,
    *,
    required: frozenset[str] = frozenset(),
) -> dict[str, Estimate]:
    """Compute the statistics of an observation.

    Parameters
    ----------
    observation : Observation
        What the network showed.
    statistics : sequence of Statistic or str, optional
        Statistics, or names such as "cv2_E"; by default the panel, which is computed for every simulation.
    required : frozenset of str
        Names of statistics that must not raise.

    Returns
    -------
    dict of str to Estimate
        The estimates by name; undefined, with a note, if a statistic raises an exception.

    Raises
    ------
    ObjectiveError
        If a required statistic raises; the message names it. Also if a name leads to no statistic.
    PluginError
        If a name leads to no object.

    Examples
    --------
    >>> from calibrate import measure, observe_trains
    >>> observation = observe_trains([[12.0, 31.0, 32.0], [12.5]], duration_ms=100.0)
    >>> measure(observation, ["rate_E"])["rate_E"].value
    20.0
    """
    chosen = panel(observation.layout) if statistics is None else statistics
    resolved = [find_statistic(each) if isinstance(each, str) else each for each in chosen]
    evaluation = evaluate(observation, resolved)
    evaluation.check(required)
    return dict(evaluation.estimates)
