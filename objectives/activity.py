"""Activity: how far a network is from firing enough for a statistic to be defined."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calibrate.observation import Observation


def shortfall(observation: Observation, population: str, progress: float) -> float:
    """The shortfall of an undefined statistic, in [0, 1]: the less active the network, the larger.

    progress    how far the activity of a network that fires has come towards what the statistic needs,
                from 0 (a single spike is a little more) to 1

    (1 - progress) / 2 where `population` fired. Where it is silent, 1/2 + d / (2 (1 + d)), with d >= 0 the
    distance of its mean membrane from threshold, in units of threshold minus reset: near 1/2 just below
    threshold, 3/4 at reset, towards 1 under strong inhibition, and 1 where no membrane was seen.
    """
    if observation.totals(population).any():
        return (1 - min(max(progress, 0.0), 1.0)) / 2
    depolarisation = observation.group_depolarisation(population)
    depolarisation = depolarisation[np.isfinite(depolarisation)]
    if not depolarisation.size:
        return 1.0
    distance = max(1 - float(depolarisation.mean()), 0.0)
    return 0.5 + 0.5 * distance / (1 + distance)


def spikes_towards(totals: NDArray[np.int64], needed: float) -> float:
    """How far neurons have come towards `needed` spikes each, in [0, 1]: a `progress` for `shortfall`.

    The share that the most active neuron has, which decides when a statistic becomes defined, averaged
    with the share that all have, which also tells networks apart in which that neuron fires the same.
    """
    shares = np.minimum(totals / needed, 1.0)
    return float(shares.max() + shares.mean()) / 2
