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

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from calibrate import plugins
from calibrate.errors import ObjectiveError, did_you_mean
from calibrate.observation import Needs, Observation

__all__ = [
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

# Losses are squared deviations in tolerances up to CAP. Beyond CAP they grow ever more slowly and stay below
# UNDEFINED, the lowest loss of a network whose statistic is undefined. A defined statistic therefore always
# beats an undefined one, and both are graded.
CAP = 100.0
UNDEFINED = 1000.0


@dataclass(frozen=True)
class Estimate:
    """What a statistic found.

    value        the statistic, nan where it is undefined
    support      how much data it rests on (neurons, episodes; the statistic's docstring says which)
    error        standard error of the value, from the spread over these as if they were independent
    sample       the values that it is the mean of (one of each neuron, or episode), shape (support,), where
                 the statistic has such; it can be compared with a whole distribution
    shortfall    where undefined: how far the activity is from where it would be defined, from 0 (nearly) to 1
    lower_bound  whether the true value may be any higher one (an episode that the measurement cut off)
    note         one line worth showing beside the value, such as "lower bound: no up-state ended"
    """

    value: float
    support: float = math.nan
    shortfall: float = 0.0
    lower_bound: bool = False
    note: str = ""
    error: float = math.nan
    sample: NDArray[np.float64] | None = field(default=None, repr=False, compare=False)

    @classmethod
    def mean_of(cls, sample: NDArray[np.float64], *, note: str = "") -> Estimate:
        """The mean of one value of each neuron (or episode), shape (n,), n >= 1, with its standard error."""
        n = sample.size
        error = float(sample.std(ddof=1)) / math.sqrt(n) if n > 1 else math.nan
        return cls(float(sample.mean()), support=n, note=note, error=error, sample=sample)

    @property
    def defined(self) -> bool:
        return math.isfinite(self.value)


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Standard deviation of a statistic, relative to its value, between trials of one parameter set.

    within    from one run of 10 s to another on one graph; falls with the square root of the duration
    between   from one graph to another, in addition
    """

    within: float
    between: float = 0.0

    def standard_error(self, value: float, *, duration_ms: float, graphs: int) -> float:
        """Of the mean over `graphs` graphs, each measured for `duration_ms`, in the unit of `value`."""
        variance = self.within**2 * 10_000 / duration_ms + self.between**2
        return abs(value) * math.sqrt(variance / graphs)


@dataclass(frozen=True, kw_only=True)
class Statistic:
    """A named function of an observation, with its options bound.

    unit      of the value, "" if it has none
    needs     what the observation must hold, given the options
    scale     "log" where deviations are ratios (durations), else "linear"
    options   keyword arguments of `function`, defaults included
    screens   whether a simulation of a second can judge it
    sample    what the sample of its estimates holds; "" where there is none
    per_neuron  whether it is a mean over neurons, each of which has a value in that sample
    spread    its spread by the kind of connectivity ("fixed_indegree", "bernoulli"), where that is known
    """

    name: str
    function: Callable[..., float | Estimate]
    unit: str
    needs: Needs
    scale: Literal["linear", "log"]
    options: Mapping[str, Any]
    screens: bool = False
    sample: str = ""
    per_neuron: bool = False
    spread: Mapping[str, Spread] = field(default_factory=dict)
    _needs_rule: Needs | Callable[..., Needs] = field(repr=False)

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    def with_options(self, **options: Any) -> Statistic:
        """The same statistic with other options; raises ObjectiveError for an option it does not have."""
        for option, value in options.items():
            if option not in self.options:
                hint = did_you_mean(option, self.options)
                known = ", ".join(self.options) or "none"
                raise ObjectiveError(f"{self.name} has no option '{option}'{hint}; it has {known}")
            default = self.options[option]
            if default is None:
                continue
            kinds = (int, float) if isinstance(default, float) else type(default)
            # In Python, bool is a subclass of int.
            if not isinstance(value, kinds) or isinstance(value, bool) != isinstance(default, bool):
                raise ObjectiveError(
                    f"option {option} of {self.name} takes {type(default).__name__}, not {value!r}"
                )
        merged = MappingProxyType({**self.options, **options})
        return replace(self, options=merged, needs=_needs(self._needs_rule, merged))

    def __call__(self, observation: Observation) -> Estimate:
        """The estimate for `observation`; raises ObservationError if it does not hold what is needed."""
        result = self.function(observation, **self.options)
        return result if isinstance(result, Estimate) else Estimate(float(result))


def _needs(rule: Needs | Callable[..., Needs], options: Mapping[str, Any]) -> Needs:
    if isinstance(rule, Needs):
        return rule
    wanted = inspect.signature(rule).parameters
    return rule(**{name: options[name] for name in wanted})


def statistic(
    *,
    unit: str = "",
    needs: Needs | Callable[..., Needs],
    scale: Literal["linear", "log"] = "linear",
    name: str | None = None,
    screens: bool = False,
    sample: str = "",
    per_neuron: bool = False,
    spread: Mapping[str, Spread] | None = None,
) -> Callable[[Callable[..., float | Estimate]], Statistic]:
    """Make a statistic of a function `f(observation, *, option=default, ...)` to a float or Estimate.

    `needs` may be a function of some of the options, named as its arguments. It is called whenever options
    are bound, and raises ObjectiveError for values that they cannot have. `screens` says that a simulation of
    a second can judge it; `sample` what its estimates are means of, where they carry it; `per_neuron` that
    this is a value of each neuron; `spread` how much it varies: tolerances below its standard error are
    refused.
    """

    def decorate(function: Callable[..., float | Estimate]) -> Statistic:
        _, *rest = inspect.signature(function).parameters.values()
        for parameter in rest:
            if parameter.default is inspect.Parameter.empty:
                raise ObjectiveError(f"option {parameter.name} of {function.__name__} needs a default")
        options = MappingProxyType({parameter.name: parameter.default for parameter in rest})
        return Statistic(
            name=name or function.__name__,
            function=function,
            unit=unit,
            needs=_needs(needs, options),
            scale=scale,
            options=options,
            screens=screens,
            sample=sample,
            per_neuron=per_neuron,
            spread=spread or {},
            _needs_rule=needs,
        )

    return decorate


def find_statistic(
    reference: str,
    options: Mapping[str, Any] | None = None,
    *,
    folder: Path | None = None,
    own: Mapping[str, object] | None = None,
) -> Statistic:
    """The statistic that `reference` names, with `options` bound.

    An installed statistic may carry its population as a suffix: `cv2_E` is `cv2` with population "E".
    Otherwise `package.module:name`, `file.py:name`, or one of `own`. Raises ObjectiveError or PluginError.
    """
    bound = dict(options or {})
    installed = plugins.installed(plugins.STATISTICS)
    target, population = _split_suffix(reference, installed)
    if ":" not in reference and reference not in installed and target in installed:
        if bound.setdefault("population", population) != population:
            raise ObjectiveError(f"{reference} already names population {population}")
    else:
        target = reference
    loaded = plugins.load(target, plugins.STATISTICS, folder=folder, own=own)
    if not isinstance(loaded, Statistic):
        raise ObjectiveError(f"{reference} is a {type(loaded).__name__}; decorate it with @statistic")
    name = reference if ":" not in reference else reference.rpartition(":")[2]
    return replace(loaded.with_options(**bound), name=name)


def _split_suffix(reference: str, names: Collection[str]) -> tuple[str, str]:
    """Split `reference` into the longest of `names` that it begins with, and the population that follows.

    Without such a name, it is split at the last underscore.
    """
    words = reference.split("_")
    splits = [("_".join(words[:k]), "_".join(words[k:])) for k in range(len(words) - 1, 0, -1)]
    return next((split for split in splits if split[0] in names), splits[0] if splits else (reference, ""))


@dataclass(frozen=True)
class Value:
    """A target value with a tolerance, both in the unit of the statistic."""

    value: float
    tolerance: float
    source: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and math.isfinite(self.tolerance) and self.tolerance > 0):
            raise ObjectiveError("a target needs a finite value and a tolerance above 0")

    def deviation(self, reached: float, scale: str) -> float:
        """Signed distance in tolerances; on the log scale, of logarithms.

        On either scale it is -1 and 1 where the tolerance ends, at value - tolerance and value + tolerance.
        """
        if scale == "log":
            if reached <= 0:
                return -math.inf
            side = math.copysign(self.tolerance / self.value, reached - self.value)
            return (math.log(reached) - math.log(self.value)) / abs(math.log1p(side))
        return (reached - self.value) / self.tolerance

    def met(self, reached: float) -> bool:
        return math.isfinite(reached) and abs(reached - self.value) <= self.tolerance


@dataclass(frozen=True)
class Interval:
    """Anything from `low` to `high` is as good; beyond, deviations are counted in `tolerance`."""

    low: float
    high: float
    tolerance: float
    source: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ObjectiveError("a target interval needs two finite ends, the lower one first")
        if not (math.isfinite(self.tolerance) and self.tolerance > 0):
            raise ObjectiveError("a target interval needs a tolerance above 0")

    def deviation(self, reached: float, scale: str) -> float:
        """Signed distance to the nearer end in tolerances, 0 inside; on the log scale, of logarithms."""
        end = min(max(reached, self.low), self.high)
        if scale == "log" and end != reached:
            if reached <= 0:
                return -math.inf
            return (math.log(reached) - math.log(end)) * end / self.tolerance
        return (reached - end) / self.tolerance

    def met(self, reached: float) -> bool:
        return self.low <= reached <= self.high


@dataclass(frozen=True, kw_only=True)
class Objective:
    """A statistic, the target it should reach, and the weight of its loss in a scalar study.

    robust  whether the loss grows linearly beyond the tolerance, so that one statistic far off does not
            outweigh all others
    """

    statistic: Statistic
    target: Value | Interval
    weight: float = 1.0
    robust: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight) and self.weight > 0):
            raise ObjectiveError(f"the weight of {self.statistic.name} must be a number above 0")
        if self.statistic.scale == "log":
            target = self.target
            lowest = target.value - target.tolerance if isinstance(target, Value) else target.low
            if lowest <= 0:
                raise ObjectiveError(
                    f"{self.statistic.name} is compared by ratios: "
                    "its target must be above 0, and the tolerance smaller than the target"
                )

    @property
    def name(self) -> str:
        return self.statistic.name

    def loss(self, estimate: Estimate) -> float:
        """Finite and >= 0, in the order: target reached, defined, undefined; graded throughout.

        With z the deviation in tolerances: q = z^2, or where it is robust Huber's 2 z - 1 for z > 1, up to
        CAP = 100; beyond it, with x = ln(q / CAP) and UNDEFINED = 1000, CAP (1 + 9 x / (9 + x)), which nears
        UNDEFINED; UNDEFINED (1 + shortfall) where the statistic is undefined. Not weighted.
        """
        if not estimate.defined:
            shortfall = 1.0 if math.isnan(estimate.shortfall) else estimate.shortfall
            return UNDEFINED * (1 + min(max(shortfall, 0.0), 1.0))
        z = abs(self.target.deviation(float(estimate.value), self.statistic.scale))
        if math.isinf(z):
            return UNDEFINED
        linear = self.robust and z > 1
        if (q := 2 * z - 1 if linear else z * z) <= CAP:
            return q
        x = (math.log(2 * z - 1) if linear else 2 * math.log(z)) - math.log(CAP)
        return CAP + (UNDEFINED - CAP) * x / (x + UNDEFINED / CAP - 1)

    def met(self, estimate: Estimate) -> bool:
        """Whether the target is reached; never where the statistic is undefined or a lower bound."""
        return not estimate.lower_bound and self.target.met(float(estimate.value))


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """Bounds on a statistic that a network must keep to be a solution at all; both ends included."""

    statistic: Statistic
    low: float = -math.inf
    high: float = math.inf

    def __post_init__(self) -> None:
        if not self.low <= self.high or (math.isinf(self.low) and math.isinf(self.high)):
            raise ObjectiveError("a constraint needs min or max, and min must not be above max")

    @property
    def name(self) -> str:
        return self.statistic.name

    def violation(self, estimate: Estimate) -> float:
        """0 where the constraint is kept, else above 0 and graded.

        With d the distance to the bound that is broken, relative to it (absolute for a bound of 0):
        d / (1 + d), at most 1; from 1 to 2 where the statistic is undefined, by its shortfall.
        """
        if not estimate.defined:
            shortfall = 1.0 if math.isnan(estimate.shortfall) else estimate.shortfall
            return 1 + min(max(shortfall, 0.0), 1.0)
        value = float(estimate.value)
        bound = min(max(value, self.low), self.high)
        distance = abs(value - bound)
        return distance / ((abs(bound) or 1.0) + distance)
