"""The clustered balanced network of Litwin-Kumar & Doiron: slow dynamics and high variability.

Litwin-Kumar & Doiron 2012 (Nature Neuroscience 15, 1498-1505, doi 10.1038/nn.3220), with the parameters of
the authors' code. Only excitatory neurons form clusters: pairs within a cluster are connected R_EE times as
often and J_plus times as strongly; weights between clusters are not reduced to compensate.

    dV/dt = (mu - V) / tau_m + sum J F(t - t_k),    F(t) = (exp(-t/tau_d) - exp(-t/tau_r)) / (tau_d - tau_r)

V is relative to rest, in units of the threshold (here in mV: threshold 1 mV, reset 0 mV). F has area 1, so
that J is the total jump of V caused by a spike. A weight of the neuron model is the peak of its current,
C J peak(F). The authors' code makes Euler steps of 0.1 ms; here, steps are exact.
"""

from __future__ import annotations

from typing import Any

from calibrate.errors import ModelError
from calibrate.network import (
    Bernoulli,
    FirstStudy,
    Model,
    Network,
    Parameter,
    Parameters,
    Part,
    Population,
    Projection,
    Stimulus,
    Uniform,
    UniformPotential,
    Values,
)
from calibrate.neurons import beta_peak_per_charge

RECEPTORS = {"E": "ex", "I": "in"}
_BLOCKS = tuple((target, source) for target in "EI" for source in "EI")
_C_PF = 1.0  # cancels out: currents are proportional to it

_J = {"EE": 0.0235702, "EI": -0.0452548, "IE": 0.0141421, "II": -0.0565685}


def _parameter(name: str, default: float, unit: str, doc: str, **options: Any) -> Parameter:
    return Parameter(name=name, default=default, unit=unit, doc=doc, **options)


PARAMETERS: tuple[Parameter, ...] = (
    Parameter(name="N_E", default=4000, unit="", doc="excitatory neurons", tier="code", kind=int, low=1),
    Parameter(name="N_I", default=1000, unit="", doc="inhibitory neurons", tier="code", kind=int, low=1),
    Parameter(
        name="N_Q", default=50, unit="", doc="clusters of excitatory neurons", tier="code", kind=int, low=2
    ),
    _parameter("p_EE", 0.2, "", "mean connection probability, E onto E", tier="wiring", low=0.0, high=1.0),
    *(
        _parameter(
            f"p_{target}{source}",
            0.5,
            "",
            f"connection probability from {source} onto {target}",
            tier="wiring",
            low=0.0,
            high=1.0,
        )
        for target, source in _BLOCKS
        if target + source != "EE"
    ),
    _parameter("R_EE", 2.5, "", "ratio of probabilities within and between clusters", tier="wiring", low=0.0),
    _parameter("J_plus", 1.9, "", "factor on weights within a cluster", low=0.0),
    *(
        _parameter(
            f"J_{target}{source}",
            _J[target + source],
            "mV",
            f"weight from {source} onto {target} (total jump of the potential, in thresholds)",
            **({"low": 0.0} if source == "E" else {"high": 0.0}),
        )
        for target, source in _BLOCKS
    ),
    _parameter("mu_E_low", 1.1, "mV", "lowest drive of E neurons, in thresholds"),
    _parameter("mu_E_high", 1.2, "mV", "highest drive of E neurons"),
    _parameter("mu_I_low", 1.0, "mV", "lowest drive of I neurons"),
    _parameter("mu_I_high", 1.05, "mV", "highest drive of I neurons"),
    _parameter("tau_m_E", 15.0, "ms", "membrane time constant, E", low=1e-3),
    _parameter("tau_m_I", 10.0, "ms", "membrane time constant, I", low=1e-3),
    _parameter("tau_r", 1.0, "ms", "rise of synaptic currents", low=1e-3),
    _parameter("tau_d_E", 3.0, "ms", "decay of currents from E", low=1e-3),
    _parameter("tau_d_I", 2.0, "ms", "decay of currents from I", low=1e-3),
    _parameter("t_ref", 5.0, "ms", "refractory time", low=0.0),
    _parameter("delay", 0.1, "ms", "synaptic delay", tier="code", low=1e-3),
    _parameter("stim_mu", 0.0, "mV", "added drive of stimulated clusters, in thresholds (the paper's: 0.07)"),
    Parameter(
        name="stim_clusters",
        default=(),
        unit="",
        doc="numbers of the stimulated clusters, from 0",
        kind=tuple,
    ),
    Parameter(
        name="stim_intervals", default=(), unit="ms", doc="[start, stop] pairs, from t = 0", kind=tuple
    ),
)


def probabilities(p: Parameters) -> tuple[float, float]:
    """Return the probabilities (within, between) of E onto E, whose mean over all pairs is p_EE.

    p_out = p_EE N_Q / (N_Q - 1 + R_EE),  p_in = R_EE p_out
    """
    between = p["p_EE"] * p["N_Q"] / (p["N_Q"] - 1 + p["R_EE"])
    return p["R_EE"] * between, between


def _check(p: Parameters) -> None:
    if p["N_E"] % p["N_Q"]:
        raise ModelError(f"N_E = {p['N_E']} must be divisible by N_Q = {p['N_Q']}")
    within, _ = probabilities(p)
    if within > 1:
        raise ModelError(f"p_EE and R_EE give a probability of {within:g}, above 1, within a cluster")
    for kind in "EI":
        low, high = p[f"mu_{kind}_low"], p[f"mu_{kind}_high"]
        if low > high:
            raise ModelError(f"mu_{kind}_low = {low:g} must not be above mu_{kind}_high = {high:g}")
        fall = p[f"tau_d_{kind}"]
        if not p["tau_r"] <= fall:
            raise ModelError(f"tau_r = {p['tau_r']:g} ms must not be above tau_d_{kind} = {fall:g}")
    for cluster in p["stim_clusters"]:
        if not isinstance(cluster, int) or cluster not in range(p["N_Q"]):
            raise ModelError(f"stim_clusters: {cluster!r} is not one of the clusters 0 to {p['N_Q'] - 1}")
    if p["stim_mu"] != 0 and not (p["stim_clusters"] and p["stim_intervals"]):
        raise ModelError("stim_mu needs stim_clusters and stim_intervals")


def make_network(p: Parameters) -> Network:
    """Make two populations; E connects to E with one probability within and another between clusters."""
    _check(p)
    populations = tuple(
        Population(
            name=kind,
            size=p[f"N_{kind}"],
            clusters=p["N_Q"] if kind == "E" else 1,
            neuron="iaf_psc_beta",
            distributed=frozenset({"I_e"}),
        )
        for kind in "EI"
    )
    within, between = probabilities(p)
    parts: list[tuple[str, str, Part, float]] = [
        ("E", "E", "within", within),
        ("E", "E", "between", between),
        *((t, s, "all", p[f"p_{t}{s}"]) for t, s in _BLOCKS if t + s != "EE"),
    ]
    projections = tuple(
        Projection(
            source=source,
            target=target,
            part=part,
            rule=Bernoulli(probability),
            delay_ms=p["delay"],
            receptor=RECEPTORS[source],
        )
        for target, source, part, probability in parts
    )
    return Network(populations=populations, projections=projections)


def make_values(network: Network, p: Parameters) -> Values:
    """Make weights as peaks of currents, drives as currents, and the stimulus."""
    _check(p)
    weights = {}
    for projection in network.projections:
        peak = float(beta_peak_per_charge(p["tau_r"], p[f"tau_d_{projection.source}"]))  # of F
        factor = p["J_plus"] if projection.part == "within" else 1.0
        jump = p[f"J_{projection.target}{projection.source}"]
        weights[projection.name] = _C_PF * factor * jump * peak
    neurons: dict[str, dict[str, float | Uniform]] = {}
    for kind in "EI":
        per_mu = _C_PF / p[f"tau_m_{kind}"]
        neurons[kind] = {
            "C_m": _C_PF,
            "tau_m": p[f"tau_m_{kind}"],
            "E_L": 0.0,
            "V_reset": 0.0,
            "V_th": 1.0,
            "t_ref": p["t_ref"],
            "I_e": Uniform(p[f"mu_{kind}_low"] * per_mu, p[f"mu_{kind}_high"] * per_mu),
            "tau_rise_ex": p["tau_r"],
            "tau_decay_ex": p["tau_d_E"],
            "tau_rise_in": p["tau_r"],
            "tau_decay_in": p["tau_d_I"],
        }
    current = p["stim_mu"] * _C_PF / p["tau_m_E"]
    return Values(
        neurons=neurons,
        weights=weights,
        initial=dict.fromkeys("EI", UniformPotential(0.0, 1.0)),
        stimuli=tuple(
            Stimulus("E", p["stim_clusters"], current, start, stop)
            for start, stop in p["stim_intervals"]
            if current != 0
        ),
    )


# The targets are means over 8 graphs (standard deviations: 0.050 Hz, 0.039, 0.20).
_SOURCE = "8 graphs at the paper's parameters"
_SLOW_DYNAMICS = FirstStudy(
    ranges={"R_EE": {"low": 1.0, "high": 3.5}, "J_plus": {"low": 1.0, "high": 2.5}},
    simulation={"warmup_ms": 500.0, "duration_ms": 4000.0},
    objectives=[
        {"statistic": "rate_E", "target": 3.25, "tolerance": 0.3, "source": _SOURCE},
        *(
            {
                "statistic": "fano_E",
                "name": f"fano_{window_ms:.0f}ms",
                "options": {"window_ms": window_ms, "min_count": 0.0},
                "target": target,
                "tolerance": tolerance,
                "source": _SOURCE,
            }
            for window_ms, target, tolerance in ((50.0, 1.07, 0.15), (200.0, 1.83, 0.5))
        ),
    ],
)

litwin_kumar_doiron = Model(
    name="litwin_kumar_doiron",
    parameters=PARAMETERS,
    make_network=make_network,
    make_values=make_values,
    doc="Balanced network with excitatory clusters (Litwin-Kumar & Doiron 2012)",
    cites="slow_dynamics",
    first_study=_SLOW_DYNAMICS,
)
