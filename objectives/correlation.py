"""Correlation of spike counts between neurons."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from calibrate.objective import Estimate, Needs, ObjectiveError, statistic
from calibrate.observation import Observation
from objectives.activity import shortfall, spikes_towards

SCOPES = ("within", "between", "all")


def _pairs(window_ms: float, scope: str) -> Needs:
    if scope not in SCOPES:
        raise ObjectiveError(f"scope must be {', '.join(SCOPES[:-1])} or {SCOPES[-1]}, not {scope!r}")
    return Needs(window_ms=window_ms)


@statistic(needs=_pairs)
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
    scope       "within" for pairs of the same cluster, "between" for pairs of different ones, or "all"

    No unit, in [-1, 1]; 0 for independent neurons, even if counts are low. Support: neurons included; a note
    says if they are fewer than half. The standard error treats windows as independent.
    Neurons with the same count in every window, such as silent ones, have no correlation and are excluded.
    Undefined if this leaves no pair (as with 0 or 1 spikes): the shortfall is (1 - progress) / 2, where
    progress is half the share of neurons with a spike; it is larger for silent networks, depending on their
    distance from threshold. Undefined with shortfall 1 if there are fewer than 2 windows or no such pair of
    neurons at all.
    Source: Cohen and Kohn 2011.
    """
    counts = observation.neuron_counts(population, window_ms)
    n_windows = counts.shape[1]
    sizes = observation.group_sizes(population)
    if n_windows < 2:
        return Estimate(math.nan, support=0, shortfall=1.0, note=f"fewer than 2 windows of {window_ms:g} ms")
    if not _n_pairs(sizes, scope):
        return Estimate(
            math.nan, support=0, shortfall=1.0, note=f"there is no pair of neurons {_where(scope)}"
        )
    varying = np.ptp(counts, axis=1) > 0
    cluster = np.repeat(np.arange(sizes.size), sizes)[varying]
    included = np.bincount(cluster, minlength=sizes.size)
    n_pairs = _n_pairs(included, scope)
    if not n_pairs:
        progress = spikes_towards(observation.totals(population), 1) / 2
        missing = shortfall(observation, population, progress)
        note = f"there is no pair of neurons {_where(scope)} whose counts vary"
        return Estimate(math.nan, support=0, shortfall=missing, note=note)

    z = counts[varying] - counts[varying].mean(axis=1, keepdims=True)
    z /= np.sqrt(np.einsum("ik,ik->i", z, z) / n_windows)[:, None]
    present = np.flatnonzero(included)
    starts = (np.cumsum(included) - included)[present]
    of_clusters = np.add.reduceat(z, starts, axis=0)
    within = (of_clusters**2).sum(axis=0)
    every = of_clusters.sum(axis=0) ** 2
    with_itself = np.einsum("ik,ik->k", z, z)
    # Twice the sum over pairs of z_i(k) z_j(k), for every window k.
    pairs = {"within": within - with_itself, "between": every - within, "all": every - with_itself}[scope]
    by_window = pairs / (2 * n_pairs)
    share = varying.mean()
    return Estimate(
        float(by_window.mean()),
        support=int(varying.sum()),
        error=float(by_window.std(ddof=1)) / math.sqrt(n_windows),
        note=f"the counts of only {share:.0%} of the neurons vary" if share < 0.5 else "",
    )


def _n_pairs(sizes: NDArray[np.int64], scope: str) -> int:
    """Count the pairs of neurons in clusters of these sizes."""
    n = int(sizes.sum())
    every, within = n * (n - 1) // 2, int((sizes * (sizes - 1) // 2).sum())
    return {"within": within, "between": every - within, "all": every}[scope]


def _where(scope: str) -> str:
    return {"within": "in one cluster", "between": "in different clusters", "all": "at all"}[scope]
