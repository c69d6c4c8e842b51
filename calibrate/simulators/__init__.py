"""Simulators behind one protocol, and the choice of simulator, device and batch size on this machine."""

from __future__ import annotations

from calibrate.errors import SimulatorError, did_you_mean
from calibrate.network import Network
from calibrate.network.own_simulation import OwnNetwork
from calibrate.simulators.backends import BACKENDS
from calibrate.simulators.base import Precision, Simulator
from calibrate.simulators.genn import cuda
from calibrate.simulators.genn.cuda import Obstacle
from calibrate.simulators.genn.limits import check_delays

GPU_BATCH_SIZE = 40
"""Default batch size on a GPU, as in the published scan (Schmitt et al. 2023)."""


def choose(backend: str, network: Network | None = None) -> str:
    """The back end that `backend` selects on this machine, for `network` if one is given.

    "auto" is GeNN if it is installed and has the network's neuron models, else NEST; of a simulation of one's
    own, "own". Raises SimulatorError if the back end is unknown, not installed, or cannot simulate the
    network.
    """
    if backend == "auto":
        if name := _automatic(network):
            return name
        raise SimulatorError("no simulator is installed: install NEST with `pip install nest-simulator`")
    if backend not in BACKENDS:
        names = ", ".join(("auto", *BACKENDS))
        raise SimulatorError(f"unknown backend '{backend}'{did_you_mean(backend, BACKENDS)}: {names}")
    if why := refusal(backend, network):
        raise SimulatorError(f"{why}: use --backend {instead_of(backend, network)}")
    if not BACKENDS[backend].is_installed:
        raise SimulatorError(BACKENDS[backend].remedy)
    return backend


def instead_of(backend: str, network: Network | None) -> str:
    """The back end to use instead of one that refuses the network."""
    if isinstance(network, OwnNetwork):
        return "own"
    return "auto" if backend == "own" else "nest"


def _automatic(network: Network | None) -> str | None:
    """The first back end for "auto" that is installed and can simulate `network`; None if there is none."""
    if isinstance(network, OwnNetwork):
        return "own"
    able = (name for name, entry in BACKENDS.items() if entry.automatic and entry.is_installed)
    return next((name for name in able if not refusal(name, network)), None)


def refusal(backend: str, network: Network | None) -> str:
    """Why `backend` cannot simulate `network`, whether it is installed or not; empty if it can."""
    return "" if network is None else BACKENDS[backend].refusal(network)


def create(backend: str, *, dt_ms: float, precision: Precision) -> Simulator:
    """Create the simulator `backend` ("genn", "nest", "poisson" or "own") for this process."""
    if backend not in BACKENDS:
        raise SimulatorError(f"unknown backend '{backend}': {', '.join(BACKENDS)}")
    return BACKENDS[backend].make(dt_ms, precision)


def on_gpu(backend: str) -> bool:
    """Whether `backend` simulates on a GPU on this machine: true of GeNN if it can use one."""
    entry = BACKENDS[backend]
    has_gpu = entry.batches == "on a GPU" and entry.is_installed and cuda.count() > 0
    return has_gpu and gpu_obstacle(backend) is None


def gpu_obstacle(backend: str) -> Obstacle | None:
    """Why `backend` does not use this machine's GPU; None if it does, or if there is no GPU."""
    if BACKENDS[backend].batches != "on a GPU":
        return None
    if not cuda.count():
        return cuda.driver_obstacle()
    if not BACKENDS[backend].is_installed:
        return None
    from calibrate.simulators.genn import simulator

    return simulator.gpu_obstacle()


def warnings(backend: str) -> list[str]:
    """Warnings about simulating with `backend` on this machine: one if its GPU is not used."""
    obstacle = gpu_obstacle(backend)
    return [f"the GPU is not used: {obstacle}"] if obstacle else []


def batch_size(backend: str, wanted: int | None = None) -> int:
    """Number of networks that one process simulates at once: `wanted`, else the default of the device.

    Raises SimulatorError if the simulator cannot simulate that many.
    """
    if wanted is None:
        return GPU_BATCH_SIZE if on_gpu(backend) else 1
    entry = BACKENDS[backend]
    if wanted > 1 and entry.batches != "always" and not on_gpu(backend):
        where = f"{entry.title} without a GPU" if entry.batches == "on a GPU" else entry.title
        obstacle = gpu_obstacle(backend)
        why = f" (there is one, but {obstacle.reason})" if obstacle else ""
        raise SimulatorError(
            f"{where}{why} simulates one network per process at a time, not {wanted}: remove [simulation] "
            "batch_size; every core runs its own process"
        )
    if entry.batches == "on a GPU" and wanted > cuda.LARGEST_BATCH:
        raise SimulatorError(
            f"{entry.title} simulates at most {cuda.LARGEST_BATCH} networks at once, not {wanted}: choose a "
            "smaller [simulation] batch_size"
        )
    return wanted


def check_network(backend: str, network: Network, dt_ms: float) -> None:
    """Raise SimulatorError if `backend`, or what "auto" stands for, cannot simulate this network."""
    if (_automatic(network) if backend == "auto" else backend) == "genn":
        check_delays(network, dt_ms)


def memory_bytes(backend: str, network: Network) -> float:
    """Estimated memory of a process of `backend` with one network."""
    entry = BACKENDS[backend]
    synapses = sum(network.expected_synapses(projection) for projection in network.projections)
    wide = any(population.size > 2**16 for population in network.populations)
    return entry.process_bytes + synapses * entry.synapse_bytes * (entry.wide_factor if wide else 1.0)
