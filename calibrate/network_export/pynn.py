"""A script for PyNN, whose unit of currents is nA and that of capacitances nF."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibrate.network import UniformDelay
from calibrate.network_export import graph_files
from calibrate.network_export.rendering import script
from calibrate.network_export.target import Order, Target
from calibrate.neurons import Number

NAMES = {
    "C_m": "cm",
    "tau_m": "tau_m",
    "E_L": "v_rest",
    "V_th": "v_thresh",
    "V_reset": "v_reset",
    "t_ref": "tau_refrac",
    "I_e": "i_offset",
    "tau_syn_ex": "tau_syn_E",
    "tau_syn_in": "tau_syn_I",
}
_UNITS = {"pA": "nA", "pF": "nF"}
_IN_THOUSANDS = ("C_m", "I_e", "weight")


def in_thousands(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """A thousandth of each value. PyNN multiplies by 1000, which gives most values to the last digit."""
    return values / 1000.0


def write(order: Order, folder: Path) -> dict[str, str]:
    """Write network.py, and the arrays that it reads."""
    script("pynn.py", order, folder, name_of=NAMES.get, unit_of=_unit_of, in_units=_in_units)
    files = {"network.py": "builds and simulates the network"}
    if order.connectivity == "synapses":
        files |= graph_files.write_parameters(order.realisation, folder, names=NAMES, convert=_convert)
        files |= graph_files.write_graph(order.realisation, folder, weights=in_thousands, unit="nA")
    return files


def _unit_of(unit: str) -> str:
    return _UNITS.get(unit, unit)


def _in_units(name: str, value: float) -> float:
    return float(_convert(name, np.asarray(value)))


def _convert(name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    return in_thousands(values) if name in _IN_THOUSANDS else values


def _refusals(order: Order) -> Iterator[str]:
    if order.connectivity == "rules":
        for projection in order.realisation.network.projections:
            differ = {
                "weights": projection.weight_cv > 0,
                "delays": isinstance(projection.delay_ms, UniformDelay),
            }
            for what in (what for what, drawn in differ.items() if drawn):
                yield (
                    f"{projection.name} draws the {what} of its synapses, which an export to PyNN cannot: "
                    "write every synapse (--connectivity synapses)"
                )


def _inexact(order: Order) -> Iterator[str]:
    realisation = order.realisation
    for population, of_neurons in realisation.parameters.items():
        for name, unit in (("C_m", "nF"), ("I_e", "nA")):
            yield from _if_inexact(f"{name} of population {population}", of_neurons[name], unit)
    for projection in realisation.network.projections:
        weights: Number = float(realisation.values.weights[projection.name])
        if projection.weight_cv:
            weights = realisation.synapses(projection).weights
        yield from _if_inexact(f"the weight of {projection.name}", weights, "nA")


def _if_inexact(what: str, values: Number, unit: str) -> Iterator[str]:
    off = np.atleast_1d(in_thousands(np.asarray(values)) * 1000.0 != values)
    if off.any():
        of = f" ({np.count_nonzero(off)} of {off.size} values)" if off.size > 1 else ""
        yield f"{what}{of}: no number of {unit} times 1000 is exactly this one; it differs in the 16th digit"


PYNN = Target(
    name="pynn",
    title="PyNN",
    write=write,
    requirements=("PyNN>=0.13,<0.14", "nest-simulator>=3.10,<3.11", "neo", "numpy"),
    refusals=_refusals,
    inexact=_inexact,
)
