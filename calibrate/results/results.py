"""The results of a study, read from its database for commands, notebooks and figures."""

from __future__ import annotations

import math
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from calibrate.calibration.search.optuna_trials import (
    INDEX,
    ORIGIN,
    UUID,
    best_of,
    front_of,
    is_feasible,
    loss_of,
)
from calibrate.calibration.single_simulation import Simulated, simulate
from calibrate.calibration.trials.simulation import Simulation
from calibrate.calibration.trials.summary import TrialSummary, of_search, summarize
from calibrate.errors import StoreError, StudyError
from calibrate.observation import Observation
from calibrate.results.emulation import Emulation
from calibrate.results.importance import Importance, importance_of
from calibrate.results.looseness import Looseness, looseness
from calibrate.results.proposals import Proposals, proposals_of
from calibrate.results.spent import Spent
from calibrate.simulators.backends import described
from calibrate.store import Reader, find, find_stored, storage_url
from calibrate.study import Study
from calibrate.study.conditions import find_condition

if TYPE_CHECKING:
    import pandas as pd


class Results:
    """All that a study has found, as of the time of reading.

    Parameters
    ----------
    study : Study
        The study, with the name and simulator that it has in its database.
    url : str
        URL of the database.

    Attributes
    ----------
    study : Study
        The study, with the name and simulator that it has in its database.
    storage : str
        URL of the database, without password.
    verdicts : list of Verdict
        The latest verdict of each validated trial, and its latest verdict of exact mode, by trial.
    hardenings : list of Hardening
        The latest hardening of each trial for each platform, by trial.

    See Also
    --------
    read_results : Find the database of a study and read it.

    Examples
    --------
    `study.toml` is a finished study:

    >>> from calibrate import read_results, read_study
    >>> results = read_results(read_study("study.toml"))
    >>> results.counts
    {'complete': 40, 'failed': 0, 'infeasible': 0, 'taken_over': 0}
    >>> results.best.number == results.trials["loss"].idxmin()
    True
    >>> sorted(results.importances)
    ['I_th_E', 'I_th_I']
    """

    def __init__(self, study: Study, url: str) -> None:
        self.study = study
        self._reader = Reader(study, url)
        with self._reader as reader:
            self._trials = reader.trials()
            self._simulations = reader.simulations()
            self.verdicts = reader.verdicts()
            self.hardenings = reader.hardenings()
        self.storage = self._reader.shown_url

    def __repr__(self) -> str:
        counts = {state: n for state, n in self.counts.items() if n or state == "complete"}
        numbers = ", ".join(f"{n} {state.replace('_', ' ')}" for state, n in counts.items())
        return f"study {self.study.name}: trials: {numbers}\n{self.best or 'no trial is the best yet'}"

    @cached_property
    def best(self) -> TrialSummary | None:
        """The trial of lowest loss that breaks no constraint; of a Pareto study, of lowest weighted loss."""
        return None if (trial := best_of(self._trials)) is None else self._describe(trial)

    @cached_property
    def front(self) -> list[TrialSummary]:
        """Of a Pareto study, the trials that no other one beats in every objective."""
        return [self._describe(trial) for trial in front_of(self._trials)] if self.study.pareto else []

    @property
    def counts(self) -> dict[str, int]:
        """Numbers of trials by state.

        "complete" and "failed" add up to all trials; "infeasible" ones are complete and break a constraint;
        those "taken_over" come from another study.
        """
        complete = sum(trial.state == TrialState.COMPLETE for trial in self._trials)
        return {
            "complete": complete,
            "failed": len(self._trials) - complete,
            "infeasible": complete - sum(is_feasible(trial) for trial in self._trials),
            "taken_over": sum(ORIGIN in trial.user_attrs for trial in self._trials),
        }

    @property
    def failures(self) -> dict[str, int]:
        """Reasons of failures, and how often each was given."""
        reasons = [str(t.user_attrs["reason"]) for t in self._trials if "reason" in t.user_attrs]
        return {reason: reasons.count(reason) for reason in dict.fromkeys(reasons)}

    @property
    def spent(self) -> Spent:
        """When the study ran, and what its simulations took."""
        return Spent.of([simulation for simulation in self._simulations if simulation.origin is None])

    @cached_property
    def looseness(self) -> Looseness | None:
        """How well the targets fix the parameters; None if there are too few trials to say."""
        fit = [trial for trial in self._trials if is_feasible(trial)]
        targets_of_trials = [self._describe(trial).targets for trial in fit]
        deviations = [
            [
                math.nan if t.reached is None else o.target.deviation(t.reached, o.statistic.scale)
                for o, t in zip(self.study.objectives, targets, strict=True)
            ]
            for targets in targets_of_trials
        ]
        shape = (len(fit), len(self.study.objectives))
        losses = np.array([loss_of(trial) for trial in fit])
        return looseness(
            self.study, [trial.params for trial in fit], np.array(deviations).reshape(shape), losses
        )

    @cached_property
    def importance(self) -> Importance | None:
        """Which parameters the loss and the statistics depend on, by the emulator; None if nothing tells."""
        return importance_of(self)

    @property
    def importances(self) -> dict[str, float]:
        """Share of the variance of ln(loss) that each parameter explains, alone or with others; falling.

        Empty with fewer than 10 complete trials or two per parameter, or if nothing varies.
        """
        return dict(self.importance.loss) if self.importance else {}

    @property
    def importance_by_chance(self) -> float:
        """Share that is reached in 5 % of studies whose statistics depend on no parameter; nan if unknown."""
        return self.importance.chance if self.importance else math.nan

    @property
    def losses(self) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Of a Pareto study: losses of feasible trials, shape (trials, objectives); which are its front."""
        fit = [trial for trial in self._trials if is_feasible(trial)]
        front = {trial.number for trial in front_of(fit)}
        values, is_front = [trial.values for trial in fit], [trial.number in front for trial in fit]
        return np.array(values, dtype=float), np.array(is_front, dtype=bool)

    @property
    def simulators(self) -> list[str]:
        """Simulators that it ran in, as they describe themselves."""
        return list(dict.fromkeys(described(s.backend) for s in self._simulations if not s.failed))

    @cached_property
    def proposals(self) -> Proposals:
        """How the parameter sets of its trials were proposed."""
        return proposals_of(self.study, self._trials)

    @cached_property
    def trials(self) -> pd.DataFrame:
        """A row per trial, by number: state, loss, whether feasible, graphs, parameters, statistics.

        Free parameters are columns under their names, and so are statistics (means over graphs, NaN if
        undefined); if a statistic has the name of a parameter, its column ends in "_reached". The last
        column, "lower_bounds", names the statistics of which the value is a lower bound, separated by spaces.
        """
        from calibrate.results.frames import frame_of_trials

        described = {
            trial.number: self._describe(trial)
            for trial in self._trials
            if trial.state == TrialState.COMPLETE and str(trial.user_attrs[UUID]) in self._by_uuid
        }
        return frame_of_trials(self._trials, described, self.study.space)

    @cached_property
    def simulations(self) -> pd.DataFrame:
        """A row per simulation, as they ended: trial, stage, graph, seed, times, simulator, statistics."""
        from calibrate.results.frames import frame_of_simulations  # pandas takes half a second

        return frame_of_simulations(self._trials, self._simulations)

    @cached_property
    def statistics(self) -> pd.DataFrame:
        """A row per simulation and statistic: trial, stage, graph, statistic, value, error, support, note."""
        from calibrate.results.frames import frame_of_statistics

        return frame_of_statistics(self._trials, self._simulations)

    def trial(self, number: int) -> TrialSummary:
        """Return a complete trial.

        Parameters
        ----------
        number : int
            Number of the trial.

        Returns
        -------
        TrialSummary
            Its parameters, targets and statistics.

        Raises
        ------
        StudyError
            If there is no such trial, or it failed.
        """
        trial = self._find_trial(number)
        if trial.state != TrialState.COMPLETE:
            raise StudyError(f"trial {number} failed: {trial.user_attrs.get('reason', 'unknown reason')}")
        return self._describe(trial)

    def candidate(self, number: int) -> tuple[dict[str, Any], int]:
        """Return the free parameters of a trial, and the index that keys its initial state and random input.

        Parameters
        ----------
        number : int
            Number of the trial.

        Returns
        -------
        parameters : dict of str to object
            The free parameters.
        index : int
            The index.

        Raises
        ------
        StudyError
            If there is no such trial, or it was simulated with the seed of another study.
        """
        trial = self._find_trial(number)
        origin = trial.user_attrs.get(ORIGIN)
        if origin is not None:
            raise StudyError(f"trial {number} was adopted from study '{origin}'; simulate it there")
        return dict(trial.params), int(trial.user_attrs[INDEX])

    @cached_property
    def emulation(self) -> Emulation:
        """Models of the statistics, from the complete trials: see `predict`."""
        return Emulation(self.study, self._trials, self._by_uuid)

    def simulate(
        self, number: int, *, graph: int = 0, spikes: bool = True, condition: str | None = None
    ) -> Simulated:
        """Simulate a trial once more; on the same simulator and machine it gives the same spikes.

        Parameters
        ----------
        number : int
            Number of the trial.
        graph : int
            Number of the realisation of its connectivity; the first ones are those of the search.
        spikes : bool
            Whether to keep every spike, for rasters.
        condition : str, optional
            Name of the condition; by default the first one of the study.

        Returns
        -------
        Simulated
            The network, what it showed and its statistics.

        Raises
        ------
        StudyError
            If there is no such trial or condition, or it was simulated with the seed of another study.
        SimulatorError
            If the simulation fails.
        """
        parameters, index = self.candidate(number)
        return simulate(self.study, parameters, spikes=spikes, graph=graph, index=index, condition=condition)

    def observation(self, number: int, *, graph: int = 0, condition: str | None = None) -> Observation:
        """Return what a trial showed on one graph in the full simulation.

        Parameters
        ----------
        number : int
            Number of the trial.
        graph : int
            Number of the graph.
        condition : str, optional
            Name of the condition; by default the first one of the study.

        Returns
        -------
        Observation
            The observation.

        Raises
        ------
        StudyError
            If there is no such trial or condition.
        StoreError
            If it was not simulated on this graph, or its observation was not kept.
        """
        simulations = of_search(self.study, self._simulations_of(self._find_trial(number)))
        where = find_condition(self.study, condition).name
        completed = [one for one in simulations if not one.failed and one.condition == where]
        on_graph = [s for s in completed if s.realisation == graph]
        if not on_graph:
            graphs = ", ".join(map(str, sorted({s.realisation for s in completed}))) or "none"
            raise StoreError(f"trial {number} was not simulated on graph {graph}, but on: {graphs}")
        with self._reader as reader:
            last = max(on_graph, key=lambda simulation: simulation.stage)
            return reader.observation(
                last.uuid, stage=last.stage, realisation=last.realisation, condition=where
            )

    @cached_property
    def _by_uuid(self) -> dict[str, list[Simulation]]:
        """Simulations by candidate."""
        by_uuid: dict[str, list[Simulation]] = {}
        for simulation in self._simulations:
            by_uuid.setdefault(simulation.uuid, []).append(simulation)
        return by_uuid

    def _find_trial(self, number: int) -> FrozenTrial:
        for trial in self._trials:
            if trial.number == number:
                return trial
        existing = f"it has 0 to {len(self._trials) - 1}" if self._trials else "it has none yet"
        raise StudyError(f"study '{self.study.name}' has no trial {number}; {existing}")

    def _describe(self, trial: FrozenTrial) -> TrialSummary:
        return summarize(self.study, trial, self._simulations_of(trial))

    def _simulations_of(self, trial: FrozenTrial) -> list[Simulation]:
        return self._by_uuid.get(str(trial.user_attrs[UUID]), [])


def read_results(study: Study | Path | str, *, storage: str | None = None) -> Results:
    """Read what a study has found so far.

    Its database is not changed, and a run may be writing to it.

    Parameters
    ----------
    study : Study, Path or str
        The study, or its file. With the file, its recording and other data files may be missing, since the
        database holds what was taken from them.
    storage : str, optional
        URL of the database; by default OPTUNA_STORAGE, else what the study says.

    Returns
    -------
    Results
        The results.

    Raises
    ------
    StoreError
        If the study has not begun, or was changed after it began.
    StudyError
        If the file breaks a rule.

    Examples
    --------
    `study.toml` is a finished study:

    >>> from calibrate import read_results
    >>> results = read_results("study.toml")
    >>> results.trials[["loss", "rate_E"]].shape
    (40, 2)
    """
    if not isinstance(study, Study):
        return Results(*find_stored(Path(study), storage=storage))
    url = storage_url(study, storage)
    return Results(find(study, url), url)
