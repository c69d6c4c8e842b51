"""Statistics, targets and objectives: the public API for writing statistics.

A statistic is a pure function of an observation. Built-in statistics (in the package `objectives`) and those
of users (`file.py:name` in a study file) are written in the same way:

    from calibrate.objective import Needs, statistic

    @statistic(unit="Hz", needs=Needs(bin_ms=5.0))
    def peak_rate(observation, *, population="E"):
        "Highest rate of any cluster in a 5 ms bin (Hz); 0 for a silent network."
        counts = observation.group_counts(population, 5.0)
        return (counts / observation.group_sizes(population)[:, None]).max() / 0.005
"""

from calibrate.errors import ObjectiveError
from calibrate.objective import jackknife
from calibrate.objective.estimates import Estimate, Spread
from calibrate.objective.losses import CAP, UNDEFINED, Constraint, Objective
from calibrate.objective.statistics import Comparison, Statistic, find_statistic, statistic
from calibrate.objective.targets import Interval, Value
from calibrate.observation import Needs

__all__ = [
    "CAP",
    "UNDEFINED",
    "Comparison",
    "Constraint",
    "Estimate",
    "Interval",
    "Needs",
    "Objective",
    "ObjectiveError",
    "Spread",
    "Statistic",
    "Value",
    "find_statistic",
    "jackknife",
    "statistic",
]
