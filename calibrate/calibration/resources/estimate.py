"""The cost of a study on this machine: memory, and time, measured by simulating a small part of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from calibrate import simulators
from calibrate.calibration.resources.batch_size import choose_first_size
from calibrate.calibration.resources.measurement import synapses
from calibrate.calibration.study_pool import footprint_of, room_on_gpus, setup_of
from calibrate.errors import SimulatorError
from calibrate.simulation.capacity import slots_for
from calibrate.simulation.probe import Probe
from calibrate.simulators.genn import cuda
from calibrate.simulators.genn.footprint import PROCESS_BYTES
from calibrate.study import Study

# The simulated time: this (ms), or this share of the study's duration if that is longer. It takes seconds if
# a trial takes minutes.
SAMPLE_MS = 200.0
SHARE = 0.05
PATIENCE_S = 120.0


@dataclass(frozen=True, kw_only=True)
class Cost:
    """An estimate for one study on this machine.

    neurons, synapses  of one network
    memory_bytes       of one process
    slots, batch_size  number of processes, and of networks that each simulates at once
    build_s            building a network, once per process and graph (without compilation)
    trial_s            one trial that passes all stages, on all graphs; None: unknown
    total_s            all trials; None: unknown, or the study has no number of trials
    note               why something is unknown
    """

    neurons: int
    synapses: int
    memory_bytes: float
    slots: int
    batch_size: int
    build_s: float | None = None
    trial_s: float | None = None
    total_s: float | None = None
    note: str = ""


def estimate(study: Study, *, timed: bool = True) -> Cost:
    """The cost of `study`, which must name a simulator.

    Times are measured in a short simulation on all slots at once, unless `timed` is false. Its parameters are
    in the middle of their ranges; a network that fires more takes longer. Raises SimulatorError if not even
    one network fits into memory.
    """
    simulation, network = study.simulation, study.network
    size, gpus = simulators.batch_size(simulation.backend, simulation.batch_size), 0
    if simulators.on_gpu(simulation.backend):
        size, slots = room_on_gpus(study, simulation.batch_size or choose_first_size(study))
        memory_bytes = PROCESS_BYTES + size * footprint_of(study).host_bytes
        gpus = cuda.count()
    else:
        slots = slots_for(simulation.backend, network)
        memory_bytes = simulators.memory_bytes(simulation.backend, network)
    structure = Cost(
        neurons=network.n_neurons,
        synapses=synapses(network),
        memory_bytes=memory_bytes,
        slots=slots,
        batch_size=size,
    )
    # Processes that share a GPU take turns on it.
    return _add_times(study, structure, turns=slots / (gpus or slots)) if timed else structure


def _add_times(study: Study, structure: Cost, *, turns: float) -> Cost:
    n = structure.slots * structure.batch_size
    setup = setup_of(study, batch_size=structure.batch_size)
    with Probe(setup, study.parameters({}), n=n, slots=structure.slots, timeout_s=PATIENCE_S) as probe:
        sample_ms = probe.whole(max(SAMPLE_MS, SHARE * study.simulation.duration_ms))
        try:
            outcomes = probe.run(sample_ms)
        except SimulatorError as error:
            return replace(structure, note=f"the time is unknown: {error}")
    per_ms = turns * max(outcome.wall_s for outcome in outcomes) / sample_ms
    full, replicates = study.stages[-1], study.replicates
    lengths = [stage.warmup_ms + stage.duration_ms for stage in study.stages[:-1]]
    lengths += [full.warmup_ms + full.duration_ms] * replicates.graphs
    trial_s = per_ms * sum(lengths)
    build_s = max(outcome.build_s for outcome in outcomes)
    total_s = None
    if study.trials is not None:
        batches = -(-study.trials // n)
        fresh = -(-replicates.fresh // structure.slots) * per_ms * (full.warmup_ms + full.duration_ms)
        total_s = build_s + batches * trial_s + fresh
    return replace(structure, build_s=build_s, trial_s=trial_s, total_s=total_s)
