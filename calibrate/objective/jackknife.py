"""Standard errors from within one measurement: left out block by block, and from one neuron to another."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

BLOCKS = 10

FloatArray = NDArray[np.float64]
Kept = NDArray[np.bool_]

_wanted: ContextVar[bool] = ContextVar("_wanted", default=True)


@contextmanager
def left_out() -> Iterator[None]:
    """Compute no standard errors: within it, they are nan.

    This saves most of the time of a statistic where only its value matters.

    Yields
    ------
    None
        Nothing.

    Examples
    --------
    >>> from calibrate.objective import jackknife
    >>> with jackknife.left_out():
    ...     jackknife.over_time(lambda kept: float(kept.sum()), 100)
    nan
    """
    before = _wanted.set(False)
    try:
        yield
    finally:
        _wanted.reset(before)


def over_time(value: Callable[[Kept], float], bins: int) -> float:
    """Estimate the standard error of a statistic by leaving out the measurement block by block.

    Parameters
    ----------
    value : callable
        The statistic of part of the measurement, given a mask of the bins kept, shape (bins,).
    bins : int
        Number of bins, or windows, of the measurement. They form 10 blocks of time.

    Returns
    -------
    float
        The standard error, in the unit of the statistic; nan with fewer than 10 bins, or if the statistic is
        undefined without one of the blocks.

    Notes
    -----
    This is the jackknife over blocks [1]_, weighted by their lengths [2]_. With blocks of equal length,

        error = sqrt((m - 1) / m sum_i (theta_i - <theta>)^2)

    where theta_i is the value without block i of m. Neurons and clusters need not be independent of each
    other. It is valid for smooth statistics, if blocks are long compared with the time scales of the
    activity, such as dwell times. If these decay exponentially with time tau, the error is too small by the
    factor sqrt(1 - (1 - exp(-L / tau)) tau / L) for blocks of length L: .61 for L = tau, .95 for L = 10 tau.

    References
    ----------
    .. [1] Kuensch 1989.
    .. [2] Busing, Meijer and van der Leeden 1999, Delete-m jackknife for unequal m.

    Examples
    --------
    >>> import numpy as np
    >>> from calibrate.objective import jackknife
    >>> counts = np.random.default_rng(0).poisson(4.0, size=1000)
    >>> round(jackknife.over_time(lambda kept: counts[kept].mean(), counts.size), 2)  # 2 / sqrt(1000)
    0.06
    """
    if bins < BLOCKS or not _wanted.get():
        return math.nan
    kept = blocks_kept(bins)
    without = np.array([float(value(row)) for row in kept])
    return math.sqrt(float(variance(np.array(float(value(_all(bins)))), without, kept)))


def over_neurons(values: Callable[[Kept], FloatArray], bins: int, clusters: ArrayLike | None = None) -> float:
    """Estimate the standard error of a mean over neurons, from time and from the differences of neurons.

    Parameters
    ----------
    values : callable
        The value of each neuron in part of the measurement, shape (neurons,), given a mask of the bins kept,
        shape (bins,); nan for a neuron that does not count. The statistic is their mean.
    bins : int
        Number of bins, or windows, of the measurement. They form 10 blocks of time.
    clusters : array_like of int, shape (clusters,), optional
        Number of neurons in each cluster, one cluster after another; by default all neurons are one cluster.

    Returns
    -------
    float
        The standard error, in the unit of the statistic. With fewer than 10 bins, it is that of independent
        neurons, SD / sqrt(n); nan for fewer than two of them.

    Notes
    -----
    The variance has two components,

        error^2 = V_time + max(V_neurons - V_both, 0)

    V_time is that of `over_time`, and contains all that changes from one stretch of time to another, however
    neurons depend on each other. V_neurons = <SD_c^2> / n, with the SD over the neurons of a cluster, says
    how much the mean varies with the sample of neurons. Some of that is chance in each neuron's spikes, which
    V_time contains already: V_both, the part of V_neurons that changes from block to block [1]_. What is left
    are lasting differences between the neurons of a cluster. Lasting differences between clusters are left
    out: where clusters compete, their sum does not vary as they do.

    References
    ----------
    .. [1] Searle, Casella and McCulloch 1992, Variance Components: the crossed model of two random factors.
       Counted twice, V_both makes the error too large by sqrt(2): Owen 2007, The pigeonhole bootstrap.

    Examples
    --------
    >>> import numpy as np
    >>> from calibrate.objective import jackknife
    >>> rates = np.random.default_rng(0).lognormal(1.0, 0.7, size=50)  # that last
    >>> counts = np.random.default_rng(1).poisson(rates[:, None], size=(50, 100))
    >>> round(jackknife.over_neurons(lambda kept: counts[:, kept].mean(axis=1), 100) / rates.std(), 2)
    0.15
    """
    if not _wanted.get():
        return math.nan
    whole = np.asarray(values(_all(bins)), dtype=np.float64)
    n = int(np.isfinite(whole).sum())
    if bins < BLOCKS:
        return float(np.nanstd(whole, ddof=1)) / math.sqrt(n) if n > 1 else math.nan
    kept = blocks_kept(bins)
    without = np.array([values(row) for row in kept], dtype=np.float64)
    if not n or not np.isfinite(without).any(axis=1).all():
        return math.nan
    over_time = variance(np.array(np.nanmean(whole)), np.nanmean(without, axis=1), kept)
    return math.sqrt(float(over_time) + _lasting(whole, without, kept, clusters) / n)


def _lasting(whole: FloatArray, without: FloatArray, kept: Kept, clusters: ArrayLike | None) -> float:
    """Return the variance of lasting differences between the neurons of a cluster, at least 0."""
    sizes = np.array([whole.size] if clusters is None else clusters, dtype=np.int64)
    counts = np.isfinite(whole) & np.isfinite(without).all(axis=0)
    members = np.add.reduceat(counts, np.cumsum(sizes) - sizes, dtype=np.int64)
    if 2 * members[members > 1].sum() < members.sum():  # mostly clusters of one neuron: take them as one
        members = members.sum(keepdims=True)
    members = members[members > 0]
    if members.max(initial=0) < 2:
        return 0.0
    values = np.vstack([whole, without]).compress(counts, axis=1)
    means = np.add.reduceat(values, np.cumsum(members) - members, axis=1) / members
    values -= np.repeat(means, members, axis=1)
    size = np.repeat(members, members)
    differences = (values[0] ** 2 - variance(values[0], values[1:], kept)) * size / np.maximum(size - 1, 1)
    return max(float(differences[size > 1].mean()), 0.0)


def _all(bins: int) -> Kept:
    return np.ones(bins, dtype=bool)


def blocks_kept(bins: int, blocks: int = BLOCKS) -> Kept:
    """Divide a measurement into blocks, and leave out each of them in turn.

    Parameters
    ----------
    bins : int
        Number of bins of the measurement.
    blocks : int
        Number of blocks, at most `bins`.

    Returns
    -------
    ndarray of bool, shape (blocks, bins)
        The bins that are kept.

    Examples
    --------
    >>> from calibrate.objective import jackknife
    >>> jackknife.blocks_kept(4, 2).astype(int)
    array([[0, 0, 1, 1],
           [1, 1, 0, 0]])
    """
    kept: Kept = np.arange(bins) * blocks // bins != np.arange(blocks)[:, None]
    return kept


def variance(whole: FloatArray, without: FloatArray, kept: Kept) -> FloatArray:
    """Compute the variance of statistics from their values without each of the blocks.

    Parameters
    ----------
    whole : ndarray of float, shape (...)
        Statistics of the whole measurement.
    without : ndarray of float, shape (blocks, ...)
        The same without each block.
    kept : ndarray of bool, shape (blocks, bins)
        The bins that were kept.

    Returns
    -------
    ndarray of float, shape (...)
        The variances.

    Examples
    --------
    >>> import numpy as np
    >>> from calibrate.objective import jackknife
    >>> x, kept = np.arange(4.0), jackknife.blocks_kept(4, 4)
    >>> float(jackknife.variance(x.mean(), np.array([x[row].mean() for row in kept]), kept))  # var(x) / 4
    0.4166...
    """
    return variance_of_shares(whole, without, 1 - kept.mean(axis=1))


def variance_of_shares(whole: FloatArray, without: FloatArray, shares: FloatArray) -> FloatArray:
    """Compute the variance of statistics from their values without each of the blocks, of any sizes.

    Parameters
    ----------
    whole : ndarray of float, shape (...)
        Statistics of the whole measurement.
    without : ndarray of float, shape (blocks, ...)
        The same without each block.
    shares : ndarray of float, shape (blocks,)
        The share of the measurement that each block is, above 0 and below 1.

    Returns
    -------
    ndarray of float, shape (...)
        The variances.

    Examples
    --------
    >>> import numpy as np
    >>> from calibrate.objective import jackknife
    >>> x = np.arange(4.0)
    >>> without = np.array([np.delete(x, k).mean() for k in range(4)])
    >>> float(jackknife.variance_of_shares(x.mean(), without, np.full(4, 1 / 4)))  # var(x) / 4
    0.4166...
    """
    ratio = 1 / shares
    # The pseudo-values of the reference, ratio whole - (ratio - 1) without, less `whole`.
    pseudo = (whole - without) * (ratio - 1).reshape(-1, *[1] * np.ndim(whole))
    pseudo -= np.einsum("b,b...->...", shares / shares.sum(), pseudo)
    weights = 1 / (ratio - 1) / len(shares)
    found: FloatArray = np.einsum("b,b...->...", weights, pseudo**2)
    return found
