"""The cortical E/I clustered attractor network.

Rostami et al. 2024 ("Spiking attractor model of motor cortex explains modulation of neural and behavioral
variability by prior target information", Nature Communications 15, doi 10.1038/s41467-024-49889-4); Schmitt,
Rostami & Nawrot 2023 (doi 10.3389/fninf.2023.941696).

    C dV/dt = -(C / tau_m)(V - E_L) + I_E + I_I + I_x + I_stim
    dI_s/dt = -I_s / tau_s + sum J delta(t - t_k - d)

Weights without clusters follow the sqrt(K) rule unless given. Clustering multiplies them by J+ within a
cluster and by J- = (N_Q - J+) / (N_Q - 1) between clusters, which preserves the summed input of a neuron.
In parameter names the two letters are (target, source): J_EI acts from I onto E.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from calibrate.errors import ModelError
from calibrate.network import (
    Bernoulli,
    Distributed,
    FirstStudy,
    FixedIndegree,
    Model,
    Network,
    Parameter,
    Parameters,
    Part,
    PoissonInput,
    Population,
    Projection,
    Stimulus,
    UniformPhase,
    UniformPotential,
    Values,
)
from calibrate.neurons import psp_peak

TYPES = ("E", "I")
RECEPTORS = {"E": "ex", "I": "in"}


def _per_type(name: str, default: float | None, unit: str, doc: str, **limits: Any) -> list[Parameter]:
    return [
        Parameter(
            name=f"{name}_{kind}",
            default=default,
            unit=unit,
            doc=f"{doc}, {'excitatory' if kind == 'E' else 'inhibitory'} neurons",
            **limits,
        )
        for kind in TYPES
    ]


PARAMETERS: tuple[Parameter, ...] = (
    Parameter(name="N_E", default=1200, unit="", doc="excitatory neurons", tier="code", kind=int, low=1),
    Parameter(name="N_I", default=300, unit="", doc="inhibitory neurons", tier="code", kind=int, low=1),
    Parameter(name="N_Q", default=6, unit="", doc="clusters", tier="code", kind=int, low=1),
    Parameter(name="C", default=1.0, unit="pF", doc="membrane capacitance", low=1e-9),
    Parameter(name="E_L", default=0.0, unit="mV", doc="resting potential"),
    Parameter(name="V_r", default=0.0, unit="mV", doc="reset potential"),
    Parameter(name="V_th", default=20.0, unit="mV", doc="threshold of both types"),
    *_per_type("V_th", None, "mV", "threshold (default V_th)"),
    Parameter(name="tau_m_E", default=20.0, unit="ms", doc="membrane time constant, E", low=1e-3),
    Parameter(name="tau_m_I", default=10.0, unit="ms", doc="membrane time constant, I", low=1e-3),
    Parameter(name="tau_syn_E", default=3.0, unit="ms", doc="decay of currents from E", low=1e-3),
    Parameter(name="tau_syn_I", default=2.0, unit="ms", doc="decay of currents from I", low=1e-3),
    Parameter(name="tau_r", default=5.0, unit="ms", doc="refractory time", low=0.0),
    *(
        Parameter(
            name=f"p_{target}{source}",
            default=0.2 if target == source == "E" else 0.5,
            unit="",
            doc=f"connection probability from {source} onto {target}",
            tier="wiring",
            low=0.0,
            high=1.0,
        )
        for target in TYPES
        for source in TYPES
    ),
    Parameter(
        name="connectivity",
        default="bernoulli",
        unit="",
        doc="rule: every pair at random, or a fixed number of sources per cluster",
        tier="code",
        kind=str,
        choices=("bernoulli", "fixed_indegree"),
    ),
    Parameter(name="g_EI", default=1.2, unit="", doc="strength of I onto E relative to E onto E", low=0.0),
    Parameter(name="g_IE", default=1.0, unit="", doc="strength of E onto I", low=0.0),
    Parameter(name="g_II", default=1.0, unit="", doc="strength of I onto I relative to E onto I", low=0.0),
    *(
        Parameter(
            name=f"J_{target}{source}",
            default=None,
            unit="pA",
            doc=f"weight from {source} onto {target} without clusters (default: sqrt(K) rule)",
            **({"low": 0.0} if source == "E" else {"high": 0.0}),  # type: ignore[arg-type]
        )
        for target in TYPES
        for source in TYPES
    ),
    Parameter(name="J_E+", default=1.0, unit="", doc="weight factor within a cluster, E onto E", low=0.0),
    Parameter(name="R_J", default=0.75, unit="", doc="J_I+ = 1 + R_J (J_E+ - 1), for EI, IE and II"),
    Parameter(
        name="renormalise",
        default=True,
        unit="",
        doc="reduce weights between clusters to preserve the sum over inputs",
        kind=bool,
    ),
    Parameter(name="s", default=1.0, unit="", doc="factor on all weights", low=0.0),
    Parameter(name="I_th_E", default=1.25, unit="rheobase", doc="constant input of E"),
    Parameter(name="I_th_I", default=0.78, unit="rheobase", doc="constant input of I"),
    Parameter(name="I_stim", default=0.0, unit="pA", doc="stimulus current into E neurons"),
    Parameter(
        name="stim_clusters", default=(), unit="", doc="clusters that receive I_stim, from 0", kind=tuple
    ),
    Parameter(
        name="stim_intervals", default=(), unit="ms", doc="[start, stop] pairs, from t = 0", kind=tuple
    ),
    Parameter(name="delay", default=0.1, unit="ms", doc="synaptic delay", tier="code", low=1e-3),
    *_per_type("sd_V_th", 0.0, "mV", "SD of thresholds over neurons", low=0.0),
    *_per_type("sd_I_x", 0.0, "", "SD of constant inputs over neurons, relative to their mean", low=0.0),
    *_per_type("noise_rate", 0.0, "Hz", "rate of independent Poisson input (0: none)", low=0.0),
    *_per_type("noise_weight", 0.0, "pA", "weight of the Poisson input"),
    Parameter(
        name="initial",
        default="uniform",
        unit="",
        doc="initial potentials: uniform between reset and threshold, or at a uniform phase",
        kind=str,
        choices=("uniform", "phase"),
    ),
)


@dataclass(frozen=True)
class _Block:
    """One of the four connection types: from `source` onto `target`."""

    target: str
    source: str

    @property
    def code(self) -> str:
        return self.target + self.source


BLOCKS = tuple(_Block(target, source) for target in TYPES for source in TYPES)


def threshold(p: Parameters, kind: str) -> float:
    """Threshold of E or I neurons (mV)."""
    given = p[f"V_th_{kind}"]
    return float(p["V_th"] if given is None else given)


def weights(p: Parameters) -> dict[str, float]:
    """Return weights without clusters (pA) by code "EE", "EI", "IE", "II", by the sqrt(K) rule unless given.

    With A_XY the PSP peak of 1 pA from Y in X (mV / pA) and K_XY = p_XY N_Y:
    J_EE = (V_th - E_L) / (A_EE sqrt K_EE),  J_EI = -g_EI J_EE K_EE A_EE / (K_EI A_EI),
    J_IE = g_IE (V_th - E_L) / (A_IE sqrt K_IE),  J_II = -g_II J_IE K_IE A_IE / (K_II A_II).
    K is not rounded, even if a fixed in-degree is, so that weights do not jump with p.
    """
    peak = {b.code: psp_peak(p[f"tau_m_{b.target}"], p[f"tau_syn_{b.source}"], p["C"]) for b in BLOCKS}
    inputs = {b.code: p[f"p_{b.code}"] * p[f"N_{b.source}"] for b in BLOCKS}
    weight = {code: p[f"J_{code}"] for code in peak if p[f"J_{code}"] is not None}
    for code in peak:
        if code not in weight and inputs[code] == 0:
            weight[code] = 0.0  # no synapse has it
    for target in TYPES:
        excitation, inhibition = f"{target}E", f"{target}I"
        if excitation not in weight:
            gap = threshold(p, target) - p["E_L"]
            strength = p["g_IE"] if target == "I" else 1.0
            weight[excitation] = strength * gap / (peak[excitation] * math.sqrt(inputs[excitation]))
        if inhibition not in weight:
            drive = weight[excitation] * inputs[excitation] * peak[excitation]
            weight[inhibition] = -p[f"g_{inhibition}"] * drive / (inputs[inhibition] * peak[inhibition])
    return weight


def cluster_factors(p: Parameters, code: str) -> tuple[float, float]:
    """Factors (J+, J-) on the weights of a block within and between clusters."""
    plus = p["J_E+"] if code == "EE" else 1 + p["R_J"] * (p["J_E+"] - 1)
    if p["N_Q"] == 1:
        return 1.0, 1.0
    minus = (p["N_Q"] - plus) / (p["N_Q"] - 1) if p["renormalise"] else 1.0
    return plus, minus


def rheobase(p: Parameters, kind: str) -> float:
    """Constant current that just reaches the threshold of E or I neurons (pA)."""
    return (threshold(p, kind) - float(p["E_L"])) * float(p["C"]) / float(p[f"tau_m_{kind}"])


def _check(p: Parameters) -> None:
    for kind in TYPES:
        if p[f"N_{kind}"] % p["N_Q"]:
            raise ModelError(f"N_{kind} = {p[f'N_{kind}']} must be divisible by N_Q = {p['N_Q']}")
        if not threshold(p, kind) > max(p["V_r"], p["E_L"]):
            raise ModelError(
                f"the threshold of {kind} neurons, {threshold(p, kind):g} mV, must lie above V_r = "
                f"{p['V_r']:g} mV and E_L = {p['E_L']:g} mV"
            )
        rate, weight = p[f"noise_rate_{kind}"], p[f"noise_weight_{kind}"]
        if rate > 0 and weight == 0:
            raise ModelError(f"noise_rate_{kind} = {rate:g} Hz needs a noise_weight_{kind}")
    for block in BLOCKS:
        plus, _ = cluster_factors(p, block.code)
        if not 0 <= plus <= p["N_Q"] and p["N_Q"] > 1:
            name = "J_E+" if block.code == "EE" else "J_I+ = 1 + R_J (J_E+ - 1)"
            raise ModelError(
                f"{name} = {plus:g} must lie between 0 and N_Q = {p['N_Q']}: otherwise weights change sign"
            )
    for cluster in p["stim_clusters"]:
        if not isinstance(cluster, int) or cluster not in range(p["N_Q"]):
            raise ModelError(f"stim_clusters: {cluster!r} is not one of the clusters 0 to {p['N_Q'] - 1}")
    for interval in p["stim_intervals"]:
        pair = isinstance(interval, tuple) and len(interval) == 2
        numbers = pair and all(isinstance(time, int | float) and math.isfinite(time) for time in interval)
        if not (numbers and 0 <= interval[0] < interval[1]):
            raise ModelError(
                f"stim_intervals: {interval!r} is not a [start, stop] pair with 0 <= start < stop"
            )
    if p["I_stim"] != 0 and not (p["stim_clusters"] and p["stim_intervals"]):
        raise ModelError("I_stim needs stim_clusters and stim_intervals")


def make_network(p: Parameters) -> Network:
    """Make two populations and, for every pair of them, synapses within and between clusters."""
    _check(p)
    rule = Bernoulli if p["connectivity"] == "bernoulli" else FixedIndegree
    parts: tuple[Part, ...] = ("all",) if p["N_Q"] == 1 else ("within", "between")
    populations = []
    for kind in TYPES:
        spread = {"V_th": p[f"sd_V_th_{kind}"], "I_e": p[f"sd_I_x_{kind}"]}
        populations.append(
            Population(
                name=kind,
                size=p[f"N_{kind}"],
                clusters=p["N_Q"],
                distributed=frozenset(name for name, sd in spread.items() if sd > 0),
                noise=p[f"noise_rate_{kind}"] > 0,
            )
        )
    projections = [
        Projection(
            source=block.source,
            target=block.target,
            part=part,
            rule=rule(p[f"p_{block.code}"]),
            delay_ms=p["delay"],
            receptor=RECEPTORS[block.source],
        )
        for block in BLOCKS
        for part in parts
    ]
    return Network(populations=tuple(populations), projections=tuple(projections))


def make_values(network: Network, p: Parameters) -> Values:
    """Make the weights, neuron parameters and inputs of one candidate."""
    _check(p)
    unclustered = weights(p)
    weight: dict[str, float] = {}
    for projection in network.projections:
        code = projection.target + projection.source
        plus, minus = cluster_factors(p, code)
        factor = {"all": 1.0, "within": plus, "between": minus}[projection.part]
        weight[projection.name] = p["s"] * factor * unclustered[code]
    neurons: dict[str, dict[str, float | Distributed]] = {}
    for kind in TYPES:
        drive = p[f"I_th_{kind}"] * rheobase(p, kind)
        sd_drive, sd_threshold = abs(drive) * p[f"sd_I_x_{kind}"], p[f"sd_V_th_{kind}"]
        neurons[kind] = {
            "C_m": p["C"],
            "tau_m": p[f"tau_m_{kind}"],
            "E_L": p["E_L"],
            "V_reset": p["V_r"],
            "V_th": Distributed(threshold(p, kind), sd_threshold) if sd_threshold else threshold(p, kind),
            "t_ref": p["tau_r"],
            "I_e": Distributed(drive, sd_drive) if sd_drive else drive,
            "tau_syn_ex": p["tau_syn_E"],
            "tau_syn_in": p["tau_syn_I"],
        }
    return Values(
        neurons=neurons,
        weights=weight,
        initial={
            kind: UniformPhase()
            if p["initial"] == "phase"
            else UniformPotential(p["V_r"], threshold(p, kind))
            for kind in TYPES
        },
        noise={
            kind: PoissonInput(p[f"noise_rate_{kind}"], p[f"noise_weight_{kind}"])
            for kind in TYPES
            if network.population(kind).noise
        },
        stimuli=tuple(
            Stimulus("E", p["stim_clusters"], p["I_stim"], start, stop)
            for start, stop in p["stim_intervals"]
            if p["I_stim"] != 0
        ),
    )


# Clusters that switch on and off. The targets are means over 24 graphs (standard deviations: 0.054 and
# 0.048 Hz, 0.014, 0.31, 21 ms, 0.075).
_SOURCE = "24 graphs at I_th_E 2.13, I_th_I 1.24, J_E+ 3"
_METASTABLE = FirstStudy(
    ranges={
        "I_th_E": {"low": 1.6, "high": 2.8},
        "I_th_I": {"low": 1.0, "high": 1.6},
        "J_E+": {"low": 1.5, "high": 4.5},
    },
    parameters={"connectivity": "fixed_indegree", "I_th_E": 2.13, "I_th_I": 1.24, "J_E+": 3.0},
    simulation={"warmup_ms": 500.0, "duration_ms": 4000.0},
    objectives=[
        {"statistic": "rate_E", "target": 6.5, "tolerance": 0.4, "source": _SOURCE},
        {"statistic": "rate_I", "target": 10.05, "tolerance": 0.6, "source": _SOURCE},
        {"statistic": "fano_E", "target": 1.9, "tolerance": 0.5, "source": _SOURCE},
        {"statistic": "dwell_time", "target": 126.0, "tolerance": 45.0, "source": _SOURCE},
    ],
)

ei_clustered = Model(
    name="ei_clustered",
    parameters=PARAMETERS,
    make_network=make_network,
    make_values=make_values,
    doc="Cortical E/I clustered attractor network (Rostami et al. 2024)",
    cites="clusters",
    first_study=_METASTABLE,
)
