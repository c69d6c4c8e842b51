"""Batch size on a GPU: as many networks at once as make it faster and as memory allows."""

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

# Twice as many at once are worth it where they make so many times as many networks a second.
GAIN = 1.1

# What is simulated to measure a batch size, once to warm up and once to measure (ms).
PROBE_MS = 200.0

# Stepping is fastest while the state of all members fits into the L2 cache, beside part of the graph.
CACHE_SHARE = 0.8

# A sampler that learns from results is to learn so many times at least in a study.
LESSONS = 8


def first_size(needs: Footprint, *, l2_bytes: int, most: int) -> int:
    """The batch size whose state fits into the L2 cache, in eights where it can be, up to `most`."""
    fits = int(CACHE_SHARE * l2_bytes / needs.hot_bytes) if l2_bytes else simulators.GPU_BATCH_SIZE
    return max(min(fits - fits % 8 or fits, most), 1)


def fastest(
    throughput: Callable[[int], float],
    *,
    first: int,
    most: int,
    worth: Callable[[float], bool] = lambda _: True,
) -> int:
    """The batch size at which doubling it stops to pay: from `first` on, up to `most`.

    throughput  networks per second at a batch size; 0 where it does not work
    worth       whether trying one more size is, where so many networks a second were reached
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


def sized(study: Study, say: Callable[[str], None] = lambda _: None, *, slots: int | None = None) -> Study:
    """`study` with a batch size for the GPU here, where it names none and simulates on one.

    It must name a simulator, not "auto". What fits into the device's L2 cache is the first size. If the study
    is long enough to gain from it, larger ones are compiled and tried; what was found is kept beside the
    compiled code. Batches are small enough for a sampler that learns from results to do so.

    Raises SimulatorError where not one network fits into memory.
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
        if size not in known.found:
            say(f"Trying {size} networks at once on the GPU; [simulation] batch_size would say it.")
            known.keep(size, _throughput(study, size))
        return known.found[size].networks_per_s

    def worth(networks_per_s: float) -> bool:
        """Whether the study gains more by a size that just pays than trying it takes."""
        if study.trials is None:
            return True
        stage, took_s = study.stages[-1], max(found.took_s for found in known.found.values())
        probes = study.trials * study.replicates.graphs * (stage.warmup_ms + stage.duration_ms) / PROBE_MS
        return probes / networks_per_s * (1 - 1 / GAIN) > took_s

    size = fastest(throughput, first=first, most=most, worth=worth)
    say(f"Simulating {size} networks at once on {device.name}.")
    return study.simulated(batch_size=size)


def untried(study: Study) -> int:
    """The batch size that `sized` begins with, for a study that simulates on a GPU."""
    return _first_and_most(study, cuda.devices(with_memory=False)[0], None)[0]


def _first_and_most(study: Study, device: cuda.Device, slots: int | None) -> tuple[int, int]:
    slots = slots or slots_for(study.simulation.backend, study.network)
    fit = most_that_fit(study, processes=-(-slots // cuda.count())) or most_that_fit(study)
    most = min(fit, cuda.LARGEST_BATCH, _most_for_sampler(study, slots))
    return first_size(footprint_of(study), l2_bytes=device.l2_bytes, most=most), most


def _most_for_sampler(study: Study, slots: int) -> int:
    """The largest batches that a study's number of trials and its sampler have a use for."""
    if study.trials is None:
        return cuda.LARGEST_BATCH
    if not study.sampler.learns:
        return max(-(-study.trials // slots), 1)
    return max(study.trials // (slots * LESSONS), 1)


@dataclass(frozen=True)
class _Measured:
    """What a batch size reached, in networks per second (0: it does not work), and the time to find it."""

    networks_per_s: float
    took_s: float


def _throughput(study: Study, size: int) -> _Measured:
    """Simulate a little in batches of `size`, in a process of their own."""
    began, reached = time.monotonic(), 0.0
    with (
        contextlib.suppress(SimulatorError),
        Probe(setup_of(study, batch_size=size), study.parameters({}), n=size) as probe,
    ):
        try:
            probe.run(PROBE_MS)
            reached = size / max(outcome.wall_s for outcome in probe.run(PROBE_MS))
        finally:
            probe.pool.keeps_logs = False  # nobody is told of them
    return _Measured(reached, time.monotonic() - began)


class _Known:
    """Batch sizes of a study's network that were measured on a device, kept beside the compiled code."""

    def __init__(self, study: Study, device: cuda.Device) -> None:
        simulation = study.simulation
        key = genn_cache.digest(
            repr(study.network), str(simulation.dt_ms), simulation.precision, repr(setup_of(study).recording)
        )
        self._path, self._key = genn_cache.folder() / "batch_sizes.json", f"{key} {device.name}"
        self.found = {
            int(size): _Measured(*numbers) for size, numbers in self._all().get(self._key, {}).items()
        }

    def keep(self, size: int, measured: _Measured) -> None:
        self.found[size] = measured
        if not measured.networks_per_s:  # it may work another time
            return
        known = self._all()
        known[self._key] = {
            str(size): (one.networks_per_s, one.took_s)
            for size, one in sorted(self.found.items())
            if one.networks_per_s
        }
        with contextlib.suppress(OSError):  # it is found again then
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._path.with_name(f"{self._path.name}.{uuid.uuid4().hex}")
            temporary.write_text(json.dumps(known, indent=2))
            temporary.replace(self._path)

    def _all(self) -> dict[str, dict[str, tuple[float, float]]]:
        try:
            found = json.loads(self._path.read_text())
            return {
                str(key): {
                    str(int(size)): (float(reached), float(took_s))
                    for size, (reached, took_s) in sizes.items()
                }
                for key, sizes in found.items()
            }
        except (OSError, ValueError, TypeError, AttributeError):
            return {}
