"""The loss of many points at once, from values of the statistics that were drawn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calibrate.calibration.emulator.models import Drawn
from calibrate.objective import CAP, UNDEFINED, Constraint, Objective, Value

FloatArray = NDArray[np.float64]


def deviations(objective: Objective, values: FloatArray) -> FloatArray:
    """Signed deviations from the target in tolerances, as `deviation` of a target has them."""
    target = objective.target
    low, high = (target.value, target.value) if isinstance(target, Value) else target.ends
    end = np.clip(values, low, high)
    if objective.statistic.scale != "log":
        return (values - end) / target.tolerance
    part = target.tolerance / end
    falls = (values < end) & (part < 1)
    unit = np.abs(np.log1p(np.where(falls, -np.minimum(part, 1 - 1e-12), part)))
    return (np.log(np.maximum(values, 1e-300)) - np.log(end)) / unit


def losses(objective: Objective, drawn: Drawn) -> FloatArray:
    """The loss of an objective at every point, as `Objective.loss` has it."""
    z = np.abs(deviations(objective, drawn.values))
    q = np.where(z > 1, 2 * z - 1, z**2) if objective.robust else z**2
    x = np.log(np.maximum(q, CAP) / CAP)
    loss = np.where(q <= CAP, q, CAP + (UNDEFINED - CAP) * x / (x + UNDEFINED / CAP - 1))
    return np.where(drawn.defined, loss, UNDEFINED * (1 + drawn.depth))


def is_met(objective: Objective, drawn: Drawn) -> NDArray[np.bool_]:
    """Whether the target is met at every point."""
    low, high = objective.target.ends
    return np.asarray(drawn.defined & (low <= drawn.values) & (drawn.values <= high))


def violations(constraint: Constraint, drawn: Drawn) -> FloatArray:
    """The violation of a constraint at every point, as `Constraint.violation` has it."""
    bound = np.clip(drawn.values, constraint.low, constraint.high)
    distance = np.abs(drawn.values - bound)
    broken = distance / (np.where(bound == 0, 1.0, np.abs(bound)) + distance)
    return np.where(drawn.defined, broken, 1 + drawn.depth)
