"""The back ends: one entry each, with its names, its requirements and its constructor."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from calibrate.network import Network
from calibrate.network.own_simulation import OwnNetwork
from calibrate.neurons import neuron_model
from calibrate.simulators.base import Precision, Simulator


@dataclass(frozen=True, kw_only=True)
class Backend:
    """A simulator that a study can name.

    title          its usual name
    in_methods     how networks were simulated, for the methods section of a paper
    make           creates it from the time step (ms) and the precision
    package        Python package that must be installed; None: no package
    remedy         what to do if the package is missing
    automatic      whether "auto" can select it
    refusal        why it cannot simulate a network; empty if it can
    batches        when one process can simulate several networks at once: always, never, or on a GPU
    process_bytes  memory of a process without its network
    synapse_bytes  memory of each synapse
    wide_factor    multiplies synapse_bytes if a population has more than 65,536 neurons
    """

    title: str
    in_methods: str
    make: Callable[[float, Precision], Simulator]
    package: str | None = None
    remedy: str = ""
    automatic: bool = True
    refusal: Callable[[Network], str] = lambda _: ""
    batches: Literal["always", "never", "on a GPU"] = "never"
    process_bytes: float = 150e6
    synapse_bytes: float = 0.0
    wide_factor: float = 1.0

    @property
    def is_installed(self) -> bool:
        return self.package is None or importlib.util.find_spec(self.package) is not None


def described(backend: Mapping[str, str]) -> str:
    """A simulator's description of itself as a reader expects it: NEST 3.10.0 (CPU, double precision)."""
    name = backend.get("name", "")
    title = next((one.title for one in BACKENDS.values() if one.title.lower() == name.lower()), name)
    device = backend.get("device", "").replace("cpu", "CPU")
    precision = f"{backend['precision']} precision" if backend.get("precision") else ""
    where = ", ".join(part for part in (device, precision) if part)
    return " ".join(
        part for part in (title, backend.get("version", ""), f"({where})" if where else "") if part
    )


def _genn(dt_ms: float, precision: Precision) -> Simulator:
    from calibrate.simulators.genn.simulator import GeNN

    return GeNN(dt_ms=dt_ms, precision=precision)


def _of_own(network: Network) -> str:
    """Name the function that simulates a network by itself."""
    if not isinstance(network, OwnNetwork):
        return ""
    return f"{network.simulation.name} simulates its network itself, and does not describe it"


def _described_network(network: Network) -> str:
    return "" if _of_own(network) else '"own" is for simulations of your own: this model describes a network'


def _without_genn_code(network: Network) -> str:
    """Name the populations whose neuron models only NEST has."""
    if own := _of_own(network):
        return own
    only = [f"{p.name} ({p.neuron})" for p in network.populations if neuron_model(p.neuron).genn is None]
    return f"GeNN has no code for the neurons of {', '.join(only)}" if only else ""


def _nest(dt_ms: float, _: Precision) -> Simulator:
    from calibrate.simulators.nest.simulator import Nest

    return Nest(dt_ms=dt_ms)


def _own(dt_ms: float, _: Precision) -> Simulator:
    from calibrate.simulators.own.simulator import Own

    return Own(dt_ms=dt_ms)


def _poisson(dt_ms: float, _: Precision) -> Simulator:
    from calibrate.simulators.poisson import Poisson

    return Poisson(dt_ms=dt_ms)


# "auto" selects the first automatic one that is installed and can simulate the network. Memory was measured
# with 25,000 neurons and 192 million synapses: NEST 7.1 GB, GeNN 0.58 GB.
BACKENDS: Mapping[str, Backend] = {
    "genn": Backend(
        title="GeNN",
        in_methods="in GeNN",
        make=_genn,
        package="pygenn",
        remedy="PyGeNN is not installed: see the section Installation of GeNN's documentation, "
        "or use --backend nest",
        refusal=_without_genn_code,
        batches="on a GPU",
        process_bytes=200e6,
        synapse_bytes=2.2,
        wide_factor=2.0,  # indices of 32 bits instead of 16
    ),
    "nest": Backend(
        title="NEST",
        in_methods="in NEST",
        make=_nest,
        package="nest",
        remedy="NEST is not installed: `pip install nest-simulator`",
        refusal=_of_own,
        process_bytes=200e6,
        synapse_bytes=37.0,
    ),
    "poisson": Backend(
        title="Poisson",
        in_methods="as independent Poisson neurons",
        make=_poisson,
        automatic=False,
        refusal=_of_own,
        batches="always",
    ),
    "own": Backend(
        title="own simulation",
        in_methods="by the user's own simulation",
        make=_own,
        automatic=False,  # selected for every simulation of one's own, and for nothing else
        refusal=_described_network,
    ),
}
