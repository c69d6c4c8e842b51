"""What calibrate uses of PyNEST beyond its documented interface (3.10): look here after an upgrade."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def weight_setter(nest: Any, connections: Any) -> Callable[[Sequence[float]], None]:
    """A function that sets the weights of `connections`, in their order.

    It does what SynapseCollection.set does in the end. Before that, SynapseCollection.set asks for all of the
    kernel's status, which takes 14 ms, and plastic weights are set a hundred times in a second of biological
    time.
    """
    set_status = nest.ll_api.nestkernel.llapi_set_connection_status

    def set_weights(weights: Sequence[float]) -> None:
        set_status(connections._datum, [{"weight": weight} for weight in weights])

    return set_weights
