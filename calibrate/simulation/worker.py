"""What a slot's process does: it keeps a prepared simulator and runs batches of jobs in it."""

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
from calibrate.errors import reason_of
from calibrate.network import Network, RateStimulus, Stimulus, find_model, wiring
from calibrate.neurons import register
from calibrate.observation import Observation, Presentation, SimulationFailure
from calibrate.simulation.evaluators import Evaluated, Evaluators
from calibrate.simulation.jobs import Job, Outcome, Setup, Timing, failures
from calibrate.simulation.lifetime import end_with
from calibrate.simulators.base import Member, Prepared, Simulator, simulate
from calibrate.simulators.closed_loop import simulate_in_loop
from calibrate.simulators.turn import Phase, Turn

# Ctrl-C and a batch system's SIGTERM reach all processes of a run, and are the coordinator's to handle.
FOR_THE_COORDINATOR = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class _Asked:
    """A job, and its member of the batch."""

    job: Job
    member: Member


@dataclass(frozen=True)
class _Simulated:
    """What the members of a batch came to, and the time of the simulation and of building its network."""

    results: Sequence[Observation | SimulationFailure]
    wall_s: float
    build_s: float


class Worker:
    """The simulator and the last network it built.

    turns  the file by whose lock processes take turns on the device that they share
    tell   told each phase of a batch
    """

    def __init__(
        self, setup: Setup, *, turns: Path | None = None, tell: Callable[[Phase], None] = lambda _: None
    ) -> None:
        self._setup, self._turns, self._tell = setup, turns, tell
        for neuron in setup.neurons:
            register(neuron)
        model = setup.model
        self._model = find_model(model, folder=setup.folder) if isinstance(model, str) else model
        self._simulator: Simulator = simulators.create(
            setup.backend, dt_ms=setup.dt_ms, precision=setup.precision
        )
        self._evaluators: Evaluators | None = None
        if setup.statistics is not None:
            self._evaluators = Evaluators(setup.statistics, processes=setup.evaluators)
        self._network: Network | None = None
        self._prepared: Prepared | None = None

    def run(self, jobs: Sequence[Job], timing: Timing) -> list[Outcome]:
        """Simulate at most a batch of jobs on one graph; one that cannot run has an Outcome, too."""
        batches, refused = self._members(jobs, timing)
        outcomes = {outcome.uuid: outcome for outcome in refused}
        for network, batch in batches.items():
            # If a batch holds several networks, the others are not to blame for what one of them dies of.
            tell = self._tell if len(batches) == 1 else self._tell_of_waiting
            simulated = self._simulate(network, batch, jobs[0].realisation, timing, tell)
            outcomes |= {outcome.uuid: outcome for outcome in self._evaluate(simulated, batch)}
        return [outcomes[job.uuid] for job in jobs]

    def _members(
        self, jobs: Sequence[Job], timing: Timing
    ) -> tuple[dict[Network, list[_Asked]], list[Outcome]]:
        """The members of a batch for each network, and the outcomes of jobs that have no network."""
        batches: dict[Network, list[_Asked]] = {}
        refused: list[Outcome] = []
        for job in jobs:
            try:
                network = self._model.network(job.parameters)
                values = self._model.values(network, job.parameters)
                values = replace(values, stimuli=(*values.stimuli, *_shifted(self._setup.stimuli, timing)))
                for population in network.populations:  # here, where a bad draw fails its own job only
                    wiring.neuron_parameters(
                        population, values, wiring_seed=self._setup.wiring_seed, realisation=job.realisation
                    )
            except Exception as error:  # whatever a user's model raises fails its own job only
                (outcome,) = failures([job], reason_of(error))
                refused.append(replace(outcome, backend=self._simulator.describe()))
            else:
                batches.setdefault(network, []).append(_Asked(job, Member(values=values, seed=job.seed)))
        return batches, refused

    def _simulate(
        self,
        network: Network,
        batch: Sequence[_Asked],
        realisation: int,
        timing: Timing,
        tell: Callable[[Phase], None],
    ) -> _Simulated:
        """Build the network, unless it is there, and simulate it with all members of a batch at once."""
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
                [asked.member for asked in batch],
                realisation=realisation,
                warmup_ms=timing.warmup_ms,
                duration_ms=timing.duration_ms,
                turn=turn,
            )
            wall_s = time.perf_counter() - started - turn.waited_s
        except Exception as error:  # whatever a simulator raises fails this batch only
            self._close()
            results = [SimulationFailure(reason_of(error))] * len(batch)
        with_presentations = [
            _with_presentations(result, asked.member, timing)
            for asked, result in zip(batch, results, strict=True)
        ]
        return _Simulated(with_presentations, wall_s=wall_s, build_s=build_s)

    def _evaluate(self, simulated: _Simulated, batch: Sequence[_Asked]) -> list[Outcome]:
        """The outcomes of a batch, with the statistics of its observations if the setup asks for them."""
        started = time.perf_counter()
        shown = {k: result for k, result in enumerate(simulated.results) if isinstance(result, Observation)}
        evaluated: dict[int, Evaluated] = {}
        if self._evaluators is not None:
            evaluated = dict(zip(shown, self._evaluators.evaluate(list(shown.values())), strict=True))
        outcome = partial(
            Outcome,
            wall_s=simulated.wall_s,
            build_s=simulated.build_s,
            scoring_s=time.perf_counter() - started,
            backend=self._simulator.describe(),
        )
        return [
            outcome(
                uuid=asked.job.uuid,
                realisation=asked.job.realisation,
                result=evaluated[k].observation if k in evaluated else simulated.results[k],
                evaluation=evaluated[k].evaluation if k in evaluated else None,
            )
            for k, asked in enumerate(batch)
        ]

    def _tell_of_waiting(self, phase: Phase) -> None:
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


def _shifted(stimuli: Sequence[Stimulus], timing: Timing) -> Iterator[Stimulus]:
    """Stimuli of the measurement, as a simulation that begins with its warm-up counts the time.

    A shorter stage sees those that begin within it.
    """
    for one in stimuli:
        if one.start_ms < timing.duration_ms:
            start, stop = one.start_ms, min(one.stop_ms, timing.duration_ms)
            yield replace(one, start_ms=timing.warmup_ms + start, stop_ms=timing.warmup_ms + stop)


def _with_presentations(
    result: Observation | SimulationFailure, member: Member, timing: Timing
) -> Observation | SimulationFailure:
    if isinstance(result, SimulationFailure) or not member.values.stimuli:
        return result
    return replace(result, presentations=_presentations(member.values.stimuli, timing))


def _presentations(stimuli: Sequence[Stimulus | RateStimulus], timing: Timing) -> tuple[Presentation, ...]:
    first, last = timing.warmup_ms, timing.warmup_ms + timing.duration_ms
    return tuple(
        Presentation(
            one.population, tuple(one.clusters), one.start_ms - first, min(one.stop_ms, last) - first
        )
        for one in sorted(stimuli, key=lambda stimulus: stimulus.start_ms)
        if first <= one.start_ms < last
    )


def serve(descriptor: int, parent: int, core: int | None = None, turns: str | None = None) -> None:
    """What a slot's process does: run every batch that comes through its pipe, until that closes.

    descriptor  of its end of the pipe, through which a Setup comes first
    parent      process id of the one that started it
    core        the one that it runs on; None: on whatever is free
    turns       file by whose lock it takes turns on its device; None: it need not

    Before the outcomes of a batch it sends the phases that the batch is in.
    """
    end_with(parent)
    if core is not None:
        with contextlib.suppress(OSError):  # taken away meanwhile: it runs where it may
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
            except Exception as error:
                connection.send(failures(batch, reason_of(error)))
            else:
                connection.send(worker.run(batch, timing))
