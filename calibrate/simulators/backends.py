"""The back ends, one entry each: what they are called, what they need, and how they are made."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from calibrate.simulators.base import Precision, Simulator


@dataclass(frozen=True, kw_only=True)
class Backend:
    """A simulator that a study can name.

    title          its name as people write it; in_methods: in the methods of a paper
    package        that must be installed; None: it needs none
    remedy         what to do if that is missing
    automatic      whether "auto" may choose it
    batches        whether one process simulates several networks at once: always, never, or on a GPU
    process_bytes  memory of a process, without its network; synapse_bytes: of each synapse
    make           from the time step (ms) and the precision
    """

    title: str
    in_methods: str
    make: Callable[[float, Precision], Simulator]
    package: str | None = None
    remedy: str = ""
    automatic: bool = True
    batches: Literal["always", "never", "on a GPU"] = "never"
    process_bytes: float = 150e6
    synapse_bytes: float = 0.0

    @property
    def is_installed(self) -> bool:
        return self.package is None or importlib.util.find_spec(self.package) is not None


def _genn(dt_ms: float, precision: Precision) -> Simulator:
    from calibrate.simulators.genn.simulator import GeNN

    return GeNN(dt_ms=dt_ms, precision=precision)


def _nest(dt_ms: float, _: Precision) -> Simulator:
    from calibrate.simulators.nest.simulator import Nest

    return Nest(dt_ms=dt_ms)


def _poisson(dt_ms: float, _: Precision) -> Simulator:
    from calibrate.simulators.poisson import Poisson

    return Poisson(dt_ms=dt_ms)


# "auto" is the first one that is installed. Memory was measured at 25,000 neurons and 192 million synapses:
# NEST 7.1 GB, GeNN 0.58 GB.
BACKENDS: Mapping[str, Backend] = {
    "genn": Backend(
        title="GeNN",
        in_methods="GeNN",
        make=_genn,
        package="pygenn",
        remedy="PyGeNN is not installed: its documentation (GeNN, section Installation) says how; "
        "or use --backend nest",
        batches="on a GPU",
        process_bytes=200e6,
        synapse_bytes=2.2,
    ),
    "nest": Backend(
        title="NEST",
        in_methods="NEST",
        make=_nest,
        package="nest",
        remedy="NEST is not installed: `pip install nest-simulator`",
        process_bytes=200e6,
        synapse_bytes=37.0,
    ),
    "poisson": Backend(
        title="Poisson",
        in_methods="independent Poisson neurons",
        make=_poisson,
        automatic=False,
        batches="always",
    ),
}
