"""Random effects: one value for several sessions that differ by more than chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

# A standard error below this part of the value is that of rounding.
ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class RandomEffects:
    """The mean over sessions, and how sessions differ.

    Attributes
    ----------
    value : float
        The mean over all sessions that there could be, as far as these show it.
    error : float
        Its standard error, including that by chance these sessions were recorded; nan if it is unknown.
    between : float
        Standard deviation between sessions, without the errors of measurement.
    q : float
        Cochran's Q; nan if a standard error is unknown.
    p_value : float
        How likely so large a Q is if sessions only differ by their errors; nan for one session.
    i_squared : float
        Share of the variance of the sessions that their errors do not explain, from 0 to 1 [1]_.
    weighted : bool
        Whether sessions have weights; else they count equally.

    References
    ----------
    .. [1] Higgins and Thompson 2002.
    """

    value: float
    error: float
    between: float = 0.0
    q: float = math.nan
    p_value: float = math.nan
    i_squared: float = math.nan
    weighted: bool = True


def random_effects(
    values: Sequence[float] | FloatArray,
    errors: Sequence[float] | FloatArray,
    *,
    scale: Literal["linear", "log"] = "linear",
) -> RandomEffects:
    """Pool the values of independent sessions, of which each has a standard error.

    Parameters
    ----------
    values : sequence of float, at least one
        A finite value for each session.
    errors : sequence of float
        Their standard errors; nan if unknown.
    scale : {"linear", "log"}
        "log" pools logarithms if all values are above 0: sessions then differ by ratios.

    Returns
    -------
    RandomEffects
        The mean, in the unit of the values also on the log scale.

    Notes
    -----
    A session has the weight 1 / (error^2 + between^2). The variance between^2 is that of Paule and Mandel
    [1]_: with it, the squared deviations from the mean are as large as these weights say. Simulations of
    meta-analyses recommend it, or REML, over the estimate of DerSimonian and Laird, which is too small for
    few sessions [2]_. It assumes no distribution.

    The error is that of Hartung and Knapp, never below that of sessions that do not differ [3]_. For Paule
    and Mandel's variance, it is 1 / sqrt(sum of the weights). An interval of confidence takes the quantile of
    Student's t with one degree of freedom less than sessions.

    If a standard error is unknown or 0, there are no weights: sessions count equally, the error is their
    standard deviation divided by the root of their number, and `between` is this standard deviation, which
    contains their errors.

    References
    ----------
    .. [1] Paule and Mandel 1982; DerSimonian and Kacker 2007.
    .. [2] Veroniki et al. 2016.
    .. [3] IntHout, Ioannidis and Borm 2014; Roever, Knapp and Friede 2015.

    Examples
    --------
    >>> from calibrate.objective.random_effects import random_effects
    >>> pooled = random_effects([4.0, 6.0, 8.0], [0.5, 0.5, 0.5])
    >>> round(pooled.value, 3), round(pooled.error, 3), round(pooled.between, 3)
    (6.0, 1.155, 1.936)
    """
    value, error = np.asarray(values, dtype=float), np.asarray(errors, dtype=float)
    if value.size == 1:
        return RandomEffects(value=float(value[0]), error=float(error[0]))
    if scale == "log" and (value > 0).all():
        found = _pooled(np.log(value), error / value)
        mean = math.exp(found.value)
        return replace(found, value=mean, error=mean * found.error, between=mean * found.between)
    return _pooled(value, error)


def _pooled(value: FloatArray, error: FloatArray) -> RandomEffects:
    if not (np.isfinite(error) & (error > ROUNDING * np.abs(value))).all():
        spread = float(value.std(ddof=1))
        error_of_mean = spread / math.sqrt(value.size)
        return RandomEffects(value=float(value.mean()), error=error_of_mean, between=spread, weighted=False)
    from scipy.stats import chi2

    between_sq = _paule_mandel(value, error**2)
    weight = 1 / (error**2 + between_sq)
    q, free = _q(value, error**2, 0.0), value.size - 1
    return RandomEffects(
        value=float(np.average(value, weights=weight)),
        error=1 / math.sqrt(weight.sum()),
        between=math.sqrt(between_sq),
        q=q,
        p_value=float(chi2.sf(q, free)),
        i_squared=max(0.0, 1 - free / q) if q else 0.0,
    )


def _q(value: FloatArray, variance: FloatArray, between_sq: float) -> float:
    """The weighted squared deviations from the weighted mean."""
    weight = 1 / (variance + between_sq)
    mean = np.average(value, weights=weight)
    return float((weight * (value - mean) ** 2).sum())


def _paule_mandel(value: FloatArray, variance: FloatArray) -> float:
    """The variance between sessions with which the weighted squared deviations have their expected size."""
    from scipy.optimize import brentq

    free = value.size - 1
    if _q(value, variance, 0.0) <= free:
        return 0.0
    # As weights never exceed 1 / between^2, this is beyond the solution.
    most = float(((value - value.mean()) ** 2).sum()) / free * 2 + float(variance.max())
    return float(brentq(lambda sq: _q(value, variance, sq) - free, 0.0, most, xtol=1e-14 * most, rtol=1e-12))
