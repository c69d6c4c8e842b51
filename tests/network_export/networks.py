"""A small network with all that an export carries, and one that differs from it in one thing."""

from __future__ import annotations

from typing import Any

from calibrate.network import (
    Bernoulli,
    Distributed,
    FixedIndegree,
    Model,
    Network,
    Parameter,
    Parameters,
    Plasticity,
    PoissonInput,
    Population,
    Projection,
    Stimulus,
    Uniform,
    UniformDelay,
    UniformIndegree,
    UniformPhase,
    UniformPotential,
    Values,
)
from calibrate.study import Study, make_study

WITH = ("distributed", "conductances", "noise", "stimulus", "plastic", "equal_taus", "slash", "delays")


def _network(p: Parameters) -> Network:
    spread = frozenset({"V_th", "V_reset"} | ({"I_e"} if p["distributed"] else set()))
    neuron = "iaf_cond_exp" if p["conductances"] else "iaf_psc_exp"
    E = "L4/E" if p["slash"] else "E"
    rest = {"distributed": frozenset() if p["conductances"] else spread, "neuron": neuron}
    plasticity = Plasticity(rule="dopamine", modulator="I") if p["plastic"] else None
    delays = UniformDelay(0.5, 2.0) if p["delays"] else 1.2
    return Network(
        populations=(
            Population(name=E, size=80, clusters=4, noise=p["noise"], **rest),
            Population(name="I", size=20, clusters=4, neuron=neuron),
        ),
        projections=(
            Projection(
                source=E,
                target=E,
                rule=Bernoulli(0.2),
                delay_ms=delays,
                receptor="ex",
                part="within",
                weight_cv=0.5,
            ),
            Projection(source=E, target=E, rule=Bernoulli(0.1), delay_ms=1.5, receptor="ex", part="between"),
            Projection(
                source=E,
                target="I",
                rule=UniformIndegree(10, 30),
                delay_ms=1.0,
                receptor="ex",
                plasticity=plasticity,
            ),
            Projection(source="I", target=E, rule=FixedIndegree(0.6), delay_ms=0.7, receptor="in"),
            Projection(source="I", target="I", rule=FixedIndegree(1.0), delay_ms=0.1, receptor="in"),
        ),
    )


def _values(network: Network, p: Parameters) -> Values:
    E = network.populations[0].name
    tau_syn = 9.7 if p["equal_taus"] else 2.3
    if p["conductances"]:
        neurons: dict[str, dict[str, Any]] = {E: {}, "I": {}}
        weights = {each.name: -1.0 if each.receptor == "in" else 1.0 for each in network.projections}
    else:
        neurons = {
            E: {
                "C_m": 251.3,
                "tau_m": 17.3,
                "E_L": -70.1,
                "V_th": Distributed(-55.0, 0.5),
                "V_reset": Uniform(-66.0, -60.0),
                "I_e": Uniform(260.0, 300.0) if p["distributed"] else 283.7,
            },
            "I": {"tau_m": 9.7, "I_e": 383.3, "t_ref": 1.0, "tau_syn_ex": tau_syn},
        }
        numbers = (p["J"], p["J"] / 3, 40.0, -110.1, -77.7)
        weights = {each.name: weight for each, weight in zip(network.projections, numbers, strict=True)}
    return Values(
        neurons=neurons,
        weights=weights,
        initial={E: UniformPotential(-70.0, -56.0), "I": UniformPhase()},
        noise={E: PoissonInput(100.0, 1.0)} if p["noise"] else {},
        plasticity={each.name: {} for each in network.projections if each.plasticity},
        stimuli=(Stimulus(E, (0,), 100.0, 10.0, 20.0),) if p["stimulus"] else (),
    )


def _switch(name: str) -> Parameter:
    return Parameter(name=name, default=False, kind=bool, tier="code", unit="", doc=f"with {name}")


MODEL = Model(
    name="small",
    parameters=(
        Parameter(name="J", default=61.7, unit="pA", doc="weight"),
        *(_switch(name) for name in WITH),
    ),
    make_network=_network,
    make_values=_values,
    doc="A small network",
)


def small(*, folder: Any = ".", **changes: Any) -> Study:
    """A study of the network."""
    tables: dict[str, Any] = {
        "parameters": {"J": {"low": 30.0, "high": 93.4}},
        "simulation": {"backend": "nest", "warmup_ms": 20.0, "duration_ms": 280.0},
        "objectives": [{"statistic": "rate_I", "target": 20.0, "tolerance": 1.0}],
        "budget": {"trials": 1},
    }
    return make_study("small", model=MODEL, folder=folder, **{**tables, **changes})
