"""Firing rate, and its distribution over neurons."""

from __future__ import annotations

import math

from calibrate.objective import Estimate, Needs, ObjectiveError, statistic
from calibrate.observation import Observation


@statistic(unit="Hz", needs=Needs(), screens=True, sample="rate of each neuron", per_neuron=True)
def rate(observation: Observation, *, population: str = "E") -> Estimate:
    """Mean firing rate of the neurons of a population.

        rate = sum_i n_i / (N T)

    where n_i is the number of spikes of neuron i in the whole measurement, N the number of neurons and T the
    duration.

    population  which neurons

    Returns Hz, >= 0, always defined: 0 without spikes, 1 / (N T) for a single spike. Support: N.
    """
    return Estimate.mean_of(observation.totals(population) / (observation.duration_ms / 1000))


@statistic(unit="Hz", needs=Needs())
def rate_sd(observation: Observation, *, population: str = "E") -> Estimate:
    """Standard deviation of the firing rate over the neurons of a population.

        rate_sd = sqrt(sum_i (r_i - <r>)^2 / (N - 1)),    r_i = n_i / T

    where n_i is the number of spikes of neuron i in the whole measurement of duration T, and N the number of
    neurons. It includes the randomness of the counts: independent Poisson neurons that share one rate r have
    sqrt(r / T).

    population  which neurons

    Returns Hz, >= 0: 0 without spikes, 1 / (T sqrt(N)) for a single spike. Support: N. The standard error is
    that of independent neurons, sqrt((m_4 - m_2^2) / N) / (2 rate_sd) with m_k the central moments of r_i.
    Undefined for a population of one neuron, with shortfall 1, since no activity could change that.
    """
    rates = observation.totals(population) / (observation.duration_ms / 1000)
    if rates.size < 2:
        return Estimate(math.nan, support=rates.size, shortfall=1.0, note="one neuron has no spread")
    squares = (rates - rates.mean()) ** 2
    value = math.sqrt(float(squares.sum()) / (rates.size - 1))
    error = float(squares.std()) / math.sqrt(rates.size) / (2 * value) if value else 0.0
    return Estimate(value, support=rates.size, error=error)


def _threshold(below_hz: float) -> Needs:
    if not (math.isfinite(below_hz) and below_hz > 0):
        raise ObjectiveError(f"below_hz must be a rate above 0 Hz, not {below_hz:g}")
    return Needs()


@statistic(needs=_threshold)
def silent_fraction(observation: Observation, *, population: str = "E", below_hz: float = 0.1) -> Estimate:
    """Fraction of the neurons of a population that are nearly silent.

        silent = (1 / N) sum_i [n_i / T < below_hz]

    where n_i is the number of spikes of neuron i in the whole measurement of duration T, and N the number of
    neurons.

    population  which neurons
    below_hz    rates below this count as silent

    No unit, in [0, 1], always defined: 1 without spikes, (N - 1) / N for a single spike that lifts its neuron
    to below_hz. Support: N. In a measurement shorter than 1 / below_hz, only neurons without any spike count
    as silent; a note says so.
    """
    seconds = observation.duration_ms / 1000
    silent = observation.totals(population) / seconds < below_hz
    n = silent.size
    value = float(silent.mean())
    error = math.sqrt(value * (1 - value) / (n - 1)) if n > 1 else math.nan
    short = 1 / seconds > below_hz * (1 + 1e-9)
    note = f"in a measurement this short, a single spike is {1 / seconds:.2g} Hz" if short else ""
    return Estimate(value, support=n, error=error, note=note)
