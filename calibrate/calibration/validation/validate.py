"""Validation: trials again on fresh graphs, in NEST and in a second simulator, and the verdict on each."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Protocol

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from calibrate import simulators
from calibrate.calibration.search.trials import UUID, best_of, by_loss, front_of, is_feasible
from calibrate.calibration.study_pool import pool_for
from calibrate.calibration.trials.candidate import Candidate, gather_candidates
from calibrate.calibration.trials.simulation import Simulation
from calibrate.calibration.trials.summary import summarize
from calibrate.calibration.validation.progress import Replicated
from calibrate.calibration.validation.spike_trains import compare_spikes
from calibrate.calibration.validation.verdict import Verdict, exactly, judge
from calibrate.errors import SimulatorError, StoreError, StudyError
from calibrate.objective import Estimate, find_statistic
from calibrate.objective.panel import measure
from calibrate.observation import Observation
from calibrate.simulation.jobs import Outcome
from calibrate.simulators.backends import BACKENDS
from calibrate.study import Study

# Of the distribution of one network so many values are kept, evenly over their ranks.
MOST_VALUES = 20_000


class Keeps(Protocol):
    """What validation needs of a store."""

    def simulations(self, uuid: str) -> list[Simulation]:
        """All simulations of a candidate, without observations."""

    def observation(self, uuid: str, *, stage: int, realisation: int) -> Observation:
        """What a simulation showed; StoreError where it was not kept."""

    def record(self, simulation: Simulation) -> None:
        """Keep a simulation, as soon as it is known."""

    def discard(self, uuid: str, *, stage: int, but_ms: float) -> None:
        """Forget a candidate's simulations of a stage that failed or were not measured for `but_ms`."""

    def keep_verdict(self, verdict: Verdict) -> None:
        """Keep what validation found of a trial."""


def chosen(study: Study, trials: Sequence[FrozenTrial], numbers: Sequence[int] = ()) -> Sequence[FrozenTrial]:
    """The trials to validate, of lowest loss first: those named, else the best, or the Pareto front.

    Raises StudyError where there is none, or one that is named is not there or failed.
    """
    if numbers:
        known = {trial.number: trial for trial in trials}
        for number in numbers:
            if number not in known:
                raise StudyError(f"study '{study.name}' has no trial {number}")
            if known[number].state != TrialState.COMPLETE:
                raise StudyError(f"trial {number} failed: there is nothing to validate")
        return by_loss(known[number] for number in dict.fromkeys(numbers))
    if best_of(trials) is None:
        raise StudyError(f"study '{study.name}' has no complete trial that keeps all constraints yet")
    if study.pareto:
        return front_of(trials)[: study.validation.top]
    return by_loss(trial for trial in trials if is_feasible(trial))[: study.validation.top or 1]


def simulators_for(study: Study) -> tuple[str, ...]:
    """The simulators that a study is validated in: NEST first, then a second one where it is here.

    Raises SimulatorError where one that is needed is not installed.
    """
    backend = study.simulation.backend
    if backend == "poisson":
        return ("poisson",)  # a dry run: no other simulator has these neurons
    nest = simulators.choose("nest")
    second = backend == "genn" or find_spec("pygenn") is not None
    return (nest, simulators.choose("genn")) if second else (nest,)


def validate_trials(
    study: Study,
    trials: Sequence[FrozenTrial],
    *,
    store: Keeps,
    exact: bool = False,
    slots: int | None = None,
    progress: Callable[[Replicated], None] = lambda _: None,
    interrupted: Callable[[], bool] = lambda: False,
) -> list[Verdict] | None:
    """Verdicts on `trials`, in their order, which `store` keeps; None where it was interrupted.

    exact        compare spike trains on one graph, in double precision and from the start, not statistics
    slots        processes, by default what cores and memory allow
    interrupted  asked between batches: whether to stop. What was simulated is not simulated again later.

    Raises SimulatorError where a simulator is not here, or no simulation in one completes.
    """
    sides = [_Side.of(study, backend, exact=exact) for backend in simulators_for(study)]
    found = [gather_candidates(store.simulations(str(trial.user_attrs[UUID])))[0] for trial in trials]
    if exact:
        _check_exact(study, sides, found)
    # Of spike trains, one graph is enough: they are the same or not.
    graphs = study.graphs.validation(1 if exact else study.validation.replicates)
    for side in sides:
        side.simulate(found, graphs, store, slots, progress, interrupted)
        if interrupted():
            return None
    judge_one = _compare_exactly if exact else _compare
    verdicts = [
        judge_one(study, trial, candidate, sides, graphs, store)
        for trial, candidate in zip(trials, found, strict=True)
    ]
    for verdict in verdicts:
        store.keep_verdict(verdict)
    return verdicts


@dataclass(frozen=True)
class _Side:
    """A simulator, the study as it is simulated there, and the stage that these simulations have."""

    backend: str
    study: Study
    stage: int

    @classmethod
    def of(cls, study: Study, backend: str, *, exact: bool) -> _Side:
        simulation = study.simulation
        duration_ms = study.validation.duration_ms or simulation.duration_ms
        changes: dict[str, object] = {"backend": backend, "duration_ms": duration_ms}
        if exact:
            whole = {"warmup_ms": 0.0, "duration_ms": simulation.warmup_ms + duration_ms}
            changes |= {**whole, "precision": "double"}
        stage = study.validation_stage(backend, exact=exact)
        return cls(backend, _with_intervals(study.simulated(**changes)), stage)

    def simulate(
        self,
        found: Sequence[Candidate],
        graphs: Sequence[int],
        store: Keeps,
        slots: int | None,
        progress: Callable[[Replicated], None],
        interrupted: Callable[[], bool],
    ) -> None:
        """Simulate what is not known yet of these candidates on these graphs, and keep it."""
        duration_ms = self.study.simulation.duration_ms
        for candidate in found:
            store.discard(candidate.uuid, stage=self.stage, but_ms=duration_ms)
            candidate.simulations[:] = [
                one
                for one in candidate.simulations
                if one.stage != self.stage or (one.duration_ms == duration_ms and not one.failed)
            ]
        left = [
            job
            for graph in graphs
            for candidate in found
            for job in candidate.jobs(self.study, self.stage, [graph])
        ]
        by_uuid = {candidate.uuid: candidate for candidate in found}
        total, began = len(found) * len(graphs), time.monotonic()
        known = total - len(left)

        def report(done: int) -> None:
            elapsed_s = time.monotonic() - began
            progress(
                Replicated(
                    simulator=BACKENDS[self.backend].title,
                    done=known + done,
                    new=done,
                    total=total,
                    elapsed_s=elapsed_s,
                )
            )

        report(0)
        if not left:
            return
        returned = 0

        def keep(outcome: Outcome) -> None:
            nonlocal returned
            candidate = by_uuid[outcome.uuid]
            simulation = candidate.simulation(self.study, outcome, self.stage)
            store.record(simulation)
            candidate.simulations.append(
                replace(simulation, observation=None, estimates=_thinned(simulation))
            )
            returned += 1
            report(returned)

        with pool_for(self.study, slots=slots, at_once=len(found), spikes=True, evaluated=True) as pool:
            while left and not interrupted():
                n = pool.capacity  # of a cluster, it may change
                pool.run(left[:n], timing=self.study.stages[-1], progress=keep)
                left = left[n:]

    def known(self, candidate: Candidate, graphs: Sequence[int]) -> list[Simulation]:
        """Its simulations on these graphs, in their order. Raises SimulatorError where all failed."""
        found = [simulation for simulation in candidate.known(self.stage) if simulation.realisation in graphs]
        if all(simulation.failed for simulation in found):
            raise SimulatorError(
                f"no simulation in {BACKENDS[self.backend].title} completed: {found[0].reason}"
            )
        return found


def _with_intervals(study: Study) -> Study:
    """`study` with inter-spike intervals among its statistics, as all spikes are there."""
    names = {statistic.name for statistic in study.statistics}
    wanted = [f"isi_{population}" for population in study.network.layout.populations]
    more = [find_statistic(name) for name in wanted if name not in names]
    return replace(study, statistics=(*study.statistics, *more))


def _described(simulations: Sequence[Simulation]) -> str:
    """The simulator of these, as it calls itself."""
    backend = next(simulation.backend for simulation in simulations if not simulation.failed)
    parts = [backend.get(key, "") for key in ("version", "device", "precision")]
    name = backend.get("name", "")
    return " ".join(part for part in (BACKENDS[name].title if name in BACKENDS else name, *parts) if part)


def _compare(
    study: Study,
    trial: FrozenTrial,
    candidate: Candidate,
    sides: Sequence[_Side],
    graphs: Sequence[int],
    store: Keeps,
) -> Verdict:
    known = [side.known(candidate, graphs) for side in sides]
    longer = sides[0].study
    return judge(
        longer,
        summarize(study, trial, candidate.simulations),
        known[0],
        known[1] if len(known) > 1 else None,
        simulators=[_described(simulations) for simulations in known],
        finished=_now(),
        samples=_samples(longer, known, store) if len(known) > 1 else None,
    )


def _samples(
    study: Study, known: Sequence[Sequence[Simulation]], store: Keeps
) -> tuple[list[Mapping[str, Estimate]], list[Mapping[str, Estimate]]]:
    """Estimates with their samples on both sides, of the graphs that completed in both."""
    reference, other = known
    pairs = [(a, b) for a, b in zip(reference, other, strict=True) if not a.failed and not b.failed]
    return (
        [_with_samples(study, a, store) for a, _ in pairs],
        [_with_samples(study, b, store) for _, b in pairs],
    )


def _with_samples(study: Study, simulation: Simulation, store: Keeps) -> Mapping[str, Estimate]:
    """The estimates of a simulation; an earlier one's samples are computed again, if its spikes were kept."""
    if any(found.sample is not None for found in simulation.estimates.values()):
        return simulation.estimates
    try:
        shown = store.observation(simulation.uuid, stage=simulation.stage, realisation=simulation.realisation)
    except StoreError:
        return simulation.estimates
    return _thinned(replace(simulation, estimates=measure(shown, study.statistics)))


def _thinned(simulation: Simulation) -> dict[str, Estimate]:
    """Its estimates with samples of a size that many networks fit into memory with."""
    return {
        name: found
        if found.sample is None or found.sample.size <= MOST_VALUES
        else replace(found, sample=np.quantile(found.sample, (np.arange(MOST_VALUES) + 0.5) / MOST_VALUES))
        for name, found in simulation.estimates.items()
    }


def _check_exact(study: Study, sides: Sequence[_Side], found: Sequence[Candidate]) -> None:
    if len(sides) < 2:
        only = BACKENDS[sides[0].backend].title
        raise SimulatorError(f"exact mode compares NEST and GeNN, and only {only} can simulate this here")
    for candidate in found:
        parameters = study.parameters(candidate.proposal.parameters)
        if study.model.values(study.model.network(parameters), parameters).noise:
            raise StudyError(
                "exact mode: the network has random input, which every simulator draws by itself"
            )


def _compare_exactly(
    study: Study,
    trial: FrozenTrial,
    candidate: Candidate,
    sides: Sequence[_Side],
    graphs: Sequence[int],
    store: Keeps,
) -> Verdict:
    reference, other = (side.known(candidate, graphs) for side in sides)
    compared = []
    for a, b in zip(reference, other, strict=True):
        if reason := a.reason or b.reason:
            raise SimulatorError(f"a simulation failed: {reason}")
        shown, same = (
            store.observation(candidate.uuid, stage=one.stage, realisation=one.realisation) for one in (a, b)
        )
        names = (BACKENDS[sides[0].backend].title, BACKENDS[sides[1].backend].title)
        compared.append(compare_spikes(shown, same, graph=a.realisation, names=names))
    return exactly(
        summarize(study, trial, candidate.simulations),
        compared,
        simulators=[_described(reference), _described(other)],
        finished=_now(),
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
