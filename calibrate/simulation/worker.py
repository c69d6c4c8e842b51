"""A slot's process: it keeps a prepared simulator and runs batches of jobs in it."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

from calibrate import simulators
from calibrate.errors import CalibrateError, one_line, reason_of
from calibrate.hardware import Limited
from calibrate.network import Network, RateStimulus, Stimulus, find_model, wiring
from calibrate.neurons import register
from calibrate.observation import Observation, Presentation, SimulationFailure
from calibrate.simulation.evaluators import Evaluated, Evaluators
from calibrate.simulation.jobs import Job, Outcome, Setup, Timing, failures, outcome_of
from calibrate.simulation.lifetime import end_with
from calibrate.simulators.base import Member, Prepared, Simulator, simulate
from calibrate.simulators.closed_loop import simulate_in_loop
from calibrate.simulators.device_turn import Phase, Turn

# Ctrl-C and a batch system's SIGTERM reach all processes of a run, but only the coordinator handles them.
FOR_THE_COORDINATOR = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class _Entry:
    """One entry of a batch: a job and its member."""

    job: Job
    member: Member


@dataclass(frozen=True)
class _Simulated:
    """The results of a batch's members, and the times to simulate them and to build their network."""

    results: Sequence[Observation | SimulationFailure]
    wall_s: float
    build_s: float


class Worker:
    """The simulator and the last network that it built.

    turns  file whose lock gives processes turns on the device that they share
    tell   called with each phase of a batch
    """

    def __init__(
        self, setup: Setup, *, turns: Path | None = None, tell: Callable[[Phase], None] = lambda _: None
    ) -> None:
        self._setup, self._turns, self._tell = setup, turns, tell
        for neuron in setup.neurons:
            register(neuron)
        model = setup.model
        found = find_model(model, folder=setup.folder) if isinstance(model, str) else model
        limits = None if setup.limits is None else Limited(setup.limits, setup.dt_ms)
        self._model = replace(found, limits=limits)
        self._simulator: Simulator = simulators.create(
            setup.backend, dt_ms=setup.dt_ms, precision=setup.precision
        )
        self._evaluators: Evaluators | None = None
        if setup.statistics is not None:
            self._evaluators = Evaluators(setup.statistics, processes=setup.evaluators)
        self._network: Network | None = None
        self._prepared: Prepared | None = None

    def run(self, jobs: Sequence[Job], timing: Timing) -> list[Outcome]:
        """Simulate up to a batch of jobs on one graph; jobs that cannot run also have outcomes."""
        batches, refused = self._members(jobs, timing)
        outcomes = {outcome.key: outcome for outcome in refused}
        for network, batch in batches.items():
            # With several networks, a death while one is built must not be blamed on the jobs of the others.
            tell = self._tell if len(batches) == 1 else self._tell_waiting
            simulated = self._simulate(network, batch, jobs[0].realisation, timing, tell)
            outcomes |= {outcome.key: outcome for outcome in self._evaluate(simulated, batch)}
        return [outcomes[job.key] for job in jobs]

    def _members(
        self, jobs: Sequence[Job], timing: Timing
    ) -> tuple[dict[Network, list[_Entry]], list[Outcome]]:
        """The members of a batch by network, and the outcomes of jobs whose network or values are invalid."""
        batches: dict[Network, list[_Entry]] = {}
        refused: list[Outcome] = []
        for job in jobs:
            try:
                network = self._model.network(job.parameters)
                values = self._model.values(network, job.parameters)
                protocol = self._setup.stimuli.get(job.condition, ())
                values = replace(values, stimuli=(*values.stimuli, *shifted(protocol, timing)))
                for population in network.populations:  # an invalid draw here fails only its own job
                    wiring.neuron_parameters(
                        population, values, wiring_seed=self._setup.wiring_seed, realisation=job.realisation
                    )
            except Exception as error:  # whatever a user's model raises fails only its own job
                reason = str(error) if isinstance(error, CalibrateError) else self._blame_model(error)
                (outcome,) = failures([job], reason)
                refused.append(replace(outcome, backend=self._simulator.describe()))
            else:
                batches.setdefault(network, []).append(_Entry(job, Member(values=values, seed=job.seed)))
        return batches, refused

    def _blame_model(self, error: Exception) -> str:
        model = self._setup.model
        return f"model {model if isinstance(model, str) else model.name} raised {one_line(error)}"

    def _simulate(
        self,
        network: Network,
        batch: Sequence[_Entry],
        realisation: int,
        timing: Timing,
        tell: Callable[[Phase], None],
    ) -> _Simulated:
        """Build the network, unless it is built already, and simulate all members of a batch at once."""
        build_s, wall_s = 0.0, 0.0
        results: Sequence[Observation | SimulationFailure]
        try:
            started = time.perf_counter()
            tell("building")
            prepared = self._prepare(network)
            tell("simulating")
            build_s = time.perf_counter() - started
            started = time.perf_counter()
            loop, turn = self._setup.loop, Turn(self._turns, tell=tell)
            results = (simulate if loop is None else partial(simulate_in_loop, loop=loop))(
                prepared,
                [entry.member for entry in batch],
                realisation=realisation,
                warmup_ms=timing.warmup_ms,
                duration_ms=timing.duration_ms,
                turn=turn,
            )
            wall_s = time.perf_counter() - started - turn.waited_s
        except Exception as error:  # whatever a simulator raises fails only this batch
            self._close()
            results = [SimulationFailure(reason_of(error))] * len(batch)
        with_presentations = [
            _add_presentations(result, entry.member, timing)
            for entry, result in zip(batch, results, strict=True)
        ]
        return _Simulated(with_presentations, wall_s=wall_s, build_s=build_s)

    def _evaluate(self, simulated: _Simulated, batch: Sequence[_Entry]) -> list[Outcome]:
        """The outcomes of a batch, with the statistics of its observations if the setup asks for them."""
        started = time.perf_counter()
        observations = {
            k: result for k, result in enumerate(simulated.results) if isinstance(result, Observation)
        }
        evaluated: dict[int, Evaluated] = {}
        if self._evaluators is not None:
            conditions = [batch[k].job.condition for k in observations]
            in_order = self._evaluators.evaluate(list(observations.values()), conditions)
            evaluated = dict(zip(observations, in_order, strict=True))
        outcome = partial(
            outcome_of,
            wall_s=simulated.wall_s,
            build_s=simulated.build_s,
            scoring_s=time.perf_counter() - started,
            backend=self._simulator.describe(),
        )
        return [
            outcome(
                entry.job,
                result=evaluated[k].observation if k in evaluated else simulated.results[k],
                evaluation=evaluated[k].evaluation if k in evaluated else None,
            )
            for k, entry in enumerate(batch)
        ]

    def _tell_waiting(self, phase: Phase) -> None:
        """Report only whether the batch waits for its turn; any other phase is "simulating"."""
        self._tell("waiting" if phase == "waiting" else "simulating")

    def _prepare(self, network: Network) -> Prepared:
        if self._prepared is None or network != self._network:
            self._close()
            self._prepared = self._simulator.prepare(
                network,
                batch_size=self._setup.batch_size,
                recording=self._setup.recording,
                wiring_seed=self._setup.wiring_seed,
            )
            self._prepared.__enter__()
            self._network = network
        return self._prepared

    def _close(self) -> None:
        if self._prepared is not None:
            prepared, self._prepared = self._prepared, None
            prepared.__exit__(None, None, None)


def shifted(stimuli: Sequence[Stimulus], timing: Timing) -> Iterator[Stimulus]:
    """Stimuli with times from the start of the warm-up instead of the measurement.

    A shorter stage has only the stimuli that begin within it.
    """
    for stimulus in stimuli:
        if stimulus.start_ms < timing.duration_ms:
            start, stop = stimulus.start_ms, min(stimulus.stop_ms, timing.duration_ms)
            yield replace(stimulus, start_ms=timing.warmup_ms + start, stop_ms=timing.warmup_ms + stop)


def _add_presentations(
    result: Observation | SimulationFailure, member: Member, timing: Timing
) -> Observation | SimulationFailure:
    if isinstance(result, SimulationFailure) or not member.values.stimuli:
        return result
    return replace(result, presentations=presentations_of(member.values.stimuli, timing))


def presentations_of(stimuli: Sequence[Stimulus | RateStimulus], timing: Timing) -> tuple[Presentation, ...]:
    """The stimuli that begin in the measurement, with times from its start."""
    first, last = timing.warmup_ms, timing.warmup_ms + timing.duration_ms
    return tuple(
        Presentation(
            stimulus.population,
            tuple(stimulus.clusters),
            stimulus.start_ms - first,
            min(stimulus.stop_ms, last) - first,
        )
        for stimulus in sorted(stimuli, key=lambda stimulus: stimulus.start_ms)
        if first <= stimulus.start_ms < last
    )


def serve(descriptor: int, parent: int, core: int | None = None, turns: str | None = None) -> None:
    """Run every batch that arrives through a slot's pipe, until the pipe closes.

    descriptor  file descriptor of this end of the pipe, through which a Setup arrives first
    parent      process id of the parent
    core        the core to run on; None: any
    turns       file whose lock gives turns on the device; None: no turns are needed

    Each phase of a batch is sent when it begins, before the outcomes.
    """
    end_with(parent)
    if core is not None:
        with contextlib.suppress(OSError):  # the core is no longer available: run on any
            os.sched_setaffinity(0, {core})
    for number in FOR_THE_COORDINATOR:
        signal.signal(number, signal.SIG_IGN)
    connection = Connection(descriptor)
    worker: Worker | None = None
    with contextlib.suppress(EOFError, BrokenPipeError):
        setup = connection.recv_bytes()
        while True:
            batch, timing = connection.recv()
            try:
                if worker is None:
                    connection.send("starting")
                    place = Path(turns) if turns else None
                    worker = Worker(pickle.loads(setup), turns=place, tell=connection.send)
                    connection.send("simulating")
            except Exception as error:  # whatever loading a user's model raises fails the batch
                connection.send(failures(batch, reason_of(error)))
            else:
                connection.send(worker.run(batch, timing))
