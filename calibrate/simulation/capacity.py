"""The capacity of this machine: cores, memory and GPUs, and the slots that they allow."""

from __future__ import annotations

from collections.abc import Sequence

import psutil

from calibrate import simulators
from calibrate.errors import SimulatorError
from calibrate.network import Network
from calibrate.simulators.genn import cuda


def cores() -> int:
    """Number of cores that this process can use."""
    return len(psutil.Process().cpu_affinity())


def pinning(slots: int) -> Sequence[int | None]:
    """The core to which each slot's process is pinned; None: the operating system chooses.

    Processes are pinned only if there is one slot for every core that this process can use: with fewer slots,
    another run at the same time would choose the same cores; with more, slots would have to share cores.
    """
    mine = sorted(psutil.Process().cpu_affinity())
    return mine if slots == len(mine) > 1 else [None] * slots


def processes_per_gpu() -> int:
    """Two, of which one simulates while the other observes and scores; one if a GPU accepts only one."""
    return 1 if any(device.exclusive for device in cuda.devices(with_memory=False)) else 2


def slots_for(backend: str, network: Network) -> int:
    """Number of processes for which this machine has cores and memory: two per GPU, else one per core.

    Raises SimulatorError if not even one fits.
    """
    if simulators.on_gpu(backend):
        return processes_per_gpu() * cuda.count()
    available = psutil.virtual_memory().available
    each = simulators.memory_bytes(backend, network)
    if each > available:
        raise SimulatorError(
            f"one network needs about {each / 2**30:.1f} GiB in {backend}, but {available / 2**30:.1f} GiB "
            "of memory are free: use fewer neurons or a smaller connection probability"
        )
    return max(1, min(cores(), int(0.9 * available / each)))
