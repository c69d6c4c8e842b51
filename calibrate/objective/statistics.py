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
    """The value of a statistic for one observation, and how reliable it is.

    Attributes
    ----------
    value : float
        The statistic, in its unit; nan if it is undefined.
    support : float
        How much data it rests on (neurons, episodes; the docstring of the statistic says which); nan if
        unknown.
    shortfall : float
        If undefined: how far the activity is from where it would be defined, from 0 (nearly) to 1.
    lower_bound : bool
        Whether the true value may be higher (an episode that the measurement cut off).
    note : str
        One line worth showing beside the value, such as "lower bound: no up-state ended".
    error : float
        Standard error of the value, from the spread over its support as if independent; nan if unknown.
    sample : ndarray of float, shape (support,), or None
        The values that it is the mean of, one per neuron or episode, if the statistic has them; they can be
        compared with a whole distribution.

    Examples
    --------
    >>> import numpy as np
    >>> from calibrate import Estimate
    >>> Estimate.mean_of(np.array([4.0, 5.0, 6.0]))
    Estimate(value=5.0, support=3, shortfall=0.0, lower_bound=False, note='', error=0.577...)
    >>> Estimate(float("nan"), shortfall=1.0, note="no spike").defined
    False
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
        """Average one value per neuron (or episode).

        Parameters
        ----------
        sample : ndarray of float, shape (n,), n >= 1
            The values.
        note : str
            One line worth showing beside the mean.

        Returns
        -------
        Estimate
            The mean with its standard error, which is nan for a single value.
        """
        n = sample.size
        error = float(sample.std(ddof=1)) / math.sqrt(n) if n > 1 else math.nan
        return cls(float(sample.mean()), support=n, note=note, error=error, sample=sample)

    @property
    def defined(self) -> bool:
        """Whether the value is a finite number."""
        return math.isfinite(self.value)


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Standard deviation of a statistic between trials of one parameter set, relative to its value.

    Attributes
    ----------
    within : float
        From one run of 10 s to another on one graph; falls with the square root of the duration.
    between : float
        From one graph to another, in addition.

    Examples
    --------
    >>> from calibrate import Spread
    >>> Spread(within=0.01, between=0.04).standard_error(5.0, duration_ms=10_000.0, graphs=1)
    0.206...
    """

    within: float
    between: float = 0.0

    def standard_error(self, value: float, *, duration_ms: float, graphs: int) -> float:
        """Return the standard error of a mean over graphs.

        Parameters
        ----------
        value : float
            The mean.
        duration_ms : float, ms
            Length of the measurement on each graph.
        graphs : int
            Number of graphs.

        Returns
        -------
        float
            The standard error, in the unit of `value`.
        """
        variance = self.within**2 * 10_000 / duration_ms + self.between**2
        return abs(value) * math.sqrt(variance / graphs)


@dataclass(frozen=True, kw_only=True)
class Statistic:
    """A named function of an observation, with its options bound.

    Attributes
    ----------
    name : str
        Name in studies and databases.
    function : callable
        The function of an observation and the options that returns a float or an Estimate.
    unit : str
        Unit of the value, or "".
    needs : Needs
        What the observation must hold, given the options.
    scale : {"log", "linear"}
        "log" if deviations are ratios (durations), else "linear".
    options : dict of str to object
        Keyword arguments of `function`, including defaults.
    screens : bool
        Whether a simulation of a second can judge it.
    sample : str
        What the sample of its estimates holds; "" if there is none.
    per_neuron : bool
        Whether it is a mean over neurons, each of which has a value in that sample.
    spread : dict of str to Spread
        Its spread by the kind of connectivity ("fixed_indegree", "bernoulli"), if known.

    See Also
    --------
    statistic : Make one of a function.
    find_statistic : Find one by its name.

    Examples
    --------
    >>> from calibrate import find_statistic, observe_trains
    >>> rate = find_statistic("rate_E")
    >>> rate.unit, rate.summary
    ('Hz', 'Mean firing rate of the neurons of a population.')
    >>> rate(observe_trains([[12.0, 31.0, 32.0], [12.5]], duration_ms=100.0)).value
    20.0
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
        """First line of the docstring of the function."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    def with_options(self, **options: Any) -> Statistic:
        """Bind other options.

        Parameters
        ----------
        **options : object
            Options by name; the others stay as they are.

        Returns
        -------
        Statistic
            The same statistic with these options.

        Raises
        ------
        ObjectiveError
            If it has no such option, or if a value has another type than the default.
        """
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
        """Compute the estimate for an observation.

        Parameters
        ----------
        observation : Observation
            What the network showed.

        Returns
        -------
        Estimate
            The estimate.

        Raises
        ------
        ObservationError
            If the observation does not hold what is needed.
        """
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

    Parameters
    ----------
    unit : str
        Unit of the value, or "".
    needs : Needs or callable
        What the observation must hold; or a function of some of the options, named as its arguments, that
        returns it. It is called whenever options are bound, and raises ObjectiveError for invalid values.
    scale : {"linear", "log"}
        "log" if deviations are ratios, which suits durations.
    name : str, optional
        Name of the statistic; by default that of the function.
    screens : bool
        Whether a simulation of a second can judge it.
    sample : str
        What its estimates are means of, if they carry it.
    per_neuron : bool
        Whether that is a value of each neuron.
    spread : dict of str to Spread, optional
        How much it varies, by the kind of connectivity: tolerances below its standard error are refused.

    Returns
    -------
    callable
        A decorator that turns the function into a Statistic.

    Raises
    ------
    ObjectiveError
        If an option has no default.

    Examples
    --------
    >>> from calibrate import Needs, observe_trains, statistic
    >>> @statistic(unit="Hz", needs=Needs(bin_ms=5.0))
    ... def peak_rate(observation, *, population="E"):
    ...     "Highest rate of any cluster in a 5 ms bin; 0 for a silent network."
    ...     counts = observation.group_counts(population, 5.0)
    ...     return (counts / observation.group_sizes(population)[:, None]).max() / 0.005
    >>> peak_rate(observe_trains([[12.0, 31.0, 32.0], [12.5, 33.0]], duration_ms=100.0)).value
    300.0
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
    """Find a statistic by its name.

    Parameters
    ----------
    reference : str
        Name of an installed statistic, which may carry its population as a suffix (`cv2_E` is `cv2` with
        population "E"), `package.module:name`, `file.py:name`, or a key of `own`.
    options : dict of str to object, optional
        Options to bind.
    folder : Path, optional
        Where `file.py` is looked up; by default the current folder.
    own : dict of str to object, optional
        Statistics that are in no file, by reference.

    Returns
    -------
    Statistic
        The statistic with its options bound.

    Raises
    ------
    ObjectiveError
        If the object is not a statistic, if it does not have the options, or if they contradict the suffix.
    PluginError
        If the name leads to no object.

    Examples
    --------
    >>> from calibrate import find_statistic
    >>> find_statistic("cv2_I").options["population"]
    'I'
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
    """A target value with a tolerance, both in the unit of the statistic.

    Attributes
    ----------
    value : float
        The value to reach.
    tolerance : float
        Deviation that still counts as reached.
    source : str
        Where the target comes from.

    Raises
    ------
    ObjectiveError
        If a number is not finite, or the tolerance is not above 0.
    """

    value: float
    tolerance: float
    source: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and math.isfinite(self.tolerance) and self.tolerance > 0):
            raise ObjectiveError("a target needs a finite value and a tolerance above 0")

    def deviation(self, reached: float, scale: str) -> float:
        """Return the signed distance to the target in tolerances.

        On the log scale it is a distance of logarithms. On either scale it is -1 and 1 where the tolerance
        ends, at value - tolerance and value + tolerance.

        Parameters
        ----------
        reached : float
            Value of the statistic.
        scale : {"linear", "log"}
            Scale of the statistic.

        Returns
        -------
        float
            The distance; -inf on the log scale for a value of 0 or below.
        """
        if scale == "log":
            if reached <= 0:
                return -math.inf
            side = math.copysign(self.tolerance / self.value, reached - self.value)
            return (math.log(reached) - math.log(self.value)) / abs(math.log1p(side))
        return (reached - self.value) / self.tolerance

    def met(self, reached: float) -> bool:
        """Whether a value lies within the tolerance.

        Parameters
        ----------
        reached : float
            Value of the statistic.

        Returns
        -------
        bool
            Whether it does; False if it is not finite.
        """
        return math.isfinite(reached) and abs(reached - self.value) <= self.tolerance

    @property
    def aim(self) -> float | tuple[float, float]:
        """The value, as a study file has it."""
        return self.value

    @property
    def centre(self) -> float:
        """The middle of the target."""
        return self.value

    @property
    def ends(self) -> tuple[float, float]:
        """The lowest and the highest value that meet the target."""
        return self.value - self.tolerance, self.value + self.tolerance

    @property
    def reach(self) -> float:
        """How far from the centre a deviation of one tolerance is."""
        return self.tolerance

    @property
    def relative_tolerance(self) -> float:
        """The tolerance as a part of the value."""
        return self.tolerance / self.value

    def margin(self, scale: str) -> float:
        """Return what counts as no difference.

        Parameters
        ----------
        scale : {"linear", "log"}
            How values of the statistic are compared.

        Returns
        -------
        float
            The tolerance; on the log scale ln(1 + tolerance / value), the nearer of the two ends.
        """
        return math.log1p(self.relative_tolerance) if scale == "log" else self.tolerance


@dataclass(frozen=True)
class Interval:
    """A target interval: every value inside is equally good, deviations outside are counted in tolerances.

    Attributes
    ----------
    low : float
        Lower end, in the unit of the statistic.
    high : float
        Upper end.
    tolerance : float
        Unit of deviations beyond either end.
    source : str
        Where the target comes from.

    Raises
    ------
    ObjectiveError
        If the ends are not finite and in order, or the tolerance is not finite and above 0.
    """

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
        """Return the signed distance to the nearer end in tolerances; 0 inside.

        Parameters
        ----------
        reached : float
            Value of the statistic.
        scale : {"linear", "log"}
            Scale of the statistic; on "log" it is a distance of logarithms.

        Returns
        -------
        float
            The distance; -inf on the log scale for a value of 0 or below, outside of the interval.
        """
        end = min(max(reached, self.low), self.high)
        if scale == "log" and end != reached:
            if reached <= 0:
                return -math.inf
            return (math.log(reached) - math.log(end)) * end / self.tolerance
        return (reached - end) / self.tolerance

    def met(self, reached: float) -> bool:
        """Whether a value lies inside, both ends included.

        Parameters
        ----------
        reached : float
            Value of the statistic.

        Returns
        -------
        bool
            Whether it does.
        """
        return self.low <= reached <= self.high

    @property
    def aim(self) -> float | tuple[float, float]:
        """Both ends, as a study file has them."""
        return self.low, self.high

    @property
    def centre(self) -> float:
        """The middle of the target."""
        return (self.low + self.high) / 2

    @property
    def ends(self) -> tuple[float, float]:
        """The lowest and the highest value that meet the target."""
        return self.low, self.high

    @property
    def reach(self) -> float:
        """How far from the centre a deviation of one tolerance is."""
        return self.tolerance + (self.high - self.low) / 2

    @property
    def relative_tolerance(self) -> float:
        """The tolerance as a part of the upper end."""
        return self.tolerance / self.high

    def margin(self, scale: str) -> float:
        """Return what counts as no difference.

        Parameters
        ----------
        scale : {"linear", "log"}
            How values of the statistic are compared.

        Returns
        -------
        float
            The tolerance; on the log scale tolerance / high.
        """
        return self.relative_tolerance if scale == "log" else self.tolerance


@dataclass(frozen=True, kw_only=True)
class Objective:
    """A statistic, the target that it should reach, and the weight of its loss.

    Attributes
    ----------
    statistic : Statistic
        The statistic.
    target : Value or Interval
        What it should reach.
    weight : float
        Weight of its loss in a study with a single, scalar loss.
    robust : bool
        Whether the loss grows linearly beyond the tolerance, so that one statistic far off does not outweigh
        all others.

    Raises
    ------
    ObjectiveError
        If the weight is not a finite number above 0, or if the statistic is compared by ratios and the target
        minus its tolerance (or the lower end of the interval) is not above 0.

    Examples
    --------
    >>> from calibrate import Estimate, find_statistic
    >>> from calibrate.objective import Objective, Value
    >>> objective = Objective(statistic=find_statistic("rate_E"), target=Value(5.0, tolerance=0.5))
    >>> objective.loss(Estimate(6.0)), objective.met(Estimate(5.4))
    (4.0, True)
    """

    statistic: Statistic
    target: Value | Interval
    weight: float = 1.0
    robust: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight) and self.weight > 0):
            raise ObjectiveError(f"the weight of {self.statistic.name} must be a number above 0")
        if self.statistic.scale == "log" and self.target.ends[0] <= 0:
            raise ObjectiveError(
                f"{self.statistic.name} is compared by ratios: "
                "its target must be above 0, and the tolerance smaller than the target"
            )

    @property
    def name(self) -> str:
        """Name of the statistic."""
        return self.statistic.name

    def loss(self, estimate: Estimate) -> float:
        """Return the loss of an estimate, finite and >= 0, not weighted.

        Losses are in the order: target reached, defined, undefined; and graded throughout.

        Parameters
        ----------
        estimate : Estimate
            Value of the statistic.

        Returns
        -------
        float
            The loss.

        Notes
        -----
        With z the deviation in tolerances: q = z^2, or if robust Huber's 2 z - 1 for z > 1, up to CAP = 100;
        beyond it, with x = ln(q / CAP) and UNDEFINED = 1000, CAP (1 + 9 x / (9 + x)), which approaches
        UNDEFINED; UNDEFINED (1 + shortfall) if the statistic is undefined.
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
        """Whether the target is reached.

        Parameters
        ----------
        estimate : Estimate
            Value of the statistic.

        Returns
        -------
        bool
            Whether it is; False if the estimate is undefined or a lower bound.
        """
        return not estimate.lower_bound and self.target.met(float(estimate.value))


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """Bounds on a statistic that a network must keep to be a solution at all, both ends included.

    Attributes
    ----------
    statistic : Statistic
        The statistic.
    low : float
        Lower bound, in the unit of the statistic; -inf if there is none.
    high : float
        Upper bound; inf if there is none.

    Raises
    ------
    ObjectiveError
        If there is no bound, or the lower one is above the upper one.
    """

    statistic: Statistic
    low: float = -math.inf
    high: float = math.inf

    def __post_init__(self) -> None:
        if not self.low <= self.high or (math.isinf(self.low) and math.isinf(self.high)):
            raise ObjectiveError("a constraint needs min or max, and min must not be above max")

    @property
    def name(self) -> str:
        """Name of the statistic."""
        return self.statistic.name

    def violation(self, estimate: Estimate) -> float:
        """Return how far an estimate breaks the constraint: 0 if it is kept, else above 0 and graded.

        Parameters
        ----------
        estimate : Estimate
            Value of the statistic.

        Returns
        -------
        float
            With d the distance to the broken bound, relative to it (absolute for a bound of 0): d / (1 + d),
            at most 1; from 1 to 2 if the statistic is undefined, by its shortfall.
        """
        if not estimate.defined:
            shortfall = 1.0 if math.isnan(estimate.shortfall) else estimate.shortfall
            return 1 + min(max(shortfall, 0.0), 1.0)
        value = float(estimate.value)
        bound = min(max(value, self.low), self.high)
        distance = abs(value - bound)
        return distance / ((abs(bound) or 1.0) + distance)
