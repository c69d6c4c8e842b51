"""Estimates: what statistics return."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


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
        Standard error of the value, as far as one measurement shows it: how it varies between stretches of
        time and, for a mean over neurons, between samples of neurons. What differs from graph to graph beyond
        this, such as which cluster is the strongest, is not in it. nan if unknown.
    sample : ndarray of float, shape (support,), or None
        The values that it is the mean of, one per neuron or episode, if the statistic has them; they can be
        compared with a whole distribution.
    undefined : float
        Of a mean over graphs: the share of the graphs on which the statistic is undefined. The value is the
        mean over the others, and `shortfall` the mean over these.
    by_chance : float
        The value that chance alone explains, in independent Poisson neurons of these rates; nan if unknown,
        or if no value says that there is nothing to see.

    Examples
    --------
    >>> import numpy as np
    >>> from calibrate import Estimate
    >>> Estimate.mean_of(np.array([4.0, 5.0, 6.0]))
    Estimate(value=5.0, support=3, shortfall=0.0, lower_bound=False, note='', error=0.577..., undefined=0.0)
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
    undefined: float = 0.0
    by_chance: float = field(default=math.nan, repr=False, compare=False)

    @classmethod
    def mean_of(cls, sample: NDArray[np.float64], *, note: str = "", error: float | None = None) -> Estimate:
        """Average one value per neuron (or episode).

        Parameters
        ----------
        sample : ndarray of float, shape (n,), n >= 1
            The values.
        note : str
            One line worth showing beside the mean.
        error : float, optional
            Standard error of the mean; by default that of independent values, which neurons seldom are:
            `calibrate.objective.jackknife` estimates it without this assumption.

        Returns
        -------
        Estimate
            The mean with its standard error, which by default is nan for a single value.
        """
        n = sample.size
        if error is None:
            error = float(sample.std(ddof=1)) / math.sqrt(n) if n > 1 else math.nan
        return cls(float(sample.mean()), support=n, note=note, error=error, sample=sample)

    @property
    def defined(self) -> bool:
        """Whether the value is a finite number."""
        return math.isfinite(self.value)


@dataclass(frozen=True, kw_only=True)
class Spread:
    """No longer used: how much a statistic varies depends on the network, so `calibrate check` measures it.

    Files of statistics that were written for version 0.1 can still import it.

    Attributes
    ----------
    within : float
        Has no effect.
    between : float
        Has no effect.

    Examples
    --------
    >>> from calibrate import Spread
    >>> Spread(within=0.01)
    Spread(within=0.01, between=0.0)
    """

    within: float
    between: float = 0.0
