"""The random balanced network (van Vreeswijk & Sompolinsky 1996): `ei_clustered` without clusters."""

from __future__ import annotations

from calibrate.models import ei_clustered as clustered
from calibrate.network import Model, Network, Parameters, Values

_UNCLUSTERED = {"N_Q": 1, "J_E+": 1.0, "R_J": 0.75, "renormalise": True}


def make_network(p: Parameters) -> Network:
    """Two populations of one cluster each."""
    return clustered.make_network({**p, **_UNCLUSTERED})


def make_values(network: Network, p: Parameters) -> Values:
    """As in `ei_clustered` with J_E+ = 1."""
    return clustered.make_values(network, {**p, **_UNCLUSTERED})


balanced = Model(
    name="balanced",
    parameters=tuple(
        parameter for parameter in clustered.ei_clustered.parameters if parameter.name not in _UNCLUSTERED
    ),
    make_network=make_network,
    make_values=make_values,
    doc="Random balanced network of excitatory and inhibitory neurons",
    cites="balanced",
)
