"""Files of arrays that the scripts read: initial state, parameters that differ, every synapse."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.network_export.realisation import Realisation


def write_initial_state(realisation: Realisation, folder: Path) -> dict[str, str]:
    """Write the membrane potentials at t = 0."""
    _save(folder / "initial_state.npz", dict(realisation.potentials))
    return {"initial_state.npz": "membrane potential of every neuron at t = 0 (mV), by population"}


def write_parameters(
    realisation: Realisation,
    folder: Path,
    *,
    names: Mapping[str, str] | None = None,
    convert: Callable[[str, NDArray[np.float64]], NDArray[np.float64]] = lambda _, values: values,
) -> dict[str, str]:
    """Write the parameters that differ between the neurons of a population, if there are any.

    names    what they are called there; None: as here
    convert  called with the name of a parameter here and its values, returns them in other units
    """
    arrays = {
        f"{population}/{name if names is None else names[name]}": convert(name, values)
        for population, of_neurons in realisation.distributed.items()
        for name, values in of_neurons.items()
    }
    if not arrays:
        return {}
    _save(folder / "neurons.npz", arrays)
    return {"neurons.npz": "parameters that differ between the neurons of a population, as POPULATION/NAME"}


def write_graph(
    realisation: Realisation,
    folder: Path,
    *,
    weights: Callable[[NDArray[np.float64]], NDArray[np.float64]] = lambda weights: weights,
    unit: str = "pA",
) -> dict[str, str]:
    """Write every synapse; weights and delays only where they differ within a projection."""
    arrays: dict[str, Any] = {}
    for projection in realisation.network.projections:
        synapses = realisation.synapses(projection)
        arrays[f"{projection.name}/sources"] = synapses.sources
        arrays[f"{projection.name}/targets"] = synapses.targets
        if np.ndim(synapses.weights):
            arrays[f"{projection.name}/weights"] = weights(np.asarray(synapses.weights))
        if np.ndim(synapses.delays_ms):
            arrays[f"{projection.name}/delays"] = np.asarray(synapses.delays_ms)
    _save(folder / "graph.npz", arrays)
    return {
        "graph.npz": (
            "every synapse: PROJECTION/sources and PROJECTION/targets, numbered from 0 within their "
            f"populations; weights ({unit}) and delays (ms) where they differ"
        )
    }


def _save(path: Path, arrays: dict[str, Any]) -> None:
    with path.open("xb") as file:
        np.savez_compressed(file, **arrays)
