"""Validation: trials again on fresh graphs, in NEST and in a second simulator, and the verdict on each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Protocol

from optuna.trial import FrozenTrial, TrialState

from calibrate import simulators
from calibrate.calibration.search.trials import UUID, best_of, by_loss, front_of, is_feasible
from calibrate.calibration.trials.candidate import Candidate, gather_candidates
from calibrate.calibration.trials.simulation import Simulation
from calibrate.calibration.trials.summary import summarize
from calibrate.calibration.validation.progress import Replicated
from calibrate.calibration.validation.side import KeepsSimulations, Side, describe_simulator, thin_samples
from calibrate.calibration.validation.spike_trains import compare_spikes
from calibrate.calibration.validation.verdict import Verdict, exactly, judge
from calibrate.errors import SimulatorError, StoreError, StudyError
from calibrate.objective import Estimate
from calibrate.objective.panel import measure
from calibrate.observation import Observation
from calibrate.study import Study


class Keeps(KeepsSimulations, Protocol):
    """What validation needs of a store."""

    def simulations(self, uuid: str) -> list[Simulation]:
        """All simulations of a candidate, without observations."""

    def observation(self, uuid: str, *, stage: int, realisation: int) -> Observation:
        """What a simulation showed; StoreError where it was not kept."""

    def keep_verdict(self, verdict: Verdict) -> None:
        """Keep what validation found of a trial."""


def choose_trials(
    study: Study, trials: Sequence[FrozenTrial], numbers: Sequence[int] = ()
) -> Sequence[FrozenTrial]:
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
    sides = [Side.of(study, backend, exact=exact) for backend in simulators_for(study)]
    candidates = [gather_candidates(store.simulations(str(trial.user_attrs[UUID])))[0] for trial in trials]
    if exact:
        _check_exact(study, sides, candidates)
    # Of spike trains, one graph is enough: they are the same or not.
    graphs = study.graphs.validation(1 if exact else study.validation.replicates)
    for side in sides:
        side.simulate(candidates, graphs, store, slots=slots, progress=progress, interrupted=interrupted)
        if interrupted():
            return None
    comparison = _Comparison(study, sides, graphs, store)
    compare = comparison.of_spikes if exact else comparison.of_statistics
    verdicts = [compare(trial, candidate) for trial, candidate in zip(trials, candidates, strict=True)]
    for verdict in verdicts:
        store.keep_verdict(verdict)
    return verdicts


def _check_exact(study: Study, sides: Sequence[Side], candidates: Sequence[Candidate]) -> None:
    """Raise SimulatorError or StudyError if spike trains cannot be compared."""
    if len(sides) < 2:
        only = sides[0].title
        raise SimulatorError(f"exact mode compares NEST and GeNN, but only {only} can simulate this here")
    for candidate in candidates:
        parameters = study.parameters(candidate.proposal.parameters)
        if study.model.values(study.model.network(parameters), parameters).noise:
            raise StudyError(
                "exact mode is not possible: the network has random input, and each simulator draws its own"
            )


@dataclass(frozen=True)
class _Comparison:
    """The sides of a validation, and the graphs that both have simulated."""

    study: Study
    sides: Sequence[Side]
    graphs: Sequence[int]
    store: Keeps

    def of_statistics(self, trial: FrozenTrial, candidate: Candidate) -> Verdict:
        """The verdict on a trial by its statistics."""
        known = [side.known(candidate, self.graphs) for side in self.sides]
        study = self.sides[0].study
        return judge(
            study,
            summarize(self.study, trial, candidate.simulations),
            known[0],
            known[1] if len(known) > 1 else None,
            simulators=[describe_simulator(simulations) for simulations in known],
            finished=_now(),
            samples=self._samples(study, *known) if len(known) > 1 else None,
        )

    def of_spikes(self, trial: FrozenTrial, candidate: Candidate) -> Verdict:
        """The verdict on a trial by its spike trains."""
        reference, other = (side.known(candidate, self.graphs) for side in self.sides)
        names = (self.sides[0].title, self.sides[1].title)
        compared = []
        for a, b in zip(reference, other, strict=True):
            if reason := a.reason or b.reason:
                raise SimulatorError(f"a simulation failed: {reason}")
            spikes = (self._observation(a), self._observation(b))
            compared.append(compare_spikes(*spikes, graph=a.realisation, names=names))
        return exactly(
            summarize(self.study, trial, candidate.simulations),
            compared,
            simulators=[describe_simulator(reference), describe_simulator(other)],
            finished=_now(),
        )

    def _samples(
        self, study: Study, reference: Sequence[Simulation], other: Sequence[Simulation]
    ) -> tuple[list[Mapping[str, Estimate]], list[Mapping[str, Estimate]]]:
        """Estimates with their samples on both sides, of the graphs that completed in both."""
        pairs = [(a, b) for a, b in zip(reference, other, strict=True) if not a.failed and not b.failed]
        return (
            [self._with_samples(study, a) for a, _ in pairs],
            [self._with_samples(study, b) for _, b in pairs],
        )

    def _with_samples(self, study: Study, simulation: Simulation) -> Mapping[str, Estimate]:
        """Its estimates; samples of an earlier run's are computed again, if its spikes were kept."""
        if any(estimate.sample is not None for estimate in simulation.estimates.values()):
            return simulation.estimates
        try:
            observation = self._observation(simulation)
        except StoreError:
            return simulation.estimates
        return thin_samples(replace(simulation, estimates=measure(observation, study.statistics)))

    def _observation(self, simulation: Simulation) -> Observation:
        return self.store.observation(
            simulation.uuid, stage=simulation.stage, realisation=simulation.realisation
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
