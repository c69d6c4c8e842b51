"""Batch size on a GPU: as many networks at once as increase the throughput and fit into memory."""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from calibrate import simulators
from calibrate.calibration.study_pool import footprint_of, most_that_fit, setup_of
from calibrate.errors import SimulatorError
from calibrate.simulation.capacity import slots_for
from calibrate.simulation.probe import Probe
from calibrate.simulators.genn import cache as genn_cache
from calibrate.simulators.genn import cuda
from calibrate.simulators.genn.footprint import Footprint
from calibrate.study import Study
from calibrate.study.conditions import timing_in

# Keep doubling the batch size while throughput grows by at least this factor.
GAIN = 1.1

# Simulated time for the measurement of a batch size, once to warm up and once to measure (ms).
PROBE_MS = 200.0

# Stepping is fastest if the state of all members fits into the L2 cache, together with part of the graph.
CACHE_SHARE = 0.8

# A sampler that learns from results does so at least this many times in a study.
LESSONS = 8


def first_size(needs: Footprint, *, l2_bytes: int, most: int) -> int:
    """The batch size whose state fits into the L2 cache, a multiple of 8 if possible, at most `most`."""
    fits = int(CACHE_SHARE * l2_bytes / needs.hot_bytes) if l2_bytes else simulators.GPU_BATCH_SIZE
    return max(min(fits - fits % 8 or fits, most), 1)


def find_fastest(
    throughput: Callable[[int], float],
    *,
    first: int,
    most: int,
    worth: Callable[[float], bool] = lambda _: True,
) -> int:
    """Double the batch size from `first` on, up to `most`, while this pays; returns the size reached.

    throughput  networks per second at a batch size; 0 if the simulation fails
    worth       whether it is worth trying one more size, given the networks per second so far
    """
    size = min(first, most)
    if 2 * size > most:
        return size
    reached = throughput(size)
    while (
        reached > 0
        and 2 * size <= most
        and worth(reached)
        and (doubled := throughput(2 * size)) >= GAIN * reached
    ):
        size, reached = 2 * size, doubled
    return size


def with_batch_size(
    study: Study, say: Callable[[str], None] = lambda _: None, *, slots: int | None = None
) -> Study:
    """`study` with a batch size for the GPU of this machine, if it sets none and simulates on a GPU.

    It must name a simulator, not "auto". The first size is what fits into the device's L2 cache. If the study
    is long enough to gain from it, larger sizes are compiled and tried; the results are stored beside the
    compiled code. Batches stay small enough for a sampler that learns from results.

    Raises SimulatorError if not even one network fits into memory.
    """
    simulation = study.simulation
    if simulation.batch_size is not None or study.file.pool.on_cluster:
        return study
    if not simulators.on_gpu(simulation.backend):
        return study
    device = cuda.devices(with_memory=False)[0]
    first, most = _first_and_most(study, device, slots)
    known = _Known(study, device)

    def throughput(size: int) -> float:
        if size not in known.measured:
            say(f"Trying {size} networks at once on the GPU; set [simulation] batch_size to skip this.")
            known.keep(size, _measure_throughput(study, size))
        return known.measured[size].networks_per_s

    def worth(networks_per_s: float) -> bool:
        """Whether a size that just pays saves the study more time than it takes to try."""
        if study.trials is None:
            return True
        took_s = max(measured.took_s for measured in known.measured.values())
        each_ms = sum(timing_in(study, condition).whole_ms for condition in study.searched)
        probes = study.trials * study.replicates.graphs * each_ms / PROBE_MS
        return probes / networks_per_s * (1 - 1 / GAIN) > took_s

    size = find_fastest(throughput, first=first, most=most, worth=worth)
    say(f"Simulating {size} networks at once on {device.name}.")
    return study.simulated(batch_size=size)


def choose_first_size(study: Study) -> int:
    """The batch size that `with_batch_size` begins with, for a study that simulates on a GPU."""
    return _first_and_most(study, cuda.devices(with_memory=False)[0], None)[0]


def _first_and_most(study: Study, device: cuda.Device, slots: int | None) -> tuple[int, int]:
    slots = slots or slots_for(study.simulation.backend, study.network)
    fit = most_that_fit(study, processes=-(-slots // cuda.count())) or most_that_fit(study)
    most = min(fit, cuda.LARGEST_BATCH, _most_for_sampler(study, slots))
    return first_size(footprint_of(study), l2_bytes=device.l2_bytes, most=most), most


def _most_for_sampler(study: Study, slots: int) -> int:
    """The largest batch size that is useful for a study's number of trials and its sampler."""
    if study.trials is None:
        return cuda.LARGEST_BATCH
    if not study.sampler.learns:
        return max(-(-study.trials // slots), 1)
    return max(study.trials // (slots * LESSONS), 1)


@dataclass(frozen=True)
class _Measured:
    """The throughput of a batch size in networks per second (0: it failed), and the time to measure it."""

    networks_per_s: float
    took_s: float


def _measure_throughput(study: Study, size: int) -> _Measured:
    """Simulate for a short time in batches of `size`, in a separate process."""
    began, reached = time.monotonic(), 0.0
    with (
        contextlib.suppress(SimulatorError),
        Probe(setup_of(study, batch_size=size), study.parameters({}), n=size) as probe,
    ):
        try:
            probe.run(PROBE_MS)
            reached = size / max(outcome.wall_s for outcome in probe.run(PROBE_MS))
        finally:
            probe.pool.keeps_logs = False  # no message refers to them
    return _Measured(reached, time.monotonic() - began)


class _Known:
    """Measured batch sizes of a study's network on a device, stored beside the compiled code."""

    def __init__(self, study: Study, device: cuda.Device) -> None:
        simulation = study.simulation
        key = genn_cache.digest(
            repr(study.network), str(simulation.dt_ms), simulation.precision, repr(setup_of(study).recording)
        )
        self._path, self._key = genn_cache.folder() / "batch_sizes.json", f"{key} {device.name}"
        self.measured = {
            int(size): _Measured(*numbers) for size, numbers in self._read().get(self._key, {}).items()
        }

    def keep(self, size: int, measured: _Measured) -> None:
        self.measured[size] = measured
        if not measured.networks_per_s:  # a failure is not stored: the size may work another time
            return
        entries = self._read()
        entries[self._key] = {
            str(size): (stored.networks_per_s, stored.took_s)
            for size, stored in sorted(self.measured.items())
            if stored.networks_per_s
        }
        with contextlib.suppress(OSError):  # it is measured again next time
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._path.with_name(f"{self._path.name}.{uuid.uuid4().hex}")
            temporary.write_text(json.dumps(entries, indent=2))
            temporary.replace(self._path)

    def _read(self) -> dict[str, dict[str, tuple[float, float]]]:
        try:
            entries = json.loads(self._path.read_text())
            return {
                str(key): {
                    str(int(size)): (float(reached), float(took_s))
                    for size, (reached, took_s) in sizes.items()
                }
                for key, sizes in entries.items()
            }
        except (OSError, ValueError, TypeError, AttributeError):
            return {}
