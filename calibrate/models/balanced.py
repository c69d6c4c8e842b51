"""The random balanced network (van Vreeswijk & Sompolinsky 1996): `ei_clustered` without clusters."""

from __future__ import annotations

from calibrate.models import ei_clustered as clustered
from calibrate.network import FirstStudy, Model, Network, Parameters, Values

_UNCLUSTERED = {"N_Q": 1, "J_E+": 1.0, "R_J": 0.75, "renormalise": True}


def make_network(p: Parameters) -> Network:
    """Two populations of one cluster each."""
    return clustered.make_network({**p, **_UNCLUSTERED})


def make_values(network: Network, p: Parameters) -> Values:
    """As in `ei_clustered` with J_E+ = 1."""
    return clustered.make_values(network, {**p, **_UNCLUSTERED})


# The targets are means over 16 graphs (standard deviations: 0.11 and 0.11 Hz, 0.009).
_SOURCE = "16 graphs at I_th_E 1.25, I_th_I 0.78, g_EI 1.2"
_IRREGULAR = FirstStudy(
    ranges={
        "I_th_E": {"low": 0.8, "high": 2.0},
        "I_th_I": {"low": 0.5, "high": 1.3},
        "g_EI": {"low": 0.9, "high": 1.5},
    },
    simulation={"warmup_ms": 500.0, "duration_ms": 4000.0},
    objectives=[
        {"statistic": "rate_E", "target": 3.51, "tolerance": 0.3, "source": _SOURCE},
        {"statistic": "rate_I", "target": 5.13, "tolerance": 0.4, "source": _SOURCE},
        {"statistic": "cv2_E", "target": 0.836, "tolerance": 0.04, "source": _SOURCE},
    ],
)

balanced = Model(
    name="balanced",
    parameters=tuple(
        parameter for parameter in clustered.ei_clustered.parameters if parameter.name not in _UNCLUSTERED
    ),
    make_network=make_network,
    make_values=make_values,
    doc="Random balanced network of excitatory and inhibitory neurons",
    cites="balanced",
    first_study=_IRREGULAR,
)
