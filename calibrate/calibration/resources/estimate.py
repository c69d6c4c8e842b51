"""The cost of a study on this machine: memory, and time, measured by simulating a small part of it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from calibrate import simulators
from calibrate.calibration.resources.batch_size import choose_first_size
from calibrate.calibration.resources.measurement import synapses
from calibrate.calibration.resources.noise import Noise, noise_of
from calibrate.calibration.search.optuna_trials import Proposal
from calibrate.calibration.study_pool import footprint_of, room_on_gpus, setup_of
from calibrate.calibration.trials.candidate import Candidate
from calibrate.calibration.trials.merged import merged
from calibrate.errors import SimulatorError
from calibrate.simulation.capacity import slots_for
from calibrate.simulation.jobs import Outcome, Timing
from calibrate.simulation.probe import Probe
from calibrate.simulators.genn import cuda
from calibrate.simulators.genn.footprint import PROCESS_BYTES
from calibrate.study import Study
from calibrate.study.conditions import largest_network, timing_in

# Two durations are simulated, whose difference has no fixed costs: this one (ms), and one that takes about
# this wall time. Neither is longer than a trial.
SHORT_MS = 200.0
LONG_S = 1.0
PATIENCE_S = 120.0

# Numbers of graphs on which the noise is measured, and how long this may take.
FEWEST_GRAPHS, MOST_GRAPHS = 4, 8
NOISE_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Cost:
    """An estimate for one study on this machine.

    neurons, synapses  of one network
    memory_bytes       of one process
    slots, batch_size  number of processes, and of networks that each simulates at once
    build_s            compiling and building a network and its first graph, once per process; None: unknown
    trial_s            one trial that passes all stages, on all graphs; None: unknown
    total_s            all trials; None: unknown, or the study has no number of trials
    confirm_s          in addition for a candidate that is confirmed, at least and at most; None: unknown, or
                       none is
    noise              of the objectives; empty if it was not measured
    note               why the times are unknown
    noise_note         why the noise was not measured
    """

    neurons: int
    synapses: int
    memory_bytes: float
    slots: int
    batch_size: int
    build_s: float | None = None
    trial_s: float | None = None
    total_s: float | None = None
    confirm_s: tuple[float, float] | None = None
    noise: tuple[Noise, ...] = ()
    note: str = ""
    noise_note: str = ""


@dataclass(frozen=True, kw_only=True)
class Times:
    """How long a batch takes in one slot, while all slots are busy (s).

    build   compiling and building, once per process
    fixed   loading, observing and scoring, once per batch
    per_ms  each simulated millisecond
    graph   in addition for a batch on another graph than the one before
    """

    build: float
    fixed: float
    per_ms: float
    graph: float

    def of(self, stage: Timing, *, new_graph: bool = False) -> float:
        """Time of a batch."""
        simulated = self.per_ms * (stage.warmup_ms + stage.duration_ms)
        return self.fixed + simulated + self.graph * new_graph


def estimate(
    study: Study,
    *,
    timed: bool = True,
    graphs: int | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Cost:
    """The cost of `study`, which must name a simulator, and its noise.

    Times and noise are measured in simulations on all slots at once, unless `timed` is false. Parameters are
    those of the first point of [prior], or in the middle of their ranges; a network that fires more takes
    longer. The noise is measured on `graphs` graphs; by default on as many as take less than a minute, up to
    eight, and not at all if that are fewer than four. `say` receives a line before a longer measurement.

    Raises SimulatorError if not even one network fits into memory.
    """
    simulation, network = study.simulation, largest_network(study)
    size, gpus = simulators.batch_size(simulation.backend, simulation.batch_size), 0
    if simulators.on_gpu(simulation.backend):
        size, slots = room_on_gpus(study, simulation.batch_size or choose_first_size(study))
        memory_bytes = PROCESS_BYTES + size * footprint_of(study).host_bytes
        gpus = cuda.count()
    else:
        slots = slots_for(simulation.backend, network)
        memory_bytes = simulators.memory_bytes(simulation.backend, network)
    cost = Cost(
        neurons=network.n_neurons,
        synapses=synapses(network),
        memory_bytes=memory_bytes,
        slots=slots,
        batch_size=size,
    )
    if not timed:
        return cost
    statistics = {condition.name: condition.statistics for condition in study.conditions}
    setup = replace(setup_of(study, batch_size=size), statistics=statistics)
    timeout_s = PATIENCE_S if graphs is None else simulation.timeout_s
    first = study.searched[0]
    with Probe(
        setup,
        study.parameters_in(first, _point(study)),
        condition=first.name,
        n=slots * size,
        slots=slots,
        timeout_s=timeout_s,
    ) as probe:
        try:
            times = _measure_times(study, probe, turns=slots / (gpus or slots))
            cost = _with_times(study, cost, times)
        except SimulatorError as error:
            return replace(cost, note=f"the time is unknown: {error}")
        each_s = sum(times.of(timing_in(study, one), new_graph=True) for one in study.conditions)
        return _with_noise(study, cost, probe, each_s=each_s, graphs=graphs, say=say)


def _point(study: Study) -> Mapping[str, Any]:
    """The free parameters of the network that is measured."""
    return study.prior.points[0] if study.prior.points else {}


def _measure_times(study: Study, probe: Probe, *, turns: float) -> Times:
    """Simulate graph 0 for two durations, and other graphs; processes that share a GPU take `turns` on it."""
    longest_ms = timing_in(study, study.searched[0]).whole_ms
    short_ms = probe.whole(min(SHORT_MS, longest_ms / 4))
    first = probe.run(short_ms)
    settled = _slowest(probe.run(short_ms))
    long_ms = probe.whole(min(max(2.0, LONG_S / settled) * short_ms, longest_ms))
    per_ms = max(_slowest(probe.run(long_ms)) - settled, 0.0) / max(long_ms - short_ms, 1.0)
    others = probe.run_on(
        dict.fromkeys(range(1, 1 + probe.pool.slots), 0), Timing(warmup_ms=0.0, duration_ms=short_ms)
    )
    return Times(
        build=max(_slowest(first) + max(outcome.build_s for outcome in first) - settled, 0.0),
        fixed=max(settled - per_ms * short_ms, 0.0),
        per_ms=turns * per_ms,
        graph=max(_slowest(others) - settled, 0.0),
    )


def _slowest(outcomes: Sequence[Outcome]) -> float:
    return max(outcome.wall_s + outcome.scoring_s for outcome in outcomes)


def _with_times(study: Study, cost: Cost, times: Times) -> Cost:
    """Add the times of trials: a candidate takes as many places of a batch as there are conditions."""
    replicates, searched, last = study.replicates, study.searched, len(study.stages)
    in_turn = sum(times.of(timing_in(study, one), new_graph=True) for one in searched)
    trial_s = sum(times.of(timing_in(study, one, stage)) for stage in range(1, last) for one in searched)
    if replicates.graphs == 1:
        trial_s += sum(times.of(timing_in(study, one)) for one in searched)
    else:
        trial_s += replicates.graphs * in_turn
    confirm_s = None
    if rule := replicates.confirmation:
        each_s = in_turn / len(searched)
        least, most = (-(-n * len(searched) // cost.slots) * each_s for n in (rule.least, rule.most))
        confirm_s = (least, most)
    total_s = None
    if study.trials is not None:
        batches = -(-study.trials // (cost.slots * cost.batch_size))
        all_s = in_turn + sum(times.of(timing_in(study, one), new_graph=True) for one in study.held_out)
        total_s = times.build + batches * trial_s + -(-replicates.fresh // cost.slots) * all_s
    return replace(cost, build_s=times.build, trial_s=trial_s, total_s=total_s, confirm_s=confirm_s)


def _with_noise(
    study: Study,
    cost: Cost,
    probe: Probe,
    *,
    each_s: float,
    graphs: int | None,
    say: Callable[[str], None],
) -> Cost:
    """Measure the noise if that takes less than a minute, or if the number of `graphs` is given."""
    affordable = min(int(NOISE_S / each_s) * cost.slots, MOST_GRAPHS) if each_s else MOST_GRAPHS
    n = affordable if graphs is None else graphs
    takes_s = -(-max(n, FEWEST_GRAPHS) // cost.slots) * each_s
    if graphs is None and n < FEWEST_GRAPHS:
        note = f"not measured: {FEWEST_GRAPHS} graphs take about {takes_s:.0f} s (--graphs {FEWEST_GRAPHS})"
        return replace(cost, noise_note=note)
    if takes_s > LONG_S:
        say(f"Measuring the noise of a trial on {n} graphs: about {takes_s:.0f} s.")
    proposal = Proposal(index=0, parameters=_point(study), asked=datetime.now(UTC))
    candidate, last = Candidate(str(uuid.uuid4()), proposal), len(study.stages)
    try:
        outcomes = probe.run_jobs(candidate.jobs(study, last, range(n), study.conditions))
    except SimulatorError as error:
        return replace(cost, noise_note=f"not measured: {error}")
    shown = merged(study, [candidate.simulation(study, one, last) for one in outcomes], study.conditions)
    noise = noise_of(study.targeted, [one.estimates for one in shown])
    measured = {one.name for one in noise}
    undefined = [objective.name for objective in study.targeted if objective.name not in measured]
    note = f"undefined on all but one of {n} graphs, or on all: {', '.join(undefined)}" if undefined else ""
    return replace(cost, noise=noise, noise_note=note)
