"""Simulators behind one protocol, and which of them simulates here, where, and how many networks at once."""

from __future__ import annotations

from calibrate.errors import SimulatorError, did_you_mean
from calibrate.network import Network
from calibrate.simulators.backends import BACKENDS
from calibrate.simulators.base import Precision, Simulator
from calibrate.simulators.genn import cuda
from calibrate.simulators.genn.cuda import Obstacle

GPU_BATCH_SIZE = 40
"""Networks that a GPU simulates at once by default, as in the published scan (Schmitt et al. 2023)."""


def choose(backend: str) -> str:
    """The simulator that `backend` means here: "auto" is GeNN where it is installed, else NEST.

    Raises SimulatorError if it is unknown or not installed.
    """
    if backend == "auto":
        for name, known in BACKENDS.items():
            if known.automatic and known.is_installed:
                return name
        raise SimulatorError("no simulator is installed: `pip install nest-simulator` gives you NEST")
    if backend not in BACKENDS:
        names = ", ".join(("auto", *BACKENDS))
        raise SimulatorError(f"there is no backend '{backend}'{did_you_mean(backend, BACKENDS)}: {names}")
    if not BACKENDS[backend].is_installed:
        raise SimulatorError(BACKENDS[backend].remedy)
    return backend


def create(backend: str, *, dt_ms: float, precision: Precision) -> Simulator:
    """The simulator `backend` ("genn", "nest", "poisson"), for this process."""
    if backend not in BACKENDS:
        raise SimulatorError(f"there is no backend '{backend}': {', '.join(BACKENDS)}")
    return BACKENDS[backend].make(dt_ms, precision)


def on_gpu(backend: str) -> bool:
    """Whether `backend` simulates on a GPU here: GeNN, if there is one that it can use."""
    known = BACKENDS[backend]
    could = known.batches == "on a GPU" and known.is_installed and cuda.count() > 0
    return could and gpu_obstacle(backend) is None


def gpu_obstacle(backend: str) -> Obstacle | None:
    """Why `backend` does not use the GPU that is here; None if it does, or there is none."""
    if BACKENDS[backend].batches != "on a GPU":
        return None
    if not cuda.count():
        return cuda.driver_obstacle()
    if not BACKENDS[backend].is_installed:
        return None
    from calibrate.simulators.genn import simulator

    return simulator.gpu_obstacle()


def warnings(backend: str) -> list[str]:
    """Warnings about simulating with `backend` here: one if a GPU is left unused."""
    obstacle = gpu_obstacle(backend)
    return [f"the GPU is not used: {obstacle}"] if obstacle else []


def batch_size(backend: str, wanted: int | None = None) -> int:
    """Networks that one process simulates at once: as `wanted`, else what suits the device.

    Raises SimulatorError where the simulator cannot.
    """
    if wanted is None:
        return GPU_BATCH_SIZE if on_gpu(backend) else 1
    known = BACKENDS[backend]
    if wanted > 1 and known.batches != "always" and not on_gpu(backend):
        where = f"{known.title} without a GPU" if known.batches == "on a GPU" else known.title
        obstacle = gpu_obstacle(backend)
        why = f" (there is one, but {obstacle.reason})" if obstacle else ""
        raise SimulatorError(
            f"{where}{why} simulates one network per process at a time, not {wanted}: leave out [simulation] "
            "batch_size; every core gets a process"
        )
    if known.batches == "on a GPU" and wanted > cuda.LARGEST_BATCH:
        raise SimulatorError(
            f"{known.title} simulates at most {cuda.LARGEST_BATCH} networks at once, not {wanted}: choose a "
            "smaller [simulation] batch_size"
        )
    return wanted


def memory_bytes(backend: str, network: Network) -> float:
    """Estimate of the memory that one network takes in a process of `backend`."""
    known = BACKENDS[backend]
    synapses = sum(network.expected_synapses(projection) for projection in network.projections)
    wide = any(population.size > 2**16 for population in network.populations)
    return known.process_bytes + synapses * known.synapse_bytes * (2 if wide and backend == "genn" else 1)
