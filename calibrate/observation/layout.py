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

# Widths of bins and of windows that spikes are counted in, if nothing depends on them (ms).
BIN_MS = 1.0
WINDOW_MS = 50.0


def steps(duration_ms: float, dt_ms: float, what: str) -> int:
    """Return the number of time steps in a duration.

    Parameters
    ----------
    duration_ms : float, ms
        Duration.
    dt_ms : float, ms
        Length of a step.
    what : str
        Name of the duration in the error message, such as "a bin".

    Returns
    -------
    int
        Number of steps.

    Raises
    ------
    ObservationError
        If the duration is not a whole number of steps, or has more of them than can be counted.

    Examples
    --------
    >>> from calibrate.observation import steps
    >>> steps(5.0, 0.1, "a bin")
    50
    """
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
    """One cluster of one population: neurons `start` to `stop` - 1 of the network.

    Attributes
    ----------
    population : str
        Name of the population.
    cluster : int
        Number of the cluster in its population, from 0.
    start : int
        First neuron, counted from 0 over the whole network.
    stop : int
        One after the last neuron.
    """

    population: str
    cluster: int
    start: int
    stop: int

    @property
    def size(self) -> int:
        """Number of neurons."""
        return self.stop - self.start


@dataclass(frozen=True)
class Layout:
    """Order of the neurons of a network: populations one after another, clusters within them.

    Attributes
    ----------
    groups : tuple of Group
        The clusters of all populations, in order.

    Raises
    ------
    ObservationError
        If groups do not follow one another or hold no neurons, or if the clusters of a population do not lie
        side by side.

    Examples
    --------
    >>> from calibrate import Layout
    >>> layout = Layout.of([("E", 80, 4), ("I", 20, 1)])
    >>> layout.n_neurons, layout.populations
    (100, ('E', 'I'))
    >>> layout.neurons_of("I")
    slice(80, 100, None)
    """

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
        """Make a layout of populations with clusters of equal size.

        Parameters
        ----------
        sizes : iterable of (str, int, int)
            Name, number of neurons and number of clusters of each population, in order.

        Returns
        -------
        Layout
            The layout.

        Raises
        ------
        ObservationError
            If the neurons of a population do not divide into its clusters.
        """
        groups, start = [], 0
        for name, size, clusters in sizes:
            if clusters < 1 or size % clusters:
                raise ObservationError(f"{size} neurons of {name} do not divide into {clusters} clusters")
            for cluster in range(clusters):
                groups.append(Group(name, cluster, start, start + size // clusters))
                start += size // clusters
        return cls(tuple(groups))

    def of_neurons(self, neurons: IntArray) -> Layout:
        """Return the layout of some of the neurons alone.

        Parameters
        ----------
        neurons : ndarray of int, shape (n,)
            Their numbers, ascending.

        Returns
        -------
        Layout
            Their clusters; one without any of them is left out.
        """
        ends = np.searchsorted(neurons, [(group.start, group.stop) for group in self.groups])
        return Layout(
            tuple(
                Group(group.population, group.cluster, int(start), int(stop))
                for group, (start, stop) in zip(self.groups, ends, strict=True)
                if stop > start
            )
        )

    @property
    def n_neurons(self) -> int:
        """Number of neurons."""
        return self.groups[-1].stop if self.groups else 0

    @property
    def populations(self) -> tuple[str, ...]:
        """Names of the populations, in order."""
        return tuple(dict.fromkeys(group.population for group in self.groups))

    @property
    def boundaries(self) -> IntArray:
        """First neuron of every group, shape (n_groups,)."""
        return np.array([group.start for group in self.groups], dtype=np.int64)

    def group_sums(self, values: NDArray[Any]) -> NDArray[Any]:
        """Sum values over the neurons of every group.

        Parameters
        ----------
        values : ndarray, shape (..., n_neurons)
            One value per neuron along the last axis.

        Returns
        -------
        ndarray, shape (..., n_groups)
            The sums.
        """
        sums: NDArray[Any] = np.add.reduceat(values, self.boundaries, axis=-1)
        return sums

    def group_means(self, values: FloatArray) -> FloatArray:
        """Average values over the neurons of every group.

        Parameters
        ----------
        values : ndarray of float, shape (..., n_neurons)
            One value per neuron along the last axis.

        Returns
        -------
        ndarray of float, shape (..., n_groups)
            The means.
        """
        sizes = np.array([group.size for group in self.groups])
        means: FloatArray = self.group_sums(values) / sizes
        return means

    def groups_of(self, population: str) -> slice:
        """Return the rows of a population in arrays that have one row per group.

        Parameters
        ----------
        population : str
            Name of the population.

        Returns
        -------
        slice
            The rows.

        Raises
        ------
        ObservationError
            If there is no such population.
        """
        rows = [k for k, group in enumerate(self.groups) if group.population == population]
        if not rows:
            raise ObservationError(
                f"there is no population '{population}'; this network has {', '.join(self.populations)}"
            )
        return slice(rows[0], rows[-1] + 1)

    def neurons_of(self, population: str) -> slice:
        """Return the rows of a population in arrays that have one row per neuron.

        Parameters
        ----------
        population : str
            Name of the population.

        Returns
        -------
        slice
            The rows.

        Raises
        ------
        ObservationError
            If there is no such population.
        """
        rows = self.groups_of(population)
        return slice(self.groups[rows.start].start, self.groups[rows.stop - 1].stop)


@dataclass(frozen=True)
class Needs:
    """What a statistic needs an observation to hold.

    Attributes
    ----------
    bin_ms : float or None, ms
        Group counts in bins that divide this width.
    window_ms : float or None, ms
        Neuron counts in windows that divide this width.
    isi : bool
        Moments of the inter-spike intervals.
    spikes : bool
        Every spike of every neuron.
    episodes : bool
        Episodes of an environment: a closed loop.

    Raises
    ------
    ObservationError
        If a width is not a finite number above 0.

    Examples
    --------
    >>> from calibrate import Needs
    >>> Needs.merge([Needs(bin_ms=5.0), Needs(bin_ms=2.0, isi=True)])
    Needs(bin_ms=1.0, window_ms=None, isi=True, spikes=False, episodes=False)
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

    @property
    def widths(self) -> dict[str, float]:
        """Widths of bins and windows to count in: the defaults if they do not matter."""
        return {"bin_ms": self.bin_ms or BIN_MS, "window_ms": self.window_ms or WINDOW_MS}

    @staticmethod
    def merge(needs: Iterable[Needs]) -> Needs:
        """Return the least that satisfies all needs.

        Parameters
        ----------
        needs : iterable of Needs
            The needs of several statistics.

        Returns
        -------
        Needs
            Common divisors of the widths, in steps of a microsecond, and whatever else one of them needs.
        """
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
