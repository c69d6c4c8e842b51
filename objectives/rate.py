"""Firing rate, and its distribution over neurons."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from calibrate.objective import Estimate, Needs, ObjectiveError, jackknife, statistic
from calibrate.observation import Observation
from objectives.activity import rates_over_time


def _error(
    observation: Observation, population: str, of_rates: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> float:
    """Return the standard error of the mean of a function of the rates of the neurons, in Hz."""
    rates = rates_over_time(observation, population)
    return jackknife.over_neurons(
        lambda kept: of_rates(rates @ kept / kept.sum()), rates.shape[1], observation.group_sizes(population)
    )


@statistic(unit="Hz", needs=Needs(), screens=True, sample="rate of each neuron", depends_on=())
def rate(observation: Observation, *, population: str = "E") -> Estimate:
    """Mean firing rate of the neurons of a population.

        rate = sum_i n_i / (N T)

    where n_i is the number of spikes of neuron i in the whole measurement, N the number of neurons and T the
    duration.

    population  which neurons

    Returns Hz, >= 0, always defined: 0 without spikes, 1 / (N T) for a single spike. Support: N.
    """
    rates = observation.totals(population) / (observation.duration_ms / 1000)
    return Estimate.mean_of(rates, error=_error(observation, population, lambda rates: rates))


@statistic(unit="Hz", needs=Needs(), depends_on=())
def rate_sd(observation: Observation, *, population: str = "E") -> Estimate:
    """Standard deviation of the firing rate over the neurons of a population.

        rate_sd = sqrt(sum_i (r_i - <r>)^2 / (N - 1)),    r_i = n_i / T

    where n_i is the number of spikes of neuron i in the whole measurement of duration T, and N the number of
    neurons. It includes the randomness of the counts: independent Poisson neurons that share one rate r have
    sqrt(r / T).

    population  which neurons

    Returns Hz, >= 0: 0 without spikes, 1 / (T sqrt(N)) for a single spike. Support: N. If the
    rates of few neurons have a heavy tail, the standard error is often too small, since a sample does not
    show the extremes that it lacks: for 30 neurons with log-normal rates of CV 1.1, 1.96 errors cover the
    truth in three of four measurements.
    Undefined for a population of one neuron, with shortfall 1, since no activity could change that.
    """
    rates = observation.totals(population) / (observation.duration_ms / 1000)
    if rates.size < 2:
        return Estimate(math.nan, support=rates.size, shortfall=1.0, note="one neuron has no spread")
    return Estimate(
        float(rates.std(ddof=1)), support=rates.size, error=_error(observation, population, _sd_of_neurons)
    )


def _sd_of_neurons(rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a value for each neuron whose mean is the SD, and which shows what the neuron contributes.

    It is the SD plus n - 1 times what the SD loses without the neuron (Tukey's pseudo-values). With heavy
    tails, they show more of the scatter than derivatives do.
    """
    n, sd = rates.size, float(rates.std(ddof=1))
    if n < 3:
        return np.full(n, sd)
    without = ((n - 1) * sd**2 - (rates - rates.mean()) ** 2 * n / (n - 1)) / (n - 2)
    lost = (n - 1) * (sd - np.sqrt(np.maximum(without, 0.0)))
    return np.asarray(sd + lost - lost.mean())


def _threshold(below_hz: float) -> Needs:
    if not (math.isfinite(below_hz) and below_hz > 0):
        raise ObjectiveError(f"below_hz must be a rate above 0 Hz, not {below_hz:g}")
    return Needs()


@statistic(needs=_threshold, depends_on=())
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
    # A part of the measurement has fewer spikes. The limit stays that of all of it, or else neurons of the
    # same rate would cross it.
    rates, sizes = rates_over_time(observation, population), observation.group_sizes(population)
    limit = below_hz * (1 - 1e-9) * rates.shape[1]
    error = jackknife.over_neurons(
        lambda kept: (rates @ kept < limit).astype(np.float64), rates.shape[1], sizes
    )
    short = 1 / seconds > below_hz * (1 + 1e-9)
    note = f"in a measurement this short, a single spike is {1 / seconds:.2g} Hz" if short else ""
    return Estimate(value, support=n, error=error, note=note)
