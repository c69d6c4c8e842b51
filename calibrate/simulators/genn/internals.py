"""What calibrate uses of PyGeNN beyond its documented interface (5.4): look here after an upgrade.

`cpu_loops` is the other such module: it rewrites code that GeNN generates.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SNIPPETS = "calibrate_snippets"


def keep_snippet(model: Any, snippet: Any) -> Any:
    """`snippet`, kept with its model: PyGeNN keeps no reference itself, and crashes without one."""
    model.__dict__.setdefault(_SNIPPETS, []).append(snippet)
    return snippet


def connectivity_settings(name: str) -> str:
    """What the runtime calls an extra global parameter `name` of a rule of connectivity."""
    return f"{name}SparseConnect"


def rename_connectivity_settings(synapses: Any, name: str) -> None:
    """Let a population be found under that name: PyGeNN looks its parameters up without the suffix."""
    parameters = synapses.connectivity_extra_global_params
    parameters[connectivity_settings(name)] = parameters.pop(name)


def row_lengths(synapses: Any) -> NDArray[np.int64]:
    """The number of synapses in each row, of connectivity that was pulled from the device."""
    lengths: NDArray[np.int64] = synapses._row_lengths.view.astype(np.int64)
    return lengths


def stepper(model: Any) -> Callable[[], None]:
    """What advances a loaded model by one step.

    `GeNNModel.step_time` does the same, but takes longer than a small network's step.
    """
    step: Callable[[], None] = model._runtime.step_time
    return step
