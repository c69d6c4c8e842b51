"""Simulators by name. Only `genn` imports pygenn and only `nest` imports nest, when they are created."""

from __future__ import annotations

import importlib.util

from calibrate.errors import SimulatorError, did_you_mean
from calibrate.network import Network
from calibrate.simulators.base import Precision, Simulator
from calibrate.simulators.genn import cuda
from calibrate.simulators.genn.cuda import Obstacle

NAMES = ("genn", "nest", "poisson")


def choose(backend: str) -> str:
    """The simulator that `backend` means here: "auto" is GeNN where it is installed, else NEST.

    Raises SimulatorError if it is unknown or not installed.
    """
    if backend == "auto":
        for name, module in (("genn", "pygenn"), ("nest", "nest")):
            if importlib.util.find_spec(module):
                return name
        raise SimulatorError("no simulator is installed: `pip install nest-simulator` gives you NEST")
    if backend not in NAMES:
        known = ", ".join(("auto", *NAMES))
        raise SimulatorError(f"there is no backend '{backend}'{did_you_mean(backend, NAMES)}: {known}")
    if backend == "genn" and not importlib.util.find_spec("pygenn"):
        raise SimulatorError(
            "PyGeNN is not installed: its documentation (GeNN, section Installation) says how; "
            "or use --backend nest"
        )
    if backend == "nest" and not importlib.util.find_spec("nest"):
        raise SimulatorError("NEST is not installed: `pip install nest-simulator`")
    return backend


GPU_BATCH_SIZE = 40
"""Networks that a GPU simulates at once by default, as in the published scan (Schmitt et al. 2023)."""


def on_gpu(backend: str) -> bool:
    """Whether `backend` simulates on a GPU here: GeNN, if there is one that it can use."""
    return backend == "genn" and _has_pygenn() and cuda.count() > 0 and gpu_obstacle(backend) is None


def gpu_obstacle(backend: str) -> Obstacle | None:
    """Why `backend` does not use the GPU that is here; None if it does, or there is none."""
    if backend != "genn":
        return None
    if not cuda.count():
        return cuda.driver_obstacle()
    if not _has_pygenn():
        return None
    from calibrate.simulators.genn import simulator as genn

    return genn.gpu_obstacle()


def warnings(backend: str) -> list[str]:
    """Warnings about simulating with `backend` here: one if a GPU is left unused."""
    obstacle = gpu_obstacle(backend)
    return [f"the GPU is not used: {obstacle}"] if obstacle else []


def _has_pygenn() -> bool:
    return importlib.util.find_spec("pygenn") is not None


def batch_size(backend: str, wanted: int | None = None) -> int:
    """Networks that one process simulates at once: as `wanted`, else what suits the device.

    Raises SimulatorError where the simulator cannot.
    """
    if wanted is None:
        return GPU_BATCH_SIZE if on_gpu(backend) else 1
    if wanted > 1 and backend in ("nest", "genn") and not on_gpu(backend):
        where = "NEST" if backend == "nest" else "GeNN without a GPU"
        obstacle = gpu_obstacle(backend)
        why = f" (there is one, but {obstacle.reason})" if obstacle else ""
        raise SimulatorError(
            f"{where}{why} simulates one network per process at a time, not {wanted}: leave out [simulation] "
            "batch_size; every core gets a process"
        )
    if backend == "genn" and wanted > cuda.LARGEST_BATCH:
        raise SimulatorError(
            f"GeNN simulates at most {cuda.LARGEST_BATCH} networks at once, not {wanted}: choose a smaller "
            "[simulation] batch_size"
        )
    return wanted


# Per process and per synapse, measured at 25,000 neurons and 192 million synapses: NEST 7.1 GB, GeNN 0.58 GB.
_MEMORY_BYTES = {"nest": (200e6, 37.0), "genn": (200e6, 2.2), "poisson": (150e6, 0.0)}


def memory_bytes(backend: str, network: Network) -> float:
    """Estimate of the memory that one network takes in a process of `backend`."""
    process, synapse = _MEMORY_BYTES[backend]
    synapses = sum(network.expected_synapses(projection) for projection in network.projections)
    wide = any(population.size > 2**16 for population in network.populations)
    return process + synapses * synapse * (2 if wide and backend == "genn" else 1)


def create(backend: str, *, dt_ms: float, precision: Precision) -> Simulator:
    """The simulator `backend` ("genn", "nest", "poisson"), for this process."""
    if backend == "genn":
        from calibrate.simulators.genn.simulator import GeNN

        return GeNN(dt_ms=dt_ms, precision=precision)
    if backend == "nest":
        from calibrate.simulators.nest.simulator import Nest

        return Nest(dt_ms=dt_ms)
    if backend == "poisson":
        from calibrate.simulators.poisson import Poisson

        return Poisson(dt_ms=dt_ms)
    raise SimulatorError(f"there is no backend '{backend}': {', '.join(NAMES)}")
