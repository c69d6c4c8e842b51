"""Firing rate."""

from __future__ import annotations

from calibrate.objective import Estimate, Needs, Spread, statistic
from calibrate.observation import Observation

# Measured on the E/I clustered network in its metastable state, 1500 neurons, 10 s.
_SPREAD = {"fixed_indegree": Spread(within=0.01), "bernoulli": Spread(within=0.01, between=0.04)}


@statistic(unit="Hz", needs=Needs(), screens=True, sample="rate of each neuron", spread=_SPREAD)
def rate(observation: Observation, *, population: str = "E") -> Estimate:
    """Mean firing rate of the neurons of a population.

        rate = sum_i n_i / (N T)

    with n_i the spikes of neuron i in the whole measurement, N neurons and duration T.

    population  which neurons

    Returns Hz, >= 0, always defined: 0 without a spike, 1 / (N T) for a single one. Support: N.
    """
    return Estimate.mean_of(observation.totals(population) / (observation.duration_ms / 1000))
