"""What a study knows of its statistics, as data: their targets, and those of a trial in their place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calibrate.calibration.emulator.scales import Scale
from calibrate.objective import Constraint, Interval, Objective
from calibrate.results.posterior.engine import Datum

# A tolerance is this many standard errors of its target, as is the default tolerance of a recorded one.
ERRORS = 2.0


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of a statistic. Numbers are in its unit, or logarithms if its scale is logarithmic.

    name   of the statistic
    scale  on which it is modelled
    value  the target; None if it is only known to lie between `ends`
    ends   of what meets the target or keeps the bounds; one may be infinite
    error  standard error
    bound  whether these are bounds of the study, which hold for every network that it accepts
    basis  what the error is taken from: "recording", "tolerance", or "" if there is none
    """

    name: str
    scale: Scale
    value: float | None
    ends: tuple[float, float]
    error: float
    bound: bool = False
    basis: str = ""

    @classmethod
    def of(cls, judged: Objective | Constraint, scale: Scale | None = None) -> Evidence:
        """That of an objective or a constraint. A distance of distributions is at most its tolerance.

        scale  of the model, if not its own: a statistic with a target and bounds has one model
        """
        scale = scale or Scale.of(judged)
        if isinstance(judged, Constraint):
            ends = judged.low, judged.high
            if scale.log:
                ends = _log(judged.low), _log(judged.high)
            return cls(name=judged.name, scale=scale, value=None, ends=ends, error=0.0, bound=True)
        target = judged.target
        if judged.statistic.compares is not None:
            ends = -math.inf, target.tolerance
            return cls(name=judged.name, scale=scale, value=None, ends=ends, error=0.0)
        of_recording = math.nan if isinstance(target, Interval) else target.error
        recorded = 0 < of_recording < math.inf
        error = of_recording if recorded else target.tolerance / ERRORS
        low, high = target.ends
        if scale.log:
            error, low, high = error / target.centre, math.log(low), math.log(high)
        return cls(
            name=judged.name,
            scale=scale,
            value=None if isinstance(target, Interval) else _in_x(target.value, scale),
            ends=(low, high),
            error=error,
            basis="recording" if recorded else "tolerance",
        )

    @property
    def datum(self) -> Datum:
        """The target as a datum."""
        return self.datum_with(0.0)

    def datum_with(self, spread: float) -> Datum:
        """The target as a datum, with an error besides its own: a standard deviation on the scale."""
        if self.value is not None:
            return self._datum(self.value, math.hypot(self.error * self._slope(self.value), spread))
        finite = [end for end in self.ends if math.isfinite(end)]
        error = self.error * self._slope(sum(finite) / len(finite))
        return self._between(self.ends, math.hypot(error, spread))

    def of_trial(self, value: float, spread: float, random: np.random.Generator) -> Datum:
        """The same kind of datum, as a network that is like a trial would have given it.

        The standard error of the target is drawn, and an interval is as long as that of the target, somewhere
        around the value.

        value   what the trial measured, in its unit
        spread  standard deviation, on the scale, of one measurement around this mean of several
        """
        if self.bound:
            return self.datum
        x = _in_x(value, self.scale)
        error = self.error * self._slope(x)
        modelled = self._forward(x) + math.hypot(error, spread) * random.standard_normal()
        if self.value is not None:
            return Datum(name=self.name, value=modelled, error=error)
        x = _in_x(float(self.scale.inverse(np.array([modelled]))[0]), self.scale)
        length = self.ends[1] - max(self.ends[0], 0.0 if math.isinf(self.ends[0]) else self.ends[0])
        low = x - random.random() * length
        return self._between((low, low + length), error)

    def keeps(self, value: float) -> bool:
        """Whether a value lies between the ends."""
        return self.ends[0] <= _in_x(value, self.scale) <= self.ends[1]

    def _datum(self, x: float, error: float) -> Datum:
        return Datum(name=self.name, value=self._forward(x), error=error)

    def _between(self, ends: tuple[float, float], error: float) -> Datum:
        low, high = (self._forward(end) if math.isfinite(end) else end for end in ends)
        finite = [end for end in (low, high) if math.isfinite(end)]
        return Datum(name=self.name, value=sum(finite) / len(finite), error=error, ends=(low, high))

    def _forward(self, x: float) -> float:
        return float(self.scale.forward(np.array([math.exp(x) if self.scale.log else x]))[0])

    def _slope(self, x: float) -> float:
        """The derivative of the scale."""
        value = math.exp(x) if self.scale.log else x
        return float(self.scale.slope(np.array([value]))[0]) * (value if self.scale.log else 1.0)


def _log(end: float) -> float:
    return math.log(end) if end > 0 else -math.inf


def _in_x(value: float, scale: Scale) -> float:
    return math.log(max(value, scale.lowest)) if scale.log else value


def basis_in_words(evidence: Sequence[Evidence]) -> str:
    """Where the standard errors of the targets come from."""
    recorded = [one.name for one in evidence if one.basis == "recording"]
    others = [one.name for one in evidence if one.basis == "tolerance"]
    if not recorded:
        return "half the tolerance of each target" if others else ""
    of_recording = "those of the recording"
    return f"{of_recording}; of {', '.join(others)} half the tolerance" if others else of_recording
