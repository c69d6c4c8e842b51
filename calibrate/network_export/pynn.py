"""A script for PyNN, whose unit of currents is nA and that of capacitances nF."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibrate.network import UniformDelay
from calibrate.network_export import graph_files
from calibrate.network_export.realisation import Realisation
from calibrate.network_export.rendering import script
from calibrate.network_export.target import Order, Target

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
    """A thousandth of each value, such that PyNN's 1000 times it is the value again, to the last digit.

    Where no number does so, the nearest one.
    """
    best = values / 1000.0
    for other in (np.nextafter(best, np.inf), np.nextafter(best, -np.inf)):
        best = np.where((best * 1000.0 != values) & (other * 1000.0 == values), other, best)
    return best


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
            what = "weights" * bool(projection.weight_cv) or "delays" * isinstance(
                projection.delay_ms, UniformDelay
            )
            if what:
                yield (
                    f"{projection.name} draws the {what} of its synapses, which an export to PyNN cannot: "
                    "write every synapse (--connectivity synapses)"
                )


def _inexact(realisation: Realisation) -> Sequence[str]:
    numbers = {
        f"{name} of population {population}": realisation.parameters[population][name]
        for population in realisation.parameters
        for name in ("C_m", "I_e")
    }
    numbers |= {f"the weight of {name}": weight for name, weight in realisation.values.weights.items()}
    lines = []
    for what, value in numbers.items():
        off = np.asarray(in_thousands(np.asarray(value)) * 1000.0 != value)
        if off.any():
            lines.append(
                f"{what}: no number of {'nF' if what.startswith('C_m') else 'nA'} is exactly this one; "
                "PyNN's differs in the 16th digit"
            )
    return lines


PYNN = Target(
    name="pynn",
    title="PyNN",
    write=write,
    requirements=("PyNN>=0.13,<0.14", "nest-simulator>=3.10,<3.11", "neo", "numpy"),
    refusals=_refusals,
    inexact=_inexact,
)
