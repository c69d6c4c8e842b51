"""Uses of PyGeNN (5.4) beyond its documented interface: check them after an upgrade.

The other such module is `cpu_loops`, which rewrites code that GeNN generates.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SNIPPETS = "calibrate_snippets"


def keep_snippet(model: Any, snippet: Any) -> Any:
    """Store a reference to `snippet` with its model: PyGeNN stores none itself, and crashes without one."""
    model.__dict__.setdefault(_SNIPPETS, []).append(snippet)
    return snippet


def connectivity_settings(name: str) -> str:
    """The runtime's name for the extra global parameter `name` of a connectivity rule."""
    return f"{name}SparseConnect"


def rename_connectivity_settings(synapses: Any, name: str) -> None:
    """Store a parameter under the runtime's name, because PyGeNN looks it up without adding the suffix."""
    parameters = synapses.connectivity_extra_global_params
    parameters[connectivity_settings(name)] = parameters.pop(name)


def row_lengths(synapses: Any) -> NDArray[np.int64]:
    """Number of synapses in each row; the connectivity must have been pulled from the device."""
    lengths: NDArray[np.int64] = synapses._row_lengths.view.astype(np.int64)
    return lengths


def stepper(model: Any) -> Callable[[], None]:
    """A function that advances a loaded model by one step.

    `GeNNModel.step_time` does the same, but takes longer than the step of a small network.
    """
    step: Callable[[], None] = model._runtime.step_time
    return step
