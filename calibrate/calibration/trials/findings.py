"""Findings: what the trials and simulations of a study amount to, while it runs and ever after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from optuna.trial import FrozenTrial

from calibrate.calibration.search.trials import ORIGIN, UUID, Answer, loss_of
from calibrate.calibration.trials.candidate import Candidate
from calibrate.calibration.trials.score import combined, score, summary
from calibrate.calibration.trials.simulation import Simulation
from calibrate.calibration.trials.summary import TrialSummary, finite, reached
from calibrate.errors import CalibrateError, StoreError
from calibrate.objective import Estimate
from calibrate.observation import Observation, UpStates, up_states
from calibrate.study import Study


def searched(study: Study, simulations: Sequence[Simulation]) -> list[Simulation]:
    """Those of the search: stages beyond the study's are of its validation."""
    return [simulation for simulation in simulations if simulation.stage <= len(study.stages)]


def up_states_of(study: Study, observation: Observation) -> UpStates | None:
    """Up-states of clusters, detected as the study's statistics do; None where they cannot be."""
    population = study.network.layout.populations[0]
    options = next(
        (
            one.options
            for one in study.statistics
            if "theta_hi_hz" in one.options and one.options.get("population") == population
        ),
        None,
    )
    if options is None:
        return None
    try:
        return up_states(observation, **options)
    except CalibrateError:  # counts in other bins
        return None


def estimates_of(study: Study, simulations: Sequence[Simulation]) -> dict[str, Estimate]:
    """The statistics of a candidate's latest stage, means over the graphs of the search."""
    stage = max(simulation.stage for simulation in simulations)
    unseen = study.fresh_graphs.start
    return combined([s.estimates for s in simulations if s.stage == stage and s.realisation < unseen])


def described(study: Study, trial: FrozenTrial, simulations: Sequence[Simulation]) -> TrialSummary:
    """A complete trial and its candidate's simulations, for people."""
    simulations = searched(study, simulations)
    if not simulations:
        raise StoreError(f"the database has no simulation of trial {trial.number}: its rows were removed")
    estimates = estimates_of(study, simulations)
    fresh = [
        simulation.estimates
        for simulation in simulations
        if simulation.realisation in study.fresh_graphs and not simulation.failed
    ]
    return TrialSummary(
        number=trial.number,
        params=dict(trial.params),
        parameters=study.parameters(trial.params),
        loss=loss_of(trial),
        graphs=int(trial.user_attrs.get("graphs", 1)),
        statistics={name: finite(found.value) for name, found in estimates.items()},
        targets=reached(study, estimates, fresh),
        fresh={name: summary([graph[name] for graph in fresh]) for name in fresh[0]} if fresh else {},
    )


def answer(study: Study, candidate: Candidate) -> Answer:
    """What is told of a candidate, and what its trial shows besides its parameters in Optuna's dashboard."""
    attributes: dict[str, Any] = {UUID: candidate.uuid}
    if candidate.origin is not None:
        attributes[ORIGIN] = candidate.origin
    if candidate.failure is not None:
        return Answer(
            proposal=candidate.proposal, loss=None, attributes={**attributes, "reason": candidate.failure}
        )
    found = score(study, candidate.simulations)
    estimates = estimates_of(study, candidate.simulations)
    attributes |= {one.name: finite(estimates[one.name].value) for one in study.judged}
    stage = max(simulation.stage for simulation in candidate.simulations)
    attributes |= {"stage": stage, "graphs": len(candidate.known(stage))}
    return Answer(
        proposal=candidate.proposal,
        loss=found.loss,
        values=found.losses if study.pareto else (),
        constraints=found.violations,
        attributes=attributes,
    )
