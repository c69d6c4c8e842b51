"""The neuron as a model in NESTML, and a script that uses it in NEST."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from calibrate.network import Distributed, Uniform
from calibrate.network_export import graph_files
from calibrate.network_export.rendering import render, script
from calibrate.network_export.target import Order, Target
from calibrate.neurons import neuron_model

MODEL = "iaf_psc_exp_exported"
MODULE = "exportedmodule"


def write(order: Order, folder: Path) -> dict[str, str]:
    """Write the model, the script that builds it, and network.py, which uses it."""
    realisation = order.realisation
    first = realisation.network.populations[0]
    parameters = [
        {"name": p.name, "unit": p.unit, "doc": p.doc, "value": _default(realisation.given(first)[p.name])}
        for p in neuron_model(first.neuron).parameters
    ]
    known: dict[str, Any] = {"order": order, "model": MODEL, "module": MODULE}
    render("neuron.nestml", folder / "neuron.nestml", **known, first=first.name, parameters=parameters)
    render("build_neuron.py", folder / "build_neuron.py", **known)
    script("nest.py", order, folder, name_of=str, nestml=MODEL)
    files = {
        "network.py": "builds and simulates the network",
        "neuron.nestml": "the neuron model",
        "build_neuron.py": "builds the neuron model for NEST, when network.py first needs it",
    }
    if order.connectivity == "synapses":
        files |= graph_files.write_parameters(realisation, folder)
        files |= graph_files.write_graph(realisation, folder)
    return files


def _default(value: float | Distributed | Uniform) -> float:
    return float(value.mean if isinstance(value, Distributed | Uniform) else value)


def _refusals(order: Order) -> Iterator[str]:
    for name, parameters in order.realisation.parameters.items():
        for tau in ("tau_syn_ex", "tau_syn_in"):
            if np.any(np.asarray(parameters[tau]) == parameters["tau_m"]):
                yield f"population {name}: code that NESTML generates divides by {tau} - tau_m, which is 0"


NESTML = Target(
    name="nestml",
    title="NESTML",
    write=write,
    requirements=("nestml>=9.0,<10", "nest-simulator>=3.10,<3.11", "numpy"),
    refusals=_refusals,
)
