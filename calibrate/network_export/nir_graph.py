"""A graph of NIR (Pedersen et al. 2024, doi:10.1038/s41467-024-52259-9), without what NIR cannot carry.

The spikes of a population go through a Delay and a Linear (the weights) for each projection into the leaky
integrators P_ex and P_in (LI) of population P, which are its synaptic currents, and from there into P (LIF).
CubaLIF would have one synaptic time constant only.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.network import Distributed, Population, Projection, Uniform, UniformDelay
from calibrate.network_export.pynn import in_thousands
from calibrate.network_export.realisation import Realisation
from calibrate.network_export.rendering import script
from calibrate.network_export.sonata import check_names
from calibrate.network_export.target import Order, Target
from calibrate.neurons import delay_steps

RECEPTORS = {"ex": "tau_syn_ex", "in": "tau_syn_in"}

# Of these, NIR has others or in other units, so that none may have a value of its own for each neuron.
_CONVERTED = ("C_m", "tau_m", "E_L", "I_e", "tau_syn_ex", "tau_syn_in")

# Weights are dense matrices.
MOST_PAIRS = 2**28


def reduced(realisation: Realisation) -> tuple[Realisation, Sequence[str]]:
    """The network as NIR carries it, and a line for each thing that is lost.

    It is what a reader of the file has, to the last digit: the constant input is part of the leak potential,
    and C_m is what follows from NIR's r = tau_m / C_m.
    """
    network, values = realisation.network, realisation.values
    lost = ["the initial state: NIR has none, and network.py reads it from initial_state.npz"]
    neurons: dict[str, Mapping[str, float | Distributed | Uniform]] = {}
    for population in network.populations:
        given = dict(realisation.given(population))
        if given["t_ref"] != 0:
            lost.append(
                f"the refractory time of population {population.name}, {_in_words(given['t_ref'])}: it is 0"
            )
        neurons[population.name] = {**given, "t_ref": 0.0, **_converted(given)}
    projections = []
    for projection in network.projections:
        delay = projection.delay_ms
        if isinstance(delay, UniformDelay):
            steps = delay_steps((delay.low_ms + delay.high_ms) / 2, realisation.dt_ms)
            mean_ms = steps * realisation.dt_ms
            limits = f"{delay.low_ms:g} to {delay.high_ms:g} ms"
            lost.append(f"the delays of the synapses of {projection.name}, {limits}: all are {mean_ms:g} ms")
            projection = replace(projection, delay_ms=mean_ms)
        projections.append(projection)
    return (
        replace(
            realisation,
            network=replace(network, projections=tuple(projections)),
            values=replace(values, neurons=neurons),
        ),
        lost,
    )


def _converted(given: Mapping[str, float | Distributed | Uniform]) -> dict[str, float]:
    numbers = {name: float(given[name]) for name in _CONVERTED}  # type: ignore[arg-type]
    for _ in range(4):  # until there and back is the same number
        for tau in ("tau_m", "tau_syn_ex", "tau_syn_in"):
            numbers[tau] = numbers[tau] / 1000.0 * 1000.0
        r = numbers["tau_m"] / numbers["C_m"]
        numbers["C_m"] = numbers["tau_m"] / r
    return {**numbers, "E_L": numbers["E_L"] + r * numbers["I_e"], "I_e": 0.0}


def _in_words(value: float | Distributed | Uniform) -> str:
    if isinstance(value, Distributed | Uniform):
        return f"{value.mean:g} ms on average"
    return f"{value:g} ms"


def write(order: Order, folder: Path) -> dict[str, str]:
    """Write the graph, and network.py, which simulates it."""
    import nir

    content = io.BytesIO()  # HDF5 ends the process if the disk is full
    nir.write(content, _graph(order))
    (folder / "network.nir").write_bytes(content.getvalue())
    script("nir.py", order, folder)
    return {
        "network.py": "simulates the graph in NEST, read with nir",
        "network.nir": (
            "the graph: for each population a LIF and two LI, for each projection a Delay and a Linear"
        ),
    }


def _graph(order: Order) -> Any:
    import nir

    realisation = order.realisation
    network = realisation.network
    nodes: dict[str, Any] = {}
    edges: list[tuple[str, str]] = []
    for population in network.populations:
        name, size = population.name, np.array([population.size])
        nodes[name], synapses = _neurons(realisation, population)
        for receptor, currents in synapses.items():
            nodes[f"{name}_{receptor}"] = currents
            edges.append((f"{name}_{receptor}", name))
        # NIR wants inputs and outputs; nothing comes from these inputs.
        nodes[f"input_{name}"] = nir.Input({"input": size})
        nodes[f"output_{name}"] = nir.Output({"output": size})
        edges += [(f"input_{name}", name), (name, f"output_{name}")]
    for projection in network.projections:
        name, target = projection.name, f"{projection.target}_{projection.receptor}"
        nodes[f"{name}_delay"], nodes[name] = _synapses(realisation, projection)
        edges += [(projection.source, f"{name}_delay"), (f"{name}_delay", name), (name, target)]
    units = {"units": "s, mV, pA, GOhm", "title": order.title}
    return nir.NIRGraph(nodes=nodes, edges=edges, metadata=units)


def _neurons(realisation: Realisation, population: Population) -> tuple[Any, dict[str, Any]]:
    """The membranes of a population, and the currents of its receptors."""
    import nir

    numbers = {
        name: np.full(population.size, value, dtype=np.float64)
        for name, value in realisation.parameters[population.name].items()
    }
    membranes = nir.LIF(
        tau=in_thousands(numbers["tau_m"]),
        r=numbers["tau_m"] / numbers["C_m"],
        v_leak=numbers["E_L"],
        v_threshold=numbers["V_th"],
        v_reset=numbers["V_reset"],
    )
    # A spike adds r weight / tau to a current: the weight, as r is tau.
    taus = {receptor: in_thousands(numbers[name]) for receptor, name in RECEPTORS.items()}
    none = np.zeros(population.size)
    return membranes, {receptor: nir.LI(tau=tau, r=tau, v_leak=none) for receptor, tau in taus.items()}


def _synapses(realisation: Realisation, projection: Projection) -> tuple[Any, Any]:
    """The delays of a projection, one for each source, and its weights."""
    import nir

    network, synapses = realisation.network, realisation.synapses(projection)
    sources, targets = (network.population(name).size for name in (projection.source, projection.target))
    weights: NDArray[np.float64] = np.zeros((targets, sources))
    weights[synapses.targets, synapses.sources] = synapses.weights
    delays = np.full(sources, synapses.delays_ms, dtype=np.float64)
    return nir.Delay(in_thousands(delays)), nir.Linear(weights)


def _refusals(order: Order) -> Iterator[str]:
    realisation = order.realisation
    yield from check_names("NIR", realisation)
    for population in realisation.network.populations:
        given = realisation.given(population)
        for name in _CONVERTED:
            if isinstance(given[name], Distributed | Uniform):
                yield (
                    f"{name} of population {population.name} differs between neurons, which an export to NIR "
                    "cannot carry"
                )
    network = realisation.network
    pairs = sum(
        network.population(p.source).size * network.population(p.target).size for p in network.projections
    )
    if pairs > MOST_PAIRS:
        yield f"NIR holds weights as dense matrices: {pairs:,} numbers, of which an export has {MOST_PAIRS:,}"


NIR = Target(
    name="nir",
    title="NIR",
    write=write,
    connectivities=("synapses",),
    requirements=("nir>=1.0.8,<2", "nest-simulator>=3.10,<3.11", "numpy"),
    modules=("nir",),
    refusals=_refusals,
    reduced=reduced,
)
