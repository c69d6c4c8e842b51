"""Validation: trials are simulated on fresh graphs, in NEST and a second simulator, for a verdict on each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Protocol

from optuna.trial import FrozenTrial, TrialState

from calibrate import simulators
from calibrate.calibration.search.optuna_trials import UUID, best_of, by_loss, front_of, is_feasible
from calibrate.calibration.trials.candidate import Candidate, gather_candidates
from calibrate.calibration.trials.simulation import Simulation
from calibrate.calibration.trials.summary import summarize
from calibrate.calibration.validation.progress import Replicated
from calibrate.calibration.validation.side import KeepsSimulations, Side, describe_simulator, thin_samples
from calibrate.calibration.validation.spike_trains import compare_spikes
from calibrate.calibration.validation.verdict import Verdict, judge, judge_spikes
from calibrate.errors import SimulatorError, StoreError, StudyError
from calibrate.objective import Estimate
from calibrate.objective.panel import measure
from calibrate.observation import Observation
from calibrate.study import Study
from calibrate.study.conditions import Condition

ONLY_SEEDS = "the same simulation with fresh seeds, which no second simulator has checked"
"""What a verdict on a simulation of one's own must say."""


class Keeps(KeepsSimulations, Protocol):
    """What validation needs from a store."""

    def simulations(self, uuid: str) -> list[Simulation]:
        """All simulations of a candidate, without observations."""

    def observation(self, uuid: str, *, stage: int, realisation: int, condition: str) -> Observation:
        """The observation of a simulation. Raises StoreError if it was not stored."""

    def verdicts_on(self, trial: int) -> list[Verdict]:
        """All verdicts on a trial, the oldest first."""

    def keep_verdict(self, verdict: Verdict) -> None:
        """Store a verdict."""


def choose_trials(
    study: Study, trials: Sequence[FrozenTrial], numbers: Sequence[int] = ()
) -> Sequence[FrozenTrial]:
    """The trials to validate, by loss: those with these numbers, else the best ones or the Pareto front.

    Raises StudyError if there are none, or if a trial with such a number does not exist or failed.
    """
    if numbers:
        by_number = {trial.number: trial for trial in trials}
        for number in numbers:
            if number not in by_number:
                raise StudyError(f"study '{study.name}' has no trial {number}")
            if by_number[number].state != TrialState.COMPLETE:
                raise StudyError(f"trial {number} failed: there is nothing to validate")
        return by_loss(by_number[number] for number in dict.fromkeys(numbers))
    if best_of(trials) is None:
        raise StudyError(f"study '{study.name}' has no complete trial yet that satisfies all constraints")
    if study.pareto:
        return front_of(trials)[: study.validation.top]
    return by_loss(trial for trial in trials if is_feasible(trial))[: study.validation.top or 1]


def simulators_for(study: Study) -> tuple[str, ...]:
    """The simulators for the validation of a study: NEST first, then GeNN if it is installed and can.

    Raises SimulatorError if a required simulator is not installed.
    """
    backend = study.simulation.backend
    if backend in ("poisson", "own"):
        return (backend,)  # a dry run, or a simulation of one's own: no other simulator has these neurons
    nest = simulators.choose("nest")
    here = find_spec("pygenn") is not None and not simulators.refusal("genn", study.network)
    second = backend == "genn" or here
    return (nest, simulators.choose("genn", study.network)) if second else (nest,)


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
    """Verdicts on `trials`, in their order, which are also added to `store`; None if interrupted.

    exact        compare spike trains instead of statistics: on one graph, in double precision and from the
                 start of the simulation
    slots        number of processes, by default what cores and memory allow
    interrupted  called between batches: whether to stop. Finished simulations are stored and not repeated.

    Raises SimulatorError if a simulator is not installed, or if no simulation in it completes.
    """
    sides = [Side.of(study, backend, exact=exact) for backend in simulators_for(study)]
    candidates = [gather_candidates(store.simulations(str(trial.user_attrs[UUID])))[0] for trial in trials]
    if exact:
        _check_exact(study, sides)
    # For spike trains, one graph is enough: they are the same or not.
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


def number_of_look(earlier: Sequence[Verdict], *, replicates: int, duration_ms: float) -> int:
    """The number of a look at a trial's replicates, from 1, after these verdicts on the trial.

    A look at the same replicates again is the same look.
    """
    seen = [
        (verdict.replicates, verdict.duration_ms)
        for verdict in earlier
        if not verdict.exact and len(verdict.simulators) > 1
    ]
    looks = list(dict.fromkeys(seen))
    this = (replicates, duration_ms)
    return looks.index(this) + 1 if this in looks else len(looks) + 1


def _check_exact(study: Study, sides: Sequence[Side]) -> None:
    """Raise SimulatorError if spike trains cannot be compared."""
    if study.model.simulation is not None:
        raise SimulatorError(
            "exact mode compares NEST and GeNN, and needs a model that describes its network: "
            f"{study.model.simulation.name} only returns spikes"
        )
    if len(sides) < 2:
        only = sides[0].title
        raise SimulatorError(f"exact mode compares NEST and GeNN, but only {only} can simulate this study")


@dataclass(frozen=True)
class _Comparison:
    """The sides of a validation, and the graphs that both have simulated."""

    study: Study
    sides: Sequence[Side]
    graphs: Sequence[int]
    store: Keeps

    def of_statistics(self, trial: FrozenTrial, candidate: Candidate) -> Verdict:
        """The verdict on a trial by its statistics."""
        by_side = [side.simulations_of(candidate, self.graphs) for side in self.sides]
        study = self.sides[0].study
        verdict = judge(
            study,
            summarize(self.study, trial, candidate.simulations),
            by_side[0],
            by_side[1] if len(by_side) > 1 else None,
            simulators=[describe_simulator(simulations) for simulations in by_side],
            finished=_now(),
            samples=self._samples(study, *by_side) if len(by_side) > 1 else None,
            look=number_of_look(
                self.store.verdicts_on(trial.number),
                replicates=len(by_side[0]),
                duration_ms=by_side[0][0].duration_ms,
            ),
        )
        if study.model.simulation is None:
            return verdict
        return replace(verdict, reasons=(*verdict.reasons, ONLY_SEEDS))

    def of_spikes(self, trial: FrozenTrial, candidate: Candidate) -> Verdict:
        """The verdict on a trial by its spike trains."""
        reference, other = (side.simulations_of(candidate, self.graphs) for side in self.sides)
        names = (self.sides[0].title, self.sides[1].title)
        compared = []
        for a, b in zip(reference, other, strict=True):
            if reason := a.reason or b.reason:
                raise SimulatorError(f"a simulation failed: {reason}")
            for condition in self.study.conditions:
                spikes = (self._observation(a, condition), self._observation(b, condition))
                found = compare_spikes(*spikes, graph=a.realisation, names=names)
                compared.append(replace(found, condition=condition.name))
        return judge_spikes(
            summarize(self.study, trial, candidate.simulations),
            compared,
            simulators=[describe_simulator(reference), describe_simulator(other)],
            finished=_now(),
        )

    def _samples(
        self, study: Study, reference: Sequence[Simulation], other: Sequence[Simulation]
    ) -> tuple[list[Mapping[str, Estimate]], list[Mapping[str, Estimate]]]:
        """Estimates with samples on both sides, for the graphs on which both simulations completed."""
        pairs = [(a, b) for a, b in zip(reference, other, strict=True) if not a.failed and not b.failed]
        return (
            [self._with_samples(study, a) for a, _ in pairs],
            [self._with_samples(study, b) for _, b in pairs],
        )

    def _with_samples(self, study: Study, simulation: Simulation) -> Mapping[str, Estimate]:
        """A simulation's estimates; samples of earlier runs are recomputed if the observation was stored."""
        if any(estimate.sample is not None for estimate in simulation.estimates.values()):
            return simulation.estimates
        estimates = dict(simulation.estimates)
        try:
            for condition in study.conditions:
                found = measure(self._observation(simulation, condition), condition.statistics)
                estimates |= {condition.named(name): estimate for name, estimate in found.items()}
        except StoreError:
            return simulation.estimates
        return thin_samples(replace(simulation, estimates=estimates))

    def _observation(self, simulation: Simulation, condition: Condition) -> Observation:
        return self.store.observation(
            simulation.uuid,
            stage=simulation.stage,
            realisation=simulation.realisation,
            condition=condition.name,
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
