"""The order of neurons, time in steps, and what a statistic needs an observation to hold."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import ObservationError

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


def steps(duration_ms: float, dt_ms: float, what: str) -> int:
    """Number of steps of `dt_ms` in `duration_ms`; raises ObservationError unless it is a whole number."""
    if not math.isfinite(duration_ms / dt_ms):
        raise ObservationError(
            f"{what} of {duration_ms:g} ms has more steps of {dt_ms:g} ms than can be counted"
        )
    n = round(duration_ms / dt_ms)
    if not math.isclose(n * dt_ms, duration_ms, rel_tol=1e-9, abs_tol=1e-9):
        raise ObservationError(f"{what} of {duration_ms:g} ms is not a whole number of {dt_ms:g} ms steps")
    return n


@dataclass(frozen=True)
class Group:
    """Neurons start..stop-1 (0-based, counted over the whole network): one cluster of one population."""

    population: str
    cluster: int
    start: int
    stop: int

    @property
    def size(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class Layout:
    """How the neurons of a network are ordered: populations one after another, clusters within them."""

    groups: tuple[Group, ...]

    def __post_init__(self) -> None:
        position, before, seen = 0, "", set[str]()
        for group in self.groups:
            if group.start != position or group.stop <= group.start:
                raise ObservationError(f"groups must be contiguous and not empty: {group}")
            if group.population != before and group.population in seen:
                raise ObservationError(f"the clusters of a population must be contiguous: {group}")
            position, before = group.stop, group.population
            seen.add(before)

    @classmethod
    def of(cls, sizes: Iterable[tuple[str, int, int]]) -> Layout:
        """From (population, number of neurons, number of clusters) in order; clusters have equal sizes."""
        groups, start = [], 0
        for name, size, clusters in sizes:
            if clusters < 1 or size % clusters:
                raise ObservationError(f"{size} neurons of {name} do not divide into {clusters} clusters")
            for cluster in range(clusters):
                groups.append(Group(name, cluster, start, start + size // clusters))
                start += size // clusters
        return cls(tuple(groups))

    @property
    def n_neurons(self) -> int:
        return self.groups[-1].stop if self.groups else 0

    @property
    def populations(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(group.population for group in self.groups))

    @property
    def boundaries(self) -> IntArray:
        """First neuron of every group, shape (n_groups,)."""
        return np.array([group.start for group in self.groups], dtype=np.int64)

    def group_sums(self, values: NDArray[Any]) -> NDArray[Any]:
        """Sums of `values`, one per neuron along the last axis, over the neurons of every group."""
        sums: NDArray[Any] = np.add.reduceat(values, self.boundaries, axis=-1)
        return sums

    def group_means(self, values: FloatArray) -> FloatArray:
        """Means of `values`, one per neuron along the last axis, over the neurons of every group."""
        sizes = np.array([group.size for group in self.groups])
        means: FloatArray = self.group_sums(values) / sizes
        return means

    def groups_of(self, population: str) -> slice:
        """The rows of `population` in arrays that have one row per group."""
        rows = [k for k, group in enumerate(self.groups) if group.population == population]
        if not rows:
            raise ObservationError(
                f"there is no population '{population}'; this network has {', '.join(self.populations)}"
            )
        return slice(rows[0], rows[-1] + 1)

    def neurons_of(self, population: str) -> slice:
        """The rows of `population` in arrays that have one row per neuron."""
        rows = self.groups_of(population)
        return slice(self.groups[rows.start].start, self.groups[rows.stop - 1].stop)


@dataclass(frozen=True)
class Needs:
    """What a statistic needs an observation to hold.

    bin_ms      group counts in bins that divide this width
    window_ms   neuron counts in windows that divide this width
    isi         moments of the inter-spike intervals
    spikes      every spike of every neuron
    episodes    episodes of an environment: a closed loop
    """

    bin_ms: float | None = None
    window_ms: float | None = None
    isi: bool = False
    spikes: bool = False
    episodes: bool = False

    def __post_init__(self) -> None:
        for name, width in (("bin_ms", self.bin_ms), ("window_ms", self.window_ms)):
            if width is not None and not (math.isfinite(width) and width > 0):
                raise ObservationError(f"{name} must be a width above 0 ms, not {width:g}")

    @staticmethod
    def merge(needs: Iterable[Needs]) -> Needs:
        """The least that satisfies all: common divisors of the widths, in steps of a microsecond."""
        needs = list(needs)
        return Needs(
            bin_ms=_common_divisor(n.bin_ms for n in needs),
            window_ms=_common_divisor(n.window_ms for n in needs),
            isi=any(n.isi for n in needs),
            spikes=any(n.spikes for n in needs),
            episodes=any(n.episodes for n in needs),
        )


def _common_divisor(widths_ms: Iterable[float | None]) -> float | None:
    widths_us = [round(width * 1000) for width in widths_ms if width is not None]
    return reduce(math.gcd, widths_us) / 1000 if widths_us else None
