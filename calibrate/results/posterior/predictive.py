"""Posterior predictive checks: do simulations of the samples show what was predicted?"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from calibrate import simulators
from calibrate.calibration.emulator.process import NINETY
from calibrate.calibration.search.optuna_trials import Proposal
from calibrate.calibration.study_pool import pool_for
from calibrate.calibration.trials.candidate import Candidate
from calibrate.calibration.trials.merged import merged
from calibrate.errors import SimulatorError, StudyError
from calibrate.objective import Estimate
from calibrate.results.posterior.posterior import Posterior
from calibrate.results.results import Results
from calibrate.study import Study

# If predictions hold, so few values lie in their intervals once in this many statistics.
_RARELY = 0.01


@dataclass(frozen=True, kw_only=True)
class CheckedStatistic:
    """A statistic of the networks that were simulated for a check.

    Attributes
    ----------
    name : str
        Name of the objective.
    simulated : tuple of float
        Its value in each network; NaN where it is undefined.
    inside : int
        Number of networks where it lies in the interval of 90 % that was predicted, or is undefined where
        that was to be expected.
    met : int
        Number of networks that meet the target.
    agrees : bool
        Whether so many lie inside as can be expected.
    """

    name: str
    simulated: tuple[float, ...]
    inside: int
    met: int
    agrees: bool


@dataclass(frozen=True, kw_only=True)
class PredictiveCheck:
    """What simulations of some of the samples of a posterior showed. Each is on a graph of its own.

    Attributes
    ----------
    networks : int
        Number of networks that were simulated.
    failed : int
        Number of further ones whose simulation failed.
    statistics : tuple of CheckedStatistic
        The objectives.
    met : tuple of int
        Number of targets that each network meets.
    """

    networks: int
    failed: int
    statistics: tuple[CheckedStatistic, ...]
    met: tuple[int, ...]

    @property
    def agrees(self) -> bool:
        """Whether all statistics are as predicted."""
        return all(one.agrees for one in self.statistics)


def check_posterior(results: Results, found: Posterior, *, networks: int, seed: int = 0) -> PredictiveCheck:
    """Simulate some of the samples of a posterior, and compare them with what was predicted. Stores nothing.

    Parameters
    ----------
    results : Results
        The results of the study.
    found : Posterior
        The posterior.
    networks : int
        Number of networks to simulate, at least 1.
    seed : int
        Seed of the choice of the samples.

    Returns
    -------
    PredictiveCheck
        How many statistics are as predicted, and how many targets are met.

    Raises
    ------
    StudyError
        If `networks` is below 1.
    SimulatorError
        If the simulator is not installed, or all simulations fail.

    Examples
    --------
    `study.toml` is a finished study:

    >>> from calibrate import check_posterior, posterior, read_results
    >>> results = read_results("study.toml")
    >>> check = check_posterior(results, posterior(results, samples=200), networks=2)
    >>> [one.name for one in check.statistics]
    ['rate_E', 'rate_I']
    """
    if networks < 1:
        raise StudyError(f"a check simulates at least one network, not {networks}")
    rows = np.random.default_rng(seed).integers(len(found.samples), size=networks)
    columns = {str(name): found.samples[name].tolist() for name in found.samples}
    drawn = [{name: column[row] for name, column in columns.items()} for row in rows]
    shown = simulate_networks(results.study, drawn)
    kept = [k for k, one in enumerate(shown) if one is not None]
    if not kept:
        raise SimulatorError(f"all {networks} simulations of the check failed")
    estimates = [one for one in shown if one is not None]
    points = np.array([results.emulation.cube.point(drawn[k]) for k in kept])
    statistics = tuple(_checked(results, str(name), points, estimates) for name in found.predicted)
    objectives = results.study.objectives
    met = tuple(sum(one.met(of_network[one.name]) for one in objectives) for of_network in estimates)
    return PredictiveCheck(networks=len(kept), failed=networks - len(kept), statistics=statistics, met=met)


def _checked(
    results: Results, name: str, points: np.ndarray, estimates: Sequence[Mapping[str, Estimate]]
) -> CheckedStatistic:
    from scipy.stats import binom

    model = results.emulation.model(name)
    objective = next(one for one in results.study.objectives if one.name == name)
    between = results.emulation.between_graphs.get(name, 0.0)
    predicted = model.predict(points)
    spread = np.sqrt(predicted.sd**2 + predicted.error**2 + between**2)
    values = np.array([one[name].value if one[name].defined else np.nan for one in estimates], dtype=float)
    defined = np.isfinite(values)
    modelled = model.scale.forward(np.where(defined, values, model.scale.centre))
    close = np.abs(modelled - predicted.mean) <= NINETY * spread
    inside = int(np.where(defined, close, predicted.defined < 1 - 0.1 / 2).sum())
    return CheckedStatistic(
        name=name,
        simulated=tuple(values.tolist()),
        inside=inside,
        met=sum(objective.met(one[name]) for one in estimates),
        agrees=bool(binom.cdf(inside, len(estimates), 0.9) >= _RARELY),
    )


def simulate_networks(
    study: Study, parameters: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Estimate] | None]:
    """The statistics of networks with these free parameters, in the conditions of the search.

    None stands for one that failed. Each is simulated on a graph that the search did not use. Stores nothing.

    Raises SimulatorError if the simulator is not installed or has no memory for one network.
    """
    ready = study.on(simulators.choose(study.simulation.backend, study.network)).locally
    last, asked = len(ready.stages), datetime.now(UTC)
    candidates = {}
    jobs = []
    for k, graph in enumerate(ready.graphs.validation(len(parameters))):
        one = Candidate(str(uuid.uuid4()), Proposal(index=k, parameters=parameters[k], asked=asked))
        candidates[one.uuid] = one
        jobs += one.jobs(ready, last, [graph])
    with pool_for(ready, at_once=len(jobs), evaluated=True) as pool:
        outcomes = pool.run(jobs)
    for outcome in outcomes:
        one = candidates[outcome.uuid]
        one.simulations.append(one.simulation(ready, outcome, last))
    shown = [merged(ready, one.simulations) for one in candidates.values()]
    return [None if not records or records[0].failed else records[0].estimates for records in shown]
