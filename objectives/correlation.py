"""Correlation of spike counts between neurons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from calibrate.objective import Estimate, Needs, ObjectiveError, jackknife, statistic
from calibrate.observation import Observation
from objectives.activity import counts_in_rows, moments_of_counts, shortfall, spikes_towards

SCOPES = ("within", "between", "all")


def _pairs(window_ms: float, scope: str) -> Needs:
    if scope not in SCOPES:
        raise ObjectiveError(f"scope must be {', '.join(SCOPES[:-1])} or {SCOPES[-1]}, not {scope!r}")
    return Needs(window_ms=window_ms)


def _depends_on(scope: str) -> Sequence[str]:
    return () if scope == "all" else ("clusters",)


@statistic(needs=_pairs, depends_on=_depends_on)
def correlation(
    observation: Observation, *, population: str = "E", window_ms: float = 200.0, scope: str = "within"
) -> Estimate:
    """Spike-count correlation r_sc: mean Pearson correlation of counts over pairs of neurons.

        r_sc = < r_ij >_{i<j},    r_ij = (1 / K) sum_k z_i(k) z_j(k)

    where z_i(k) is the count of neuron i in window k minus its mean over the K windows, in units of its
    standard deviation. The pairs of a set of n neurons sum to (sum_k (sum_i z_i(k))^2 / K - n) / 2, so that
    no matrix of all pairs is needed. Spikes after the last whole window are left out.

    population  which neurons
    window_ms   width of the windows
    scope       "within" for pairs of the same cluster, "between" for pairs of different ones, or "all", which
                needs no clusters: for recorded units whose clusters are not known

    No unit, in [-1, 1]; 0 for independent neurons, even if counts are low. Support: neurons included; a note
    says if they are fewer than half.
    Neurons with the same count in every window, such as silent ones, have no correlation and are excluded.
    Undefined if this leaves no pair (as with 0 or 1 spikes): the shortfall is (1 - progress) / 2, where
    progress is half the share of neurons with a spike; it is larger for silent networks, depending on their
    distance from threshold. Undefined with shortfall 1 if there are fewer than 2 windows or no such pair of
    neurons at all.
    Source: Cohen and Kohn 2011.
    """
    n_windows, total, squares = moments_of_counts(observation, population, window_ms)
    sizes = observation.group_sizes(population)
    if n_windows < 2:
        return Estimate(math.nan, support=0, shortfall=1.0, note=f"fewer than 2 windows of {window_ms:g} ms")
    if not _n_pairs(sizes, scope):
        return Estimate(
            math.nan, support=0, shortfall=1.0, note=f"there is no pair of neurons {_where(scope)}"
        )
    varying = n_windows * squares > total**2
    cluster = np.repeat(np.arange(sizes.size), sizes)
    included = np.bincount(cluster[varying], minlength=sizes.size)
    n_pairs = _n_pairs(included, scope)
    if not n_pairs:
        progress = spikes_towards(observation.totals(population), 1) / 2
        missing = shortfall(observation, population, progress)
        note = f"there is no pair of neurons {_where(scope)} whose counts vary"
        return Estimate(math.nan, support=0, shortfall=missing, note=note)

    mean = total / n_windows
    sd = np.where(varying, np.sqrt(np.maximum(squares / n_windows - mean**2, 0.0)), math.inf)
    summed = np.zeros((sizes.size, n_windows))  # z over the neurons of each cluster
    for rows, counts in counts_in_rows(observation, population, window_ms):
        of_clusters = (cluster[rows] == np.arange(sizes.size)[:, None]) / sd[rows]
        summed += of_clusters @ counts.astype(np.float64) - (of_clusters @ mean[rows])[:, None]
    within = np.einsum("ck,ck->", summed, summed) / n_windows - varying.sum()
    every = (np.einsum("ck->k", summed) ** 2).mean() - varying.sum()
    value = {"within": within, "between": every - within, "all": every}[scope] / (2 * n_pairs)

    @cache
    def in_windows() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        every = observation.neuron_counts(population, window_ms).astype(np.float64)
        return _with_partners(every, varying, sizes, scope)

    def values(kept: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return a value of each neuron whose mean is r: a neuron's chance enters both sides of its pairs."""
        products, n_partners = in_windows()
        paired = n_partners > 0
        summed = products @ kept / kept.sum()
        r = summed[paired].sum() / n_partners[paired].sum()
        of_neurons = r + 2 * (summed - r * n_partners) / n_partners[paired].mean()
        return np.where(paired, of_neurons, math.nan)

    share = varying.mean()
    return Estimate(
        float(value),
        support=int(varying.sum()),
        error=jackknife.over_neurons(values, n_windows, sizes),
        note=f"the counts of only {share:.0%} of the neurons vary" if share < 0.5 else "",
    )


def _with_partners(
    counts: NDArray[np.float64], varying: NDArray[np.bool_], sizes: NDArray[np.int64], scope: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what each window says about the sum of r_ij over the partners j of neuron i, and their number.

    Shapes (neurons, windows) and (neurons,). The mean over windows is the sum of r_ij. Each window's part is
    its influence on it, z_i z_j - r_ij (z_i^2 + z_j^2) / 2, in which the second term is that of the neurons'
    means and SDs; the sum over j of r_ij z_j^2 is taken as the mean r_ij times the sum of z_j^2.
    """
    z = counts - counts.mean(axis=1, keepdims=True)
    z /= np.where(varying, np.sqrt(np.einsum("ik,ik->i", z, z) / z.shape[1]), 1.0)[:, None]
    squares = z**2
    cluster = np.repeat(np.arange(sizes.size), sizes)

    def over_partners(of_neurons: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum values (neurons, ...) over the partners of each neuron."""
        of_clusters = np.add.reduceat(of_neurons, np.cumsum(sizes) - sizes, axis=0)
        if scope == "within":
            return np.asarray(of_clusters[cluster] - of_neurons)
        others = of_clusters[cluster] if scope == "between" else of_neurons
        return np.asarray(of_clusters.sum(axis=0) - others)

    n_partners = np.where(varying, over_partners(varying.astype(np.float64)), 0.0)
    products = z * over_partners(z)
    summed = products.mean(axis=1)
    mean_r = summed / np.maximum(n_partners, 1)
    of_means = (summed[:, None] * squares + mean_r[:, None] * over_partners(squares)) / 2
    return products + summed[:, None] - of_means, n_partners


def _n_pairs(sizes: NDArray[np.int64], scope: str) -> int:
    """Count the pairs of neurons in clusters of these sizes."""
    n = int(sizes.sum())
    every, within = n * (n - 1) // 2, int((sizes * (sizes - 1) // 2).sum())
    return {"within": within, "between": every - within, "all": every}[scope]


def _where(scope: str) -> str:
    return {"within": "in one cluster", "between": "in different clusters", "all": "at all"}[scope]
