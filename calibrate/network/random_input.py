"""Random input: which neuron gets how many events in which step, from a hash of the neuron and the step.

The counts of a step depend on nothing that was drawn before. GeNN draws them on its device by the same
operations (`calibrate.simulators.genn.noise`), so that NEST gets the same input.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import SimulatorError
from calibrate.network.structure import Population
from calibrate.network.wiring import Key, key, pcg4d
from calibrate.neurons import Number

LARGEST_MEAN = 40.0
"""Events per step: they are drawn by inversion, from e^-mean, which must reach the tail in float32."""

SMALLEST_DENSITY = 1e-9
"""Inversion ends above the mean where the probability of a count falls below this."""

_AT_ONCE = 1 << 16  # hashes whose temporary arrays fit into the cache of a processor


def random_input_key(seed: int) -> Key:
    """Return the key of all random input of a network, whose neurons are numbered across its populations."""
    return key("noise", seed)


def initial_stages(population: Population, *, seed: int) -> NDArray[np.uint32]:
    """Draw how many events of its hidden Poisson process each gamma input has had since its last spike.

    Shape (size,); uniform, as in the stationary state.
    """
    random = np.random.default_rng(key("stages", population.name, seed))
    return random.integers(population.noise_shape, size=population.size, dtype=np.uint32)


def mean_events(population: Population, rate_hz: Number, dt_ms: float) -> NDArray[np.float64]:
    """Return the mean events per step of the Poisson process, of which every `noise_shape`-th counts.

    Raises SimulatorError above LARGEST_MEAN.
    """
    mean = np.asarray(rate_hz, dtype=float) * population.noise_shape * dt_ms / 1000
    if np.max(mean) > LARGEST_MEAN:
        raise SimulatorError(
            f"population {population.name}: random input of {np.max(rate_hz):g} Hz has {np.max(mean):g} "
            f"events per step of {dt_ms:g} ms, more than {LARGEST_MEAN:g}: use a smaller rate with a larger "
            "weight"
        )
    return mean


@dataclass(frozen=True)
class Events:
    """Random input of a population in some steps, by neuron and then by step; all of shape (n_events,).

    neuron  index in the population
    step    step in which the events arrive, from the start of the simulation
    count   events of that neuron in that step, at least 1
    """

    neuron: NDArray[np.int64]
    step: NDArray[np.int64]
    count: NDArray[np.int64]


class RandomInput:
    """The random input of one population, drawn piece by piece; neurons are numbered from `first_neuron`."""

    def __init__(self, population: Population, *, first_neuron: int, seed: int, dt_ms: float) -> None:
        self._population, self._first, self._dt_ms = population, first_neuron, dt_ms
        self._key = random_input_key(seed)
        self._stages = initial_stages(population, seed=seed).astype(np.int64)
        self._runs: list[tuple[int, int, NDArray[np.uint32]]] = []
        self._last = 0, self._stages  # first step of the last piece, and the stages before it

    def set_rates(self, rates_hz: Number) -> None:
        """Set the rate (Hz) of all neurons, or of each cluster; it holds for the steps drawn from now on."""
        population = self._population
        means = np.broadcast_to(mean_events(population, rates_hz, self._dt_ms), population.clusters)
        bounds = [0, *(np.flatnonzero(np.diff(means)) + 1).tolist(), population.clusters]
        size = population.cluster_size
        self._runs = [
            (start * size, stop * size, _thresholds(float(means[start])))
            for start, stop in pairwise(bounds)
            if means[start] > 0
        ]

    def draw(self, start: int, stop: int) -> Events:
        """Draw the events of the steps from `start` to `stop`, which must follow on those drawn before."""
        self._last = start, self._stages.copy()
        steps = np.arange(start, stop, dtype=np.uint32)
        at_once = max(1, _AT_ONCE // max(steps.size, 1))
        pieces = [
            self._draw_block(np.arange(first, min(first + at_once, end)), steps, thresholds)
            for begin, end, thresholds in self._runs
            for first in range(begin, end, at_once)
        ]
        empty = np.zeros((3, 0), dtype=np.int64)
        return Events(*np.concatenate([empty, *pieces], axis=1))

    def rewind(self, step: int) -> None:
        """Forget what was drawn from `step` on, which must lie in the last piece, or just after it."""
        start, self._stages = self._last
        self.draw(start, step)

    def _draw_block(
        self, neurons: NDArray[np.int64], steps: NDArray[np.uint32], thresholds: NDArray[np.uint32]
    ) -> NDArray[np.int64]:
        """Neuron, step and count of the events of some neurons; shape (3, n_events)."""
        hashed = pcg4d((neurons + self._first).astype(np.uint32)[:, None], steps[None, :], *self._key)
        drawn = hashed >> np.uint32(8)
        row, column = np.nonzero(drawn > thresholds[0])
        count = np.searchsorted(thresholds, drawn[row, column], side="left").astype(np.int64)
        if self._population.noise_shape > 1:
            count = self._count_gamma(neurons, row, count)
        some = count > 0
        return np.stack([neurons[row[some]], steps[column[some]].astype(np.int64), count[some]])

    def _count_gamma(
        self, neurons: NDArray[np.int64], row: NDArray[np.int64], count: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Every shape-th event of a Poisson process is an event of a gamma process."""
        shape = self._population.noise_shape
        of_row = np.bincount(row, weights=count, minlength=neurons.size).astype(np.int64)
        before = np.cumsum(of_row) - of_row
        stage = self._stages[neurons]
        total = np.cumsum(count) - before[row] + stage[row]
        self._stages[neurons] = (stage + of_row) % shape
        counted: NDArray[np.int64] = total // shape - (total - count) // shape
        return counted


def _thresholds(mean: float) -> NDArray[np.uint32]:
    """Return the cumulative probabilities of 0, 1, 2, ... Poisson events, as those of 24 random bits.

    There are more than k events if the bits are above threshold k.
    """
    density = cumulative = float(np.exp(-mean))
    found = []
    events = 0.0
    while events < mean or density > SMALLEST_DENSITY:
        found.append(cumulative)
        events += 1.0
        density *= mean / events
        cumulative += density
    thresholds: NDArray[np.uint32] = np.floor(np.minimum(found, 1.0) * 2**24).astype(np.uint32)
    return thresholds
