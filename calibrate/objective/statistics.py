"""Statistics: pure functions of an observation, with what they need and what they mean."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from calibrate import plugins
from calibrate.errors import ObjectiveError, did_you_mean
from calibrate.objective.estimates import Estimate
from calibrate.observation import Needs, Observation

DEPENDENCES = frozenset({"clusters", "neurons"})
Dependence = Collection[str] | Callable[..., Collection[str]] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """What a distance compares.

    Attributes
    ----------
    statistic : Statistic
        The statistic whose distribution it is.
    reference : ndarray of float, shape (n,)
        The values that it is compared with, in the unit of that statistic.
    """

    statistic: Statistic
    reference: NDArray[np.float64]


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
    depends_on : frozenset of {"clusters", "neurons"}, or None
        What its value depends on beyond what each neuron does: how the neurons are divided into clusters, and
        how many they are. None if it does not say.
    compares : Comparison or None
        The distributions that it compares if its value is their distance; else None.
    difference_of : Statistic or None
        The statistic of a single condition if its value is the difference between two; else None.

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
    depends_on: frozenset[str] | None = None
    compares: Comparison | None = field(default=None, repr=False, compare=False)
    difference_of: Statistic | None = field(default=None, repr=False, compare=False)
    _needs_rule: Needs | Callable[..., Needs] = field(repr=False)
    _depends_rule: Dependence = field(default=None, repr=False)

    @property
    def label(self) -> str:
        """Its name with its unit, for tables and figures: rate_E (Hz), or distance of rate_E (Hz)."""
        name = self.name if self.compares is None else f"distance of {self.name}"
        return f"{name} ({self.unit})" if self.unit else name

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
        return replace(
            self,
            options=merged,
            needs=_with(merged, self._needs_rule),
            depends_on=_dependence(self._depends_rule, merged),
        )

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


def _with(options: Mapping[str, Any], rule: Any) -> Any:
    """Return `rule`, or what it returns for the options that its arguments name."""
    if not callable(rule):
        return rule
    return rule(**{name: options[name] for name in inspect.signature(rule).parameters})


def _dependence(rule: Dependence, options: Mapping[str, Any]) -> frozenset[str] | None:
    depends_on = _with(options, rule)
    if depends_on is None:
        return None
    if isinstance(depends_on, str) or not set(depends_on) <= DEPENDENCES:
        raise ObjectiveError(f'depends_on may hold "clusters" and "neurons", not {depends_on!r}')
    return frozenset(depends_on)


def statistic(
    *,
    unit: str = "",
    needs: Needs | Callable[..., Needs],
    scale: Literal["linear", "log"] = "linear",
    name: str | None = None,
    screens: bool = False,
    sample: str = "",
    depends_on: Dependence = None,
    spread: object = None,  # noqa: ARG001  so that statistics written for version 0.1 still load
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
    depends_on : collection of {"clusters", "neurons"}, or callable, optional
        "clusters" if it matters how the neurons are divided into clusters, "neurons" if it matters how many
        they are, as for summed spikes; or a function of some of the options, named as its arguments, that
        returns it. A study refuses to compare with another number of recorded clusters, and warns of another
        number of units. If it is left out, clusters are assumed to matter unless the recording shows
        otherwise.
    spread : object
        Has no effect any more.

    Returns
    -------
    callable
        A decorator that turns the function into a Statistic.

    Raises
    ------
    ObjectiveError
        If an option has no default, or `depends_on` holds anything else.

    Examples
    --------
    >>> from calibrate import Needs, observe_trains, statistic
    >>> @statistic(unit="Hz", needs=Needs(bin_ms=5.0), depends_on=["clusters", "neurons"])
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
            needs=_with(options, needs),
            scale=scale,
            options=options,
            screens=screens,
            sample=sample,
            depends_on=_dependence(depends_on, options),
            _needs_rule=needs,
            _depends_rule=depends_on,
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
