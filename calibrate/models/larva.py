r"""The associative learning network of the mushroom body of the Drosophila larva: 142 neurons, half an hour.

Juergensen, Sakagiannis, Schleyer, Gerber & Nawrot 2024 ("Prediction error drives associative learning and
conditioned behavior in a spiking model of Drosophila larva", iScience 27, 108640), with the parameters of the
authors' code (github.com/nawrotlab/PEcodingDosophilaMB); the sensory part is that of Juergensen et al. 2021
(doi 10.1088/2634-4386/ac3ba6).

    ORN -> PN -> KC -> MBON -> MBIN of the other valence, which teaches the KC -> MBON synapses
      \-> LN -| PN    KC -> APL -| KC      MBON -> LN of its valence -| MBIN of its valence

Odours are random input to the receptor neurons (ORN), reinforcement is random input to a dopaminergic neuron
(MBIN): cluster 0 of MBIN, MBON and MBON_LN is appetitive ("+"), cluster 1 aversive ("-"). A spike of MBIN+
depresses the synapses of recently active Kenyon cells (KC) onto MBON-, and vice versa. Reward therefore
leaves a bias towards MBON+, and the network then predicts it: MBON+ inhibits MBIN+.

These things differ from the authors' code:

- Weights stop at 0. Theirs become negative under strong reinforcement.
- All 72 Kenyon cells are taught. In theirs, `arange(0, 71)` leaves out the last one.
- Synapses have a delay of 0.1 ms, the shortest that NEST has. Theirs have none, nor from KC to APL and back.
- An odour raises the rate of one gamma process. Theirs adds a second process to the baseline, and then keeps
  only one spike of an input in 0.1 ms, which drops 3 % of the input of the most active receptor neuron. Here
  all of it arrives.
- NEST integrates with an adaptive method and GeNN takes the exact solution. Theirs makes Euler steps of
  0.1 ms.

Their code has a placeholder of 10 Hz for the reinforcement, at which no MBIN ever fires; learning is graded
between about 400 and 800 Hz.
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
    Plasticity,
    PoissonInput,
    Population,
    Projection,
    RateStimulus,
    Rule,
    UniformIndegree,
    UniformPotential,
    Values,
)

ODOURS: dict[str, tuple[float, ...]] = {
    "amylacetate": (
        *(2.73, 2.67, 0, 4.39, 0.19, 0, 3.38, 0, 0, 3.24, 3.92),
        *(2.91, 5.76, 0.78, 1.47, 1.51, 0.26, 0, 0, 0, 0),
    ),
    "octanol": (5.53, 3.18, 0, 3.67, 0, 0, 1.33, 0, 0, 0.50, 1.43, 3.08, 4.09, *[0] * 8),
}
"""Relative activation of the 21 receptor neurons by amyl acetate and 3-octanol (the authors' stimulus.py)."""

N_ORN, N_KC = 21, 72
VALENCES = {"reward": 0, "punishment": 1}  # cluster of MBIN that reinforcement excites
PROTOCOLS = ("paired", "odour_first", "reinforcement_first", "odour_only")

# Populations in order: neurons and clusters; C (pF), g_l (nS), E_l and threshold (mV).
_POPULATIONS = {
    "ORN": (N_ORN, N_ORN, 100.0, 5.0, -60.0, -35.0),
    "PN": (N_ORN, N_ORN, 30.0, 2.5, -59.0, -30.0),
    "LN": (N_ORN, N_ORN, 50.0, 2.5, -59.0, -30.0),
    "KC": (N_KC, 1, 30.0, 0.5, -55.0, -35.0),
    "APL": (1, 1, 200.0, 5.0, -60.0, -30.0),
    "MBON": (2, 2, 100.0, 5.0, -60.0, -35.0),
    "MBIN": (2, 2, 100.0, 5.0, -60.0, -35.0),
    "MBON_LN": (2, 2, 100.0, 5.0, -60.0, -35.0),
}
_ADAPTING = {"ORN": "q_ORN", "KC": "q_KC", "MBON": "q_MB", "MBIN": "q_MB", "MBON_LN": "q_MB"}

_EACH, _ALL = Bernoulli(1.0), Bernoulli(1.0)
_CLAWS = UniformIndegree(2, 6)
_TEACHING = Plasticity("dopamine", "MBIN", part="between")

# Source, target, which of them, receptor, name of the weight, its default (nS).
_SYNAPSES: tuple[tuple[str, str, Part, Rule, str, str, float], ...] = (
    ("ORN", "PN", "within", _EACH, "ex", "w_ORN_PN", 10.0),
    ("ORN", "LN", "within", _EACH, "ex", "w_ORN_LN", 4.0),
    ("LN", "PN", "all", _ALL, "in", "w_LN_PN", 1.0),
    ("PN", "KC", "all", _CLAWS, "ex", "w_PN_KC", 1.0),
    ("KC", "APL", "all", _ALL, "ex", "w_KC_APL", 20.0),
    ("APL", "KC", "all", _ALL, "in", "w_APL_KC", 50.0),
    ("KC", "MBON", "all", _ALL, "ex", "w_KC_MBON", 80.0),
    ("MBON", "MBIN", "between", _EACH, "ex", "w_MBON_MBIN", 4.0),
    ("MBON", "MBON_LN", "within", _EACH, "ex", "w_MBON_LN", 35.0),
    ("MBON_LN", "MBIN", "within", _EACH, "in", "w_LN_MBIN", 70.0),
)
_PLASTIC = ("KC", "MBON")


def _parameter(name: str, default: float, unit: str, doc: str, **options: Any) -> Parameter:
    """Make a parameter that is not negative, unless `options` have another lower limit."""
    return Parameter(name=name, default=default, unit=unit, doc=doc, **{"low": 0.0, **options})


PARAMETERS: tuple[Parameter, ...] = (
    *(
        _parameter(
            name,
            weight,
            "nS",
            f"{'initial ' * ((source, target) == _PLASTIC)}weight from {source} onto {target}",
        )
        for source, target, _, _, _, name, weight in _SYNAPSES
    ),
    _parameter("w_odour", 3.0, "nS", "weight of the input of receptor neurons"),
    _parameter("w_reinforcement", 2.5, "nS", "weight of the reinforcement onto MBIN"),
    _parameter("q_ORN", 0.1, "nS", "spike-frequency adaptation of receptor neurons"),
    _parameter("q_KC", 0.02, "nS", "spike-frequency adaptation of Kenyon cells"),
    _parameter("q_MB", 0.1, "nS", "spike-frequency adaptation of MBON, MBIN and MBON_LN"),
    _parameter("tau_e", 5.0, "ms", "decay of excitatory conductances", low=1e-3),
    _parameter("tau_i", 10.0, "ms", "decay of inhibitory conductances", low=1e-3),
    _parameter("tau_a", 1000.0, "ms", "decay of the adaptation", low=1e-3),
    _parameter(
        "learning_rate", 0.3, "nS", "depression of KC -> MBON by an MBIN spike right after a KC spike"
    ),
    _parameter("tau_eligibility", 5000.0, "ms", "decay of the eligibility after a spike of KC", low=1e-3),
    _parameter("recovery", 1e-4, "", "share of the lost weight that a spike of MBON restores", high=1.0),
    _parameter("baseline", 185.0, "Hz", "input of each receptor neuron without an odour"),
    _parameter("odour_rate", 500.0, "Hz", "input that an odour adds, times the activation of the receptor"),
    Parameter(
        name="odour", default="amylacetate", unit="", doc="the trained odour", kind=str, choices=tuple(ODOURS)
    ),
    Parameter(
        name="test_odour",
        default="trained",
        unit="",
        doc="the tested odour",
        kind=str,
        choices=("trained", *ODOURS),
    ),
    Parameter(
        name="protocol",
        default="paired",
        unit="",
        doc="odour and reinforcement together, one after the other with a gap, or the odour alone",
        kind=str,
        choices=PROTOCOLS,
    ),
    Parameter(
        name="reinforcement",
        default="reward",
        unit="",
        doc="which MBIN the reinforcement excites",
        kind=str,
        choices=tuple(VALENCES),
    ),
    _parameter("reinforcement_rate", 600.0, "Hz", "input of the MBIN during reinforcement"),
    _parameter("onset", 300.0, "ms", "beginning of the training"),
    _parameter("training", 60_000.0, "ms", "duration of odour and reinforcement in the training"),
    _parameter("gap", 60_000.0, "ms", "pause between the parts of the protocol"),
    _parameter("test", 180_000.0, "ms", "duration of the test odour"),
    _parameter("delay", 0.1, "ms", "synaptic delay", tier="code", low=1e-3),
)


def make_network(p: Parameters) -> Network:
    """Make eight populations of conductance-based neurons, with and without adaptation."""
    populations = tuple(
        Population(
            name=name,
            size=size,
            clusters=clusters,
            neuron="iaf_cond_exp_sfa" if name in _ADAPTING else "iaf_cond_exp",
            noise=name in ("ORN", "MBIN"),
            noise_shape=3,
        )
        for name, (size, clusters, *_) in _POPULATIONS.items()
    )
    projections = tuple(
        Projection(
            source=source,
            target=target,
            part=part,
            rule=rule,
            receptor=receptor,
            delay_ms=p["delay"],
            plasticity=_TEACHING if (source, target) == _PLASTIC else None,
        )
        for source, target, part, rule, receptor, _, _ in _SYNAPSES
    )
    return Network(populations=populations, projections=projections)


def make_values(network: Network, p: Parameters) -> Values:
    """Make weights, neuron parameters, plasticity, and the protocol as changes of input rates."""
    neurons: dict[str, dict[str, float]] = {}
    for name, (_, _, C, g_l, E_l, V_th) in _POPULATIONS.items():
        neurons[name] = {
            "C_m": C,
            "g_L": g_l,
            "E_L": E_l,
            "V_th": V_th,
            "V_reset": E_l,
            "t_ref": 2.0,
            "E_ex": 0.0,
            "E_in": -75.0,
            "tau_syn_ex": p["tau_e"],
            "tau_syn_in": p["tau_i"],
        }
        if name in _ADAPTING:
            neurons[name] |= {"q_sfa": p[_ADAPTING[name]], "tau_sfa": p["tau_a"], "E_sfa": -90.0}
    weights = {
        projection.name: p[name] if receptor == "ex" else -p[name]
        for projection, (_, _, _, _, receptor, name, _) in zip(network.projections, _SYNAPSES, strict=True)
    }
    rule = {name: p[name] for name in ("learning_rate", "tau_eligibility", "recovery")}
    return Values(
        neurons=neurons,
        weights=weights,
        noise={
            "ORN": PoissonInput(p["baseline"], p["w_odour"]),
            "MBIN": PoissonInput(0.0, p["w_reinforcement"]),
        },
        initial={name: UniformPotential(E_l, E_l) for name, (_, _, _, _, E_l, _) in _POPULATIONS.items()},
        plasticity={"KC_to_MBON_all": rule},
        stimuli=protocol(p),
    )


def protocol(p: Parameters) -> tuple[RateStimulus, ...]:
    """Return the stimuli of the training and, after a pause, of the test, in order of time.

    Raises ModelError if neither training nor test has a duration.
    """
    if p["training"] == 0 and p["test"] == 0:
        raise ModelError("a protocol needs a training or a test longer than 0 ms")
    kind = p["protocol"]
    start, stimuli = p["onset"], []
    parts = {
        "paired": (("odour", "reinforcement"),),
        "odour_first": (("odour",), ("reinforcement",)),
        "reinforcement_first": (("reinforcement",), ("odour",)),
        "odour_only": (("odour",),),
    }[kind]
    for together in parts if p["training"] else ():
        stop = start + p["training"]
        if "odour" in together:
            stimuli.append(_odour(p, p["odour"], start, stop))
        if "reinforcement" in together and p["reinforcement_rate"]:
            stimuli.append(
                RateStimulus("MBIN", (VALENCES[p["reinforcement"]],), (p["reinforcement_rate"],), start, stop)
            )
        start = stop + p["gap"]
    if p["test"]:
        name = p["odour"] if p["test_odour"] == "trained" else p["test_odour"]
        stimuli.append(_odour(p, name, start, start + p["test"]))
    return tuple(stimuli)


def protocol_ms(p: Parameters) -> float:
    """Return the length of the protocol, from the start of the simulation to the end of the test (ms)."""
    return max(stimulus.stop_ms for stimulus in protocol(p))


def _odour(p: Parameters, name: str, start: float, stop: float) -> RateStimulus:
    pattern = {glomerulus: part for glomerulus, part in enumerate(ODOURS[name]) if part}
    rates = tuple(part * p["odour_rate"] for part in pattern.values())
    return RateStimulus("ORN", tuple(pattern), rates, start, stop)


# Ten seconds of training and ten of test, the shortest protocol in which learning stands out from the noise.
# The targets are means over 8 graphs (standard deviations: 0.011, 0.047, 2.8 Hz).
_SOURCE = "8 graphs at reinforcement_rate 800, w_PN_KC 1, w_KC_MBON 80"
_SHORT_TRAINING = FirstStudy(
    ranges={
        "reinforcement_rate": {"low": 500.0, "high": 1000.0},
        "w_PN_KC": {"low": 0.6, "high": 1.6},
        "w_KC_MBON": {"low": 50.0, "high": 120.0},
    },
    parameters={"reinforcement_rate": 800.0, "training": 10_000.0, "gap": 1000.0, "test": 10_000.0},
    simulation={"warmup_ms": 300.0, "duration_ms": 21_000.0, "panel": False},
    objectives=[
        {
            "statistic": "learning_index_MBON",
            "options": {"window_ms": 5000.0},
            "target": 0.084,
            "tolerance": 0.025,
            "source": _SOURCE,
        },
        {"statistic": "active_fraction_KC", "target": 0.26, "tolerance": 0.1, "source": _SOURCE},
        {"statistic": "rate_MBON", "target": 89.6, "tolerance": 6.0, "source": _SOURCE},
    ],
)

larva = Model(
    name="larva",
    parameters=PARAMETERS,
    make_network=make_network,
    make_values=make_values,
    doc="Mushroom body of the Drosophila larva, which learns from reinforcement (Juergensen et al. 2024)",
    cites=("larva", "larva_olfaction"),
    first_study=_SHORT_TRAINING,
)
