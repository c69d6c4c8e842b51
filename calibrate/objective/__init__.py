"""Statistics of observations, their targets and losses, and the panel of statistics."""

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
