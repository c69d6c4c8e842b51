"""What a slot's process does: it keeps a prepared simulator and runs batches of jobs in it."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

from calibrate import simulators
from calibrate.errors import CalibrateError
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
        """Simulate at most a batch of jobs of one graph; one that cannot run is an Outcome too."""
        backend = self._simulator.describe()
        outcomes: dict[str, Outcome] = {}
        batches: dict[Network, list[tuple[Job, Member]]] = {}
        for job in jobs:
            try:
                network = self._model.network(job.parameters)
                values = self._model.values(network, job.parameters)
                values = replace(values, stimuli=(*values.stimuli, *_shifted(self._setup.stimuli, timing)))
                for population in network.populations:  # here, where a bad draw fails its job only
                    wiring.neuron_parameters(
                        population,
                        values,
                        wiring_seed=self._setup.wiring_seed,
                        realisation=job.realisation,
                    )
            except Exception as error:
                outcomes[job.uuid] = Outcome(
                    uuid=job.uuid,
                    realisation=job.realisation,
                    result=SimulationFailure(_reason(error)),
                    backend=backend,
                )
            else:
                member = Member(values=values, seed=job.seed)
                batches.setdefault(network, []).append((job, member))
        for network, batch in batches.items():
            build_s, wall_s = 0.0, 0.0
            results: Sequence[Observation | SimulationFailure]
            try:
                started = time.perf_counter()
                # Where a batch holds several networks, what one of them dies of is not the others' fault.
                tell = self._tell if len(batches) == 1 else self._tell_of_waiting
                tell("building")
                prepared = self._prepare(network)
                tell("simulating")
                build_s = time.perf_counter() - started
                started = time.perf_counter()
                loop, turn = self._setup.loop, Turn(self._turns, tell=tell)
                results = (simulate if loop is None else partial(simulate_in_loop, loop=loop))(
                    prepared,
                    [member for _, member in batch],
                    realisation=jobs[0].realisation,
                    warmup_ms=timing.warmup_ms,
                    duration_ms=timing.duration_ms,
                    turn=turn,
                )
                wall_s = time.perf_counter() - started - turn.waited_s
            except Exception as error:
                self._close()
                results = [SimulationFailure(_reason(error))] * len(batch)
            results = [
                _with_presentations(result, member, timing)
                for (_, member), result in zip(batch, results, strict=True)
            ]
            started = time.perf_counter()
            evaluated = self._evaluate(results)
            scoring_s = time.perf_counter() - started
            for number, ((job, _), result) in enumerate(zip(batch, results, strict=True)):
                found = evaluated.get(number)
                outcomes[job.uuid] = Outcome(
                    uuid=job.uuid,
                    realisation=job.realisation,
                    result=result if found is None else found.observation,
                    evaluation=None if found is None else found.evaluation,
                    wall_s=wall_s,
                    build_s=build_s,
                    scoring_s=scoring_s,
                    backend=backend,
                )
        return [outcomes[job.uuid] for job in jobs]

    def _tell_of_waiting(self, phase: Phase) -> None:
        self._tell("waiting" if phase == "waiting" else "simulating")

    def _evaluate(self, results: Sequence[Observation | SimulationFailure]) -> Mapping[int, Evaluated]:
        """The statistics of the observations among these results, by their place."""
        if self._evaluators is None:
            return {}
        shown = {place: result for place, result in enumerate(results) if isinstance(result, Observation)}
        return dict(zip(shown, self._evaluators.evaluate(list(shown.values())), strict=True))

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


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, CalibrateError) else f"{type(error).__name__}: {error}"


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
                connection.send(failures(batch, _reason(error)))
            else:
                connection.send(worker.run(batch, timing))
