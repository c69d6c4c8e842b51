"""Paired tests for difference and for equivalence of two simulators, and their power.

Both simulate the same graphs, so differences between graphs cancel: all tests use the differences
d_k = a_k - b_k on graph k, with margins that the caller sets.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy  # loads its parts when they are first used
from numpy.typing import ArrayLike, NDArray

ALPHA = 0.05
"""Error rate of every test, and of each of two one-sided tests, over all looks at one trial."""

# Part of the error rate not yet spent that a look leaves to later ones.
_LEFT = 0.2

POWER = 0.9
MOST_REPLICATES = 10_000

# Number of quantiles of the sampling distribution of the standard deviation in `power`.
_QUANTILES = 400
# Number of points at which distribution functions are compared.
_POINTS = 512


def alpha_of(look: int) -> float:
    """The error rate of look number `look`, from 1: 4 %, 0.8 %, 0.16 % ..., 5 % in all.

    Who validates a trial again because the first validation left it open tests the same hypothesis again, on
    data that contain the first. By Bonferroni's inequality no rule on when to look again, and with how many
    pairs, can raise the error rate above the sum (alpha spending: Lan & DeMets 1983). Most trials are looked
    at once, so the first look gets most of it.
    """
    return ALPHA * (1 - _LEFT) * _LEFT ** (look - 1)


@dataclass(frozen=True, kw_only=True)
class Paired:
    """Tests of the mean of paired differences d.

    n             number of pairs
    mean, sd      of d (ddof 1); the mean is nan without pairs, the sd for fewer than 2
    low, high     confidence interval of the mean (Student's t), of 1 - 2 alpha; nan for fewer than 2 pairs
    p_zero        of the two-sided test of the null hypothesis that the mean is 0
    p_equivalent  of two one-sided tests of the null hypothesis that the mean is beyond the margin (Schuirmann
                  1987)
    p_beyond      of the one-sided test of the null hypothesis that the mean is within the margin

    All p are 1 if they cannot be computed; the last two also without a margin.
    """

    n: int
    mean: float
    sd: float
    low: float = math.nan
    high: float = math.nan
    p_zero: float = 1.0
    p_equivalent: float = 1.0
    p_beyond: float = 1.0


def compare_pairs(differences: ArrayLike, margin: float | None = None, *, alpha: float = ALPHA) -> Paired:
    """Test `differences`, shape (n,), all finite; `margin` > 0 has their unit; `alpha` sets the interval."""
    d = np.asarray(differences, dtype=float)
    n = d.size
    if n < 2:
        return Paired(n=n, mean=float(d.mean()) if n else math.nan, sd=math.nan)
    mean, sd = float(d.mean()), float(d.std(ddof=1))
    error = sd / math.sqrt(n)
    half = float(scipy.stats.t.ppf(1 - alpha, n - 1)) * error
    equivalent = beyond = 1.0
    if margin is not None:
        equivalent = max(_above(mean + margin, error, n), _above(margin - mean, error, n))
        beyond = _above(abs(mean) - margin, error, n)
    return Paired(
        n=n,
        mean=mean,
        sd=sd,
        low=mean - half,
        high=mean + half,
        p_zero=min(2 * _above(abs(mean), error, n), 1.0),
        p_equivalent=equivalent,
        p_beyond=beyond,
    )


def _above(distance: float, error: float, n: int) -> float:
    """p of the one-sided test of the null hypothesis that the true distance is at most 0."""
    if error == 0:  # the same difference on every graph, as in exact simulations
        return 0.0 if distance > 0 else 1.0
    return float(scipy.stats.t.sf(distance / error, n - 1))


def sign_test(only_a: int, only_b: int) -> float:
    """p of the sign test for equal frequency in a and b, from the numbers of pairs with only a or only b."""
    if only_a + only_b == 0:
        return 1.0
    return float(scipy.stats.binomtest(only_a, only_a + only_b).pvalue)


def holm(p: Sequence[float]) -> list[float]:
    """p adjusted for multiple testing (Holm 1979), in the same order."""
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    largest = 0.0
    for rank, k in enumerate(order):
        largest = max(largest, min((len(p) - rank) * p[k], 1.0))
        adjusted[k] = largest
    return adjusted.tolist()


def power(margin: float, sd: float, n: int, *, difference: float = 0.0, alpha: float = ALPHA) -> float:
    """Probability that n pairs are found equivalent, their differences normal with `difference` and `sd`.

    This is the expectation over s of Phi((r - delta) / e) - Phi((-r - delta) / e), with delta = `difference`,
    e = sd / sqrt(n), r = margin - t s / sqrt(n) if that is positive (else 0), and (n - 1) s^2 / sd^2
    chi-squared with n - 1 degrees of freedom.
    """
    if n < 2:
        return 0.0
    if sd == 0:
        return float(abs(difference) < margin)
    ranks = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    s = sd * np.sqrt(scipy.stats.chi2.ppf(ranks, n - 1) / (n - 1))
    error = sd / math.sqrt(n)
    room = np.maximum(margin - scipy.stats.t.ppf(1 - alpha, n - 1) * s / math.sqrt(n), 0.0)
    within = scipy.stats.norm.cdf((room - difference) / error) - scipy.stats.norm.cdf(
        (-room - difference) / error
    )
    return float(np.mean(within))


def power_beyond(margin: float, sd: float, n: int, *, difference: float, alpha: float = ALPHA) -> float:
    """Probability that n pairs detect a `difference` beyond the margin (noncentral t)."""
    if n < 2:
        return 0.0
    if sd == 0:
        return float(abs(difference) > margin)
    shift = (abs(difference) - margin) * math.sqrt(n) / sd
    return float(scipy.stats.nct.sf(scipy.stats.t.ppf(1 - alpha, n - 1), n - 1, shift))


def replicates_needed(margin: float, sd: float, difference: float, *, alpha: float = ALPHA) -> int | None:
    """Number of pairs that decide with a probability of 90 % if these are the true difference and spread.

    None if it is more than 10,000, which means that the difference is close to the margin, or if `sd` or
    `difference` is not finite.
    """
    if not (math.isfinite(sd) and math.isfinite(difference)):
        return None
    decides = power if abs(difference) < margin else power_beyond
    low, high = 1, 2
    while decides(margin, sd, high, difference=difference, alpha=alpha) < POWER:
        low, high = high, 2 * high
        if high > MOST_REPLICATES:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        if decides(margin, sd, middle, difference=difference, alpha=alpha) < POWER:
            low = middle
        else:
            high = middle
    return high


@dataclass(frozen=True, kw_only=True)
class Distance:
    """Distance between the distributions of all values on both sides, pooled over graphs.

    wasserstein  W_1, in the unit of the values
    ks           Kolmogorov-Smirnov distance, from 0 to 1
    p            of W_1, by exchanging the sides on random graphs; nan for fewer than 2 graphs
    """

    wasserstein: float
    ks: float
    p: float


def _without_rounding(
    a: Sequence[NDArray[np.float64]], b: Sequence[NDArray[np.float64]]
) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]]:
    """Round values to 12 digits of the largest: the same values computed in another order are then equal."""
    largest = max((float(np.abs(values).max(initial=0.0)) for values in (*a, *b)), default=0.0)
    decimals = 12 - math.ceil(math.log10(largest)) if largest > 0 else 12
    return [np.round(values, decimals) for values in a], [np.round(values, decimals) for values in b]


def distance(
    a: Sequence[NDArray[np.float64]],
    b: Sequence[NDArray[np.float64]],
    *,
    permutations: int = 999,
    seed: int = 0,
) -> Distance | None:
    """Distance between a and b, lists of the values on each graph; None if either has no values at all.

    Values of one network are not independent, but graphs are. The test therefore exchanges a and b on each
    graph with probability 1/2, `permutations` times.
    """
    a, b = _without_rounding(a, b)
    all_a, all_b = np.concatenate([*a, []]), np.concatenate([*b, []])
    if not all_a.size or not all_b.size:
        return None
    # Both distribution functions are evaluated at the same points, which are denser where values are.
    points = np.unique(np.quantile(np.concatenate([all_a, all_b]), np.linspace(0, 1, _POINTS)))
    widths = np.diff(points)

    def below(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.searchsorted(np.sort(values), points[:-1], side="right").astype(float)

    counts = np.array([[below(x) for x in a], [below(x) for x in b]])  # (2, graphs, points)
    sizes = np.array([[x.size for x in a], [x.size for x in b]], dtype=float)

    def between(first: NDArray[np.bool_]) -> float:
        f = np.where(first[:, None], counts[0], counts[1]).sum(axis=0)
        g = np.where(first[:, None], counts[1], counts[0]).sum(axis=0)
        n = np.where(first, sizes[0], sizes[1]).sum()
        m = np.where(first, sizes[1], sizes[0]).sum()
        return float(np.abs(f / n - g / m) @ widths) if n and m else math.inf

    random = np.random.default_rng(seed)
    observed = between(np.ones(len(a), dtype=bool))
    at_least = sum(
        between(random.integers(2, size=len(a)).astype(bool)) >= observed - 1e-12 for _ in range(permutations)
    )
    return Distance(
        wasserstein=float(scipy.stats.wasserstein_distance(all_a, all_b)),
        ks=float(scipy.stats.ks_2samp(all_a, all_b, method="asymp").statistic),
        p=(1 + at_least) / (1 + permutations) if len(a) > 1 else math.nan,
    )
