"""A candidate: a parameter set that is asked for and not told yet, and its remaining simulations."""

from __future__ import annotations

import socket
import uuid as uuids
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from calibrate.calibration.search.optuna_trials import ESTIMATES, ORIGIN, UUID, Answer, Proposal, packed
from calibrate.calibration.search.search import candidate_seed
from calibrate.calibration.trials.averages import search_estimates
from calibrate.calibration.trials.merged import merged
from calibrate.calibration.trials.score import score, worst_violations
from calibrate.calibration.trials.simulation import Simulation
from calibrate.calibration.trials.summary import finite, lower_bounds
from calibrate.errors import ObjectiveError
from calibrate.objective import Estimate
from calibrate.objective.panel import evaluate
from calibrate.observation import SimulationFailure
from calibrate.simulation.jobs import Job, Outcome
from calibrate.study import Study
from calibrate.study.conditions import Condition, find_condition, timing_in


@dataclass
class Candidate:
    """A parameter set that a run has not told yet.

    simulations  its simulations so far, by this run or an earlier one
    resumed      whether an earlier run asked for it
    """

    uuid: str
    proposal: Proposal
    simulations: list[Simulation] = field(default_factory=list)
    resumed: bool = False

    @property
    def origin(self) -> str | None:
        """The study that it was imported from; None if it is this study's own."""
        return next((simulation.origin for simulation in self.simulations), None)

    @property
    def failure(self) -> str | None:
        """Why one of its simulations failed; None if none did."""
        return next((simulation.reason for simulation in self.simulations if simulation.failed), None)

    def simulations_of(self, stage: int) -> list[Simulation]:
        """Its simulations of a stage, by graph."""
        return sorted((s for s in self.simulations if s.stage == stage), key=lambda s: s.realisation)

    def graphs_of(self, study: Study, stage: int) -> set[int]:
        """The graphs on which it was simulated in a stage, in every condition of the search."""
        return {simulation.realisation for simulation in merged(study, self.simulations_of(stage))}

    def on_graphs(self, graphs: Collection[int]) -> Candidate:
        """The candidate with the simulations on these graphs only."""
        chosen = [simulation for simulation in self.simulations if simulation.realisation in graphs]
        return replace(self, simulations=chosen)

    def jobs(
        self,
        study: Study,
        stage: int,
        graphs: Iterable[int],
        conditions: Sequence[Condition] | None = None,
    ) -> list[Job]:
        """Its remaining jobs on these graphs in a stage, by default in the conditions of the search.

        In all conditions, a graph comes with the same seed. Raises StudyError or ModelError.
        """
        done = {(simulation.realisation, simulation.condition) for simulation in self.simulations_of(stage)}
        wanted = study.searched if conditions is None else conditions
        parameters = {one.name: study.parameters_in(one, self.proposal.parameters) for one in wanted}
        return [
            Job(
                uuid=self.uuid,
                parameters=parameters[condition.name],
                seed=candidate_seed(study.simulation_seed, self.proposal.index, graph),
                realisation=graph,
                condition=condition.name,
                timing=timing_in(study, condition, stage),
            )
            for graph in graphs
            for condition in wanted
            if (graph, condition.name) not in done
        ]

    def is_out(self, study: Study) -> bool:
        """Whether it failed or breaks a constraint, so that it is not simulated any further."""
        return self.failure is not None or any(worst_violations(study, self.simulations).values())

    def answer(self, study: Study) -> Answer:
        """Its result, with the attributes that Optuna's dashboard shows for its trial."""
        attributes: dict[str, Any] = {UUID: self.uuid}
        if self.origin is not None:
            attributes[ORIGIN] = self.origin
        if self.failure is not None:
            attributes["reason"] = self.failure
            return Answer(proposal=self.proposal, loss=None, attributes=attributes)
        result = score(study, self.simulations)
        estimates = search_estimates(study, self.simulations)
        attributes |= {statistic.name: finite(estimates[statistic.name].value) for statistic in study.judged}
        if bounds := [name for name in lower_bounds(estimates) if name in attributes]:
            attributes["lower_bounds"] = bounds
        stage = max(simulation.stage for simulation in self.simulations)
        if study.sampler.models_statistics:
            # Those of an earlier stage are from shorter simulations, and only judge constraints.
            judged = study.judged if stage == len(study.stages) else study.constraints
            attributes[ESTIMATES] = packed({one.name: estimates[one.name] for one in judged})
        attributes |= {"stage": stage, "graphs": len(self.graphs_of(study, stage))}
        return Answer(
            proposal=self.proposal,
            loss=result.loss,
            values=result.losses if study.pareto else (),
            constraints=result.violations,
            attributes=attributes,
        )

    def simulation(self, study: Study, outcome: Outcome, stage: int) -> Simulation:
        """The record of an outcome with its statistics; it has failed, too, if a judged statistic raises.

        Stages beyond those of the study belong to its validation, and have the duration of the last one.
        """
        result, reason = outcome.result, None
        estimates: Mapping[str, Estimate] = {}
        condition = find_condition(study, outcome.condition)
        bounds = {condition.named(name): name for name in condition.judged}
        screening = {bounds[one.name] for one in study.constraints if one.name in bounds}
        if isinstance(result, SimulationFailure):
            reason = condition.reason(result.reason)
        else:
            evaluation = outcome.evaluation or evaluate(outcome.observation, condition.statistics)
            try:
                evaluation.check(condition.judged if stage >= len(study.stages) else screening)
                estimates = evaluation.estimates
            except ObjectiveError as error:
                reason = condition.reason(str(error))
        return Simulation(
            uuid=self.uuid,
            index=self.proposal.index,
            parameters=self.proposal.parameters,
            seed=candidate_seed(study.simulation_seed, self.proposal.index, outcome.realisation),
            stage=stage,
            realisation=outcome.realisation,
            condition=condition.name,
            backend=outcome.backend,
            duration_ms=timing_in(study, condition, stage).duration_ms,
            wall_s=outcome.wall_s,
            host=socket.gethostname(),
            finished=datetime.now(UTC),
            reason=reason,
            estimates=estimates,
            observation=None if isinstance(result, SimulationFailure) else result,
        )


def gather_candidates(simulations: Sequence[Simulation]) -> list[Candidate]:
    """The candidates of earlier runs to which these simulations belong, by index."""
    candidates: dict[str, Candidate] = {}
    for simulation in simulations:
        proposal = Proposal(
            index=simulation.index,
            parameters=simulation.parameters,
            asked=datetime.now(),
            adopted=simulation.origin is not None,
        )
        new = Candidate(simulation.uuid, proposal, resumed=True)
        candidate = candidates.setdefault(simulation.uuid, new)
        candidate.simulations.append(simulation)
    return sorted(candidates.values(), key=lambda candidate: candidate.proposal.index)


def create_candidates(proposals: Sequence[Proposal]) -> list[Candidate]:
    """A candidate for each proposal, without simulations."""
    return [Candidate(str(uuids.uuid4()), proposal) for proposal in proposals]
