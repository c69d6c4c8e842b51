"""Neurons that fire more than once in a step: the first spike stays, and the network has failed."""

from __future__ import annotations

import numpy as np

from calibrate.network import Network, Population
from calibrate.simulators.repeated import first_spikes


def network(neuron: str) -> Network:
    populations = tuple(Population(name=name, size=3, neuron=neuron) for name in "EI")
    return Network(populations=populations, projections=())


def test_the_first_spikes_of_all_populations_stay_and_the_first_failure_is_told():
    step, neuron = np.array([1, 1, 2, 5, 5]), np.array([0, 0, 1, 4, 4])
    found = first_spikes(network("aeif_cond_exp"), step, neuron, 0.1)
    assert (found[0].tolist(), found[1].tolist()) == ([1, 2, 5], [0, 1, 4])
    assert found[2] is not None
    assert found[2].reason.startswith("a neuron of E fired more than once in a step of 0.1 ms")


def test_models_that_cannot_do_so_are_not_looked_at():
    step, neuron = np.array([1, 2]), np.array([0, 0])
    found = first_spikes(network("iaf_psc_exp"), step, neuron, 0.1)
    assert (found[0].tolist(), found[1].tolist(), found[2]) == ([1, 2], [0, 0], None)
