"""What an observation is worth: statistics, targets, and the panel of all of them."""

from calibrate.objective.statistics import (
    CAP,
    UNDEFINED,
    Constraint,
    Estimate,
    Interval,
    Needs,
    Objective,
    ObjectiveError,
    Spread,
    Statistic,
    Value,
    find_statistic,
    statistic,
)

__all__ = [
    "CAP",
    "UNDEFINED",
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
    "statistic",
]
