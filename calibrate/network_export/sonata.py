"""Files of SONATA (Dai et al. 2020, doi:10.1371/journal.pcbi.1007696), and a script for NEST that reads them.

Nodes and edges are in HDF5, their types in tables, and all that is common to a population in JSON. The types
are those of NEST, which reads SONATA itself if it was built with HDF5. HDF5 writes into memory, since it ends
the process if the disk is full.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from calibrate.network import Population, Projection
from calibrate.network_export.realisation import Realisation
from calibrate.network_export.rendering import script
from calibrate.network_export.target import Order, Target
from calibrate.neurons import neuron_model

_MAGIC, _VERSION = np.uint32(0x0A7A), np.array([0, 1], dtype=np.uint32)

_NAME = re.compile(r"[\w.+-]+", re.ASCII)


def write(order: Order, folder: Path) -> dict[str, str]:
    """Write the circuit, and network.py, which simulates it."""
    realisation = order.realisation
    for name in ("nodes", "edges", "components/neurons", "components/synapses"):
        (folder / name).mkdir(parents=True)
    for population in realisation.network.populations:
        _write_nodes(realisation, population, folder)
    for projection in realisation.network.projections:
        _write_edges(realisation, projection, folder)
    (folder / "edges" / "edge_types.csv").write_text(
        "edge_type_id model_template dynamics_params\n0 static_synapse static_synapse.json\n",
        encoding="utf-8",
    )
    _write_json({}, folder / "components" / "synapses" / "static_synapse.json")
    _write_json(_circuit(realisation), folder / "circuit_config.json")
    _write_json(_simulation(order), folder / "simulation_config.json")
    script("sonata.py", order, folder)
    return {
        "network.py": "simulates the circuit in NEST, read with libsonata",
        "circuit_config.json": "the files of the circuit",
        "simulation_config.json": "length and step of the simulation",
        "nodes/": (
            "a file of each population, with the membrane potential of every neuron at t = 0 "
            "(`dynamics_params/V_m`) and the parameters that differ between them; and tables of node types"
        ),
        "edges/": "a file of each projection, with `syn_weight` (pA) and `delay` (ms) of every synapse",
        "components/": "parameters of the neurons of each population, with the names and units of NEST",
    }


def _circuit(realisation: Realisation) -> dict[str, Any]:
    network = realisation.network
    return {
        "manifest": {"$BASE_DIR": "."},
        "components": {
            "point_neuron_models_dir": "$BASE_DIR/components/neurons",
            "synaptic_models_dir": "$BASE_DIR/components/synapses",
        },
        "networks": {
            "nodes": [
                {
                    "nodes_file": f"$BASE_DIR/nodes/{population.name}.h5",
                    "node_types_file": f"$BASE_DIR/nodes/{population.name}_types.csv",
                    "populations": {population.name: {"type": "point_neuron"}},
                }
                for population in network.populations
            ],
            "edges": [
                {
                    "edges_file": f"$BASE_DIR/edges/{projection.name}.h5",
                    "edge_types_file": "$BASE_DIR/edges/edge_types.csv",
                    "populations": {projection.name: {}},
                }
                for projection in network.projections
            ],
        },
    }


def _simulation(order: Order) -> dict[str, Any]:
    return {
        "manifest": {"$BASE_DIR": "."},
        "network": "$BASE_DIR/circuit_config.json",
        "target_simulator": "NEST",
        "run": {"tstop": order.duration_ms, "dt": order.realisation.dt_ms},
    }


def _write_json(content: dict[str, Any], path: Path) -> None:
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _write_nodes(realisation: Realisation, population: Population, folder: Path) -> None:
    import h5py

    numbers = realisation.parameters[population.name]
    common = {name: float(value) for name, value in numbers.items() if not np.ndim(value)}
    _write_json(common, folder / "components" / "neurons" / f"{population.name}.json")
    model = neuron_model(population.neuron).nest.model
    (folder / "nodes" / f"{population.name}_types.csv").write_text(
        "node_type_id model_type model_template dynamics_params\n"
        f"0 point_neuron nest:{model} {population.name}.json\n",
        encoding="utf-8",
    )
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file.attrs["magic"], file.attrs["version"] = _MAGIC, _VERSION
        nodes = file.create_group(f"nodes/{population.name}")
        _write_index(nodes, "node", population.size)
        nodes["node_id"] = np.arange(population.size, dtype=np.uint32)
        parameters = nodes.create_group("0/dynamics_params")
        parameters["V_m"] = realisation.potentials[population.name]
        for name, values in realisation.distributed[population.name].items():
            parameters[name] = values
    (folder / "nodes" / f"{population.name}.h5").write_bytes(content.getvalue())


def _write_edges(realisation: Realisation, projection: Projection, folder: Path) -> None:
    # Not compressed: the HDF5 library in the wheels of libsonata (0.2.2) cannot read gzip.
    import h5py

    synapses = realisation.synapses(projection)
    n = synapses.sources.size
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file.attrs["magic"], file.attrs["version"] = _MAGIC, _VERSION
        edges = file.create_group(f"edges/{projection.name}")
        _write_index(edges, "edge", n)
        for end, population, numbers in (
            ("source", projection.source, synapses.sources),
            ("target", projection.target, synapses.targets),
        ):
            edges[f"{end}_node_id"] = numbers.astype(np.uint32)
            edges[f"{end}_node_id"].attrs["node_population"] = population
        group = edges.create_group("0")
        for name, value in (("syn_weight", synapses.weights), ("delay", synapses.delays_ms)):
            group[name] = np.full(n, value, dtype=np.float64)
    (folder / "edges" / f"{projection.name}.h5").write_bytes(content.getvalue())


def _write_index(group: Any, kind: str, n: int) -> None:
    """One type and one group for all."""
    group[f"{kind}_type_id"] = np.zeros(n, dtype=np.uint8)
    group[f"{kind}_group_id"] = np.zeros(n, dtype=np.uint8)
    group[f"{kind}_group_index"] = np.arange(n, dtype=np.uint32)


def check_names(title: str, realisation: Realisation) -> Iterator[str]:
    """Yield a line for each population whose name cannot be that of a file and of a group in HDF5."""
    for population in realisation.network.populations:
        if not _NAME.fullmatch(population.name):
            yield (
                f"population '{population.name}': names in {title} consist of letters, digits and _ . + -: "
                "rename it"
            )


SONATA = Target(
    name="sonata",
    title="SONATA",
    write=write,
    connectivities=("synapses",),
    requirements=("libsonata>=0.2,<0.3", "nest-simulator>=3.10,<3.11", "numpy"),
    modules=("h5py",),
    refusals=lambda order: check_names("SONATA", order.realisation),
)
