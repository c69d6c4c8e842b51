"""Rules of connectivity: which pairs are connected, and with what delays."""

from __future__ import annotations

import math
from dataclasses import dataclass

from calibrate.errors import ModelError


@dataclass(frozen=True)
class Bernoulli:
    """Connects every pair of a source and a target independently with the same probability; no autapses.

    Attributes
    ----------
    probability : float
        Probability that a pair is connected, in [0, 1].

    Raises
    ------
    ModelError
        If the probability lies outside [0, 1].
    """

    probability: float

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ModelError(f"a connection probability must lie in [0, 1], not {self.probability:g}")


@dataclass(frozen=True)
class FixedIndegree:
    """Connects every target to the same number of sources of each source cluster; no autapses, no multapses.

    Attributes
    ----------
    probability : float
        Share of the sources of a cluster, in [0, 1]: of n sources, round(probability n) are drawn.

    Raises
    ------
    ModelError
        If the probability lies outside [0, 1].
    """

    probability: float

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ModelError(f"a connection probability must lie in [0, 1], not {self.probability:g}")

    def indegree(self, n_sources: int) -> int:
        """Return the number of sources that are drawn in one cluster.

        Parameters
        ----------
        n_sources : int
            Number of neurons in the cluster.

        Returns
        -------
        int
            Number of sources.
        """
        return math.floor(self.probability * n_sources + 0.5)


@dataclass(frozen=True)
class UniformIndegree:
    """Connects every target to a random number of sources from all clusters; no autapses, no multapses.

    Attributes
    ----------
    low : int
        Smallest number of sources.
    high : int
        Largest number of sources; all numbers from `low` to `high` are equally likely.

    Raises
    ------
    ModelError
        Unless 0 <= low <= high.
    """

    low: int
    high: int

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high:
            raise ModelError(f"an in-degree needs 0 <= low <= high, not {self.low} and {self.high}")


Rule = Bernoulli | FixedIndegree | UniformIndegree


@dataclass(frozen=True)
class UniformDelay:
    """Gives every synapse its own delay, uniform between two limits, in whole steps.

    Attributes
    ----------
    low_ms : float, ms
        Shortest delay.
    high_ms : float, ms
        Longest delay.

    Raises
    ------
    ModelError
        Unless 0 < low <= high < infinity.
    """

    low_ms: float
    high_ms: float

    def __post_init__(self) -> None:
        if not 0 < self.low_ms <= self.high_ms < math.inf:
            raise ModelError(
                f"delays need 0 < low <= high < infinity, not {self.low_ms:g} and {self.high_ms:g} ms"
            )
