"""The scale on which a statistic is modelled: fine near its target, coarse far away from it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibrate.objective import Constraint, Objective

FloatArray = NDArray[np.float64]

# Deviations are modelled linearly up to about this many tolerances, and logarithmically beyond.
_BEND = 2.0
# The exponential of no more than this is finite, and so is its square.
_FARTHEST = 300.0
# Values that have no logarithm are this many tolerances below the target.
_LOW = 30.0


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The increasing function asinh(z / 2), with z = (value - centre) / unit.

    centre, unit  in the unit of the statistic; or in its logarithm, if `log`
    lowest        what stands for values that have no logarithm
    """

    centre: float
    unit: float
    log: bool = False
    lowest: float = 0.0

    @classmethod
    def of(cls, judged: Objective | Constraint) -> Scale:
        """The scale of a statistic: in tolerances of its target, or by the bounds that it must keep."""
        if isinstance(judged, Constraint):
            ends = [end for end in (judged.low, judged.high) if math.isfinite(end)]
            centre = sum(ends) / len(ends)
            half = (judged.high - judged.low) / 2
            return cls(centre=centre, unit=half if 0 < half < math.inf else abs(centre) / 4 or 1.0)
        target = judged.target
        if judged.statistic.scale != "log":
            return cls(centre=target.centre, unit=target.reach)
        unit = target.margin("log")
        return cls(
            centre=math.log(target.centre), unit=unit, log=True, lowest=target.centre * math.exp(-_LOW * unit)
        )

    @classmethod
    def of_values(cls, values: FloatArray, *, log: bool) -> Scale:
        """The scale of a statistic that is not judged: by the middle half of its values."""
        positive = values[values > 0]
        log = log and positive.size > 0
        lowest = float(positive.min()) if log else 0.0
        known = np.log(np.maximum(values, lowest)) if log else values
        low, middle, high = np.quantile(known, [0.25, 0.5, 0.75])
        return cls(centre=float(middle), unit=float(high - low) or 1.0, log=log, lowest=lowest)

    def forward(self, values: FloatArray) -> FloatArray:
        """Values as they are modelled."""
        if self.log:
            values = np.log(np.maximum(values, self.lowest))
        return np.arcsinh((values - self.centre) / (self.unit * _BEND))

    def inverse(self, modelled: FloatArray) -> FloatArray:
        """Values from what is modelled."""
        values = self.centre + self.unit * _BEND * np.sinh(np.clip(modelled, -_FARTHEST, _FARTHEST))
        return np.exp(np.clip(values, -_FARTHEST, _FARTHEST)) if self.log else values

    def slope(self, values: FloatArray) -> FloatArray:
        """The derivative of `forward`, by which errors are multiplied."""
        x = np.log(np.maximum(values, self.lowest)) if self.log else values
        z = (x - self.centre) / (self.unit * _BEND)
        slope = 1 / (self.unit * _BEND * np.sqrt(1 + z**2))
        return slope / np.maximum(values, self.lowest) if self.log else slope
