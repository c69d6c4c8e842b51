"""Uses of PyNEST (3.10) beyond its documented interface: check them after an upgrade."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def weight_setter(nest: Any, connections: Any) -> Callable[[Sequence[float]], None]:
    """A function that sets the weights of `connections`, in their order.

    It makes the call with which SynapseCollection.set ends. SynapseCollection.set first queries the complete
    status of the kernel, which takes 14 ms; plastic weights are set a hundred times per second of biological
    time.
    """
    set_status = nest.ll_api.nestkernel.llapi_set_connection_status

    def set_weights(weights: Sequence[float]) -> None:
        set_status(connections._datum, [{"weight": weight} for weight in weights])

    return set_weights
