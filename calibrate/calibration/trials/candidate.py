"""A candidate: a parameter set between being asked and being told, and what it still needs."""

from __future__ import annotations

import socket
import uuid as uuids
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from calibrate.calibration.search.search import candidate_seed
from calibrate.calibration.search.trials import ORIGIN, UUID, Answer, Proposal
from calibrate.calibration.trials.averages import search_estimates
from calibrate.calibration.trials.score import score, worst_violations
from calibrate.calibration.trials.simulation import Simulation
from calibrate.calibration.trials.summary import finite
from calibrate.errors import ObjectiveError
from calibrate.objective import Estimate
from calibrate.objective.panel import evaluate
from calibrate.observation import SimulationFailure
from calibrate.simulation.jobs import Job, Outcome
from calibrate.study import Study


@dataclass
class Candidate:
    """A parameter set that a run has not told yet.

    simulations  what is known of it, of this run or an earlier one
    resumed      whether an earlier run asked it
    """

    uuid: str
    proposal: Proposal
    simulations: list[Simulation] = field(default_factory=list)
    resumed: bool = False

    @property
    def origin(self) -> str | None:
        """The study that it was taken over from."""
        return next((found.origin for found in self.simulations), None)

    @property
    def failure(self) -> str | None:
        """Why one of its simulations failed; None if none did."""
        return next((found.reason for found in self.simulations if found.failed), None)

    def known(self, stage: int) -> list[Simulation]:
        """Its simulations of a stage, by graph."""
        return sorted((s for s in self.simulations if s.stage == stage), key=lambda s: s.realisation)

    def jobs(self, study: Study, stage: int, graphs: Iterable[int]) -> list[Job]:
        """What is left to simulate on these graphs in a stage. Raises StudyError or ModelError."""
        done = {found.realisation for found in self.known(stage)}
        parameters = study.parameters(self.proposal.parameters)
        return [
            Job(
                uuid=self.uuid,
                parameters=parameters,
                seed=candidate_seed(study.simulation_seed, self.proposal.index, graph),
                realisation=graph,
            )
            for graph in graphs
            if graph not in done
        ]

    def is_out(self, study: Study) -> bool:
        """Whether it failed or breaks a constraint, so that nothing more of it is simulated."""
        return self.failure is not None or any(worst_violations(study, self.simulations).values())

    def answer(self, study: Study) -> Answer:
        """What is told of it, and what its trial shows besides its parameters in Optuna's dashboard."""
        attributes: dict[str, Any] = {UUID: self.uuid}
        if self.origin is not None:
            attributes[ORIGIN] = self.origin
        if self.failure is not None:
            attributes["reason"] = self.failure
            return Answer(proposal=self.proposal, loss=None, attributes=attributes)
        result = score(study, self.simulations)
        estimates = search_estimates(study, self.simulations)
        attributes |= {one.name: finite(estimates[one.name].value) for one in study.judged}
        stage = max(simulation.stage for simulation in self.simulations)
        attributes |= {"stage": stage, "graphs": len(self.known(stage))}
        return Answer(
            proposal=self.proposal,
            loss=result.loss,
            values=result.losses if study.pareto else (),
            constraints=result.violations,
            attributes=attributes,
        )

    def simulation(self, study: Study, outcome: Outcome, stage: int) -> Simulation:
        """The record of an outcome with its statistics; failed, too, where one that is judged raises.

        Stages beyond those of the study are of its validation, and as long as the last.
        """
        result, reason = outcome.result, None
        estimates: Mapping[str, Estimate] = {}
        last = len(study.stages)
        judged = study.judged if stage >= last else study.constraints
        if isinstance(result, SimulationFailure):
            reason = result.reason
        else:
            found = outcome.evaluation or evaluate(outcome.observation, study.statistics)
            try:
                found.check(one.name for one in judged)
                estimates = found.estimates
            except ObjectiveError as error:
                reason = str(error)
        return Simulation(
            uuid=self.uuid,
            index=self.proposal.index,
            parameters=self.proposal.parameters,
            seed=candidate_seed(study.simulation_seed, self.proposal.index, outcome.realisation),
            stage=stage,
            realisation=outcome.realisation,
            backend=outcome.backend,
            duration_ms=study.stages[min(stage, last) - 1].duration_ms,
            wall_s=outcome.wall_s,
            host=socket.gethostname(),
            finished=datetime.now(UTC),
            reason=reason,
            estimates=estimates,
            observation=None if isinstance(result, SimulationFailure) else result,
        )


def gather_candidates(simulations: Sequence[Simulation]) -> list[Candidate]:
    """The candidates of earlier runs that these simulations are of, by index."""
    found: dict[str, Candidate] = {}
    for simulation in simulations:
        proposal = Proposal(
            index=simulation.index,
            parameters=simulation.parameters,
            asked=datetime.now(),
            adopted=simulation.origin is not None,
        )
        candidate = found.setdefault(simulation.uuid, Candidate(simulation.uuid, proposal, resumed=True))
        candidate.simulations.append(simulation)
    return sorted(found.values(), key=lambda candidate: candidate.proposal.index)


def create_candidates(proposals: Sequence[Proposal]) -> list[Candidate]:
    """A candidate for each proposal, of which nothing is known yet."""
    return [Candidate(str(uuids.uuid4()), proposal) for proposal in proposals]
