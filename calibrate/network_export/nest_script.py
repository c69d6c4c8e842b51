"""A script for NEST."""

from __future__ import annotations

from pathlib import Path

from calibrate.network_export import graph_files
from calibrate.network_export.rendering import script
from calibrate.network_export.target import Order, Target


def write(order: Order, folder: Path) -> dict[str, str]:
    """Write network.py, and the arrays that it reads."""
    script("nest.py", order, folder, name_of=str, nestml="")
    files = {"network.py": "builds and simulates the network"}
    if order.connectivity == "synapses":
        files |= graph_files.write_parameters(order.realisation, folder)
        files |= graph_files.write_graph(order.realisation, folder)
    return files


NEST = Target(name="nest", title="NEST", write=write, requirements=("nest-simulator>=3.10,<3.11", "numpy"))
