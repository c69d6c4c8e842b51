"""The step of weights by the rule of sPyNNaker: what arrives in a time step must fit into a ring buffer.

Written from sPyNNaker 1!7.4.1 (`PopulationVertex.get_ring_buffer_shifts`, `_Stats`). A ring buffer has as
many bits as a weight, 16. It is shifted left by `shift` places to give an input in nA with 15 binary places,
so that a weight has steps of 2^(shift - 15) nA.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scipy import special, stats

from calibrate.hardware.degrees import largest_indegree
from calibrate.hardware.limits import PA_PER_NA, Hardware
from calibrate.network import Network, Projection, UniformDelay, Values

# Spikes in a time step are at most so many standard deviations above their mean, as in sPyNNaker 1!7.4.1.
MOST_SDS = 3.0

# Chance that any weight is larger than the largest one that is expected.
_LARGER_WEIGHT = 1e-2


@dataclass(frozen=True, kw_only=True)
class Input:
    """Synapses of one projection onto one receptor of a neuron.

    n                         their largest number
    mean, variance, largest   of their weights, without sign (nA, nA^2, nA)
    delay_variance            of their delays (ms^2)
    """

    n: float
    mean: float
    largest: float
    variance: float = 0.0
    delay_variance: float = 0.0


def inputs(network: Network, values: Values, target: str, receptor: str) -> Iterator[Input]:
    """Yield the inputs of one receptor of a population."""
    for projection in network.projections:
        if (projection.target, projection.receptor) == (target, receptor):
            yield _input(network, projection, abs(values.weights[projection.name]) / PA_PER_NA)
    noise = values.noise.get(target)
    if noise is not None and receptor == ("in" if noise.weight < 0 else "ex"):
        # Their rate does not count: sPyNNaker does not take Poisson sources for ones that tell their rate.
        weight = abs(noise.weight) / PA_PER_NA
        yield Input(n=1, mean=weight, largest=weight)


def _input(network: Network, projection: Projection, weight: float) -> Input:
    cv, delay = projection.weight_cv, projection.delay_ms
    return Input(
        n=largest_indegree(network, projection),
        mean=weight,
        largest=largest_weight(network, projection, weight),
        variance=(cv * weight) ** 2,
        delay_variance=_variance(delay) if isinstance(delay, UniformDelay) else 0.0,
    )


def largest_weight(network: Network, projection: Projection, mean: float) -> float:
    """Return the largest weight of a projection that is expected; its mean, if they are not distributed."""
    spread = math.sqrt(math.log1p(projection.weight_cv**2))
    deviations = stats.norm.isf(_LARGER_WEIGHT / max(network.expected_synapses(projection), 1.0))
    return mean * math.exp(spread * float(deviations) - spread**2 / 2)


def _variance(delay: UniformDelay) -> float:
    return (delay.high_ms - delay.low_ms) ** 2 / 12


def expected_input(given: Sequence[Input], hardware: Hardware, *, dt_ms: float) -> float:
    """Return the input in a time step that a ring buffer must hold (nA).

    If no delays differ, all sources may fire at once. If some do, it is some standard deviations above the
    mean of Poisson spikes, but not more than that.
    """
    rate_hz, sigma = hardware.spikes_per_second, hardware.ring_buffer_sigma
    biggest = max((one.largest for one in given), default=0.0)
    total = max(1.0, rate_hz * dt_ms / 1000) * sum(one.largest * one.n for one in given)
    n = sum(one.n for one in given)
    if n <= 1 or not any(one.delay_variance * (one.n - 1) for one in given):
        return max(total, biggest)
    mean = sum(one.n * one.mean for one in given) / n
    within = sum(one.variance * (one.n - 1) for one in given)
    between = sum(one.n * (one.mean - mean) ** 2 for one in given)
    sd = math.sqrt((within + between) / (n - 1))
    bound = upper_bound(mean, sd, n * rate_hz * dt_ms / 1000, sigma=sigma)
    return max(min(bound, total), biggest)


def upper_bound(mean: float, sd: float, spikes: float, *, sigma: float) -> float:
    """Return the mean input of a time step plus `sigma` SDs (nA): `_ring_buffer_expected_upper_bound`.

    mean, sd  of weights
    spikes    expected number in a time step
    """
    poisson = spikes * mean**2
    most = round(spikes + MOST_SDS * math.sqrt(spikes))
    of_weights = 0.0
    if sd > 0:
        ratio = math.log(spikes) * most - special.gammaln(1 + most)
        if -701.0 < ratio < 701.0 and ratio != 0.0:
            of_weights = math.exp(
                -spikes
                + math.log(spikes)
                + 2 * math.log(sd)
                + math.log(math.exp(spikes) * special.gammaincc(1 + most, spikes) - math.exp(ratio))
            )
    return spikes * mean + sigma * math.sqrt(poisson + of_weights)


def shift(expected_nA: float) -> int:
    """Return the places by which a ring buffer is shifted, so that it holds less than 2^places nA."""
    places = 0 if expected_nA <= 0 else math.ceil(max(0.0, math.log2(expected_nA)))
    return places + 1 if 2**places <= expected_nA else places


def step(
    network: Network, values: Values, target: str, receptor: str, hardware: Hardware, *, dt_ms: float
) -> float:
    """Return the step of the weights onto one receptor of a population (pA)."""
    expected = expected_input(list(inputs(network, values, target, receptor)), hardware, dt_ms=dt_ms)
    bits = 16 if hardware.weight_bits is None else hardware.weight_bits
    return math.ldexp(PA_PER_NA, shift(expected) + 1 - bits)
