"""The step of weights by the rule of sPyNNaker: what arrives in a time step must fit into a ring buffer.

Written from sPyNNaker 1!7.4.1 (`PopulationVertex.get_ring_buffer_shifts`, `_Stats`). A ring buffer has as
many bits as a weight, 16. It is shifted left by `shift` places to give an input in nA with 15 binary places,
so that a weight has steps of 2^(shift - 15) nA.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from scipy import special, stats

from calibrate.hardware.degrees import largest_indegree
from calibrate.hardware.limits import PA_PER_NA, Hardware
from calibrate.network import Network, UniformDelay, Values

# A constant of sPyNNaker 1!7.4.1, by its name.
POSSION_SIGMA_SUMMATION_LIMIT = 3.0

# Chance that any weight is larger than the largest one that is expected.
_LARGER_WEIGHT = 1e-2


@dataclass(frozen=True, kw_only=True)
class Input:
    """Synapses of one projection onto one receptor of a neuron.

    n                 their largest number
    mean, variance, largest   of their weights, without sign (nA, nA^2, nA)
    delay_variance    of their delays (ms^2)
    rate_hz           of each source
    spikes_per_step   most spikes of a source in a time step
    """

    n: float
    mean: float
    variance: float = 0.0
    largest: float
    delay_variance: float = 0.0
    rate_hz: float
    spikes_per_step: float


def inputs(
    network: Network, values: Values, target: str, receptor: str, hardware: Hardware, *, dt_ms: float
) -> Iterator[Input]:
    """Yield the inputs of one receptor of a population."""
    rate_hz = hardware.spikes_per_second
    spikes = max(1.0, rate_hz * dt_ms / 1000)
    for projection in network.projections:
        if (projection.target, projection.receptor) == (target, receptor):
            n, weight = (
                largest_indegree(network, projection),
                abs(values.weights[projection.name]) / PA_PER_NA,
            )
            cv, delay = projection.weight_cv, projection.delay_ms
            synapses = max(network.expected_synapses(projection), 1.0)
            spread = math.sqrt(math.log1p(cv**2))
            most = weight * math.exp(spread * stats.norm.isf(_LARGER_WEIGHT / synapses) - spread**2 / 2)
            yield Input(
                n=n,
                mean=weight,
                variance=(cv * weight) ** 2,
                largest=most if cv else weight,
                delay_variance=(delay.high_ms - delay.low_ms) ** 2 / 12
                if isinstance(delay, UniformDelay)
                else 0.0,
                rate_hz=rate_hz,
                spikes_per_step=spikes,
            )
    noise = values.noise.get(target)
    if noise is not None and receptor == ("in" if noise.weight < 0 else "ex"):
        # sPyNNaker asks populations of Poisson sources for their rates, but does not count them among those
        # that have any: they are expected to fire as all others do.
        weight = abs(noise.weight) / PA_PER_NA
        yield Input(n=1, mean=weight, largest=weight, rate_hz=rate_hz, spikes_per_step=spikes)


def expected_input(given: list[Input], *, sigma: float, dt_ms: float) -> float:
    """Return the input in a time step that a ring buffer must hold (nA).

    If no delays differ, all sources may fire at once. If some do, it is `sigma` standard deviations above the
    mean of Poisson spikes, but not more than that.
    """
    biggest = max((one.largest for one in given), default=0.0)
    total = sum(one.spikes_per_step * one.largest * one.n for one in given)
    n = sum(one.n for one in given)
    if n <= 1 or not any(one.delay_variance * (one.n - 1) for one in given):
        return max(total, biggest)
    mean = sum(one.n * one.mean for one in given) / n
    within = sum(one.variance * (one.n - 1) for one in given)
    between = sum(one.n * (one.mean - mean) ** 2 for one in given)
    sd = math.sqrt((within + between) / (n - 1))
    rate_hz = sum(one.n * one.rate_hz for one in given) / n
    bound = upper_bound(mean, sd, rate_hz, n, sigma=sigma, dt_ms=dt_ms)
    return max(min(bound, total), biggest)


def upper_bound(mean: float, sd: float, rate_hz: float, n: float, *, sigma: float, dt_ms: float) -> float:
    """Return the mean input of a time step plus `sigma` SDs (nA): `_ring_buffer_expected_upper_bound`."""
    spikes = n * rate_hz * dt_ms / 1000
    poisson = spikes * mean**2
    most = round(spikes + POSSION_SIGMA_SUMMATION_LIMIT * math.sqrt(spikes))
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
    given = list(inputs(network, values, target, receptor, hardware, dt_ms=dt_ms))
    expected = expected_input(given, sigma=hardware.ring_buffer_sigma, dt_ms=dt_ms)
    bits = 16 if hardware.weight_bits is None else hardware.weight_bits
    return math.ldexp(PA_PER_NA, shift(expected) + 1 - bits)
