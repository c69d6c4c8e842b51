"""Self-test: does a study find a known network inside its search space?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from calibrate import simulators
from calibrate.calibration.search.optuna_trials import Proposal
from calibrate.calibration.study_pool import pool_for
from calibrate.calibration.trials.averages import search_estimates
from calibrate.calibration.trials.candidate import Candidate
from calibrate.calibration.trials.merged import merged
from calibrate.calibration.trials.score import worst_violations
from calibrate.calibration.trials.simulation import Simulation
from calibrate.calibration.trials.summary import TargetResult, TrialSummary
from calibrate.errors import ModelError, SimulatorError, StudyError
from calibrate.network.wiring import key
from calibrate.objective import Estimate, Objective, Value
from calibrate.results.looseness import Looseness
from calibrate.results.results import read_results
from calibrate.store import storage_url
from calibrate.study import Study
from calibrate.study.file.sections import BudgetSection, PriorSection, ValidationSection
from calibrate.study.file.targets import ObjectiveSection
from calibrate.study.rules.conditions import statistics_of
from calibrate.study.space import Range
from calibrate.tasks.display import Display
from calibrate.tasks.run import run_study

GRAPHS = 10
"""Graphs whose mean activity is the target."""

ATTEMPTS = 20
# Known parameters keep this distance from the ends of the ranges, so that equally good ones lie inside.
MARGIN = 0.2
# Far from the indices of candidates, so that none shares its initial states.
INDEX = 2**31


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """A free parameter: of the known network, and as it was found.

    off        distance of the two, as a share of the range; None: a choice
    low, high  from where to where it can move until the loss has grown by 1; None: too few trials to say
    """

    name: str
    truth: Any
    found: Any
    off: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class SelfTest:
    """Result of a study whose targets are the activity of a known network.

    Attributes
    ----------
    name : str
        Name of the study in the database.
    storage : str
        URL of the database, without password.
    truth : dict of str to object
        Free parameters of the known network.
    best : TrialSummary
        The best trial; its targets are the statistics of the known network.
    trials : int
        Number of trials.
    parameters : sequence of Recovered
        Each free parameter, recovered or not: other values may do as well, see `looseness`.
    looseness : Looseness or None
        How well the targets fix the parameters; None if there are too few trials to say.
    met : bool
        Whether all targets are met: on graphs that the search never saw, if there are any.
    """

    name: str
    storage: str
    truth: Mapping[str, Any]
    best: TrialSummary
    trials: int
    parameters: Sequence[Recovered]
    looseness: Looseness | None
    met: bool


def selftest(
    study: Study,
    truth: Mapping[str, Any] | None = None,
    *,
    storage: str | None = None,
    slots: int | None = None,
    progress: bool | Display = True,
    say: Callable[[str], None] = lambda _: None,
    interrupted: Callable[[], bool] | None = None,
) -> SelfTest | None:
    """Take the activity of a known network inside the search space as the targets, and calibrate.

    Statistics, tolerances, sampler and number of trials are those of the study. The self-test is kept in the
    same database under another name, and resumes where it was stopped.

    Parameters
    ----------
    study : Study
        The study.
    truth : dict of str to object, optional
        Free parameters of the known network; others are drawn from the middle of their ranges, by the seed of
        the study.
    storage : str, optional
        URL of the database; by default OPTUNA_STORAGE, else what the study says.
    slots : int, optional
        Number of processes; by default what cores and memory allow.
    progress : bool or Display
        Whether to show progress; or what shows it.
    say : callable
        Receives a line with the parameters of the known network.
    interrupted : callable, optional
        Returns whether to stop, and is called between batches; by default Ctrl-C stops after the batch.

    Returns
    -------
    SelfTest or None
        What was found; None if it was interrupted.

    Raises
    ------
    StudyError
        If no parameter is free, if `truth` lies outside the ranges, or if no network with all statistics is
        found.
    StoreError
        If the database cannot be used.
    SimulatorError
        If no completed trial keeps all constraints, or no simulation works.

    Examples
    --------
    >>> from calibrate import read_study, selftest
    >>> study = read_study("study.toml", changes={"budget.trials": 8})
    >>> found = selftest(study, {"I_th_E": 1.0}, progress=False)
    >>> found.truth["I_th_E"], found.trials
    (1.0, 8)
    """
    study = _without_held_out(study.on(simulators.choose(study.simulation.backend, study.network)))
    if not study.space:
        raise StudyError(f"{study.path}: no parameter is free")
    planted, estimates = _find_network(study, dict(truth or {}), slots)
    say(f"Known network: {', '.join(f'{name} = {value:.6g}' for name, value in planted.items())}")
    aimed = _retarget(study, estimates)
    url = storage_url(study, storage)  # where its name says, not that of the self-test
    result = run_study(aimed, storage=url, slots=slots, progress=progress, interrupted=interrupted)
    if result.stopped == "interrupted":
        return None
    if result.best is None:
        raise SimulatorError("no completed trial satisfies all constraints")
    results = read_results(aimed, storage=url)
    best = results.best
    assert best is not None  # as in the result
    return SelfTest(
        name=result.name,
        storage=result.storage,
        truth=planted,
        best=best,
        trials=result.complete + result.failed,
        parameters=[_compare(study, name, planted[name], best, results.looseness) for name in study.space],
        looseness=results.looseness,
        met=all(_is_met(target) for target in best.targets),
    )


def as_json(test: SelfTest) -> dict[str, Any]:
    """A self-test as `calibrate selftest --json` prints it."""
    return {
        "name": test.name,
        "storage": test.storage,
        "met": test.met,
        "trials": test.trials,
        "truth": dict(test.truth),
        "parameters": [asdict(parameter) for parameter in test.parameters],
        "statistics": [
            {
                "name": target.name,
                "truth": target.target,
                "tolerance": target.tolerance,
                "reached": target.reached,
                "fresh": asdict(target.fresh) if target.fresh else None,
                "met": _is_met(target),
            }
            for target in test.best.targets
        ],
        "looseness": asdict(test.looseness) if test.looseness else None,
    }


def _is_met(target: TargetResult) -> bool:
    return target.met if target.fresh_met is None else target.fresh_met


def _find_network(
    study: Study, truth: Mapping[str, Any], slots: int | None
) -> tuple[dict[str, Any], Mapping[str, Estimate]]:
    """Find a network whose statistics are all defined: its free parameters, and estimates over its graphs."""
    for name, value in truth.items():
        if name not in study.space:
            raise StudyError(f"{name} is not free in {study.path}")
        if not study.space[name].contains(value):
            raise StudyError(f"{name} = {value} is outside its range in {study.path}")
    random = np.random.default_rng(key("selftest", study.seed))
    with pool_for(study.locally, slots=slots) as pool:
        for _ in range(ATTEMPTS):
            quantiles = random.uniform(MARGIN, 1 - MARGIN, size=len(study.space))
            drawn = {
                name: domain.at(u) for (name, domain), u in zip(study.space.items(), quantiles, strict=True)
            }
            planted = {**drawn, **truth}
            candidate = Candidate("truth", Proposal(index=INDEX, parameters=planted, asked=datetime.now(UTC)))
            last = len(study.stages)
            try:
                jobs = candidate.jobs(study, last, study.graphs.validation(GRAPHS))
            except (ModelError, StudyError):
                continue
            outcomes = pool.run(jobs)
            simulations = [candidate.simulation(study, outcome, last) for outcome in outcomes]
            # As in the search.
            seen = [replace(simulation, realisation=0) for simulation in merged(study, simulations)]
            if _is_usable(study, seen):
                return planted, search_estimates(study, seen)
    raise StudyError(
        f"none of {ATTEMPTS} networks drawn from the ranges of {study.path} yields all statistics of "
        "its objectives and satisfies its constraints: narrow the ranges, or choose a network with --set"
    )


def _is_usable(study: Study, simulations: Sequence[Simulation]) -> bool:
    if any(simulation.failed for simulation in simulations):
        return False
    if any(worst_violations(study, simulations).values()):
        return False
    estimates = [
        simulation.estimates[objective.name] for simulation in simulations for objective in study.objectives
    ]
    return all(estimate.defined and not estimate.lower_bound for estimate in estimates)


def _without_held_out(study: Study) -> Study:
    """`study` without the conditions that are held out: what a search recovers does not depend on them."""
    if not study.held_out:
        return study
    changes = {
        "conditions": [section for section in study.file.conditions if not section.held_out],
        "objectives": list(study.sections),
        "stimuli": [
            section
            for section in study.file.stimuli
            if section.condition not in [condition.name for condition in study.held_out]
        ],
    }
    return replace(
        study,
        file=study.file.model_copy(update=changes),
        conditions=study.searched,
        predicted=(),
        statistics=statistics_of(study.searched, study.judged),
    )


def _retarget(study: Study, estimates: Mapping[str, Estimate]) -> Study:
    """Replace the targets of `study` by the values of the known network, and its name by a new one."""
    objectives = tuple(
        replace(objective, target=make_target(objective, float(estimates[objective.name].value)))
        for objective in study.objectives
    )
    sections = [
        _replace_target(section, objective)
        for section, objective in zip(study.sections, objectives, strict=True)
    ]
    budget = study.budget
    if budget.trials is not None:  # run them all: more trials determine the looseness better
        budget = BudgetSection(trials=budget.trials, wall_s=budget.wall_s)
    changes = {
        "objectives": sections,
        "budget": budget,
        "prior": PriorSection(),
        "validation": ValidationSection(),
    }
    aimed = replace(study, file=study.file.model_copy(update=changes), objectives=objectives)
    return replace(aimed, name=f"{study.name}-selftest-{aimed.digest[:8]}")


def make_target(objective: Objective, value: float) -> Value:
    value = _round(value)
    tolerance = objective.target.tolerance
    if objective.statistic.scale == "log":  # ratios are compared, so tolerances are ratios too
        # In this order: the last digit is part of the study's identity, so that a self-test resumes.
        tolerance *= value / float(np.max(objective.target.aim))
    return Value(value, _round(tolerance), source="a known network")


def _round(value: float) -> float:
    """Round to four digits, as targets are written."""
    return float(f"{value:.4g}")


def _replace_target(section: ObjectiveSection, objective: Objective) -> ObjectiveSection:
    changes = {"target": objective.target.aim, "tolerance": objective.target.tolerance, "interval": None}
    return section.model_copy(update=changes)


def _compare(
    study: Study, name: str, truth: Any, best: TrialSummary, looseness: Looseness | None
) -> Recovered:
    domain, found = study.space[name], best.params[name]
    if not isinstance(domain, Range):
        return Recovered(name=name, truth=truth, found=found, off=None)
    low, high = looseness.parameters.get(name, (None, None)) if looseness else (None, None)
    off = abs(domain.quantile(found) - domain.quantile(truth))
    return Recovered(name=name, truth=truth, found=found, off=off, low=low, high=high)
