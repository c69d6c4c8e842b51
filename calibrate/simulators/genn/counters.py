"""Spike counts of groups in bins, kept on the device in a ring that the host reads once in many bins.

A population has one counter per cluster, to which its monitor sends every spike. The counter writes its count
since the beginning of the measurement into the slot of the present bin, which thus holds the count at the end
of the bin. So the host need not stop the device after every bin.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.network import Network, Population

RING = 128
"""Number of bins in a ring."""

# A counter receives a spike one step after it was fired: the first spikes of the measurement in step `first`.
# The members of a batch share the array `bins`, in which the section of each counter starts at `base`.
_COUNTER_CODE = """
    const unsigned int now = (unsigned int)((t / dt) + 0.5);
    if (now >= first) {
        count += (unsigned int)Isyn;
        bins[base + ((now - first) / bin_steps) % @RING@u] = count;
    }
"""


def counters_name(population: Population) -> str:
    """Name of the counters of a population."""
    return f"monitor_{population.name}_counters"


def add_counters(pygenn: ModuleType, model: Any, population: Population) -> Any:
    """Add the counters of a population; their `bins` must be allocated before the model is loaded."""
    shared = pygenn.VarAccess.READ_ONLY_SHARED_NEURON
    counter = pygenn.create_neuron_model(
        "counter",
        vars=[
            ("count", "unsigned int"),
            ("base", "unsigned int", pygenn.VarAccess.READ_ONLY_DUPLICATE),
            ("first", "unsigned int", shared),
            ("bin_steps", "unsigned int", shared),
        ],
        extra_global_params=[("bins", "unsigned int*")],
        sim_code=_COUNTER_CODE.replace("@RING@", str(RING)),
    )
    # Nothing is counted before a measurement begins: until then, the place to write to is unknown.
    initial = {"count": 0, "base": 0, "first": 2**32 - 1, "bin_steps": 1}
    return model.add_neuron_population(counters_name(population), population.clusters, counter, {}, initial)


class BinReader:
    """Reads the counters of a model, and allocates their rings before the model is loaded."""

    def __init__(self, model: Any, network: Network, *, batch_size: int, bin_steps: int) -> None:
        self._batch_size, self._bin_steps = batch_size, bin_steps
        self._counters = [(p, model.neuron_populations[counters_name(p)]) for p in network.populations]

    @property
    def span_steps(self) -> int:
        """Number of steps that a ring covers: it must be read one step after their end."""
        return RING * self._bin_steps

    def make_room(self) -> None:
        """Allocate the rings: needed each time before the model is loaded."""
        for population, group in self._counters:
            room = np.zeros(self._batch_size * population.clusters * RING, dtype=np.uint32)
            group.extra_global_params["bins"].set_init_values(room)

    def begin(self, first_step: int, members: int) -> None:
        """Start to count, with the spikes of step `first_step`, in the first `members` of the batch."""
        self._reads: list[NDArray[np.uint32]] = []
        self._members, self._n_read = members, 0
        for population, group in self._counters:
            base = np.arange(self._batch_size * population.clusters, dtype=np.uint32) * RING
            for name, value in (
                ("count", 0),
                ("base", base.reshape(group.vars["base"].view.shape)),
                ("first", first_step + 1),
                ("bin_steps", self._bin_steps),
            ):
                group.vars[name].view[:] = value
                group.vars[name].push_to_device()

    def read(self) -> None:
        """Read a full ring."""
        self._reads.append(self._ring(self._n_read + RING))
        self._n_read += RING

    def counts(self, n_bins: int, totals: NDArray[np.int64]) -> NDArray[np.int64]:
        """Spike counts by group and bin, shape (members, n_groups, n_bins), at the end of the last bin.

        totals  spike counts of each group until now: the counters have not received the last step's spikes
        """
        counted = np.concatenate([*self._reads, self._ring(n_bins)], axis=-1).astype(np.int64)
        counted[..., -1:] = totals[..., np.newaxis]
        return np.diff(counted, axis=-1, prepend=0)

    def _ring(self, n_bins: int) -> NDArray[np.uint32]:
        """Counts until the end of each bin that has not been read yet, up to `n_bins`."""
        slots = np.arange(self._n_read, n_bins) % RING
        by_population = []
        for population, group in self._counters:
            ring = group.extra_global_params["bins"]
            ring.pull_from_device()
            of_members = ring.view.reshape(self._batch_size, population.clusters, RING)[: self._members]
            by_population.append(of_members[:, :, slots])
        return np.concatenate(by_population, axis=1)
